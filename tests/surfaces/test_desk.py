"""The desk of a stream: recordings that may be removed, ghosts of what was dropped."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamer.control.morphing import SceneChanger
from streamer.control.scenes import SceneShelf
from streamer.generators.choosing import Candidates, Chooser
from streamer.generators.stats import GenerationStats
from streamer.live.tap import GHOSTS_A_PHRASE, Tap
from streamer.music.notes import Note, Phrase
from streamer.service.desk import StreamDesk
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import RecordSettings
from streamer.surfaces.desk import Refusal, change


def desk_of(record: RecordSettings | None = None, tap: Tap | None = None) -> StreamDesk:
    """A desk of no stream: its recordings and its tap alone are asked for."""
    desk = object.__new__(StreamDesk)
    desk._record, desk._tap = record or RecordSettings(), tap or Tap()
    desk.controls, desk._configured = LiveControls(), Controls
    desk._keeping = SimpleNamespace(files=list)  # type: ignore[assignment]
    return desk


def phrase(pitch: int, start_ms: float = 0.0) -> Phrase:
    notes = (Note(pitch, start_ms + 10.0, 100.0, 64, pedal=True),)
    return Phrase(notes, np.zeros((1, 5), np.float32), start_ms, start_ms + 200.0)


def test_a_recording_that_has_ended_is_removed_and_the_one_that_grows_is_not(tmp_path: Path):
    for age, name in enumerate(("perpetuo-3.mid", "perpetuo-2.mid", "perpetuo-1.mid")):
        (tmp_path / name).write_bytes(b"MThd")
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    outside = tmp_path / "secret"
    outside.write_text("x")
    (tmp_path / "link.mid").symlink_to(outside)
    desk = desk_of(RecordSettings(folder=tmp_path))
    desk.delete_recording("perpetuo-1.mid")
    assert ["perpetuo-3.mid", "perpetuo-2.mid"] == [one["name"] for one in desk.recordings()]
    for name, says in (
        ("perpetuo-3.mid", "is being written"),
        ("link.mid", "no recording is called"),
        ("../perpetuo-2.mid", "no recording is called"),
    ):
        with pytest.raises(Refusal, match=says):
            desk.delete_recording(name)
    assert outside.exists()


def test_a_scene_that_is_there_is_told_apart_from_one_that_cannot_be_saved(tmp_path: Path):
    desk = desk_of()
    desk._scenes = SceneShelf(tmp_path / "scenes")
    desk.snapshot = lambda: {"model": {"model": "piano"}, "controls": {}}  # type: ignore[method-assign]
    assert str(tmp_path / "scenes" / "mine.toml") == desk.save_scene("mine")
    for status, name, description in (
        (409, "mine", ""),
        (409, "night", ""),
        (422, "already", "it ships already\n"),
        (422, "Ships already", ""),
    ):
        with pytest.raises(Refusal) as caught:
            desk.save_scene(name, description=description)
        assert status == caught.value.status
    (tmp_path / "already").write_text("a file where a folder is wanted")
    desk._scenes = SceneShelf(tmp_path / "already" / "scenes")
    with pytest.raises(Refusal) as caught:
        desk.save_scene("other")
    assert 507 == caught.value.status


def test_what_was_dropped_is_shown_where_the_phrase_lies_that_was_written_for_it():
    stats = GenerationStats()
    chooser = Chooser(
        stats, (lambda p, _: "low" if p.notes[0].pitch < 60 else None,),
        redraws=0, ranking="mean", corpus=None,
    )  # fmt: skip
    drawn = Candidates([phrase(50), phrase(70), phrase(40)], (None,) * 3, [None] * 3)  # type: ignore[arg-type]
    chooser.choose(lambda _: drawn)
    assert stats.ghosts is None  # nobody looks, and nothing is kept
    stats.ghosts = deque(maxlen=GHOSTS_A_PHRASE)
    chooser.choose(lambda _: drawn)
    tap = Tap()
    tap.dropped(phrase(70, 5000.0), stats.ghosts)
    _, ghosts = desk_of(tap=tap).ghosts_since(0)
    assert [("low", 50, 5010.0, True), ("low", 40, 5010.0, True)] == [
        (g.reason, g.notes[0].pitch, g.notes[0].onset_ms, g.notes[0].pedal) for g in ghosts
    ]


def test_what_plays_says_what_it_cannot_do_before_anything_moves(tmp_path: Path):
    (tmp_path / "together.toml").write_text('[controls]\nduet = "accompany"\ndensity = 0.5\n')
    desk = desk_of()
    desk._objection = lambda changes: "nobody" if changes.get("duet") == "accompany" else ""
    desk._scenes = SceneShelf(tmp_path)
    desk._changer = SceneChanger(desk.controls, Controls)
    for wanted in (
        lambda: change(desk, {"density": 0.5, "duet": "accompany"}),
        lambda: desk.choose_scene("together"),
    ):
        with pytest.raises(Refusal, match="nobody") as caught:
            wanted()
        assert 409 == caught.value.status
    assert Controls() == desk.controls.snapshot()
    assert {"duet": "trade"} == change(desk, {"duet": "trade"})
    with pytest.raises(Refusal, match="duet must be one of") as caught:
        change(desk, {"duet": "both"})
    assert 422 == caught.value.status

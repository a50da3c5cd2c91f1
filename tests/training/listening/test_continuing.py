"""Prompts of both forms are continued, and the answers ranked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.midi.midifile import read_midi
from streamer.music.notes import NOTE_DTYPE, Note
from streamer.settings.settings import Settings
from tests.bundles import write_tiny_bundle
from tests.training.listening.listeners import write_folder
from training.listening.continuing import (
    Continuing,
    as_generation,
    continue_prompts,
    read_prompt,
)
from training.listening.material import Excerpt
from training.listening.sound import write_midi

PROMPT = {"prompt": [{"start": 16 + 2 * i, "pitch": 60 + i % 5, "duration": 2} for i in range(30)]}


def test_answers_to_prompts_are_ranked_and_in_the_form_of_the_prompt(tmp_path: Path, capsys):
    write_tiny_bundle(tmp_path)
    write_folder(tmp_path / "prompts", 1, 1)
    (tmp_path / "hymn.json").write_text(json.dumps(PROMPT))
    line = ["continue", str(tmp_path / "prompts/00.mid"), str(tmp_path / "hymn.json")]
    line += ["-o", str(tmp_path / "out"), "--model", str(tmp_path / "tiny"), "--answers", "3"]
    assert 0 == main([*line, "--seconds", "4"])
    assert "hymn.json: best of 3 is seed" in capsys.readouterr().out
    told = json.loads((tmp_path / "out/hymn/ranking.json").read_text())["answers"]
    assert ["01", "02", "03"] == [row["answer"] for row in told]
    assert {0, 1, 2} == {row["seed"] for row in told}
    likeness = [row["likeness"] for row in told]
    assert likeness == sorted(likeness, reverse=True)
    rows = json.loads((tmp_path / "out/hymn/01.json").read_text())["generation"]
    assert rows
    assert all(80 <= row["start"] < 272 and row["start"] + row["duration"] <= 272 for row in rows)
    assert told[0]["notes"] == len(read_midi(tmp_path / "out/hymn/01.mid"))
    assert not (tmp_path / "out/00/01.json").exists()
    assert len(read_midi(tmp_path / "out/00/01.mid")) > 0


def test_an_answer_lies_where_it_was_drawn_and_nothing_of_it_in_the_prompt(tmp_path, monkeypatch):
    """A prompt whose last note is at step 74, and a stream with a note each sixteenth from there.

    The stream's time 0 is the last onset that it goes on from.
    """
    asked = []

    def stream(_: None, out: Path, seconds: float, *, seed: int, settings: Settings) -> None:
        asked.append(seconds)
        steps = np.arange(1, int(seconds / 0.125) + 1)
        notes = [Note(seed, 125.0 * step, 100.0, 64) for step in steps]
        write_midi(Excerpt("", tuple(notes), ()), out)

    monkeypatch.setattr("streamer.offline.render.render", stream)
    (tmp_path / "hymn.json").write_text(json.dumps(PROMPT))
    write_folder(tmp_path / "prompts", 1, 1)
    prompts = [tmp_path / "hymn.json", tmp_path / "prompts/00.mid"]
    how = Continuing(model="any", answers=1, seconds=4.0, seed=60)
    continue_prompts(prompts, tmp_path / "out", how, lambda _: np.ones((1, 3)))
    rows = json.loads((tmp_path / "out/hymn/01.json").read_text())["generation"]
    assert list(range(80, 272)) == [row["start"] for row in rows]
    assert [24.75, 4.0] == asked
    assert [0.0, 125.0] == read_midi(tmp_path / "out/hymn/01.mid")["onset_ms"][:2].tolist()
    assert 125.0 == read_midi(tmp_path / "out/00/01.mid")["onset_ms"][0]


def test_what_goes_on_after_the_last_bar_is_cut_there():
    notes = np.zeros(3, NOTE_DTYPE)
    notes["onset_ms"], notes["duration_ms"] = [0.0, 191 * 125.0, 192 * 125.0], 10_000.0
    notes["pitch"] = 60
    rows = as_generation(notes)["generation"]
    assert [(80, 80), (271, 1)] == [(row["start"], row["duration"]) for row in rows]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no prompt in MIREX's form"),
        ('{"prompt": 3}', "no prompt in MIREX's form"),
        ('{"prompt": []}', "0 notes; 2 are the least of a prompt"),
        ('{"prompt": [{"start": 80, "pitch": 60, "duration": 1}]}', "start in 0..79"),
        ('{"prompt": [{"start": 8.5, "pitch": 60, "duration": 1}]}', "whole numbers"),
    ],
)
def test_a_prompt_that_cannot_be_is_one_line(tmp_path: Path, capsys, text, said):
    (tmp_path / "p.json").write_text(text)
    assert 1 == main(["continue", str(tmp_path / "p.json"), "-o", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert said in err
    assert 1 == err.count("\n")
    assert not (tmp_path / "out").exists()


def test_a_prompt_in_json_is_read_in_sixteenths(tmp_path: Path):
    (tmp_path / "p.json").write_text(json.dumps(PROMPT))
    notes = read_prompt(tmp_path / "p.json")
    assert [2000.0, 2250.0] == notes["onset_ms"][:2].tolist()
    assert {250.0} == set(notes["duration_ms"].tolist())

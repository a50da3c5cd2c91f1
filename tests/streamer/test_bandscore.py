"""Passages of a band become a four-channel file on its own grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from streamer.errors import RecordingError
from streamer.families.bands.bandfile import read_band
from streamer.families.bands.codec import HOLD, SILENCE, BandCodec
from streamer.families.bands.editing.score import Passage, Score, play_passages, write_score
from streamer.families.bands.player import PlainBand, PlayedBand

CODEC = BandCodec(4, 32)
CHANNELS = (9, 0, 1, 2)


def passage(bpm: float = 120.0, programs: tuple[int, ...] = (0, 33, 25, 48), **at: Any) -> Passage:
    """Return two bars of notes ``track=[(step, pitch, length)]``."""
    states = np.full((32, 4), SILENCE, np.uint8)
    for place, track in enumerate(("drums", "bass", "harmony", "strings")):
        for step, pitch, length in at.get(track, [(0, 36 + 12 * place, 4)]):
            states[step, place] = pitch
            states[step + 1 : step + length, place] = HOLD
    return Passage(states, np.zeros((32, 4), np.float32), bpm, programs, {})


def played(*passages: Passage, player: Any = None) -> Score:
    return play_passages(passages, CODEC, 64, player or PlainBand(CHANNELS), CHANNELS)


def test_the_file_says_metre_tempo_tracks_and_programmes_and_is_read_back(tmp_path: Path) -> None:
    one = passage(bpm=120)
    other = passage(bpm=90, programs=(0, 33, 25, 50), strings=[(0, 70, 32)])
    write_score(tmp_path / "o.mid", played(one, other), "two passages")
    file = mido.MidiFile(tmp_path / "o.mid")
    assert [track.name for track in file.tracks] == [
        "two passages", "drums", "bass", "harmony", "strings",
    ]  # fmt: skip
    assert [round(mido.tempo2bpm(m.tempo)) for m in file.tracks[0] if m.type == "set_tempo"] == [
        120, 90,
    ]  # fmt: skip
    changes = [(m.channel, m.program) for m in file.tracks[4] if m.type == "program_change"]
    assert changes == [(2, 48), (2, 50)]
    assert {m.channel for m in file.tracks[1] if m.type == "note_on"} == {9}
    assert file.length == pytest.approx(4.0 + 16 / 3, abs=0.01)
    band = read_band(tmp_path / "o.mid")
    assert np.array_equal(band.states[:32], one.states)
    assert np.array_equal(band.states[32:, 1:], other.states[:, 1:])


def test_what_sounds_over_the_line_between_passages_is_one_note() -> None:
    score = played(
        passage(strings=[(16, 70, 16)]), passage(strings=[(0, 70, 8)], bass=[(4, 40, 4)])
    )
    (long,) = [note for note in score.notes if note.channel == 2]
    assert long.onset_ms == 2000.0
    assert long.duration_ms == pytest.approx(3000.0, abs=30)
    assert score.seconds == 8.0


def test_a_played_file_is_not_all_of_one_velocity_and_ends_every_note(tmp_path: Path) -> None:
    band = PlayedBand(CHANNELS, np.random.default_rng(0))
    some = [(step, 36 + step % 3, 1) for step in range(0, 32, 2)]
    write_score(tmp_path / "o.mid", played(passage(drums=some), player=band), "x")
    messages = [m for track in mido.MidiFile(tmp_path / "o.mid").tracks for m in track]
    ons = [m for m in messages if m.type == "note_on"]
    assert len({m.velocity for m in ons if m.channel == 9}) > 4
    assert len(ons) == sum(m.type == "note_off" for m in messages)


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("old")
    with pytest.raises(RecordingError, match=r"o\.mid: cannot be written"):
        write_score(tmp_path / "here" / "o.mid", played(passage()), "x")
    assert (tmp_path / "here").read_text() == "old"


def test_the_same_score_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        band = PlayedBand(CHANNELS, np.random.default_rng(3))
        write_score(tmp_path / name, played(passage(), player=band), "x")
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()

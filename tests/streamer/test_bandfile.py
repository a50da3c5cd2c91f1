"""A MIDI file read as a band: its states, its programmes, and what is said of one that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.errors import MidiFileError
from streamer.families.bands.bandfile import band_of, read_band
from streamer.families.bands.codec import BAR_STEPS, SILENCE
from streamer.midi.beatfile import read_beats
from tests.bandsongs import song_file


def test_a_song_is_read_with_its_programmes_and_tempo(tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 1, bars=5)
    band = read_band(tmp_path / "a.mid")
    assert band.bars == 5
    assert band.states.shape == (5 * BAR_STEPS, 4)
    assert band.programs == (0, 33, 25, 48)
    assert band.bpm == 120.0
    assert band.first_bar == 0
    assert (band.states != SILENCE).any(axis=0).all()


def test_every_combination_is_counted_and_as_many_taken_as_asked_for(tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 1, more=((5, 0), (6, 4)))
    piece = read_beats(tmp_path / "a.mid")
    assert (len(band_of(piece).takes), band_of(piece).combinations) == (1, 3)
    assert len(band_of(piece, 2).takes) == 2
    assert band_of(piece, 9).takes[1].programs[2] == 0


@pytest.mark.parametrize(
    ("options", "reason", "said"),
    [
        ({"without": ("drums",)}, "no-drums", "no track plays drums; put its drums on MIDI ch"),
        ({"without": ("bass",)}, "no-bass", "no track plays bass; give one of its tracks a prog"),
        ({"without": ("harmony",)}, "no-harmony", "no track plays harmony; give one"),
        ({"without": ("strings",)}, "no-strings", "no track plays strings; give one"),
        ({"metres": ((3, 4),)}, "metre", "it is in 3/4; 4/4 is wanted; choose a song in 4/4"),
        ({"metres": ((4, 4), (5, 4))}, "metre-changes", "2 time signatures; one is wanted"),
        ({"bars": 1}, "too-short", "1 bars; at least 2; choose a longer song"),
    ],
)
def test_a_song_that_is_no_band_says_what_is_missing_and_what_to_do(
    tmp_path: Path, options: dict[str, object], reason: str, said: str
) -> None:
    song_file(tmp_path / "a.mid", 1, **options)  # type: ignore[arg-type]
    with pytest.raises(MidiFileError, match=r"a\.mid: ") as caught:
        read_band(tmp_path / "a.mid")
    assert caught.value.reason == reason
    assert said in str(caught.value)


def test_of_a_file_that_breaks_off_what_came_before_is_read_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    song_file(tmp_path / "whole.mid", 1)
    data = (tmp_path / "whole.mid").read_bytes()
    (tmp_path / "cut.mid").write_bytes(data[:-60])
    whole, cut = read_band(tmp_path / "whole.mid"), read_band(tmp_path / "cut.mid")
    assert "cut.mid: the file ends 60 bytes early" in caplog.text
    assert 2 <= cut.bars <= whole.bars
    assert np.array_equal(cut.states[:32, :3], whole.states[:32, :3])
    (tmp_path / "cut.mid").write_bytes(data[:80])
    caplog.clear()
    with pytest.raises(MidiFileError, match="no track plays "):
        read_band(tmp_path / "cut.mid")
    assert "bytes early" in caplog.text

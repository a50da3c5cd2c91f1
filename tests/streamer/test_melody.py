"""Lines of MIDI files, and lines as tunes."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import MidiFileError
from streamer.families.tunes.melody import (
    as_tune,
    lower_median,
    octave_shift,
    read_melody,
    snap,
    top_line,
)
from streamer.midi.beatfile import BEAT_DTYPE

TICKS = 480


def track(*notes: tuple[float, float, int]) -> np.ndarray:
    """Notes of (onset, length, pitch), sorted as a reader sorts them."""
    rows = np.zeros(len(notes), dtype=BEAT_DTYPE)
    for row, (onset, length, pitch) in zip(rows, notes, strict=True):
        row["onset"], row["length"], row["pitch"], row["velocity"] = onset, length, pitch, 80
    return rows[np.lexsort((rows["pitch"], rows["onset"]))]


def write(path: Path, tracks: dict[str, list[tuple[float, float, int]]]) -> Path:
    """Write a file with one track a name."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    for name, notes in tracks.items():
        events = [(round(on * TICKS), 1, pitch) for on, _, pitch in notes]
        events += [(round((on + length) * TICKS), 0, pitch) for on, length, pitch in notes]
        messages = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        before = 0
        for tick, on, pitch in sorted(events):
            kind = "note_on" if on else "note_off"
            messages.append(mido.Message(kind, note=pitch, velocity=64, time=tick - before))
            before = tick
        file.tracks.append(messages)
    file.save(path)
    return path


def test_of_chords_the_top_line_remains() -> None:
    line = top_line(track((0, 1, 60), (0, 1, 64), (1, 1, 62), (2, 1, 59), (2, 1, 55)))
    assert line.notes["pitch"].tolist() == [64, 62, 59]
    assert line.chords == pytest.approx(2 / 3)
    assert line.inner == 0
    assert line.dropped == 2


def test_what_moves_below_a_held_note_is_left_out_and_counted() -> None:
    line = top_line(track((0, 4, 72), (1, 1, 60), (2, 1, 62), (4, 1, 71)))
    assert line.notes["pitch"].tolist() == [72, 71]
    assert line.inner == 0.5


def test_legato_that_overlaps_a_little_is_one_line() -> None:
    line = top_line(track((0, 1.2, 72), (1, 1.2, 69), (2, 1, 67)))
    assert line.notes["pitch"].tolist() == [72, 69, 67]
    assert line.inner == 0


def test_accompaniment_in_the_rests_of_a_tune_is_no_tune() -> None:
    tune = [(float(i), 0.5, 72 + i % 3) for i in range(12)]
    bass = [(float(i), 0.5, 48) for i in range(12)]
    line = top_line(track(*tune, *bass, (12.0, 0.5, 48)))
    assert line.notes["pitch"].tolist() == [72 + i % 3 for i in range(12)]


@pytest.mark.parametrize(
    ("pitches", "shift"), [([60], 0), ([71], 0), ([59], 12), ([72, 72, 30], -12), ([20, 90], 48)]
)
def test_the_median_moves_by_octaves_into_the_fourth_octave(pitches: list[int], shift: int) -> None:
    assert octave_shift(np.array(pitches)) == shift
    assert 60 <= lower_median(np.array(pitches)) + shift <= 71


def test_lengths_are_twelfths_of_the_median_length() -> None:
    onset = np.array([0.0, 0.5, 1.0, 1.5, 3.0, 3.25])
    tune, unit = as_tune(np.array([72, 74, 76, 77, 79, 81]), onset)
    assert unit == 0.5
    assert tune["length"].tolist() == [12, 12, 12, 36, 6, 0]
    assert tune["pitch"].tolist() == [60, 62, 64, 65, 67, 69]


def test_a_tune_of_one_note_and_onsets_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="2 notes or more, not 1"):
        as_tune(np.array([60]), np.array([0.0]))
    with pytest.raises(ValueError, match="ascend"):
        as_tune(np.array([60, 62]), np.array([1.0, 1.0]))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_snapped_onsets_ascend_and_lie_on_the_grid(times: list[float]) -> None:
    onset = snap(np.sort(np.array(times)))
    assert (np.diff(onset) > 0).all()
    assert np.allclose(onset * 12, np.round(onset * 12))


def test_two_onsets_in_one_place_move_on_and_no_other_does() -> None:
    assert (snap(np.array([0.0, 0.01, 1.0])) * 12).tolist() == [0, 1, 12]


def test_priming_takes_the_track_that_says_it_is_the_melody(tmp_path: Path) -> None:
    high = [(i / 2, 0.5, 84 + i % 2) for i in range(16)]
    melody = [(float(i), 1.0, 60 + 2 * (i % 3)) for i in range(8)]
    path = write(tmp_path / "a.mid", {"flute": high, "MELODY": melody})
    tune, unit = read_melody(path)
    assert len(tune) == 8
    assert unit == 1.0


def test_priming_takes_the_clearest_line_where_no_name_tells(tmp_path: Path) -> None:
    chords = [(float(i), 1.0, pitch) for i in range(8) for pitch in (60, 64, 67)]
    melody = [(i / 2, 0.5, 62 + i % 4) for i in range(16)]
    tune, _ = read_melody(write(tmp_path / "a.mid", {"a": chords, "b": melody}))
    assert len(tune) == 16


def test_priming_from_a_file_without_a_melody_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mid", {"a": [(0.0, 1.0, 60)]})
    with pytest.raises(MidiFileError, match="no track with a melody of 8 notes"):
        read_melody(path)

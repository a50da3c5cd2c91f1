"""A file as a query: any tempo, bars on the grid, and one line for what has no place there."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from streamer.errors import MidiFileError
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.queryfile import MOST_SILENT_BARS, read_query

CODEC = RollCodec("bars", 4, 16, 24, 101, onsets=True)


def save(
    path: Path,
    notes: list[tuple[float, float, int]],
    *,
    metre: tuple[int, int] = (4, 4),
    bpm: float = 120,
    channel: int = 0,
) -> Path:
    """Write (onset, length, pitch) in quarters."""
    events = []
    for onset, length, pitch in notes:
        events.append((round(onset * 480), 1, pitch))
        events.append((round((onset + length) * 480), 0, pitch))
    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)),
            mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]),
        ]
    )
    now = 0
    for tick, on, pitch in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, note=pitch, time=tick - now, channel=channel))
        now = tick
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)
    return path


def onsets(bar: np.ndarray) -> list[tuple[int, int]]:
    return [(int(n["onset"]), int(n["pitch"])) for n in CODEC.decode(bar) if not n["held"]]


@pytest.mark.parametrize("bpm", [31.0, 120.0, 600.0])
def test_any_tempo_gives_the_same_bars(tmp_path: Path, bpm: float) -> None:
    notes = [(0, 1, 60), (1.5, 0.5, 62), (4, 2, 64), (7.75, 0.25, 65)]
    bars = read_query(save(tmp_path / "q.mid", notes, bpm=bpm), CODEC)
    assert [onsets(bar) for bar in bars] == [[(0, 60), (6, 62)], [(0, 64), (15, 65)]]


def test_silence_before_is_left_out_and_a_note_over_the_line_is_held(tmp_path: Path) -> None:
    bars = read_query(save(tmp_path / "q.mid", [(8, 1, 60), (11, 2, 62)]), CODEC)
    assert [onsets(bar) for bar in bars] == [[(0, 60), (12, 62)], []]
    held = CODEC.decode(bars[1])
    assert held["held"].all()
    assert held["length"].tolist() == [4]


@pytest.mark.parametrize(("metre", "quarters"), [((3, 4), 3), ((2, 4), 2), ((6, 8), 3)])
def test_shorter_bars_are_laid_on_the_beginning_of_the_models_own(
    tmp_path: Path, metre: tuple[int, int], quarters: int
) -> None:
    notes = [(i * quarters, 0.5, 60 + i) for i in range(4)]
    bars = read_query(save(tmp_path / "q.mid", notes, metre=metre), CODEC)
    assert [onsets(bar) for bar in bars] == [[(0, 60 + i)] for i in range(4)]
    assert all(not bar[quarters * 4 :].any() for bar in bars)


@pytest.mark.parametrize("metre", [(7, 8), (5, 4), (3, 8)])
def test_a_metre_without_a_place_is_refused_in_one_line(
    tmp_path: Path, metre: tuple[int, int]
) -> None:
    path = save(tmp_path / "q.mid", [(0, 1, 60)], metre=metre)
    with pytest.raises(MidiFileError, match=f"{metre[0]}/{metre[1]}.*4/4, 3/4") as error:
        read_query(path, CODEC)
    assert "\n" not in str(error.value)


def test_a_file_of_drums_or_of_nothing_or_out_of_reach_says_so(tmp_path: Path) -> None:
    with pytest.raises(MidiFileError, match="are drums"):
        read_query(save(tmp_path / "d.mid", [(0, 1, 36)], channel=9), CODEC)
    with pytest.raises(MidiFileError, match="no notes"):
        read_query(save(tmp_path / "n.mid", []), CODEC)
    with pytest.raises(MidiFileError, match=r"24\.\.101"):
        read_query(save(tmp_path / "h.mid", [(0, 1, 110)]), CODEC)


def test_a_chord_of_forty_notes_is_one_bar_like_any_other(tmp_path: Path) -> None:
    bars = read_query(save(tmp_path / "q.mid", [(0, 4, 40 + i) for i in range(40)]), CODEC)
    assert len(onsets(bars[0])) == 40


def test_an_hour_of_silence_asks_for_a_few_bars_and_not_for_an_hour(tmp_path: Path) -> None:
    notes = [(0, 1, 60), (7200, 1, 64)]
    bars = read_query(save(tmp_path / "q.mid", notes), CODEC)
    assert len(bars) == 2 + MOST_SILENT_BARS
    assert onsets(bars[-1]) == [(0, 64)]

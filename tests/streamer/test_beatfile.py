"""Files on their own grid: onsets in quarter notes, whatever the tempo map does."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest

from streamer.errors import MidiFileError
from streamer.midi.beatfile import Metre, read_beats


def save(path: Path, *tracks: list[mido.Message | mido.MetaMessage], division: int = 480) -> Path:
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    for messages in tracks:
        file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def note(pitch: int, ticks: int, wait: int = 0, channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message("note_on", note=pitch, velocity=80, channel=channel, time=wait),
        mido.Message("note_off", note=pitch, channel=channel, time=ticks),
    ]


def test_a_tempo_map_does_not_touch_the_grid(tmp_path: Path) -> None:
    tempos = [mido.MetaMessage("set_tempo", tempo=300_000 + 7 * i, time=97) for i in range(40)]
    path = save(tmp_path / "a.mid", tempos, note(60, 480) + note(62, 240) + note(64, 240, wait=480))
    piece = read_beats(path)
    assert piece.notes["onset"].tolist() == [0.0, 1.0, 2.5]
    assert piece.notes["length"].tolist() == [1.0, 0.5, 0.5]
    assert piece.tempos[0] == (0.0, 120.0)
    assert len(piece.tempos) == 41


def test_metres_are_told_in_order_and_only_where_they_change(tmp_path: Path) -> None:
    signs = [
        mido.MetaMessage("time_signature", numerator=3, denominator=4, time=0),
        mido.MetaMessage("time_signature", numerator=3, denominator=4, time=1440),
        mido.MetaMessage("time_signature", numerator=7, denominator=8, time=1440),
    ]
    piece = read_beats(save(tmp_path / "a.mid", signs, note(60, 100)))
    assert piece.metres == (Metre(0.0, 3, 4), Metre(6.0, 7, 8))
    assert [metre.bar for metre in piece.metres] == [3.0, 3.5]


def test_a_file_that_says_nothing_is_in_four_four_at_120(tmp_path: Path) -> None:
    piece = read_beats(save(tmp_path / "a.mid", note(60, 100)))
    assert piece.metres == (Metre(0.0, 4, 4),)
    assert piece.tempos == ((0, 120.0),)


def test_drums_are_kept_and_marked_and_programs_told(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.mid",
        [mido.Message("program_change", program=33, channel=1), *note(40, 100, channel=1)],
        note(36, 100, channel=9),
    )
    piece = read_beats(path)
    assert piece.notes["pitch"].tolist() == [36, 40]
    assert piece.drums.tolist() == [True, False]
    assert piece.notes["program"].tolist() == [0, 33]
    assert piece.notes["track"].tolist() == [1, 0]


def test_a_file_in_smpte_time_is_refused_with_a_remedy(tmp_path: Path) -> None:
    data = bytearray(save(tmp_path / "a.mid", note(60, 100)).read_bytes())
    data[12:14] = b"\xe7\x28"
    path = tmp_path / "smpte.mid"
    path.write_bytes(data)
    with pytest.raises(MidiFileError, match="ticks a quarter"):
        read_beats(path)


def test_a_file_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MidiFileError, match="holds no notes"):
        read_beats(save(tmp_path / "a.mid", [mido.Message("program_change", program=3)]))

"""Score files: read in beats, chosen, split by work, saved and refused; and cut into sections."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from streamer.errors import DataError
from streamer.families.windows.codec import RollCodec
from tests.scores import scores
from training.families.windows.reader import ScoreOptions, read_scores
from training.families.windows.scoreset import ScoreInfo, ScoreSet
from training.families.windows.sections import bar_starts, bars, chunks

BARS = RollCodec("bars", 4, 16, 24, 101, onsets=True)


def melody(path: Path, first: int, count: int = 40, beats: int = 4) -> None:
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=beats, denominator=4)])
    for i in range(count):
        pitch = first + i * i % 11
        track.append(mido.Message("note_on", note=pitch, velocity=64))
        track.append(mido.Message("note_off", note=pitch, time=240))
    file = mido.MidiFile(ticks_per_beat=480, tracks=[track])
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


def test_files_are_read_chosen_by_licence_and_split_by_work(tmp_path: Path) -> None:
    lines = ["file,work_key,licence"]
    for i in range(12):
        melody(tmp_path / f"{i}.mid", 50 + i)
        lines.append(f"{i}.mid,work {i // 2},{'Public Domain' if i < 10 else 'CC-BY-NC'}")
    melody(tmp_path / "copy.mid", 50)
    lines.append("copy.mid,work 9,Public Domain")
    (tmp_path / "broken.mid").write_bytes(b"MThd?")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = read_scores([tmp_path], ScoreOptions(licences=("public*",), valid=0.2, test=0.2))
    assert found.report["kept"] == len(found) == 10
    assert found.report["reasons"] == {"licence": 3, "duplicate": 1}
    works = {piece.work_key: set() for piece in found.pieces}
    for piece in found.pieces:
        works[piece.work_key].add(piece.split)
    assert all(len(splits) == 1 for splits in works.values())
    assert {piece.split for piece in found.pieces} == {"train", "valid", "test"}


def test_a_score_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    before = scores([(0, 1, 60), (1.5, 0.5, 62)], [(0, 2, 65)], metre=(3, 4))
    before.save(tmp_path / "s.npz")
    after = ScoreSet.load(tmp_path / "s.npz")
    assert np.array_equal(after.rows, before.rows)
    assert after.pieces == before.pieces
    assert after.pieces[0].metre.bar == 3


def test_what_is_no_score_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    for name, data in (("none.npz", None), ("text.npz", b"no"), ("cut.npz", b"PK\x03\x04....")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match="perpetuo prepare scores"):
            ScoreSet.load(tmp_path / name)


def test_nothing_usable_says_what_was_found(tmp_path: Path) -> None:
    melody(tmp_path / "a.mid", 60, count=3)
    with pytest.raises(DataError, match="1 too-short"):
        read_scores([tmp_path])


def test_chunks_hold_every_note_once_when_they_do_not_overlap() -> None:
    piece = [(i * 0.5, 0.5, 40 + i % 30) for i in range(200)]
    codec = RollCodec("roll", 8, 104)
    cut = chunks(scores(piece), [0], codec, least_notes=1)
    assert sum(len(codec.decode(cells)) for cells in cut.cells(slice(None))) == 200
    halves = chunks(scores(piece), [0], codec, hop_beats=6.5, least_notes=1)
    assert len(halves) > 1.8 * len(cut)


def test_chunks_are_moved_and_transposed_as_asked() -> None:
    codec = RollCodec("roll", 8, 8)
    one = chunks(
        scores([(0, 1, 60), (2, 1, 64)]), [0], codec,
        transpose=np.array([3]), shift_beats=np.array([-0.5]), least_notes=1,
    )  # fmt: skip
    notes = codec.decode(one.cells(slice(0, 1))[0])
    assert notes[["onset", "pitch"]].tolist() == [(4, 63)]


def test_bars_are_cut_at_the_lines_and_other_metres_are_left_out() -> None:
    four = scores([(0, 1, 60), (3.5, 1.0, 62), (8, 1, 64)])
    cut = bars(four, [0], BARS)
    assert len(cut) == 3
    held = BARS.decode(cut.cells(slice(1, 2))[0])
    assert held[["onset", "length", "pitch", "held"]].tolist() == [(0, 2, 62, True)]
    assert len(bars(scores([(0, 1, 60)], metre=(3, 4)), [0], BARS)) == 0


def test_silent_bars_count_only_when_asked_for() -> None:
    pause = scores([(0, 1, 60), (12, 1, 64)])
    assert len(bars(pause, [0], BARS)) == 2
    assert len(bars(pause, [0], BARS, empty=True)) == 4


def test_bar_lines_follow_changes_of_metre() -> None:
    info = ScoreInfo("f", "c", "w", "", "train", ((0.0, 4, 4), (8.0, 6, 8)), 120.0, {})
    assert bar_starts(info, 14.0) == [(0, 4), (4, 4), (8, 3), (11, 3)]

"""``perpetuo prepare tunes``: which tracks become tunes, what is dropped and why."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mido
import numpy as np
import pytest

from streamer.cli import main
from streamer.errors import DataError
from streamer.families.chain.codec import published_codec
from streamer.families.tunes.codec import END
from training.families.chain.tensors import PieceInfo, TensorSet
from training.families.tunes.reader import MelodyOptions, read_melodies
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet, fit_codec, transposed

TICKS = 480
EIGHTHS = [0.5] * 48
Notes = list[tuple[float, float, int, int]]


def line(seed: int, lengths: list[float], *, low: int = 60, velocity: int = 70) -> Notes:
    """Notes of a scale, each sounding for its whole length."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-7, 8, len(lengths))
    pitches = [low + (0, 2, 4, 5, 7, 9, 11)[s % 7] + 12 * (s // 7) for s in steps.tolist()]
    onset = np.cumsum([0.0, *lengths[:-1]]).tolist()
    return [(on, n, p, velocity) for on, n, p in zip(onset, lengths, pitches, strict=True)]


def write(path: Path, tracks: dict[str, Notes], *, metre: tuple[int, int] = (4, 4)) -> None:
    file = mido.MidiFile(ticks_per_beat=TICKS)
    signature = mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1])
    file.tracks.append(mido.MidiTrack([signature, mido.MetaMessage("set_tempo", tempo=600_000)]))
    for channel, (name, notes) in enumerate(tracks.items()):
        events = [(round(on * TICKS), velocity, p) for on, _, p, velocity in notes]
        events += [(round((on + length) * TICKS), 0, p) for on, length, p, _ in notes]
        messages = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        messages.append(mido.Message("program_change", program=73, channel=channel))
        before = 0
        for tick, velocity, p in sorted(events):
            message = mido.Message(
                "note_on", note=p, velocity=velocity, channel=channel, time=tick - before
            )
            messages.append(message)
            before = tick
        file.tracks.append(messages)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


def write_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def reasons(tunes: TuneSet, key: str) -> dict[str, int]:
    counts: dict[str, int] = tunes.report["dropped"].get(key, {})
    return counts


def test_tracks_are_split_and_normalised(tmp_path: Path) -> None:
    write(tmp_path / "c/a.mid", {"high": line(1, EIGHTHS, low=84), "low": line(2, [1.0] * 40)})
    tunes = read_melodies([tmp_path / "c"])
    assert [track.track for track in tunes.tracks] == ["1 high", "2 low"]
    assert [track.unit_beats for track in tunes.tracks] == [0.5, 1.0]
    assert {track.style for track in tunes.tracks} == {"c"}
    for index, notes in enumerate((48, 40)):
        tune = tunes.tune(index)
        assert tune["length"].tolist() == [12] * (notes - 1) + [END]
        assert 60 <= np.sort(tune["pitch"])[(notes - 1) // 2] <= 71
    first = tunes.tracks[0]
    assert (first.bpm, first.metre, first.programme) == (100.0, 4.0, 9)
    assert tunes.position[:10].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 0, 0.5]


def test_every_drop_has_its_reason(tmp_path: Path) -> None:
    many = [0.5] * 24 + [i / 4 for i in range(1, 33)]
    chords = [(on, n, p + d, v) for on, n, p, v in line(3, EIGHTHS) for d in (0, 4)]
    write(
        tmp_path / "c/a.mid",
        {
            "good": line(1, EIGHTHS),
            "short": line(2, [0.5] * 31),
            "chords": chords,
            "one key": [(i / 2, 0.5, 60, 70) for i in range(40)],
            "many": line(4, many),
            "good, in another key": [(on, n, p + 5, v) for on, n, p, v in line(1, EIGHTHS)],
        },
    )
    tunes = read_melodies([tmp_path / "c"])
    assert len(tunes) == 1
    assert reasons(tunes, "c/c") == {
        "duplicate": 1, "low-entropy": 1, "polyphonic": 1, "too-many-lengths": 1, "too-short": 1,
    }  # fmt: skip
    assert len([entry for entry in tunes.report["skipped"] if "track" in entry]) == 5


def test_a_rare_length_is_folded_and_counted(tmp_path: Path) -> None:
    lengths = [0.5] * 150 + [i / 4 for i in range(1, 14)]
    write(tmp_path / "c/a.mid", {"solo": line(5, lengths)})
    tunes = read_melodies([tmp_path / "c"])
    assert len(set(tunes.tune(0)["length"].tolist()) - {END}) == 11
    assert tunes.report["changes"]["c/c"]["tracks_folded"] == 1
    assert tunes.report["changes"]["c/c"]["lengths_folded"] >= 1


def test_a_rest_is_part_of_the_length_and_shows_in_the_articulation(tmp_path: Path) -> None:
    notes = [(on, n / 2, p, v) for on, n, p, v in line(6, EIGHTHS)]
    write(tmp_path / "c/a.mid", {"a": notes})
    tunes = read_melodies([tmp_path / "c"])
    assert tunes.length[:5].tolist() == [12] * 5
    assert tunes.articulation[:5].tolist() == [0.5] * 5


def test_jazz_is_written_down_and_keeps_its_deviation(tmp_path: Path) -> None:
    swung = [(on + (0.14 if on % 1 else 0.0), 0.3, p, v) for on, _, p, v in line(7, EIGHTHS)]
    write(tmp_path / "jazz/a.mid", {"solo": swung})
    tunes = read_melodies([tmp_path / "jazz"])
    assert tunes.styles == ("jazz",)
    assert tunes.tracks[0].licence == "ODbL-1.0"
    assert tunes.length[:6].tolist() == [12] * 6
    assert np.allclose(tunes.deviation[:4], [0, 0.14, 0, 0.14], atol=0.005)


def test_an_upbeat_is_found_where_the_file_does_not_say_it(tmp_path: Path) -> None:
    lengths = [0.5, *([1.5, 0.5, 0.5, 0.5] * 12)]
    write(tmp_path / "c/a.mid", {"a": line(8, lengths)}, metre=(3, 4))
    tunes = read_melodies([tmp_path / "c"])
    assert tunes.position[:6].tolist() == [2.5, 0.0, 1.5, 2.0, 2.5, 0.0]


def test_of_tunes_with_accompaniment_the_highest_track_is_taken(tmp_path: Path) -> None:
    upper = line(1, EIGHTHS, low=72) + line(1, EIGHTHS, low=60)
    write(tmp_path / "mutopia/a.mid", {"upper:": upper, "lower:": line(2, EIGHTHS, low=40)})
    write(tmp_path / "mutopia/b.mid", {"right": line(3, EIGHTHS)})
    rows = [
        {"file": "a.mid", "composer": "Traditional", "licence": "CC-BY-2.5"},
        {"file": "b.mid", "composer": "ChopinFF", "licence": "Public-Domain"},
    ]
    write_labels(tmp_path / "mutopia", rows)
    tunes = read_melodies([tmp_path / "mutopia"])
    assert [(t.style, t.track) for t in tunes.tracks] == [("folk", "1 upper:")]
    assert reasons(tunes, "mutopia/folk") == {"accompaniment": 1}
    assert tunes.report["reasons"] == {"no-style": 1}


@pytest.mark.parametrize(
    ("licence", "taken"),
    [
        ("Public-Domain", True), ("CC-BY-4.0", True), ("CC-BY-SA-4.0", False),
        ("GPL-3.0", False), ("none-stated (public-domain works)", False), ("", True),
    ],
)  # fmt: skip
def test_only_free_licences_are_taken_unless_asked_otherwise(
    tmp_path: Path, licence: str, taken: bool
) -> None:
    write(tmp_path / "c/a.mid", {"a": line(1, EIGHTHS)})
    write_labels(tmp_path / "c", [{"file": "a.mid", "licence": licence}])
    if taken:
        assert read_melodies([tmp_path / "c"]).tracks[0].licence == licence
        return
    with pytest.raises(DataError, match=r"no usable melody \(1 licence\)"):
        read_melodies([tmp_path / "c"])
    assert len(read_melodies([tmp_path / "c"], MelodyOptions(licences=("*",)))) == 1


def test_tracks_of_one_work_lie_in_one_split(tmp_path: Path) -> None:
    for number in range(12):
        voices = {str(voice): line(10 * number + voice, EIGHTHS) for voice in range(2)}
        write(tmp_path / f"c/{'abcdefghijkl'[number]}.mid", voices)
    tunes = read_melodies([tmp_path / "c"], MelodyOptions(valid=0.25, test=0.25))
    splits: dict[str, set[str]] = {}
    for track in tunes.tracks:
        splits.setdefault(track.work_key, set()).add(track.split)
    assert len(splits) == 12
    assert all(len(found) == 1 for found in splits.values())
    assert {s for found in splits.values() for s in found} == {"train", "valid", "test"}
    assert sum(len(tunes.indices(s, "c")) for s in ("train", "valid", "test")) == 24
    assert tunes.indices("train", "other") == []


# The file


def info(**changes: object) -> TuneInfo:
    known = {
        "file": "a", "corpus": "c", "work_key": "w", "licence": "", "split": "train", "style": "s",
        "programme": 0, "unit_beats": 0.5, "bpm": 90.0, "metre": 4.0, "track": "1",
    }  # fmt: skip
    return TuneInfo(**{**known, **changes})  # type: ignore[arg-type]


def rows(pitches: list[int], lengths: list[int]) -> np.ndarray:
    found = np.zeros(len(pitches), dtype=TRACK_DTYPE)
    found["pitch"], found["length"] = pitches, lengths
    found["velocity"], found["articulation"] = 80, 1.0
    return found


def test_a_tune_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    one, two = rows([60, 62, 64], [12, 6, END]), rows([65, 61], [24, END])
    tunes = TuneSet.from_tracks([one, two], [info(), info(style="r", split="test")])
    tunes.save(tmp_path / "t.npz")
    again = TuneSet.load(tmp_path / "t.npz")
    assert again.tracks == tunes.tracks
    assert again.styles == ("r", "s")
    assert again.codec == tunes.codec
    assert again.rows(0).tolist() == one.tolist()
    assert again.tune(1)["length"].tolist() == [24, END]
    assert again.indices("test") == [1]


def test_the_codec_holds_every_note_of_every_transposition() -> None:
    tracks = [rows([45, 60, 66, 71, 90], [12, 6, 12, 24, END])]
    codec = fit_codec(tracks)
    assert codec.lengths == (6, 12, 24)
    for semitones in range(-6, 6):
        moved = tracks[0].copy()
        moved["pitch"] = transposed(moved["pitch"], semitones)
        assert 60 <= np.median(moved["pitch"]) <= 71
        codec.encode(moved)


def test_lengths_of_held_out_tracks_make_no_class() -> None:
    train, test = rows([60, 62], [12, END]), rows([60, 62], [17, END])
    assert fit_codec([train, test], [train]).lengths == (12,)


def test_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    tunes = TuneSet.from_tracks([rows([60, 62], [12, END])], [info()])
    tunes.save(tmp_path / "t.npz")
    with pytest.raises(DataError, match="holds tunes, not pieces"):
        TensorSet.load(tmp_path / "t.npz")
    pieces = TensorSet.from_pieces(
        [np.zeros(0, dtype=[("onset_ms", "f8"), ("duration_ms", "f8"), ("pitch", "u1"),
                            ("velocity", "u1"), ("pedal", "?"), ("channel", "u1")])],
        [PieceInfo("a", "c", "w", "", "train")], published_codec(),
    )  # fmt: skip
    pieces.save(tmp_path / "p.npz")
    with pytest.raises(DataError, match="holds pieces, not tunes; make some with perpetuo"):
        TuneSet.load(tmp_path / "p.npz")
    with pytest.raises(DataError, match="no such tune file"):
        TuneSet.load(tmp_path / "none.npz")
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a whole tune file"):
        TuneSet.load(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("velocity", 0, r"velocity must be in range 1\.\.127"),
        ("articulation", np.nan, r"articulation must be in range 0\.\.2"),
        ("length", 12, "does not end where its last note says"),
        ("pitch", 120, "codec's range"),
    ],
)
def test_impossible_notes_are_refused(tmp_path: Path, column: str, value: float, text: str) -> None:
    bad = rows([60, 62], [12, END])
    good = TuneSet.from_tracks([bad], [info()])
    bad[column][1] = value
    TuneSet.from_tracks([bad], [info()], good.codec).save(tmp_path / "t.npz")
    with pytest.raises(DataError, match=text):
        TuneSet.load(tmp_path / "t.npz")


# The command


def test_the_command_says_what_it_took_and_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "c/a.mid", {"good": line(1, EIGHTHS), "short": line(2, [0.5] * 5)})
    (tmp_path / "c/b.mid").write_bytes(b"nothing")
    out, report = tmp_path / "t.npz", tmp_path / "r.json"
    arguments = ["prepare", "tunes", str(tmp_path / "c"), "-o", str(out), "--style", "own",
                 "--json", str(report)]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "files left out: 1 not-midi" in said.out
    assert "c/own: tracks dropped: 1 too-short" in said.out
    assert "skipped c/b.mid: not-midi" in said.err
    assert TuneSet.load(out).styles == ("own",)
    assert json.loads(report.read_text())["kept"] == 1


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="min_notes must be 2 or more"):
        MelodyOptions(min_notes=1)
    with pytest.raises(ValueError, match="below 1 together"):
        MelodyOptions(valid=0.5, test=0.5)

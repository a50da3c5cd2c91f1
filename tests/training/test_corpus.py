"""Finding, reading, choosing and telling apart the files of a corpus."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import DataError
from streamer.midi.midifile import read_midi
from streamer.midi.ticks import MidiLimits
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray, to_array
from tests.midifiles import write_midi
from training.corpora.corpus import FoundPieces, Selection, read_corpus, read_piece
from training.corpora.normalise import NormaliseOptions, cap_silence, normalise, one_keyboard
from training.corpora.works import split_works, work_key


def piece(seed: int, notes: int = 40, channel: int = 0) -> NoteArray:
    rng = np.random.default_rng(seed)
    array = np.zeros(notes, dtype=NOTE_DTYPE)
    array["onset_ms"] = np.arange(notes) * 100.0
    array["duration_ms"] = 50.0
    array["pitch"] = rng.integers(40, 80, notes)
    array["velocity"] = rng.integers(30, 100, notes)
    array["channel"] = channel
    return array


def midi_bytes(seed: int, tmp_path: Path, channel: int = 0, notes: int = 40) -> bytes:
    path = tmp_path / "scratch.mid"
    write_midi(path, piece(seed, notes, channel))
    data = path.read_bytes()
    path.unlink()
    return data


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def tar_xz(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def names(corpus: FoundPieces) -> list[str]:
    return [f"{entry.corpus}/{entry.file}" for entry in corpus.pieces]


def skipped(corpus: FoundPieces) -> list[tuple[str, str]]:
    return [(entry.file, entry.reason) for entry in corpus.skipped]


# Reading


def test_a_piece_is_what_the_edge_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(midi_bytes(1, tmp_path))
    assert read_piece(path).tobytes() == read_midi(path).tobytes()


def test_each_unusable_file_is_skipped_with_its_reason(tmp_path: Path) -> None:
    good = midi_bytes(1, tmp_path)
    empty = good[:18] + (4).to_bytes(4, "big") + bytes.fromhex("00ff2f00")
    root = folder(
        tmp_path / "mine",
        {
            "a/good.mid": good,
            "broken.mid": good[:25],
            "copy.mid": good,
            "drums.mid": midi_bytes(2, tmp_path, channel=9),
            "empty.mid": empty,
            "gigantic.mid": b"MThd" + bytes(10_000),
            "photo.mid": b"\x89PNG and so on",
            "short.mid": midi_bytes(3, tmp_path, notes=5),
            "readme.txt": b"not read at all",
        },
    )
    corpus = read_corpus([root], Selection(limits=MidiLimits(file_bytes=9_000)))
    assert names(corpus) == ["mine/a/good.mid"]
    assert skipped(corpus) == [
        ("broken.mid", "broken"),
        ("copy.mid", "duplicate"),
        ("drums.mid", "drums-only"),
        ("empty.mid", "empty"),
        ("gigantic.mid", "too-large"),
        ("photo.mid", "not-midi"),
        ("short.mid", "too-short"),
    ]
    assert corpus.reasons["broken"] == 1
    assert all(entry.text and "\n" not in entry.text for entry in corpus.skipped)


def test_a_file_that_breaks_off_is_kept_and_told(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {"torn.mid": midi_bytes(1, tmp_path, notes=50)[:-60]})
    corpus = read_corpus([root])
    assert len(corpus.pieces) == 1
    assert [(entry.file, entry.reason) for entry in corpus.remarks] == [("torn.mid", "remark")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {"x.mid": midi_bytes(1, tmp_path)})
    (root / "x.mid").chmod(0)
    assert skipped(read_corpus([root])) == [("x.mid", "unreadable")]


def test_many_processes_find_what_one_finds(tmp_path: Path) -> None:
    files = {f"{i:03}.mid": midi_bytes(i % 60, tmp_path) for i in range(70)}
    root = folder(tmp_path / "many", files)
    one = read_corpus([root], processes=1)
    two = read_corpus([root], processes=2)
    assert names(one) == names(two)
    assert skipped(one) == skipped(two)
    assert [p.notes.tobytes() for p in one.pieces] == [p.notes.tobytes() for p in two.pieces]
    assert one.reasons == {"duplicate": 10}


def test_progress_ends_with_all_files_read(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {f"{i}.mid": midi_bytes(i, tmp_path) for i in range(3)})
    seen: list[tuple[int, int]] = []
    read_corpus([root], progress=lambda done, found: seen.append((done, found)))
    assert seen[-1] == (3, 3)


# Copies


def test_the_same_notes_in_other_bytes_are_a_copy(tmp_path: Path) -> None:
    notes = piece(1)
    write_midi(tmp_path / "a.mid", notes, name="One name")
    later = notes.copy()
    later["onset_ms"] += 3000.0
    write_midi(tmp_path / "b.mid", later, name="Another")
    corpus = read_corpus([tmp_path])
    assert [p.file for p in corpus.pieces] == ["a.mid"]
    assert corpus.skipped[0].text.endswith("/a.mid")


def test_of_copies_in_two_sources_the_first_named_is_kept(tmp_path: Path) -> None:
    data = midi_bytes(1, tmp_path)
    z, a = folder(tmp_path / "z", {"x.mid": data}), folder(tmp_path / "a", {"x.mid": data})
    assert names(read_corpus([z, a])) == ["z/x.mid"]


def test_a_source_named_twice_is_read_once(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {"x.mid": midi_bytes(1, tmp_path)})
    assert skipped(read_corpus([root, root])) == []


# Sources


def files_with_labels(tmp_path: Path) -> dict[str, bytes]:
    labels = "\ufefffile,work_key,licence\nx/1.mid,bach:bwv1,CC0\nx/2.mid,bach:bwv2,\n"
    return {
        "set/x/1.mid": midi_bytes(1, tmp_path),
        "set/x/2.MIDI": midi_bytes(2, tmp_path),
        "set/labels.csv": labels.encode(),
        "__MACOSX/set/x/._1.mid": b"shadow",
        "set/.hidden.mid": b"hidden",
    }


def test_an_archive_reads_like_the_folder_it_was_made_of(tmp_path: Path) -> None:
    files = files_with_labels(tmp_path)
    tar = tar_xz(tmp_path / "set.tar.xz", files)
    zipped = tmp_path / "set.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    plain = folder(tmp_path / "plain", files)
    found = [read_corpus([source]) for source in (tar, zipped, plain)]
    for corpus in found:
        assert [p.file.split("/")[-1] for p in corpus.pieces] == ["1.mid", "2.MIDI"]
        assert corpus.pieces[0].corpus == "set"
        assert corpus.pieces[0].file == "x/1.mid"
        assert corpus.pieces[0].work_key == "bach:bwv1"
        assert corpus.pieces[0].licence == "CC0"
        assert skipped(corpus) == []


def test_labels_may_come_after_their_files_in_an_archive(tmp_path: Path) -> None:
    files = {"a.mid": midi_bytes(1, tmp_path), "labels.csv": b"file,work_key\na.mid,w\n"}
    corpus = read_corpus([tar_xz(tmp_path / "set.tar.xz", files)])
    assert [(p.corpus, p.work_key) for p in corpus.pieces] == [("set", "w")]


def test_labels_without_a_file_column_are_left_aside(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {"a.mid": midi_bytes(1, tmp_path), "labels.csv": b"x,y\n1,2\n"})
    assert names(read_corpus([root])) == ["c/a.mid"]


def test_one_file_is_a_source(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", {"a.mid": midi_bytes(1, tmp_path)})
    assert len(read_corpus([root / "a.mid"]).pieces) == 1


def test_a_gigantic_member_of_an_archive_is_named_and_skipped(tmp_path: Path) -> None:
    files = {"big.mid": bytes(100_000), "ok.mid": midi_bytes(1, tmp_path)}
    source = tar_xz(tmp_path / "c.tar.xz", files)
    corpus = read_corpus([source], Selection(limits=MidiLimits(file_bytes=50_000)))
    assert names(corpus) == ["c/ok.mid"]
    assert skipped(corpus) == [("big.mid", "too-large")]


def test_a_torn_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(50_000)
    files = {"a.mid": midi_bytes(1, tmp_path), "noise.mid": noise}
    whole = tar_xz(tmp_path / "c.tar.xz", files)
    whole.write_bytes(whole.read_bytes()[:30_000])
    with pytest.raises(DataError, match="not a whole archive"):
        read_corpus([whole])
    broken = tmp_path / "b.tar.xz"
    broken.write_bytes(lzma.compress(b"no tar")[:-4])
    with pytest.raises(DataError, match="not a whole archive"):
        read_corpus([broken])


@pytest.mark.parametrize("name", ["nothing-here", "notes.txt"])
def test_a_source_of_no_known_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"no such file|neither a folder"):
        read_corpus([tmp_path / name])


# Choice


def two_tracks(path: Path) -> None:
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=500)
    for name, pitch, program, channel in (("MELODY", 80, 73, 0), ("PIANO", 50, 0, 1)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        track.append(mido.Message("program_change", program=program, channel=channel))
        for i in range(40):
            track.append(mido.Message("note_on", note=pitch, time=100, channel=channel))
            track.append(mido.Message("note_off", note=pitch, time=10 + i, channel=channel))
        file.tracks.append(track)
    file.save(path)


def pitches(corpus: FoundPieces) -> set[int]:
    return set(corpus.pieces[0].notes["pitch"].tolist())


def test_all_tracks_are_taken_unless_some_are_chosen(tmp_path: Path) -> None:
    two_tracks(tmp_path / "x.mid")
    assert pitches(read_corpus([tmp_path])) == {50, 80}
    assert pitches(read_corpus([tmp_path], Selection(tracks=("piano",)))) == {50}
    assert pitches(read_corpus([tmp_path], Selection(piano_only=True))) == {50}


def test_a_file_without_the_chosen_tracks_is_skipped(tmp_path: Path) -> None:
    two_tracks(tmp_path / "x.mid")
    corpus = read_corpus([tmp_path], Selection(tracks=("BRIDGE",)))
    assert skipped(corpus) == [("x.mid", "no-such-track")]
    assert "MELODY, PIANO" in corpus.skipped[0].text


def test_files_are_chosen_by_pattern_and_licence(tmp_path: Path) -> None:
    files = {f"{d}/{i}.mid": midi_bytes(10 * i + len(d), tmp_path) for d in "ab" for i in (1, 2)}
    files["labels.csv"] = b"file,licence\na/1.mid,CC BY 4.0\na/2.mid,CC BY-NC 4.0\n"
    for i, name in enumerate(sorted(files)[:-1]):
        files[name] = midi_bytes(i, tmp_path)
    root = folder(tmp_path / "c", files)
    by_pattern = read_corpus([root], Selection(include=("a/*",), exclude=("*2.mid",)))
    assert [p.file for p in by_pattern.pieces] == ["a/1.mid"]
    assert by_pattern.reasons == {"not-chosen": 3}
    free = read_corpus([root], Selection(licences=("cc by 4*",)))
    assert [p.file for p in free.pieces] == ["a/1.mid"]
    assert free.reasons == {"licence": 3}
    stated = read_corpus([root], Selection(licences=("mine",), licence="Mine"))
    assert [p.file for p in stated.pieces] == ["b/1.mid", "b/2.mid"]


def test_a_file_left_out_by_choice_hides_no_copy_of_it(tmp_path: Path) -> None:
    data = midi_bytes(1, tmp_path)
    root = folder(tmp_path / "c", {"a.mid": data, "b.mid": data})
    corpus = read_corpus([root], Selection(exclude=("a.mid",)))
    assert [p.file for p in corpus.pieces] == ["b.mid"]


def test_a_floor_of_no_notes_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Selection(min_notes=0)


# Normalising


def test_notes_off_the_piano_are_dropped_and_counted() -> None:
    notes = to_array([Note(20, 0, 10, 64), Note(21, 0, 10, 64), Note(109, 0, 10, 64)])
    kept, counts = normalise(notes)
    assert kept["pitch"].tolist() == [21]
    assert counts == {"out-of-range": 2}


def test_two_hands_on_one_key_are_one_strike() -> None:
    notes = to_array([Note(60, 0, 10, 64, channel=1), Note(60, 0, 30, 20, channel=2)])
    kept, counts = normalise(notes)
    assert kept[["pitch", "duration_ms", "velocity", "channel"]].tolist() == [(60, 30.0, 64, 0)]
    assert counts == {"same-key": 1}


def test_a_piece_begins_at_zero_and_long_silences_are_capped() -> None:
    notes = to_array([Note(60, 900, 100, 64), Note(62, 9000, 100, 64), Note(64, 9500, 100, 64)])
    kept, counts = normalise(notes, NormaliseOptions(silence_ms=2000))
    assert kept["onset_ms"].tolist() == [0.0, 2100.0, 2600.0]
    assert counts == {"silence": 1}


def test_a_held_note_is_no_silence() -> None:
    notes = to_array([Note(60, 0, 9000, 64), Note(62, 100, 10, 64), Note(64, 9500, 100, 64)])
    kept, count = cap_silence(notes, 2000)
    assert kept["onset_ms"].tolist() == [0.0, 100.0, 9500.0]
    assert count == 0


def test_normalising_changes_nothing_in_what_it_is_given() -> None:
    notes = piece(1, channel=3)
    before = notes.tobytes()
    normalise(notes)
    assert notes.tobytes() == before


@pytest.mark.parametrize("silence_ms", [0.0, -1.0, float("nan")])
def test_a_silence_of_no_length_is_refused(silence_ms: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        NormaliseOptions(silence_ms)


@st.composite
def anything(draw: st.DrawFn) -> NoteArray:
    times = st.integers(0, 30_000).map(float)
    note = st.builds(
        Note, st.integers(15, 115), times, times.map(lambda ms: ms + 1), st.integers(1, 127),
        st.booleans(), st.integers(0, 2),
    )  # fmt: skip
    return to_array(draw(st.lists(note, max_size=30)))


@given(notes=anything())
def test_a_normalised_piece_can_be_played_and_normalising_it_again_changes_nothing(
    notes: NoteArray,
) -> None:
    kept, _ = normalise(notes)
    assert (np.diff(kept["onset_ms"]) >= 0).all()
    assert (kept["duration_ms"] > 0).all()
    for pitch in np.unique(kept["pitch"]):
        mine = kept[kept["pitch"] == pitch]
        ends = mine["onset_ms"] + mine["duration_ms"]
        assert (ends[:-1] <= mine["onset_ms"][1:]).all()
    again, counts = normalise(kept)
    assert again.tobytes() == kept.tobytes()
    assert not counts
    assert one_keyboard(kept).tobytes() == kept.tobytes()


# Compositions


@pytest.mark.parametrize(
    ("file", "labels", "expected"),
    [
        ("a/b.mid", {"work_key": "bach:bwv1"}, "bach:bwv1"),
        ("original/001.mid", {"song_id": "001", "name": "x"}, "c:song 001"),
        ("x.mid", {"title": "Blue in Green", "performer": "One"}, "c:blue in green"),
        ("y.mid", {"title": "Blue In Green!", "performer": "Two"}, "c:blue in green"),
        ("y.mid", {"title": "Für Elise", "composer": "Beethoven"}, "c:beethoven:fur elise"),
        ("y.mid", {"title": "爱"}, "c:爱"),
        ("Bach/Fugue/bwv_848/Lee01.mid", {}, "c:bach:bwv 848"),
        ("Bach/Prelude/BWV848_Kim.mid", {}, "c:bach:bwv 848"),
        ("Chopin/op10 no3 take2.mid", {}, "c:chopin:op 10 3"),
        ("Me/Rainy Day (take 2).mid", {}, "c:me:rainy day"),
        ("Me/rainy_day.mid", {}, "c:me:rainy day"),
        ("rainy day - 03.mid", {}, "c:rainy day"),
        ("07.mid", {}, "c:07"),
    ],
)
def test_performances_of_one_work_share_a_key(
    file: str, labels: dict[str, str], expected: str
) -> None:
    assert work_key("c", file, labels) == expected


def test_a_work_stays_in_its_split_whatever_else_comes_and_goes() -> None:
    works = [f"work {i}" for i in range(500)]
    every = split_works(works, seed=3, valid=0.1, test=0.1)
    half = split_works(works[::2], seed=3, valid=0.1, test=0.1)
    assert all(every[work] == half[work] for work in half)


def test_the_split_depends_on_the_seed_alone() -> None:
    works = [f"work {i}" for i in range(200)]
    one = split_works(works, 0, 0.2, 0.2)
    assert one == split_works(reversed(works), 0, 0.2, 0.2)
    assert one != split_works(works, 1, 0.2, 0.2)


def test_shares_are_those_asked_for() -> None:
    split = split_works([f"work {i}" for i in range(4000)], 0, 0.05, 0.1)
    counts = [sum(s == name for s in split.values()) for name in ("train", "valid", "test")]
    # Three standard deviations of a binomial draw.
    assert counts[1] == pytest.approx(200, abs=42)
    assert counts[2] == pytest.approx(400, abs=57)


@given(count=st.integers(0, 6), seed=st.integers(0, 1000))
def test_few_works_still_fill_the_splits_and_train_is_never_emptied(count: int, seed: int) -> None:
    split = split_works([f"work {i}" for i in range(count)], seed, 0.05, 0.05)
    used = set(split.values())
    assert len(split) == count
    if count >= 3:
        assert used == {"train", "valid", "test"}
    elif count:
        assert "train" in used


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0.1), (0.5, 0.5), (1.0, 0.0), (0.0, 2.0)])
def test_shares_out_of_range_are_refused(valid: float, test: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        split_works(["a"], 0, valid, test)

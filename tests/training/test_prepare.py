"""``perpetuo prepare``: files in, one tensor file out, and what a user is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.errors import DataError
from streamer.families.chain.codec import published_codec
from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests.midifiles import write_midi
from training.corpora.corpus import Selection
from training.families.chain.reader import PrepareOptions, prepare
from training.families.chain.tensors import TensorSet

FLOAT32_MS = 0.01
"""Tensor files hold float32; 0.001 ms is measured for pieces of seconds."""


def piece(seed: int, notes: int = 60) -> NoteArray:
    rng = np.random.default_rng(seed)
    array = np.zeros(notes, dtype=NOTE_DTYPE)
    array["onset_ms"] = np.cumsum(rng.integers(0, 300, notes))
    array["duration_ms"] = rng.integers(20, 900, notes)
    array["pitch"] = rng.permutation(np.arange(21, 109))[:notes]
    array["velocity"] = rng.integers(30, 100, notes)
    array["onset_ms"] -= array["onset_ms"][0]
    return array


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Ten works of three performances each, a copy, a drum file and a broken one."""
    root = tmp_path / "corpus"
    for work in range(10):
        folder = root / f"Composer/op {work + 1}"
        folder.mkdir(parents=True)
        for take in range(3):
            write_midi(folder / f"player{take}.mid", piece(10 * work + take))
    write_midi(root / "zz copy.mid", piece(0))
    drums = piece(999)
    drums["channel"] = 9
    write_midi(root / "drums.mid", drums)
    (root / "broken.mid").write_bytes(b"MThd\0\0")
    return root


def run(*arguments: object) -> int:
    return main(["prepare", "pieces", *map(str, arguments)])


def test_performances_of_a_work_lie_in_one_split(corpus: Path) -> None:
    tensors = prepare([corpus], PrepareOptions(valid=0.2, test=0.2))
    splits: dict[str, set[str]] = {}
    for info in tensors.pieces:
        splits.setdefault(info.work_key, set()).add(info.split)
    assert len(splits) == 10
    assert all(len(where) == 1 for where in splits.values())
    assert {split for where in splits.values() for split in where} == {"train", "valid", "test"}


def test_tensors_hold_the_notes_of_the_files(corpus: Path) -> None:
    tensors = prepare([corpus])
    index = [info.file for info in tensors.pieces].index("Composer/op 2/player1.mid")
    expected, found = piece(11), tensors.notes(index)
    order = np.lexsort((expected["pitch"], expected["onset_ms"]))
    for name in ("pitch", "velocity", "pedal"):
        assert found[name].tolist() == expected[order][name].tolist()
    for name in ("onset_ms", "duration_ms"):
        assert np.abs(found[name] - expected[order][name]).max() < FLOAT32_MS


def test_the_report_counts_by_reason_and_split(corpus: Path) -> None:
    tensors = prepare([corpus], PrepareOptions(seed=4))
    report = tensors.report
    assert report["files"] == 33
    assert report["kept"] == 30
    assert report["reasons"] == {"broken": 1, "drums-only": 1, "duplicate": 1}
    assert sum(row["pieces"] for row in report["splits"].values()) == 30
    assert report["corpora"]["corpus"]["notes"] == 30 * 60
    assert report["options"]["seed"] == 4
    assert report["codec_fingerprint"] == tensors.codec.fingerprint
    assert report["joined_works"] == {}
    json.dumps(report)


def test_fitted_classes_are_fitted_to_the_training_pieces_alone(corpus: Path) -> None:
    fitted = prepare([corpus], PrepareOptions(codec="fitted", valid=0.2, test=0.2))
    assert fitted.codec.sizes == published_codec().sizes
    assert fitted.codec.name == "weber-fitted"
    held_out = [info.file for info in fitted.pieces if info.split != "train"] + ["zz copy.mid"]
    without = prepare(
        [corpus],
        PrepareOptions(
            codec="fitted", valid=0, test=0, selection=Selection(exclude=tuple(held_out))
        ),
    )
    assert without.codec.fingerprint == fitted.codec.fingerprint


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"codec": "guessed"}, "one of published, fitted"), ({"valid": 0.6, "test": 0.5}, "below 1")],
)
def test_options_out_of_range_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrepareOptions(**wrong)


def test_nothing_usable_is_one_line_with_counts(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"none of 1 MIDI files is usable \(1 not-midi\)") as caught:
        prepare([tmp_path])
    assert "\n" not in str(caught.value)


# The command


def test_the_command_writes_a_tensor_file_and_says_what_it_did(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = tmp_path / "x.npz", tmp_path / "x.json"
    assert run(corpus, "-o", output, "--json", report, "--seed", 7) == 0
    said = capsys.readouterr()
    assert "33 files: 30 kept, 1 broken, 1 drums-only, 1 duplicate" in said.out
    assert said.err.splitlines() == [
        "skipped corpus/broken.mid: broken: the header is cut off or has no time base; "
        "fetch the file or save it again",
        "skipped corpus/drums.mid: drums-only: all 60 notes are drums (channel 10, or a drum kit); "
        "choose a file in which something with pitches plays",
    ]
    assert len(TensorSet.load(output)) == 30
    assert json.loads(report.read_text())["kept"] == 30


def test_verbose_names_copies_too(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(corpus, "-o", tmp_path / "x.npz", "-v") == 0
    assert "zz copy.mid: duplicate: the same music as" in capsys.readouterr().err


def test_the_same_corpus_and_seed_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "1.npz", tmp_path / "2.npz"
    assert run(corpus, "-o", one) == run(corpus, "-o", two) == 0
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("empty folder", "no MIDI files"),
        ("nothing", "no such file or folder"),
        ("drums", "none of 1 MIDI files is usable (1 drums-only)"),
    ],
)
def test_a_corpus_with_nothing_usable_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: str, message: str
) -> None:
    root = tmp_path / "root"
    if make != "nothing":
        root.mkdir()
    if make == "drums":
        drums = piece(1)
        drums["channel"] = 9
        write_midi(root / "d.mid", drums)
    assert run(root, "-o", tmp_path / "x.npz") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert message in said.err
    assert not (tmp_path / "x.npz").exists()


def test_an_output_that_is_a_folder_is_refused_before_reading(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(corpus, "-o", tmp_path) == 1
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--valid", "1.5"), ("--test", "-0.1"), ("--min-notes", "0"), ("--processes", "0")]
)
def test_an_option_out_of_range_is_a_usage_error(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]
) -> None:
    assert run(corpus, "-o", tmp_path / "x.npz", *wrong) == 2
    assert f"must be {'1 or more' if wrong[1] == '0' else 'in range'}" in capsys.readouterr().err


def test_shares_that_leave_nothing_to_train_on_are_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(corpus, "-o", tmp_path / "x.npz", "--valid", 0.5, "--test", 0.5) == 1
    assert "below 1 together" in capsys.readouterr().err


def test_preparing_needs_neither_torch_nor_symusic() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, symusic=None, onnxruntime=None)\n"
        "import training.verbs.prepare, training.families.chain.preparing"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


# Spellings of before


@pytest.mark.parametrize(
    ("old", "kind"),
    [([], "pieces"), (["--melodies"], "tunes"), (["--scores"], "scores"), (["--bands"], "bands")],
)
def test_an_old_spelling_does_what_the_new_one_does_and_says_so_once(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: list[str], kind: str
) -> None:
    one, two = tmp_path / "old.npz", tmp_path / "new.npz"
    command = [str(corpus), "--include", "Composer/*"]
    status = main(["prepare", *command, *old, "-o", str(one)])
    said = capsys.readouterr().err
    assert said.count("the old spelling works in this version only") == 1
    assert f"perpetuo prepare {kind} PATH" in said
    assert status == main(["prepare", kind, *command, "-o", str(two)])
    assert "old spelling" not in capsys.readouterr().err
    assert one.exists() == two.exists()
    if status == 0:
        assert one.read_bytes() == two.read_bytes()


def test_the_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n    {kind} " in told for kind in ("pieces", "tunes", "scores", "bands"))


def test_options_may_stand_before_the_kind(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.npz"
    assert main(["prepare", "-o", str(out), "pieces", str(corpus)]) == 0
    assert "old spelling" not in capsys.readouterr().err
    assert out.exists()

"""What is wrong with a file is told by every command that reads one, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.cli import main
from tests.oddfiles import band, line, melody, save, smf, track

READERS = {
    "prime": ("render", "{out}", "--duration", "1", "--prime", "{file}"),
    "tunes": ("render", "{out}", "--duration", "1", "--model", "tunes", "--prime", "{file}"),
    "query": ("render", "{out}", "--duration", "1", "--model", "answer", "--query", "{file}"),
    "restyle": ("restyle", "{file}", "--style", "jazz", "-o", "{out}"),
    "interpolate": ("interpolate", "{whole}", "{file}", "-o", "{out}"),
}  # fmt: skip


def run(
    reader: str, data: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run a command on a file; return its status and what it says on stderr."""
    paths = {
        "file": save(folder / "odd.mid", data),
        "whole": save(folder / "whole.mid", band()),
        "out": folder / "out.mid",
    }
    arguments = [word.format(**paths) for word in READERS[reader]]
    capsys.readouterr()
    status = main([*arguments, "--seed", "1"])
    return status, capsys.readouterr().err


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_ends_early_is_read_and_told(
    reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(reader, band()[:-40], tmp_path, capsys)
    assert status == 0, said
    assert "odd.mid: the file ends 40 bytes early; " in said
    assert " notes are read" in said


@pytest.mark.parametrize("reader", READERS)
def test_a_value_over_127_is_told_with_its_place(
    reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = (0, b"\xb1\x07\xff")
    data = band(extra=strange)
    at = data.index(strange[1])
    status, said = run(reader, data, tmp_path, capsys)
    assert status == 0, said
    assert f"track 3 has the value 255 at byte {at + 2}, where 0..127 is legal; it is read" in said


@pytest.mark.parametrize("reader", READERS)
def test_of_a_file_of_songs_it_is_told_which_is_read(
    reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = run(reader, smf([track(melody()), track(melody())], kind=2), tmp_path, capsys)
    assert "odd.mid: holds 2 songs (format 2); the first is read" in said


@pytest.mark.parametrize("reader", READERS)
def test_music_without_an_end_is_refused_with_value_and_limit(
    reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(reader, band(8, far_bars=6000), tmp_path, capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert "odd.mid: 3.3 hours long, at most 3 are read; choose a shorter file, or delete" in said


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>404</html>", "is a web page (HTML); the download failed: fetch the file itself"),
        (smf([track([])]), "holds no notes (tracks: 1); choose a file with notes"),
        (smf([track(line((36,) * 40, 9))]), "; "),
    ],
    ids=["HTML", "no notes", "drums"],
)
def test_a_file_that_cannot_be_used_says_what_it_is_and_what_to_do(
    data: bytes, words: str, reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(reader, data, tmp_path, capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert words in said

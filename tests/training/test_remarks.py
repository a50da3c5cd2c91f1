"""What is wrong with a file of a corpus is told by every kind of ``perpetuo prepare``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.cli import main
from tests.oddfiles import band, melody, save, smf, track

KINDS = ("pieces", "tunes", "scores", "bands")


def prepare(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Prepare a folder's files without holding any back; return the status and stderr."""
    capsys.readouterr()
    out = ["-o", str(folder / "x.npz"), "--json", str(folder / "x.json")]
    status = main(["prepare", kind, str(folder), *out, "--valid", "0", "--test", "0"])
    return status, capsys.readouterr().err


def song(kind: str) -> bytes:
    return band() if kind == "bands" else smf([track(melody(64))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_ends_early_is_taken_with_a_remark(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "torn.mid", song(kind)[:-11])
    status, said = prepare(kind, tmp_path, capsys)
    assert status == 0, said
    assert "/torn.mid: the file ends 11 bytes early; " in said
    (remark,) = json.loads((tmp_path / "x.json").read_text())["remarks"]
    assert remark["file"] == "torn.mid"
    assert remark["text"].startswith("the file ends 11 bytes early")


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_taken_without_a_word(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "whole.mid", song(kind))
    assert prepare(kind, tmp_path, capsys) == (0, "")
    assert json.loads((tmp_path / "x.json").read_text())["remarks"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_used_says_what_it_is_and_what_to_do(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "page.mid", b"<html>404</html>")
    status, said = prepare(kind, tmp_path, capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert "(1 not-midi); the first, page.mid: not a MIDI file: it is a web page (HTML); " in said


@pytest.mark.parametrize("kind", KINDS)
def test_music_without_an_end_is_left_out_with_value_and_limit(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "whole.mid", song(kind))
    save(tmp_path / "far.mid", band(8, far_bars=6000))
    status, said = prepare(kind, tmp_path, capsys)
    assert status == 0
    assert "/far.mid: too-large: 3.3 hours long, at most 3 are read; choose a shorter" in said

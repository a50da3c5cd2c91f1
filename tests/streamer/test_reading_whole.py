"""Files that people name are read no further than they may go: a device has no end."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.cli import main
from streamer.system.reading import CHUNK_BYTES, named_path, read_at_most


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_a_file_that_is_as_long_as_it_may_be_is_read_whole(length, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(length))
    assert length == len(read_at_most(path, length)) == len(read_at_most(path, 2**62))


@pytest.mark.parametrize("most", [0, 10, CHUNK_BYTES, 3 * CHUNK_BYTES])
def test_a_device_without_an_end_is_refused(most):
    with pytest.raises(OSError, match=f"longer than {most} bytes"):
        read_at_most(Path("/dev/zero"), most)


@pytest.mark.parametrize(
    "words",
    [
        ["scenes", "--save", "x", "--config"],
        ["token", "--config"],
        ["render", "/dev/null", "--duration", "1", "--prime"],
        ["render", "/dev/null", "--duration", "1", "--model", "answer", "--query"],
        ["render", "/dev/null", "--duration", "1", "--from"],
        ["restyle", "-o", "/dev/null", "--style", "jazz"],
        ["continue", "--model", "piano", "-o", "answers"],
        ["train", "chain", "-o", "runs", "--tensors"],
    ],
)
def test_a_device_in_place_of_a_file_is_one_line(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert 1 == main([*words, "/dev/zero"])
    said = capsys.readouterr().err
    assert "/dev/zero: " in said
    assert 1 == len(said.splitlines())


def test_settings_that_are_too_long_say_how_long_they_may_be(tmp_path, capsys):
    path = tmp_path / "long.toml"
    path.write_bytes(b"#" * (CHUNK_BYTES + 1))
    assert 1 == main(["token", "--config", str(path)])
    assert "longer than 1048576 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["models", "--get", "~nosuch_user/x"], 1),
        (["render", "x.mid", "--duration", "1", "--model", "~nosuch_user/x"], 1),
        (["render", "x.mid", "--duration", "1", "--chords", "~nosuch_user/x.txt"], 2),
        (["render", "x.mid", "--duration", "1", "--keys", "~nosuch_user/x.chords"], 2),
        (["play", "--port", "file:~nosuch_user/x.mid", "--for", "1"], 1),
    ],
)
def test_a_home_that_nobody_has_is_one_line(words, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        found = main(words)
    except SystemExit as left:  # an option that cannot be
        found = left.code
    said = capsys.readouterr().err
    assert code == found
    assert "~nosuch_user" in said
    assert 1 == len(said.splitlines())


def test_a_home_is_found_and_what_is_no_home_stays(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert Path("/home/me/x.mid") == named_path("~/x.mid")
    assert Path("~nosuch_user/x.mid") == named_path("~nosuch_user/x.mid")
    assert Path("a~b") == named_path(Path("a~b"))

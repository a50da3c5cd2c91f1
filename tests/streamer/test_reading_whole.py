"""Files that people name are read no further than they may go: a device has no end."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.cli import main
from streamer.system.reading import CHUNK_BYTES, read_at_most


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

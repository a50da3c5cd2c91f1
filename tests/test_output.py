"""Stdout and stderr as a shell may give them: closed, full, unread, of few letters.

A table of commands on ways to be written to. Real processes: what the interpreter itself does at
its end belongs to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle
from tests.faults.children import ENTRY, LOST, ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands by name, each with much to say, or little."""
    folder = tmp_path_factory.mktemp("output")
    bundle = str(write_tiny_bundle(folder).path)
    common = ["--model", bundle, "--seed", "1"]
    play = ["play", "--port", "null", "--input", "off", "--for", "0.1"]
    return {
        "help": ["--help"],
        "version": ["--version"],
        "usage": ["--no-such-option"],
        "models": ["models"],
        "models --json": ["models", "--json"],
        "check": ["check", "--model", bundle, "--port", "null"],
        "render": ["render", str(folder / "out.mid"), "--duration", "1", *common],
        "render --json -": ["render", "/dev/null", "--duration", "1", "--json", "-", *common],
        "play": [*play, *common],
        "wrong": ["render", "out.mid", "--model", "no-such-bundle"],
    }


SAYS_ON_STDOUT = (
    "help",
    "version",
    "models",
    "models --json",
    "check",
    "render",
    "render --json -",
)
STATUSES = {"usage": 2, "wrong": 1}
EACH = pytest.mark.parametrize("name", [*SAYS_ON_STDOUT, "usage", "play", "wrong"])


def run(
    words: Sequence[str], redirections: str, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Run the command in a shell with its output led elsewhere; status and what stderr got."""
    ended = subprocess.run(
        shell(words, redirections), capture_output=True, stdin=subprocess.DEVNULL,
        env=ENVIRONMENT | (environment or {}), timeout=100, check=False,
    )  # fmt: skip
    return ended.returncode, decent(ended.stderr)


def shell(words: Sequence[str], redirections: str) -> list[str]:
    return ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", ENTRY, *words]


def decent(stderr: bytes) -> str:
    """What stderr got, without a word that no user should read."""
    text = stderr.decode("utf-8", "replace")
    assert not [word for word in LOST if word in text], text
    return text


@EACH
@pytest.mark.parametrize("redirections", [">&-", ">&- 2>&- <&-"])
def test_closed_streams_change_nothing(commands, name, redirections):
    status, _ = run(commands[name], redirections)
    assert STATUSES.get(name, 0) == status


@EACH
@FULL
def test_a_full_stdout_is_one_line_and_a_failure(commands, name):
    status, text = run(commands[name], ">/dev/full")
    if name in SAYS_ON_STDOUT:
        assert 1 == status
        assert "No space left on device" in text
        assert 1 == text.count("\n")
    else:
        assert STATUSES.get(name, 0) == status


@EACH
@FULL
def test_a_full_stderr_changes_no_status(commands, name):
    status, _ = run(commands[name], "2>/dev/full")
    assert STATUSES.get(name, 0) == status


@EACH
def test_a_pipe_that_nobody_reads_ends_quietly(commands, name):
    """Its reader is gone before the first letter, as after `| head -0`."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        ended = subprocess.run(
            shell(commands[name], "" if name in SAYS_ON_STDOUT else "2>&1"),
            stdout=writes, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
            timeout=100, check=False,
        )  # fmt: skip
    finally:
        os.close(writes)
    assert "" == decent(ended.stderr)
    assert STATUSES.get(name, 0) == ended.returncode


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["\u266a \u042f", "\udcff\udcfe"])
def test_names_of_any_letters_can_be_told_on_any_terminal(commands, encoding, name, tmp_path):
    """A file name of other alphabets, and one that is no text at all."""
    target = tmp_path / name
    try:
        target.mkdir()
    except OSError:
        pytest.skip("this system has no such names")
    words = commands["render"][2:]
    environment = {"PYTHONIOENCODING": encoding}
    assert 0 == run(["render", str(target / "o.mid"), *words], "", environment)[0]
    report = ["--json", str(target / "o.json")]
    assert 0 == run(["render", str(target / "o.mid"), *words, *report], "", environment)[0]
    status, text = run(["render", str(target), *words], "", environment)
    assert 1 == status
    assert "is a folder" in text
    assert 1 == text.count("\n")


def test_a_file_that_is_opened_later_does_not_take_the_place_of_a_closed_stream(tmp_path):
    """What a library prints would stand in the middle of the music."""
    script = (
        "import os, sys\n"
        "from streamer.system.output import prepare_output\n"
        "prepare_output()\n"
        f"file = open({str(tmp_path / 'music')!r}, 'wb')\n"
        "os.write(1, b'noise'), os.write(2, b'noise'), print('noise')\n"
        "file.write(b'music')\n"
    )
    subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script],
        env=ENVIRONMENT, timeout=100, check=True,
    )  # fmt: skip
    assert b"music" == Path(tmp_path / "music").read_bytes()

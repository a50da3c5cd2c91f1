"""A signal at any moment of a start, a few times; `python -m tests.faults.startsweep` does many."""

import pytest

from tests.faults import children, startsweep

BUSY_SECONDS = 10.0
"""How long a process may take to end on a machine that has other things to do."""


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return startsweep.commands(tmp_path_factory.mktemp("starts"))


def test_a_signal_at_any_moment_of_a_real_start_ends_it_with_its_status(words):
    found = startsweep.sweep(8, words, children.command, most_seconds=BUSY_SECONDS)
    assert [] == found.wrong


@pytest.mark.timeout(300)
def test_a_signal_at_any_moment_of_a_forked_start_ends_it_with_its_status(words):
    startsweep.import_everything(words)
    found = startsweep.sweep(32, words, startsweep.forked, most_seconds=BUSY_SECONDS)
    assert [] == found.wrong


@pytest.mark.parametrize("number", startsweep.NUMBERS)
def test_a_signal_while_a_library_is_imported_is_silent_and_has_its_status(number, words, tmp_path):
    """A library that turns what is raised within its import into an error of its own."""
    (tmp_path / "onnxruntime.py").write_text(
        "import os\n"
        "try:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    for _ in range(100000): pass\n"
        "except BaseException as error:\n"
        "    raise ImportError('the library cannot be loaded') from error\n"
        "import time; time.sleep(60)\n"
    )
    ended = children.command(words[1], python_path=tmp_path, folder=tmp_path)
    assert (128 + number, "") == (ended.status, ended.stderr)

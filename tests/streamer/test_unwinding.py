"""Signals of a command: an exception where one can end it, and the end itself where none can."""

import ctypes
import os
import signal
import sys
import threading

import pytest

from streamer.system.unwinding import MOST_SECONDS, Terminated, Unwinding
from tests.faults import children

PATIENCE_SECONDS = 20.0
SLACK_SECONDS = 12.0
"""How much later than asked a busy machine may do it."""


@pytest.fixture
def left():
    """The statuses with which the process would have been left."""
    return []


@pytest.fixture(autouse=True)
def interruptible():
    """SIGINT as a terminal gives it: what runs in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_the_first_signal_unwinds_and_the_second_leaves_at_once(number, raised, left):
    with Unwinding(left.append):
        with pytest.raises(raised):
            signal.raise_signal(number)
        assert [] == left
        with pytest.raises(raised):
            signal.raise_signal(number)
        assert [128 + number] == left


def test_afterwards_all_is_as_it_was():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.unraisablehook
    with Unwinding():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    after = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.unraisablehook
    assert before == after
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_that_is_ignored_stays_so(left):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Unwinding(left.append):
        signal.raise_signal(signal.SIGINT)
    assert [] == left


def test_a_signal_within_an_import_waits_for_its_end(left, tmp_path, monkeypatch):
    (tmp_path / "library_of_a_test.py").write_text(
        "import signal\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "except BaseException as error:\n"
        "    raise ImportError('cannot be loaded') from error\n"
        "loaded = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def load_and_wait():
        import library_of_a_test

        loaded.append(library_of_a_test.loaded)
        threading.Event().wait(PATIENCE_SECONDS)

    loaded = []
    with Unwinding(left.append), pytest.raises(Terminated):
        load_and_wait()
    assert ([True], []) == (loaded, left)


def test_an_exception_that_a_finaliser_swallows_ends_the_process_all_the_same(left):
    class Finalised:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    with Unwinding(left.append):
        one = Finalised()
        del one
    assert [143] == left


def test_other_threads_have_no_signals_and_none_are_touched():
    before, after = signal.getsignal(signal.SIGTERM), []

    def enter():
        with Unwinding():
            after.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert [before] == after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_library_that_never_comes_back_is_left_in_time_with_the_right_status(number):
    """The main thread waits for a lock that nobody gives, deaf to signals, as within a kernel."""

    def hang():
        lock = ctypes.create_string_buffer(64)
        with Unwinding():
            for _ in range(2):
                ctypes.CDLL(None).pthread_mutex_lock(lock)
        return 0

    ended = children.fork(hang, signal_at=(0.3, number))
    assert (128 + number, "") == (ended.status, ended.stderr)
    assert ended.after_signal < MOST_SECONDS + SLACK_SECONDS


def test_a_signal_that_its_handlers_new_owner_answers_is_not_bounded(left):
    """As the stream's own handlers, which end it in order."""
    heard = threading.Event()
    with Unwinding(left.append):
        before = signal.signal(signal.SIGTERM, lambda *_: heard.set())
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(PATIENCE_SECONDS)
        signal.signal(signal.SIGTERM, before)
    assert [] == left

"""Ctrl-Z, whatever the main thread does at that moment: noted there, obeyed at the next look."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from streamer.service.keyboard import Keyboard


@pytest.fixture
def no_terminal() -> Iterator[int]:
    """A descriptor from which nothing comes."""
    reads, writes = os.pipe()
    yield reads
    os.close(reads)
    os.close(writes)


def test_ctrl_z_is_obeyed_at_the_next_look_and_once(no_terminal):
    told: list[str] = []

    def stop() -> None:
        told.append("stop" if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL else "not yet")

    with Keyboard(
        lambda key: None, lambda: told.append("hold"), lambda: told.append("go on"), no_terminal,
        stop,
    ) as keyboard:  # fmt: skip
        keyboard.look()
        assert [] == told
        for times in (1, 2):
            signal.raise_signal(signal.SIGTSTP)
            assert ["hold", "stop", "go on"] * (times - 1) == told
            for _ in range(3):
                keyboard.look()
            assert ["hold", "stop", "go on"] * times == told


def test_ctrl_z_takes_no_lock_that_the_main_thread_may_hold(no_terminal):
    lock, told = threading.Lock(), []  # as an Event has, and a scheduler that is held

    def hold() -> None:
        assert lock.acquire(timeout=1.0)
        lock.release()
        told.append("hold")

    with Keyboard(
        lambda key: None, hold, descriptor=no_terminal, stop=lambda: None
    ) as keyboard:  # fmt: skip
        with lock:
            signal.raise_signal(signal.SIGTSTP)
        assert [] == told
        keyboard.look()
    assert ["hold"] == told


def test_the_handler_is_put_back_at_the_end(no_terminal):
    before = signal.getsignal(signal.SIGTSTP)
    with Keyboard(lambda key: None, descriptor=no_terminal):
        assert before != signal.getsignal(signal.SIGTSTP)
    assert before == signal.getsignal(signal.SIGTSTP)

"""Priority in one thread alone, as far as the system allows, and a clear line where it does not."""

import gc
import logging
import os
import sys
import threading

import pytest

from streamer.system import realtime


def in_a_thread(function, *arguments):
    """Return what a function returns in a thread of its own, which is then gone."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function(*arguments)))
    thread.start()
    thread.join(10.0)
    return answers[0]


def test_priority_zero_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(os, "sched_setscheduler", lambda *_: pytest.fail("it was asked for"))
    assert in_a_thread(realtime.become_realtime, 0) == "SCHED_OTHER"


def test_real_time_priority_is_asked_for_the_calling_thread(monkeypatch, caplog):
    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *arguments: asked.append(arguments))
    with caplog.at_level(logging.INFO):
        assert in_a_thread(realtime.become_realtime, 40) == "SCHED_FIFO 40"
    ((process, policy, parameter),) = asked
    assert (process, parameter.sched_priority) == (0, 40)
    assert policy & os.SCHED_FIFO
    assert caplog.messages == ["the timing thread runs at real-time priority SCHED_FIFO 40"]


def test_without_the_right_to_it_one_line_names_the_remedy(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with caplog.at_level(logging.WARNING):
        assert in_a_thread(realtime.become_realtime, 50) == "SCHED_OTHER"
    (line,) = caplog.messages
    assert "no real-time priority 50 (Operation not permitted)" in line
    assert "LimitRTPRIO=50" in line


def test_a_system_without_schedulers_plays_all_the_same(monkeypatch, caplog):
    monkeypatch.delattr(os, "sched_setscheduler")
    with caplog.at_level(logging.INFO):
        assert in_a_thread(realtime.become_realtime, 50) == "SCHED_OTHER"
    assert "no SCHED_FIFO" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux alone")
def test_a_thread_that_steps_back_does_so_alone():
    def niceness():
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        realtime.step_back(1)
        return before, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    before, after = in_a_thread(niceness)
    assert after == min(before + 1, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_settling_takes_what_is_loaded_out_of_later_collections(monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "setswitchinterval", asked.append)
    before = gc.get_freeze_count()
    try:
        realtime.settle()
        assert gc.get_freeze_count() > before
        assert asked == [realtime.SWITCH_SECONDS]
    finally:
        gc.unfreeze()

"""An input is polled by a thread of ours: RtMidi's own never enters Python, and cannot hang us."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ports import clients
from streamer.ports.arrivals import STRAY_SECONDS, Arrivals
from streamer.ports.backends import RtMidiBackend
from streamer.ports.clients import POLL_SECONDS, Listener

PATIENCE_SECONDS = 20.0
PERIOD = 60.0 / (120 * 24)
"""Of a MIDI clock at 120 BPM, seconds."""

STEADY_SECONDS = 0.0005
"""How far the found times of a clock stray, polled each 2 ms (p99); 0.17 ms was measured."""

DEADLOCK = """
import ctypes
from streamer.ports.backends import RtMidiBackend

libc, keeps_interpreter = ctypes.CDLL(None), ctypes.PyDLL(None)
Callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

class MidiIn:
    def __init__(self, api, name, queue_size_limit=1024):
        self.start = ctypes.cast(libc.getpid, ctypes.c_void_p)
    def ignore_types(self, **kinds): pass
    def open_virtual_port(self, name): pass
    def get_message(self): return None
    def cancel_callback(self): pass
    def set_callback(self, function):
        self.kept = Callback(lambda data: function(([0xF8], 0.0), None))
        self.start = ctypes.cast(self.kept, ctypes.c_void_p)
    def delete(self):
        # A message comes in RtMidi's thread, and delete waits for that with the interpreter held.
        thread = ctypes.c_void_p()
        libc.pthread_create(ctypes.byref(thread), None, self.start, None)
        keeps_interpreter.pthread_join(thread, None)

class Module:
    pass
Module.MidiIn = Module.MidiOut = MidiIn

backend = RtMidiBackend(Module, 0, "jack", "Perpetuo")
backend.listen(None, lambda *message: None).close()
print("closed")
"""


def test_an_input_is_closed_while_a_message_comes_in_rtmidis_thread():
    """It never was, when RtMidi's thread waited for the interpreter that ``delete`` held."""
    done = subprocess.run(
        [sys.executable, "-c", DEADLOCK],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ("closed\n", 0) == (done.stdout, done.returncode), done.stderr


class Source:
    """RtMidi's client: a queue with deltas. ``order`` says what was done to it."""

    def __init__(self, *messages: bytes) -> None:
        self.queue = deque((list(message), 0.0) for message in messages)
        self.order: list[str] = []
        self.in_get = self.let_go = None

    def get_message(self):
        assert "delete" not in self.order, "polled after the end"
        if self.let_go is not None:
            self.in_get.set()
            self.let_go.wait(PATIENCE_SECONDS)
        return self.queue.popleft() if self.queue else None

    def delete(self) -> None:
        self.order.append("delete")

    def hold(self) -> None:
        """Let the next look last until it is let go."""
        self.in_get, self.let_go = threading.Event(), threading.Event()


def test_what_waits_in_the_queue_is_handed_on_in_its_order():
    source, heard = Source(b"\xb0\x01\x02", b"\xf8"), []
    listener = Listener(source, lambda *one: heard.append(one), now=lambda: 7.0, threaded=False)
    listener.poll()
    listener.poll()
    assert [(b"\xb0\x01\x02", 7.0), (b"\xf8", 7.0)] == heard


def test_the_thread_that_polls_has_ended_before_the_client_is_deleted():
    source, came = Source(b"\xf8"), threading.Event()
    before = {*threading.enumerate()}
    listener = Listener(source, lambda data, at: came.set())
    assert came.wait(PATIENCE_SECONDS)
    listener.close()
    listener.close()
    assert (["delete"], False) == (source.order, listener.is_open)
    assert set() == {*threading.enumerate()} - before


def test_a_client_in_which_a_look_hangs_is_left_and_not_deleted_under_it(monkeypatch, caplog):
    monkeypatch.setattr(clients, "HANG_SECONDS", 0.02)
    source = Source()
    source.hold()
    listener = Listener(source, lambda data, at: None)
    assert source.in_get.wait(PATIENCE_SECONDS)
    listener.close()
    assert [] == source.order
    assert "left to itself" in caplog.text
    source.let_go.set()


def test_a_flood_beyond_the_queue_is_counted_and_told():
    source, heard = Source(*[b"\xf8"] * 20), []
    listener = Listener(source, lambda *one: heard.append(one), 8, threaded=False)
    listener.poll()
    assert (8, 1) == (len(heard), listener.overflows)
    source.queue.clear()
    source.queue.extend([([0xF8], 0.0)] * 6)
    listener.poll()
    assert (14, 1) == (len(heard), listener.overflows)


def test_a_real_client_is_asked_for_a_queue_that_is_long_enough():
    asked = {}

    class Client(Source):
        def __init__(self, api, name, **more):
            super().__init__()
            asked.update(more)

        def ignore_types(self, **kinds):
            pass

        def open_virtual_port(self, name):
            pass

    module = type("Module", (), {"MidiIn": Client, "MidiOut": Client})
    RtMidiBackend(module, 0, "jack", "Perpetuo").listen(None, lambda data, at: None).close()
    assert {"queue_size_limit": clients.QUEUE_MESSAGES} == asked


def polled(times, look=POLL_SECONDS, late=lambda: 0.0):
    """Yield (true time, time found) of messages that are fetched at looks, some of them late."""
    arrivals, before = Arrivals(), None
    for true in times:
        fetched = (int(true / look) + 1) * look + late()
        yield true, arrivals.at(0.0 if before is None else true - before, fetched)
        before = true


def test_a_clock_is_as_steady_as_it_came_though_it_is_fetched_each_two_milliseconds():
    chance = random.Random(3)
    found = [
        at - true
        for true, at in polled(
            (100.0 + PERIOD * n for n in range(2000)), late=lambda: chance.expovariate(1 / 0.0005)
        )
    ][100:]
    middle = sorted(found)[len(found) // 2]
    strays = sorted(abs(one - middle) for one in found)
    assert strays[int(0.99 * len(strays))] < STEADY_SECONDS
    assert 0.0 <= min(found) <= max(found) < POLL_SECONDS


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=60))
def test_no_message_comes_later_than_it_is_fetched_nor_before_the_one_before_it(plan):
    arrivals, now, times = Arrivals(), 50.0, []
    for since, wait in plan:
        now += wait
        times.append(arrivals.at(since, now))
        assert now - STRAY_SECONDS - 1e-6 <= times[-1] <= now
    assert all(a <= b for a, b in itertools.pairwise(times))


def test_messages_that_were_lost_in_between_leave_the_next_where_it_is_fetched():
    arrivals = Arrivals()
    arrivals.at(0.0, 10.0)
    assert pytest.approx(11.0) == arrivals.at(1.0, 11.0)
    assert pytest.approx(20.0) == arrivals.at(0.5, 20.0)  # 8.5 s of deltas were lost
    assert pytest.approx(20.5, abs=2e-4) == arrivals.at(0.5, 20.501)

"""The service manager's protocol over a real socket, and the watchdog on a manual clock."""

import logging
import os
import socket

import pytest

from streamer.service.notify import STATUS_CHARACTERS, Notifier, Watchdog, watchdog_seconds
from streamer.testing import ManualClock


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self):
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager):
    return Notifier(manager.socket.getsockname())


def test_every_state_is_told_in_the_words_of_the_protocol(notifier, manager):
    notifier.ready("Playing to Piano")
    notifier.status("12 notes")
    notifier.alive()
    notifier.stopping("Stopping")
    assert [
        "READY=1\nSTATUS=Playing to Piano",
        "STATUS=12 notes",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=Stopping",
    ] == manager.heard()


def test_reloading_carries_the_time_and_ready_ends_it(notifier, manager):
    notifier.reloading()
    notifier.ready()
    reloading, ready = manager.heard()
    first, second = reloading.split("\n")
    name, microseconds = second.split("=")
    assert ("RELOADING=1", "MONOTONIC_USEC", "READY=1") == (first, name, ready)
    assert int(microseconds) > 0


def test_status_is_one_line_of_bounded_length(notifier, manager):
    notifier.status("two\nlines\r\nREADY=1 " + "x" * 1000)
    (message,) = manager.heard()
    assert message.startswith("STATUS=two lines READY=1 xxx")
    assert "\n" not in message
    assert len(message) == len("STATUS=") + STATUS_CHARACTERS


def test_status_of_nothing_is_not_sent(notifier, manager):
    notifier.status("  ")
    assert [] == manager.heard()


def test_abstract_sockets_are_spoken_to():
    name = f"perpetuo-test-{os.getpid()}"
    manager = Manager("\0" + name)
    Notifier("@" + name).alive()
    assert ["WATCHDOG=1"] == manager.heard()
    manager.socket.close()


def test_without_a_manager_nothing_is_sent_and_nothing_raised():
    notifier = Notifier()
    assert not notifier.listens
    notifier.ready("Playing")


def test_a_manager_that_went_away_is_one_line_in_the_log(tmp_path, caplog):
    notifier = Notifier(str(tmp_path / "nobody"))
    for _ in range(3):
        notifier.alive()
    assert 1 == len(caplog.records)
    assert "does not listen" in caplog.text


def test_an_address_of_another_kind_is_named_and_not_used(caplog):
    assert not Notifier("vsock:2:1234").listens
    assert "vsock:2:1234" in caplog.text


def test_the_request_is_taken_out_of_the_environment(manager):
    """A soft synth that we start must not speak for us."""
    environ = {"NOTIFY_SOCKET": manager.socket.getsockname(), "HOME": "/"}
    Notifier.from_environment(environ).alive()
    assert {"HOME": "/"} == environ
    assert ["WATCHDOG=1"] == manager.heard()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_watchdog_is_wanted_only_of_this_process(environ, seconds):
    assert seconds == watchdog_seconds(environ)
    assert {} == environ


class Thread:
    """A timing thread: its heartbeat is the present until it hangs."""

    def __init__(self, clock):
        self.clock, self.hung_at = clock, None

    def heartbeat(self):
        return self.clock.now() if self.hung_at is None else self.hung_at


def make_watchdog(notifier, period=9.0):
    clock = ManualClock()
    thread = Thread(clock)
    return Watchdog(notifier, thread.heartbeat, clock, period), thread, clock


def test_watchdog_is_fed_while_the_thread_advances(notifier, manager):
    watchdog, _, clock = make_watchdog(notifier)
    for _ in range(10):
        clock.jump(watchdog.interval_seconds)
        assert watchdog.look()
    assert ["WATCHDOG=1"] * 10 == manager.heard()


def test_watchdog_is_looked_at_thrice_a_period(notifier):
    assert 3.0 == make_watchdog(notifier)[0].interval_seconds


def test_watchdog_starves_when_the_thread_hangs_and_says_so_once(notifier, manager, caplog):
    watchdog, thread, clock = make_watchdog(notifier)
    thread.hung_at = clock.now()
    looks = []
    for _ in range(6):
        clock.jump(watchdog.interval_seconds)
        looks.append(watchdog.look())
    assert [True, False, False, False, False, False] == looks
    assert ["WATCHDOG=1"] == manager.heard()
    assert 1 == len(caplog.records)


def test_a_thread_that_goes_on_is_fed_again(notifier, manager, caplog):
    watchdog, thread, clock = make_watchdog(notifier)
    thread.hung_at = clock.now()
    clock.jump(8.0)
    assert not watchdog.look()
    thread.hung_at = None
    caplog.set_level(logging.WARNING)
    assert watchdog.look()
    assert ["WATCHDOG=1"] == manager.heard()
    assert "goes on" in caplog.text


def test_a_hang_is_met_within_one_and_a_half_periods(notifier, manager):
    """systemd counts a period from the last sign, which comes half a period after the hang."""
    watchdog, thread, clock = make_watchdog(notifier)
    thread.hung_at = hung_at = clock.now()
    last = hung_at
    while clock.now() < hung_at + 60:
        clock.jump(0.1)
        if watchdog.look():
            last = clock.now()
            assert ["WATCHDOG=1"] == manager.heard()
    assert last - hung_at <= 9.0 / 2
    assert [] == manager.heard()


def test_a_period_of_nothing_is_refused(notifier):
    with pytest.raises(ValueError, match="above 0"):
        make_watchdog(notifier, 0.0)

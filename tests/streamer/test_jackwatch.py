"""The watching client without a server, or without a JACK at all."""

import ctypes
import ctypes.util
from pathlib import Path

import pytest

from streamer.ports.jackwatch import DELIVERY_SECONDS, JackWatch, _socket_is_there


def test_without_libjack_it_is_never_connected(monkeypatch, tmp_path):
    monkeypatch.setattr("streamer.ports.jackwatch._mapped_libjack", lambda: None)
    watch = JackWatch("watch")
    assert watch.connect() is False
    assert watch.port_names("output") == []
    watch.close()


def test_a_library_that_is_no_libjack_is_left_alone(caplog):
    libc = next(
        Path(line.split()[-1])
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if "libc" in line and line.split()[-1].startswith("/")
    )
    watch = JackWatch("watch", libc)
    assert watch.connect() is False
    assert "cannot be used" in caplog.text


class FakeJack:
    """A libjack that is a handful of functions."""

    def __init__(self, names=(), active=0):
        self.names, self.active = names, active
        self.posted = None
        self.closed = self.asked = 0
        self.absent = False
        self.frame = 0

    def jack_last_frame_time(self, client):
        return self.frame

    def jack_client_open(self, name, options, status):
        self.asked += 1
        return 0 if self.absent else 77

    def jack_on_shutdown(self, client, post, semaphore):
        self.posted = semaphore

    def jack_activate(self, client):
        return self.active

    def jack_client_close(self, client):
        self.closed += 1

    def jack_get_ports(self, client, pattern, kind, flags):
        return [*self.names, None] if self.names else None

    def jack_port_by_name(self, client, name):
        return 0 if name not in self.links else name

    def jack_port_get_all_connections(self, client, port):
        return [*self.links[port], None] if self.links[port] else None

    def jack_free(self, names):
        self.freed = names


def watching(jack, monkeypatch, now=lambda: 0.0, sockets=True):
    monkeypatch.setattr("streamer.ports.jackwatch._mapped_libjack", lambda: None)
    monkeypatch.setattr("streamer.ports.jackwatch._socket_is_there", lambda: sockets)
    watch = JackWatch("watch", now=now)
    watch._jack = jack
    return watch


def test_a_posted_semaphore_means_that_the_server_is_gone(monkeypatch):
    jack = FakeJack([b"mon:input"])
    watch = watching(jack, monkeypatch)
    assert watch.connect()
    assert watch.port_names("output") == ["mon:input"]
    ctypes.CDLL(None).sem_post(jack.posted)
    assert not watch.connected
    assert watch.port_names("output") == []
    assert watch.connect(), "the next server is connected to"
    assert jack.closed == 1


def test_a_client_that_cannot_be_activated_is_closed_again(monkeypatch):
    jack = FakeJack(active=1)
    watch = watching(jack, monkeypatch)
    assert watch.connect() is False
    assert jack.closed == 1


def test_a_server_without_ports_has_an_empty_list(monkeypatch):
    watch = watching(FakeJack(), monkeypatch)
    assert watch.connect()
    assert watch.port_names("input") == []


def test_a_server_whose_socket_is_not_seen_is_looked_for_now_and_then(monkeypatch):
    jack, times = FakeJack(), iter((0.0, 0.0, 0.5, 1.0, 10.5, 10.5, 11.0))
    jack.absent = True
    watch = watching(jack, monkeypatch, now=lambda: next(times), sockets=False)
    assert [watch.connect() for _ in range(5)] == [False] * 5
    assert jack.asked == 2


def test_the_socket_of_the_server_that_is_meant_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("streamer.ports.jackwatch.SOCKETS", tmp_path)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "mine")
    (tmp_path / "jack_other_0_0").touch()
    assert not _socket_is_there()
    (tmp_path / "jack_mine_0_0").touch()
    assert _socket_is_there()


def test_a_server_whose_cycles_cease_stands_still_until_they_go_on(monkeypatch):
    jack, now = FakeJack(), [0.0]
    watch = watching(jack, monkeypatch, lambda: now[0])
    watch.connect()
    seen = []
    for frame in (256, 512, 512, 512, 512, 768):
        jack.frame = frame
        seen.append(watch.stands_still())
        now[0] += 0.6
    assert seen == [False, False, False, True, True, False]


def test_a_server_that_never_counts_its_cycles_is_believed_to_work(monkeypatch):
    now = [0.0]
    watch = watching(FakeJack(), monkeypatch, lambda: now[0])
    watch.connect()
    for _ in range(9):
        assert not watch.stands_still()
        now[0] += 1.0


def test_a_delivery_is_over_when_the_cycles_after_it_have_begun(monkeypatch):
    jack, now = FakeJack(), [0.0]
    watch = watching(jack, monkeypatch, lambda: now[0])

    def pause(seconds):
        now[0] += seconds
        jack.frame = int(now[0] / 0.005) * 256

    watch._pause = pause
    watch.connect()
    assert watch.deliver()
    assert now[0] == pytest.approx(0.015)


def test_a_delivery_by_a_server_that_hangs_or_has_died_is_not_waited_for(monkeypatch):
    jack, now = FakeJack(), [0.0]
    watch = watching(jack, monkeypatch, lambda: now[0])
    watch._pause = lambda seconds: now.__setitem__(0, now[0] + seconds)
    watch.connect()
    assert not watch.deliver()
    assert now[0] == pytest.approx(DELIVERY_SECONDS, abs=0.01)
    ctypes.CDLL(None).sem_post(jack.posted)
    assert not watch.deliver()
    assert now[0] == pytest.approx(DELIVERY_SECONDS, abs=0.01)


def test_what_is_connected_to_a_port_is_called_by_its_name(monkeypatch):
    jack = FakeJack([])
    jack.links = {b"Perpetuo:out": [b"mon:input", b"synth:in"], b"Perpetuo in:in": []}
    watch = watching(jack, monkeypatch)
    assert watch.linked("Perpetuo:out") is None, "there is no server"
    assert watch.connect()
    assert ["mon:input", "synth:in"] == watch.linked("Perpetuo:out")
    assert [] == watch.linked("Perpetuo in:in")
    assert watch.linked("Another:out") is None

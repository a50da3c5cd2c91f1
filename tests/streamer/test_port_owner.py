"""The one thread that lists, opens and closes; and JACK clients that outlive their server."""

import os
import signal
import threading

import pytest

from streamer.errors import PortError
from streamer.ports import owner as owner_module
from streamer.ports.backends import JackBackend
from streamer.ports.live import virtual_port
from streamer.ports.names import describe
from streamer.ports.owner import MidiOwner
from streamer.service.outside import ports_seen


class Backend:
    """A system that writes down in which thread it was asked."""

    system = "alsa"

    def __init__(self):
        self.threads = []
        self.closed = 0

    def note(self):
        self.threads.append(threading.current_thread().name)

    def names(self, direction):
        self.note()
        return ["Juno-60:MIDI 1 20:0"]

    def linked(self, direction):
        self.note()
        return ["FLUID Synth:in"]

    def problem(self):
        self.note()
        return

    def stands_still(self):
        return False

    def deliver(self):
        self.note()

    def alive(self):
        return True

    def open(self, address):
        self.note()
        raise PortError(f"port '{address}' is busy")

    def close(self):
        self.note()
        self.closed += 1


class Watched:
    """A port that says when it was told what is there."""

    direction, current = "output", None

    def __init__(self):
        self.looks = []
        self.enough = threading.Event()
        self.error = None

    def look(self, ports):
        self.looks.append([port.name for port in ports])
        if len(self.looks) >= 3:
            self.enough.set()
        if self.error is not None:
            raise self.error


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def owner(backend):
    owner = MidiOwner([backend], poll_seconds=0.01)
    yield owner
    owner.close()


def test_everything_is_asked_in_one_thread_that_is_not_the_callers(owner, backend):
    owner.ports("output")
    asking = threading.Thread(target=owner.problems)
    asking.start()
    asking.join(10.0)
    owner.close()
    assert set(backend.threads) == {"midi ports"}
    assert backend.closed == 1


def test_who_is_connected_is_known_of_a_port_of_our_own_and_of_no_other(backend):
    owner, ours = MidiOwner([backend], threaded=False), virtual_port("alsa", "Perpetuo")
    synth = describe(["Juno-60:MIDI 1 20:0"], "alsa", "output")[0]
    for current, connected in ((ours, ["FLUID Synth:in"]), (synth, None)):
        watched = Watched()
        watched.current = current
        owner.watch(watched)
        owner.look_now()
        assert connected == owner.linked(current)
        (shown,) = [port for port in ports_seen(owner) if port["name"] == current.name]
        assert connected == shown["connected"]
        owner.unwatch(watched)
    owner.look_now()
    assert owner.linked(ours) is None


def test_an_error_is_raised_where_the_question_was_asked(owner):
    with pytest.raises(PortError, match="'x' is busy"):
        owner.open("alsa", "x")


def test_a_watched_port_is_told_again_and_again_until_it_is_unwatched(owner):
    watched = Watched()
    owner.watch(watched)
    assert watched.enough.wait(10.0)
    assert watched.looks[0] == ["Juno-60:MIDI 1"]
    owner.unwatch(watched)
    looks = len(watched.looks)
    owner.look_now()
    assert len(watched.looks) == looks


def test_a_port_that_fails_to_look_does_not_end_the_watch(owner, caplog):
    broken, watched = Watched(), Watched()
    owner.watch(broken)
    broken.error = OSError("unplugged at the wrong moment")
    owner.watch(watched)
    assert watched.enough.wait(10.0)
    assert "looking after a port failed" in caplog.text


def test_a_system_that_does_not_answer_is_an_error_and_no_hang(owner):
    released = threading.Event()
    with pytest.raises(PortError, match=r"has not answered for 0\.01 s"):
        owner.call(lambda: released.wait(10.0), 0.01)
    released.set()


def test_what_is_asked_while_a_request_hangs_is_given_up_soon_and_so_is_the_end(owner, monkeypatch):
    """A stop makes several requests, one after the other, and has seconds for them all."""
    monkeypatch.setattr(owner_module, "DOUBT_SECONDS", 0.02)
    released = threading.Event()
    with pytest.raises(PortError):
        owner.call(lambda: released.wait(10.0), 0.01)
    for ask in (owner.problems, lambda: owner.unwatch(Watched())):
        with pytest.raises(PortError, match=r"has not answered for 0\.02 s"):
            ask()
    owner.close()
    released.set()


def test_a_request_that_is_answered_at_last_is_forgiven(owner):
    released = threading.Event()
    with pytest.raises(PortError):
        owner.call(lambda: released.wait(10.0), 0.01)
    released.set()
    assert [] != owner.ports("output")


class Interrupted(BaseException):
    """What a signal's handler raises."""


def test_a_signal_ends_the_wait_for_a_system_that_does_not_answer(owner):
    """A SIGTERM that came while an input was being opened was obeyed when that was open."""
    hangs, released = threading.Event(), threading.Event()

    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        threading.Thread(
            target=lambda: hangs.wait(10.0) and os.kill(os.getpid(), signal.SIGTERM)
        ).start()
        with pytest.raises(Interrupted):
            owner.call(lambda: hangs.set() or released.wait(10.0))
    finally:
        signal.signal(signal.SIGTERM, before)
    released.set()


def test_owners_of_two_streams_take_turns(owner):
    """RtMidi must not be in two threads at once."""
    first_in, go_on, second_in = threading.Event(), threading.Event(), threading.Event()
    other = MidiOwner([Backend()])

    def first():
        first_in.set()
        assert go_on.wait(10.0)

    asking = [
        threading.Thread(target=owner.call, args=(first,)),
        threading.Thread(target=other.call, args=(second_in.set,)),
    ]
    asking[0].start()
    assert first_in.wait(10.0)
    asking[1].start()
    assert not second_in.wait(0.1)
    go_on.set()
    assert second_in.wait(10.0)
    for thread in asking:
        thread.join(10.0)
    other.close()


def test_a_closed_owner_answers_with_an_error(owner):
    owner.close()
    owner.close()
    with pytest.raises(PortError, match="closed"):
        owner.ports("output")


class Libjack:
    """A watch on a server that can be told to die; deleting a client later would be a crash."""

    def __init__(self):
        self.connected = False
        self.order = []

    def connect(self):
        if not self.connected:
            self.order.append("connect")
        self.connected = True
        return True

    def port_names(self, direction):
        return ["synth:in"] if self.connected else []

    def deliver(self):
        self.order.append("cycles")
        return True

    def close(self):
        self.connected = False


class Rtmidi:
    """A module whose clients say when they are deleted."""

    def __init__(self, order):
        class Client:
            def __init__(self, api, name, queue_size_limit=1024):
                pass

            def get_ports(self):
                return ["synth:in"]

            def open_port(self, index, name):
                order.append("open")

            def ignore_types(self, **kinds):
                pass

            def get_message(self):
                return None

            def send_message(self, message):
                pass

            def delete(self):
                order.append("delete")

        self.MidiOut = self.MidiIn = Client


def test_clients_of_a_dead_jack_server_are_deleted_before_another_is_looked_for():
    jack = Libjack()
    backend = JackBackend(Rtmidi(jack.order), 0, "Perpetuo", jack)
    assert backend.names("output") == ["synth:in"]
    sender = backend.open("synth:in")
    listener = backend.listen("synth:in", lambda message, at: None)
    jack.connected = False
    assert not backend.alive()
    backend.names("output")
    assert [what for what in jack.order if what in ("connect", "delete")] == [
        *("connect", "delete", "delete", "connect")
    ]
    assert not sender.is_open
    assert not listener.is_open
    backend.close()
    assert jack.order.count("delete") == 2


def test_a_connection_to_jack_is_handed_out_when_it_holds_and_not_in_the_cycle_of_its_making():
    """What was sent before, a programme or the release of a key, would go nowhere."""
    jack = Libjack()
    backend = JackBackend(Rtmidi(jack.order), 0, "Perpetuo", jack)
    backend.names("output")
    backend.open("synth:in")
    assert jack.order == ["connect", "open", "cycles"]
    backend.deliver()
    assert jack.order[-2:] == ["cycles", "cycles"]


def test_a_port_that_was_left_open_is_closed_with_its_system_and_before_it():
    """A signal may end the opening before anybody knows the port; JACK waits 6 s for its client."""
    jack = Libjack()
    backend = JackBackend(Rtmidi(jack.order), 0, "Perpetuo", jack)
    backend.names("output")
    backend.listen("synth:in", lambda message, at: None)
    backend.close()
    assert ("delete", False) == (jack.order[-1], jack.connected)

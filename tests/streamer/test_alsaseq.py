"""ALSA's own library, where python-rtmidi has no wheel; here a stand-in answers for the library.

What it does with a real sequencer is shown in the virtual machine (``make vm-test-seq``).
"""

import ctypes
import errno
import sys

import pytest

from streamer.errors import PortError
from streamer.ports import alsaseq, backends
from streamer.ports.backends import AlsaBackend, make_backends
from streamer.ports.clients import Listener

NOTE_ON, CONNECTED = 6, 66


class FakeAlsa:
    """The calls that matter: what waits at an input, and what is sent."""

    def __init__(self, *waiting):
        self.waiting, self.sent, self.answer = list(waiting), [], 0
        self.closed = 0

    def __getattr__(self, name):
        return lambda *arguments: 0

    def snd_seq_close(self, seq):
        self.closed += 1

    def snd_seq_open(self, seq, *rest):
        seq._obj.value = 1
        return 0

    def snd_seq_event_input(self, seq, event):
        if not self.waiting:
            return -errno.EAGAIN
        first = self.waiting.pop(0)
        if isinstance(first, int):
            return first
        event._obj.contents = first
        return 28

    def snd_midi_event_decode(self, coder, data, size, event):
        if event.contents.type == CONNECTED:
            return -errno.ENOENT
        data.raw = bytes(event.contents.data)
        return 3

    def snd_midi_event_encode(self, coder, message, size, event):
        event._obj.type = NOTE_ON if size == 3 else 255
        event._obj.data[:size] = message
        return size

    def snd_seq_event_output_direct(self, seq, event):
        self.sent.append(bytes(event._obj.data)[:3])
        return self.answer


@pytest.fixture
def alsa(monkeypatch):
    made = FakeAlsa()
    monkeypatch.setattr(alsaseq, "library", lambda: made)
    return made


def event(kind, seconds, nanoseconds, *data):
    made = alsaseq.Event(type=kind, seconds=seconds, nanoseconds=nanoseconds)
    made.data[: len(data)] = data
    return made


def test_an_event_of_alsa_has_28_bytes():
    assert ctypes.sizeof(alsaseq.Event) == 28


def test_messages_come_with_the_kernels_own_times_and_without_what_is_none(alsa, caplog):
    alsa.waiting = [
        event(CONNECTED, 1, 0),
        event(NOTE_ON, 2, 500_000_000, 0x90, 60, 64),
        event(alsaseq._SENSING, 2, 600_000_000),
        -errno.ENOSPC,
        event(NOTE_ON, 2, 750_000_000, 0x80, 60, 0),
    ]
    ears = alsaseq.MidiIn(0, "ears")
    ears.ignore_types(sysex=True, timing=False, active_sense=True)
    heard = [ears.get_message() for _ in range(3)]
    assert heard[0] == (b"\x90\x3c\x40", 0.0)
    assert heard[1] == (b"\x80\x3c\x00", pytest.approx(0.25))
    assert heard[2] is None
    assert "were lost" in caplog.text


def test_an_input_is_polled_as_rtmidis_is(alsa):
    alsa.waiting = [event(NOTE_ON, 1, 0, 0x90, 60, 64)]
    heard = []
    listener = Listener(
        alsaseq.MidiIn(0, "ears"), lambda data, at: heard.append(data), threaded=False
    )
    listener.poll()
    listener.close()
    assert [b"\x90\x3c\x40"] == heard
    assert alsa.closed == 1


def test_a_message_that_alsa_refuses_or_does_not_know_is_an_error_of_ours(alsa):
    mouth = alsaseq.MidiOut(0, "mouth")
    mouth.send_message(b"\x90\x3c\x40")
    assert [b"\x90\x3c\x40"] == alsa.sent
    with pytest.raises(RuntimeError, match="takes no message 90 3c"):
        mouth.send_message(b"\x90\x3c")
    alsa.answer = -errno.ENODEV
    with pytest.raises(RuntimeError, match="No such device"):
        mouth.send_message(b"\x90\x3c\x40")


def test_a_client_that_was_let_go_is_not_let_go_again(alsa):
    mouth = alsaseq.MidiOut(0, "mouth")
    mouth.delete()
    mouth.delete()
    assert alsa.closed == 1


def test_without_python_rtmidi_alsa_plays_and_without_both_the_remedies_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    monkeypatch.setattr(backends, "has_library", lambda: True)
    (backend,) = make_backends("Perpetuo")
    assert isinstance(backend, AlsaBackend)
    monkeypatch.setattr(backends, "has_library", lambda: False)
    with pytest.raises(PortError, match=r"libasound2.*pip install"):
        make_backends("Perpetuo")

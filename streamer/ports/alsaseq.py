"""ALSA's sequencer through the C library itself: what plays where python-rtmidi has no wheel.

In: a client's name, port names, messages. Out: the same calls as those of python-rtmidi's clients
(:class:`MidiOut`, :class:`MidiIn`), so that :class:`streamer.ports.backends.AlsaBackend` drives
either. Standard library alone, no compiler. Each call lets go of the interpreter while it lasts.
Errors are RuntimeError, as RtMidi's are. One thread at a time for each client.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import logging
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_void_p
from typing import Any

logger = logging.getLogger(__name__)

LIBRARY = "libasound.so.2"

_OUTPUT, _INPUT, _NONBLOCK = 1, 2, 1
_CAN_READ, _CAN_WRITE = 1 | 32, 2 | 64
"""May be read from or written to, also by subscription."""

_GENERIC, _SYNTH, _APPLICATION = 1 << 1, 1 << 10, 1 << 20
_SUBSCRIBERS, _UNKNOWN, _DIRECT = 254, 253, 253
_START, _SENSING, _SYSEX, _NONE = 30, 42, 130, 255

INPUT_EVENTS = 2000
"""What the kernel keeps for an input between two looks; its own bound."""

_MESSAGE_BYTES = 12


class Event(ctypes.Structure):
    """``snd_seq_event_t``: type, flags, tag, queue; time; from, to; twelve bytes of data."""

    _pack_ = 1
    _fields_ = (
        ("type", ctypes.c_ubyte), ("flags", ctypes.c_ubyte), ("tag", ctypes.c_ubyte),
        ("queue", ctypes.c_ubyte), ("seconds", ctypes.c_uint32), ("nanoseconds", ctypes.c_uint32),
        ("from_client", ctypes.c_ubyte), ("from_port", ctypes.c_ubyte),
        ("to_client", ctypes.c_ubyte), ("to_port", ctypes.c_ubyte), ("data", ctypes.c_ubyte * 12),
    )  # fmt: skip


_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "snd_seq_open": (POINTER(c_void_p), c_char_p, c_int, c_int),
    "snd_seq_close": (c_void_p,),
    "snd_seq_set_client_name": (c_void_p, c_char_p),
    "snd_seq_set_client_pool_input": (c_void_p, c_size_t),
    "snd_seq_alloc_queue": (c_void_p,),
    "snd_seq_control_queue": (c_void_p, c_int, c_int, c_int, c_void_p),
    "snd_seq_drain_output": (c_void_p,),
    "snd_seq_create_port": (c_void_p, c_void_p),
    "snd_seq_connect_to": (c_void_p, c_int, c_int, c_int),
    "snd_seq_connect_from": (c_void_p, c_int, c_int, c_int),
    "snd_seq_event_output_direct": (c_void_p, POINTER(Event)),
    "snd_seq_event_input": (c_void_p, POINTER(POINTER(Event))),
    "snd_seq_client_info_malloc": (POINTER(c_void_p),),
    "snd_seq_client_info_set_client": (c_void_p, c_int),
    "snd_seq_client_info_get_client": (c_void_p,),
    "snd_seq_client_info_get_name": (c_void_p,),
    "snd_seq_client_info_free": (c_void_p,),
    "snd_seq_query_next_client": (c_void_p, c_void_p),
    "snd_seq_port_info_malloc": (POINTER(c_void_p),),
    "snd_seq_port_info_set_client": (c_void_p, c_int),
    "snd_seq_port_info_set_port": (c_void_p, c_int),
    "snd_seq_port_info_get_port": (c_void_p,),
    "snd_seq_port_info_get_type": (c_void_p,),
    "snd_seq_port_info_get_capability": (c_void_p,),
    "snd_seq_port_info_get_name": (c_void_p,),
    "snd_seq_port_info_set_name": (c_void_p, c_char_p),
    "snd_seq_port_info_set_capability": (c_void_p, c_uint),
    "snd_seq_port_info_set_type": (c_void_p, c_uint),
    "snd_seq_port_info_set_midi_channels": (c_void_p, c_int),
    "snd_seq_port_info_set_timestamping": (c_void_p, c_int),
    "snd_seq_port_info_set_timestamp_real": (c_void_p, c_int),
    "snd_seq_port_info_set_timestamp_queue": (c_void_p, c_int),
    "snd_seq_port_info_free": (c_void_p,),
    "snd_seq_query_next_port": (c_void_p, c_void_p),
    "snd_midi_event_new": (c_size_t, POINTER(c_void_p)),
    "snd_midi_event_free": (c_void_p,),
    "snd_midi_event_no_status": (c_void_p, c_int),
    "snd_midi_event_reset_encode": (c_void_p,),
    "snd_midi_event_encode": (c_void_p, c_char_p, c_long, POINTER(Event)),
    "snd_midi_event_decode": (c_void_p, c_void_p, c_long, POINTER(Event)),
}
_RESULTS: dict[str, Any] = {
    "snd_seq_client_info_get_name": c_char_p,
    "snd_seq_port_info_get_name": c_char_p,
    "snd_seq_port_info_get_type": c_uint,
    "snd_seq_port_info_get_capability": c_uint,
    "snd_midi_event_encode": c_long,
    "snd_midi_event_decode": c_long,
}
_WITHOUT_RESULT = ("_free", "_set_", "no_status", "reset_encode")


@functools.cache
def library() -> Any:
    """Return the C library with its calls declared.

    Raises:
        OSError: It is not on this machine.
    """
    found = ctypes.CDLL(LIBRARY)
    for name, arguments in _SIGNATURES.items():
        call = getattr(found, name)
        call.argtypes = arguments
        without = any(part in name for part in _WITHOUT_RESULT) and "pool" not in name
        call.restype = None if without and "client_name" not in name else _RESULTS.get(name, c_int)
    return found


def has_library() -> bool:
    """Whether the C library is on this machine."""
    try:
        library()
    except (OSError, AttributeError):  # AttributeError: one without a sequencer
        return False
    return True


def _checked(result: int) -> int:
    """Return what a call has answered, or raise the error that it stands for."""
    if result < 0:
        raise RuntimeError(f"ALSA: {os.strerror(-result)}")
    return result


class Client:
    """A client of the sequencer with one port.

    Args:
        api: Not looked at; there for the likeness to RtMidi.
        name: The client's name, as others see it.
        queue_size_limit: The same.
    """

    stream = peers = own = 0
    """Whether it sends or hears, what those that it meets can do, and what its own port can."""

    def __init__(self, api: int, name: str, queue_size_limit: int = 0) -> None:
        del api, queue_size_limit
        self._alsa = library()
        self._seq, self._coder = c_void_p(), c_void_p()
        _checked(self._alsa.snd_seq_open(byref(self._seq), b"default", self.stream, _NONBLOCK))
        self._alsa.snd_seq_set_client_name(self._seq, name.encode())
        _checked(self._alsa.snd_midi_event_new(_MESSAGE_BYTES * 64, byref(self._coder)))
        self._alsa.snd_midi_event_no_status(self._coder, 1)
        self._port = -1
        self._event = Event()

    def get_ports(self) -> list[str]:
        """Return what can be met: ``CLIENT:PORT 20:0``."""
        return [name for name, _, _ in self._peers()]

    def open_port(self, number: int, name: str) -> None:
        """Make a port, and connect it to one of :meth:`get_ports`.

        Raises:
            RuntimeError: ALSA refuses; the port may be gone, or held by another program.
        """
        peers = self._peers()
        if not 0 <= number < len(peers):
            raise RuntimeError("the port is gone")
        self.open_virtual_port(name)
        _, client, port = peers[number]
        self._connect(client, port)

    def open_virtual_port(self, name: str) -> None:
        """Make a port that others connect to (RuntimeError)."""
        alsa, info = self._alsa, c_void_p()
        _checked(alsa.snd_seq_port_info_malloc(byref(info)))
        try:
            alsa.snd_seq_port_info_set_name(info, name.encode())
            alsa.snd_seq_port_info_set_capability(info, self.own)
            alsa.snd_seq_port_info_set_type(info, _GENERIC | _APPLICATION)
            alsa.snd_seq_port_info_set_midi_channels(info, 16)
            self._prepare(info)
            _checked(alsa.snd_seq_create_port(self._seq, info))
            self._port = int(alsa.snd_seq_port_info_get_port(info))
        finally:
            alsa.snd_seq_port_info_free(info)

    def delete(self) -> None:
        """Let the client go; a second time does nothing."""
        seq, self._seq = self._seq, c_void_p()
        if seq.value:
            self._alsa.snd_seq_close(seq)
            self._alsa.snd_midi_event_free(self._coder)

    def _prepare(self, info: c_void_p) -> None:
        """Say more of a port that is about to be made."""

    def _connect(self, client: int, port: int) -> None:
        raise NotImplementedError

    def _peers(self) -> list[tuple[str, int, int]]:
        """Return name and address of each port that this one can be connected with."""
        alsa, client, port, found = self._alsa, c_void_p(), c_void_p(), []
        _checked(alsa.snd_seq_client_info_malloc(byref(client)))
        _checked(alsa.snd_seq_port_info_malloc(byref(port)))
        try:
            alsa.snd_seq_client_info_set_client(client, -1)
            while alsa.snd_seq_query_next_client(self._seq, client) >= 0:
                number = int(alsa.snd_seq_client_info_get_client(client))
                if number == 0:  # the system's own timer and announcements
                    continue
                owner = alsa.snd_seq_client_info_get_name(client).decode("utf-8", "replace")
                alsa.snd_seq_port_info_set_client(port, number)
                alsa.snd_seq_port_info_set_port(port, -1)
                while alsa.snd_seq_query_next_port(self._seq, port) >= 0:
                    if self._can_meet(port):
                        own = alsa.snd_seq_port_info_get_name(port).decode("utf-8", "replace")
                        at = int(alsa.snd_seq_port_info_get_port(port))
                        found.append((f"{owner}:{own} {number}:{at}", number, at))
        finally:
            alsa.snd_seq_client_info_free(client)
            alsa.snd_seq_port_info_free(port)
        return found

    def _can_meet(self, port: c_void_p) -> bool:
        kinds = self._alsa.snd_seq_port_info_get_type(port)
        able = self._alsa.snd_seq_port_info_get_capability(port)
        return bool(kinds & (_GENERIC | _SYNTH | _APPLICATION)) and able & self.peers == self.peers


class MidiOut(Client):
    """A client that sends."""

    stream, peers, own = _OUTPUT, _CAN_WRITE, _CAN_READ

    def send_message(self, message: bytes) -> None:
        """Send one message at once (RuntimeError)."""
        event, data = self._event, bytes(message)
        self._alsa.snd_midi_event_reset_encode(self._coder)
        event.type = _NONE
        taken = self._alsa.snd_midi_event_encode(self._coder, data, len(data), byref(event))
        if _checked(taken) < len(message) or event.type == _NONE:
            raise RuntimeError(f"ALSA takes no message {data.hex(' ')}")
        event.queue, event.from_port = _DIRECT, self._port
        event.to_client, event.to_port = _SUBSCRIBERS, _UNKNOWN
        _checked(self._alsa.snd_seq_event_output_direct(self._seq, byref(event)))

    def _connect(self, client: int, port: int) -> None:
        _checked(self._alsa.snd_seq_connect_to(self._seq, self._port, client, port))


class MidiIn(Client):
    """A client that hears; the kernel says when each message came."""

    stream, peers, own = _INPUT | _OUTPUT, _CAN_READ, _CAN_WRITE

    def __init__(self, api: int, name: str, queue_size_limit: int = 0) -> None:
        super().__init__(api, name, queue_size_limit)
        self._ignored: tuple[int, ...] = ()
        self._last: float | None = None
        # Made once: an input is looked at 500 times a second.
        self._found, self._bytes = POINTER(Event)(), ctypes.create_string_buffer(_MESSAGE_BYTES)
        self._place = byref(self._found)

    def ignore_types(self, *, sysex: bool, timing: bool, active_sense: bool) -> None:
        """Leave out messages of these kinds, but for the clock, which is always heard."""
        del timing
        self._ignored = (*((_SYSEX,) * sysex), *((_SENSING,) * active_sense))

    def get_message(self) -> tuple[bytes, float] | None:
        """Return the next message and the seconds since the one before it; None where none waits.

        Raises:
            RuntimeError: ALSA fails.
        """
        while True:
            result = self._alsa.snd_seq_event_input(self._seq, self._place)
            if result == -errno.EAGAIN:
                return None
            if result == -errno.ENOSPC:
                logger.warning("messages at the input were lost: they came faster than read")
                continue
            _checked(result)
            event, data = self._found, self._bytes
            if event.contents.type in self._ignored:
                continue
            count = self._alsa.snd_midi_event_decode(self._coder, data, _MESSAGE_BYTES, event)
            if count <= 0:
                continue  # somebody connects or leaves: no MIDI message
            at = event.contents.seconds + event.contents.nanoseconds * 1e-9
            since, self._last = 0.0 if self._last is None else at - self._last, at
            return data.raw[:count], max(since, 0.0)

    def _prepare(self, info: c_void_p) -> None:
        alsa = self._alsa
        alsa.snd_seq_set_client_pool_input(self._seq, INPUT_EVENTS)
        queue = _checked(alsa.snd_seq_alloc_queue(self._seq))
        _checked(alsa.snd_seq_control_queue(self._seq, queue, _START, 0, None))
        _checked(alsa.snd_seq_drain_output(self._seq))
        alsa.snd_seq_port_info_set_timestamping(info, 1)
        alsa.snd_seq_port_info_set_timestamp_real(info, 1)
        alsa.snd_seq_port_info_set_timestamp_queue(info, queue)

    def _connect(self, client: int, port: int) -> None:
        _checked(self._alsa.snd_seq_connect_from(self._seq, self._port, client, port))

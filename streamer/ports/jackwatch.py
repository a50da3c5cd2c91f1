"""A JACK client that only watches: is the server alive, which MIDI ports are there, what rolls?

RtMidi's own JACK client goes on listing the ports of a server that has died, and blocks for ever
once its queue is full. This one uses the libjack that RtMidi has loaded, and asks it to post a
semaphore when the server goes; no Python runs in a thread of JACK's. One thread: the port owner's,
or that of whoever follows the transport.
"""

from __future__ import annotations

import ctypes
import glob
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from streamer.ports.jacktransport import Transport, sign, transport_of

logger = logging.getLogger(__name__)

_NO_START_SERVER, _IS_INPUT, _IS_OUTPUT = 0x01, 0x1, 0x2
_MIDI_TYPE = b"8 bit raw midi"
SOCKETS = Path("/dev/shm")
STILL_SECONDS = 1.0
"""A server whose cycles have not gone on for so long sends nothing: what is sent waits."""

DELIVERY_CYCLES = 3
"""When this many cycles have begun, the one in which a message left is over at every client."""

DELIVERY_SECONDS = 0.5
"""For so long a delivery is waited for: that of a server with the longest cycles in use."""

POLL_SECONDS = 0.001

BLIND_SECONDS = 10.0
"""How often a server is looked for where no socket of it is seen: it may be built otherwise."""

_SEMAPHORE_BYTES = 64
"""More than the size of a sem_t anywhere."""


class JackWatch:
    """The watching client; without libjack it is never connected.

    Attributes:
        client_name: How it is called in JACK's graph.
    """

    def __init__(
        self,
        client_name: str,
        library: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.client_name = client_name
        self._libc: Any = ctypes.CDLL(None)
        self._gone = ctypes.create_string_buffer(_SEMAPHORE_BYTES)
        self._client: int | None = None
        self._now, self._pause = now, pause
        self._try_at = float("-inf")
        self._frame, self._moved_at, self._moves = 0, 0.0, 0
        self._jack = _load(library or _mapped_libjack())
        if self._jack is not None:
            # libjack writes to stderr whenever no server runs. A function of libc that takes a
            # string and changes nothing stands in for its error callback.
            silence = ctypes.cast(self._libc.strlen, ctypes.c_void_p)
            self._jack.jack_set_error_function(silence)
            self._jack.jack_set_info_function(silence)

    def connect(self) -> bool:
        """Be connected if a server runs, after it was restarted too."""
        if self.connected:
            return True
        self.close()
        if self._jack is None or not self._is_worth_trying():
            return False
        self._libc.sem_init(self._gone, 0, 0)
        name = self.client_name.encode("utf-8")
        client = self._jack.jack_client_open(name, _NO_START_SERVER, None)
        if not client:
            return False
        post = ctypes.cast(self._libc.sem_post, ctypes.c_void_p)
        self._jack.jack_on_shutdown(client, post, ctypes.byref(self._gone))
        if self._jack.jack_activate(client):
            self._jack.jack_client_close(client)
            return False
        self._client, self._moves = client, 0
        return True

    def _is_worth_trying(self) -> bool:
        """Whether a server may run: its socket is there, or it was not looked for in a while.

        An attempt costs milliseconds, and the owner thread asks twice a second for years.
        """
        if self._now() < self._try_at and not _socket_is_there():
            return False
        self._try_at = self._now() + BLIND_SECONDS
        return True

    @property
    def connected(self) -> bool:
        """Whether the server that was connected to still lives."""
        if self._client is None:
            return False
        value = ctypes.c_int()
        self._libc.sem_getvalue(self._gone, ctypes.byref(value))
        return value.value == 0

    def stands_still(self) -> bool:
        """Whether a server that lives has ceased to work: its device hangs, or it was stopped.

        A server that was never seen to go on says nothing about it, and is believed to work.
        """
        if not self.connected or self._jack is None:
            return False
        frame, now = self._jack.jack_last_frame_time(self._client), self._now()
        if frame != self._frame or not self._moves:
            self._frame, self._moved_at, self._moves = frame, now, self._moves + 1
        return self._moves > 1 and now - self._moved_at > STILL_SECONDS

    def deliver(self) -> bool:
        """Return when what was queued before has been heard, or takes too long; whether it was.

        RtMidi lets a port go in the very cycle in which the last of its queue leaves. A receiver
        whose turn comes later in that cycle finds the port gone, and hears nothing of it.
        """
        seen: set[int] = set()
        until = self._now() + DELIVERY_SECONDS
        while self.connected and self._jack is not None:
            # Each cycle has a time of its own; that of the first look had begun already.
            seen.add(self._jack.jack_last_frame_time(self._client))
            if len(seen) > DELIVERY_CYCLES:
                return True
            if self._now() >= until:
                break
            self._pause(POLL_SECONDS)
        return False

    def port_names(self, direction: Literal["output", "input"]) -> list[str]:
        """Return the names of MIDI ports that can be sent to (``output``) or received from."""
        if not self.connected or self._jack is None:
            return []
        flags = _IS_INPUT if direction == "output" else _IS_OUTPUT
        return self._texts(self._jack.jack_get_ports(self._client, None, _MIDI_TYPE, flags))

    def linked(self, port: str) -> list[str] | None:
        """Return the names of what a port is connected to; None where there is no such port."""
        if not self.connected or self._jack is None:
            return None
        found = self._jack.jack_port_by_name(self._client, port.encode("utf-8"))
        if not found:
            return None
        return self._texts(self._jack.jack_port_get_all_connections(self._client, found))

    def _texts(self, names: Any) -> list[str]:
        """Return the texts of a list of JACK's, and let that go."""
        found: list[str] = []
        if names:
            while names[len(found)]:
                found.append(names[len(found)].decode("utf-8", "replace"))
            self._jack.jack_free(names)
        return found

    def transport(self) -> Transport | None:
        """Return where the transport of the server is; None without a server."""
        if not self.connected or self._jack is None or self._client is None:
            return None
        return transport_of(self._jack, self._client)

    def close(self) -> None:
        """Leave; with a dead server this takes libjack about a second."""
        client, self._client = self._client, None
        if client is not None and self._jack is not None:
            self._jack.jack_client_close(client)


def server_name() -> str:
    """Return what the JACK server is called that programs here look for."""
    return os.environ.get("JACK_DEFAULT_SERVER") or "default"


def _socket_is_there() -> bool:
    """Whether jackd's socket lies where it usually does; it stays behind when jackd is killed."""
    return any(SOCKETS.glob(f"jack_{glob.escape(server_name())}_*"))


def system_libjack() -> Path | None:
    """Return the libjack of this machine, as the loader finds it; None where there is none."""
    for name in ("libjack.so.0", "libjack.so"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return Path(name)
    return None


def _mapped_libjack() -> Path | None:
    """Return the libjack that is loaded with RtMidi, which may be a copy of its own."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    paths = (line.split(maxsplit=5)[-1] for line in lines if "libjack" in line)
    return next((Path(path) for path in paths), None)


def _load(library: Path | None) -> Any:
    """Return the library with its signatures, or None."""
    if library is None:
        return None
    try:
        jack = ctypes.CDLL(str(library))
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        jack.jack_client_open.restype = pointer
        jack.jack_client_open.argtypes = [text, ctypes.c_int, pointer]
        jack.jack_get_ports.restype = ctypes.POINTER(text)
        jack.jack_get_ports.argtypes = [pointer, text, text, ctypes.c_ulong]
        jack.jack_port_by_name.restype = pointer
        jack.jack_port_by_name.argtypes = [pointer, text]
        jack.jack_port_get_all_connections.restype = ctypes.POINTER(text)
        jack.jack_port_get_all_connections.argtypes = [pointer, pointer]
        jack.jack_on_shutdown.argtypes = [pointer, pointer, pointer]
        jack.jack_last_frame_time.restype = ctypes.c_uint32
        jack.jack_last_frame_time.argtypes = [pointer]
        for function in (jack.jack_activate, jack.jack_client_close, jack.jack_free):
            function.argtypes = [pointer]
        sign(jack)
        for function in (jack.jack_set_error_function, jack.jack_set_info_function):
            function.argtypes = [pointer]
    except (OSError, AttributeError) as error:
        logger.warning("libjack (%s) cannot be used: %s", library, error)
        return None
    return jack

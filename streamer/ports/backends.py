"""The MIDI systems of this machine: list, open, and know when one has died.

They are spoken to through python-rtmidi, or, where that has no wheel, through ALSA's own library.

In: a client name. Out: raw port names and :class:`Sender` objects. The owner thread of
:mod:`streamer.ports.owner` alone calls this, :meth:`Sender.send` excepted: RtMidi's listing and
opening are not thread-safe (docs/design/realtime.md).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from streamer.errors import PortError
from streamer.ports import alsaseq
from streamer.ports.alsalinks import ALSA_CLIENTS, is_linked, linked
from streamer.ports.alsaseq import LIBRARY, has_library
from streamer.ports.alsatrouble import ALSA_SEQUENCER as ALSA_SEQUENCER
from streamer.ports.alsatrouble import NO_ROOM, alsa_problem
from streamer.ports.clients import QUEUE_MESSAGES, Heard, Listener, Sender
from streamer.ports.jackwatch import JackWatch
from streamer.system.installing import how_to_add

ALSA_CONFIGURATION = Path("/usr/share/alsa/alsa.conf")
"""Without it libasound makes no client."""

Direction = Literal["output", "input"]

C = TypeVar("C", Sender, Listener)


class Backend(Protocol):
    """One MIDI system."""

    system: str

    def problem(self) -> str | None:
        """Say in a few words why it cannot be used, or None when it can."""
        ...

    def names(self, direction: Direction) -> list[str]:
        """Return the raw names of its ports; none where it cannot be used."""
        ...

    def linked(self, direction: Direction) -> list[str] | None:
        """Return what is connected to a port of our own, which was opened without an address.

        None where the system does not tell. Of several programs of our name on one system nobody
        can say which is meant.
        """
        ...

    def alive(self) -> bool:
        """Whether what was opened before can still work."""
        ...

    def stands_still(self) -> bool:
        """Whether it lives and yet sends nothing, so that what it is given would wait."""
        ...

    def deliver(self) -> None:
        """Return when what was sent has been heard, after which its port may be closed."""
        ...

    def open(self, address: str | None) -> Sender:
        """Open a port by its raw name, or a virtual one of our own where that is None.

        Raises:
            PortError: It is busy, gone or refused.
        """
        ...

    def listen(self, address: str | None, heard: Heard) -> Listener:
        """Open an input by its raw name, or one of our own where that is None.

        Args:
            address: As in :meth:`names`.
            heard: Called with each message, in the thread of the listener.

        Raises:
            PortError: It is busy, gone or refused.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds for itself, and of every port that was left open.

        A signal may end the opening of a port before anybody knows that it is open.
        """
        ...


class RtMidiBackend:
    """Any system that RtMidi knows; ALSA's troubles are told apart by its device node."""

    def __init__(self, rtmidi: Any, api: int, system: str, client_name: str) -> None:
        self.system = system
        self._rtmidi, self._api, self._client_name = rtmidi, api, client_name
        self._pollers: dict[Direction, Any] = {}
        self._clients: list[Sender | Listener] = []

    def problem(self) -> str | None:
        """See :class:`Backend`."""
        return self._probe() or self._poller("output")[1]

    def names(self, direction: Direction) -> list[str]:
        """See :class:`Backend`; one long-lived client asks, a new one each time would leak."""
        if self._probe():
            return []
        poller, _ = self._poller(direction)
        return [] if poller is None else list(poller.get_ports())

    def linked(self, direction: Direction) -> list[str] | None:
        """See :class:`Backend`."""
        del direction
        return None

    def alive(self) -> bool:
        """See :class:`Backend`."""
        return self._probe() is None

    def stands_still(self) -> bool:
        """See :class:`Backend`."""
        return False

    def deliver(self) -> None:
        """See :class:`Backend`; nothing is queued here."""

    def open(self, address: str | None) -> Sender:
        """See :class:`Backend`."""
        out = self._make("output", self._own_name("output"))
        self._connect(out, address, "out")
        return self._keep(Sender(out))

    def listen(self, address: str | None, heard: Heard) -> Listener:
        """See :class:`Backend`."""
        source = self._make("input", self._own_name("input"), queue_size_limit=QUEUE_MESSAGES)
        source.ignore_types(sysex=True, timing=False, active_sense=True)
        self._connect(source, address, "in")
        return self._keep(Listener(source, heard))

    def close(self) -> None:
        """See :class:`Backend`."""
        self._close_clients()
        for poller in self._pollers.values():
            poller.delete()
        self._pollers.clear()

    def _keep(self, client: C) -> C:
        """Remember a client until it is closed."""
        self._clients = [*(known for known in self._clients if known.is_open), client]
        return client

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _connect(self, client: Any, address: str | None, name: str) -> None:
        """Open a port of a client, which is let go when that fails."""
        try:
            if address is None:
                client.open_virtual_port(name)
            else:
                client.open_port(client.get_ports().index(address), name)
        except ValueError as error:
            client.delete()
            raise PortError(f"port '{address}' is gone") from error
        except (OSError, RuntimeError, NotImplementedError) as error:
            client.delete()
            what = f"port '{address}'" if address else "a virtual port"
            raise PortError(
                f"{what} cannot be opened: {error}; is another program holding it?"
            ) from error

    def _own_name(self, direction: Direction) -> str:
        """Return how a client of ours is called that sends, or that hears."""
        return self._client_name if direction == "output" else f"{self._client_name} in"

    def _probe(self, *, another: bool = False) -> str | None:
        """Return what keeps the system from being used, as far as can be seen from outside.

        Args:
            another: Whether another client is wanted, and not only what is open already.
        """
        return alsa_problem(another=another) if self.system == "alsa" else None

    def _poller(self, direction: Direction) -> tuple[Any, str | None]:
        if direction not in self._pollers:
            try:
                self._pollers[direction] = self._make(direction, f"{self._client_name} watch")
            except PortError as error:
                return None, str(error)
        return self._pollers[direction], None

    def _make(self, direction: Direction, name: str, **more: int) -> Any:
        # Asked first: libasound itself writes a line to stderr at each vain try.
        if problem := self._probe(another=True):
            raise PortError(problem)
        kind = self._rtmidi.MidiOut if direction == "output" else self._rtmidi.MidiIn
        try:
            return kind(self._api, name=name, **more)
        except (OSError, RuntimeError) as error:
            raise PortError(self._refusal(error)) from error

    def _refusal(self, error: Exception) -> str:
        if self.system != "alsa":
            return f"{self.system}: {error}"
        own = os.environ.get("ALSA_CONFIG_PATH")
        if not Path(own or ALSA_CONFIGURATION).exists():
            return (
                f"ALSA misses its own settings ({own or ALSA_CONFIGURATION}): "
                "sudo apt install libasound2-data"
            )
        return NO_ROOM


class AlsaBackend(RtMidiBackend):
    """ALSA: a client whose connection the kernel has cut is closed, so that it is opened anew.

    A device that goes and comes back between two looks has the name and numbers that it had.

    Args:
        rtmidi: The module.
        api: Its number for ALSA.
        client_name: Name of our clients.
        clients: The kernel's list of them.
    """

    def __init__(
        self, rtmidi: Any, api: int, client_name: str, clients: Path = ALSA_CLIENTS
    ) -> None:
        super().__init__(rtmidi, api, "alsa", client_name)
        self._kernel_clients = clients
        self._tied: dict[Sender | Listener, tuple[str, Direction]] = {}

    def names(self, direction: Direction) -> list[str]:
        """See :class:`Backend`."""
        for client, (address, way) in list(self._tied.items()):
            if way == direction and client.is_open and self._is_linked(address, way) is False:
                client.close()
            if not client.is_open:
                del self._tied[client]
        return super().names(direction)

    def linked(self, direction: Direction) -> list[str] | None:
        """See :class:`Backend`."""
        return linked(self._own_name(direction), direction, self._kernel_clients)

    def open(self, address: str | None) -> Sender:
        """See :class:`Backend`."""
        sender = super().open(address)
        self._tie(sender, address, "output")
        return sender

    def listen(self, address: str | None, heard: Heard) -> Listener:
        """See :class:`Backend`."""
        listener = super().listen(address, heard)
        self._tie(listener, address, "input")
        return listener

    def _tie(self, client: Sender | Listener, address: str | None, direction: Direction) -> None:
        # What the kernel's list does not show now cannot be missed there later.
        if address is not None and self._is_linked(address, direction):
            self._tied[client] = (address, direction)

    def _is_linked(self, address: str, direction: Direction) -> bool | None:
        return is_linked(address, self._own_name(direction), direction, self._kernel_clients)


class JackBackend(RtMidiBackend):
    """JACK: listed and watched by a client of our own, because RtMidi's outlives the server."""

    def __init__(self, rtmidi: Any, api: int, client_name: str, watch: JackWatch) -> None:
        super().__init__(rtmidi, api, "jack", client_name)
        self._watch = watch

    def problem(self) -> str | None:
        """See :class:`Backend`."""
        return None if self._follow() else "no JACK server runs"

    def names(self, direction: Direction) -> list[str]:
        """See :class:`Backend`."""
        return self._watch.port_names(direction) if self._follow() else []

    def linked(self, direction: Direction) -> list[str] | None:
        """See :class:`Backend`."""
        port = "out" if direction == "output" else "in"
        return self._watch.linked(f"{self._own_name(direction)}:{port}")

    def alive(self) -> bool:
        """See :class:`Backend`."""
        return self._watch.connected

    def stands_still(self) -> bool:
        """See :class:`Backend`."""
        return self._watch.stands_still()

    def deliver(self) -> None:
        """See :class:`Backend`."""
        self._watch.deliver()

    def open(self, address: str | None) -> Sender:
        """See :class:`Backend`."""
        sender = super().open(address)
        # A connection holds from one of the next cycles on; what leaves before that goes nowhere.
        self._watch.deliver()
        return sender

    def close(self) -> None:
        """See :class:`Backend`."""
        super().close()
        self._watch.close()

    def _follow(self) -> bool:
        """Be connected to a server, to the next one when the last has died.

        Clients of a dead server must be deleted before libjack looks for another: it takes the
        memory away from under them then, and to delete them later is a segmentation fault.
        """
        if not self._watch.connected:
            self._close_clients()
        return self._watch.connect()

    def _probe(self, *, another: bool = False) -> str | None:
        del another
        return None


_SYSTEMS = {
    "API_LINUX_ALSA": "alsa",
    "API_UNIX_JACK": "jack",
    "API_MACOSX_CORE": "coremidi",
    "API_WINDOWS_MM": "winmm",
}


def why_no_jack() -> str | None:
    """Return why JACK is not among the systems, and what brings it; None where it is.

    ALSA is spoken to without python-rtmidi, JACK is not.
    """
    if sys.platform != "linux":
        return "this program speaks to it on Linux alone"
    try:
        import rtmidi
    except ImportError as error:
        return (
            f"python-rtmidi, which speaks to it, is not installed ({error}): {how_to_add('midi')}"
        )
    if rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api():
        return "this python-rtmidi was built without it"
    return None


def make_backends(client_name: str) -> list[Backend]:
    """Return the systems that this build of python-rtmidi knows, the preferred one first.

    Where it has no wheel, ALSA is spoken to by :mod:`streamer.ports.alsaseq`, and JACK by nobody.

    Raises:
        PortError: There is neither python-rtmidi nor ALSA's library, or they do not load.
    """
    try:
        import rtmidi
    except ImportError as error:
        if sys.platform == "linux" and has_library():
            return [AlsaBackend(alsaseq, 0, client_name)]
        without = f"python-rtmidi is not installed ({error})"
        remedy = f"{how_to_add('midi')}, or play to --port synth or --port file:PATH"
        if sys.platform == "linux":
            without = f"{without}, nor {LIBRARY}"
            remedy = f"sudo apt install libasound2 (Debian 13: libasound2t64), or {remedy}"
        raise PortError(f"{without}: {remedy}") from error
    compiled = rtmidi.get_compiled_api()
    found: list[Backend] = []
    for constant, system in _SYSTEMS.items():
        api = getattr(rtmidi, constant, None)
        if api is None or api not in compiled:
            continue
        if system == "jack" and sys.platform != "linux":
            continue  # its watch wants what Linux has
        if system == "jack":
            found.append(JackBackend(rtmidi, api, client_name, JackWatch(f"{client_name} watch")))
        elif system == "alsa":
            found.append(AlsaBackend(rtmidi, api, client_name))
        else:
            found.append(RtMidiBackend(rtmidi, api, system, client_name))
    return found

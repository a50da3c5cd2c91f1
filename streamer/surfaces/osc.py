"""The OSC surface: controls as addresses, over UDP, in a thread of its own (extra ``live``).

In: datagrams. Out: changes of the controls, and replies. ``/perpetuo/<control> value`` moves a
control (words of a text may be values of their own), without a value it asks for it;
``/perpetuo/get`` asks for all; ``/perpetuo/scene/<name>``
takes on a scene, ``/perpetuo/save/<name>`` saves one, ``/perpetuo/bundle/<name>`` lets another
bundle follow, ``/perpetuo/bookmark`` keeps a place;
``/perpetuo/listen 1`` has every change pushed to whoever sent it for a minute, ``0`` ends it. What
is wrong is answered with ``/perpetuo/error``. On the network the first message of each sender must
be ``/perpetuo/token TOKEN``.

Whatever comes, what waits is bounded: changes are gathered, and the last one of each control wins.
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from streamer.errors import ConfigError
from streamer.settings.controls import control_specs, lets_go
from streamer.settings.live import Address
from streamer.settings.schema import ControlSpec
from streamer.surfaces.aside import Aside
from streamer.surfaces.desk import Desk, Later, Refusal, change
from streamer.system.realtime import step_back

logger = logging.getLogger(__name__)

ROOT = "/perpetuo/"

LISTEN_SECONDS = 60.0
"""How long changes are pushed to a listener that says nothing more."""

TRUST_SECONDS = 3600.0
"""How long a sender's token holds."""

MOST_PEERS = 16
"""Listeners, and trusted senders, at once; the oldest falls out."""

MOST_DATAGRAM = 8192
MOST_AT_ONCE = 256
"""Datagrams that are read before the changes among them are made."""

LOOK_SECONDS = 0.25
GATHER_SECONDS = 0.001

Peer = tuple[str, int]

DONE: Mapping[str, Callable[[Desk, str], str | Later | None]] = {
    "scene": lambda desk, name: desk.start_scene(name),
    "save": lambda desk, name: desk.save_scene(name),
    "bundle": lambda desk, name: desk.choose_bundle(name),
    "bookmark": lambda desk, _: str(desk.bookmark()["path"]),
}
"""What else is done by a word and a name; what it returns is the answer, or is to be waited for."""


WRITES = ("save", "bundle", "bookmark")
"""Of these what waits for a disk, and is done aside."""

MOST_WRITES = 4
"""At once."""


class OscSurface:
    """Serves a desk over UDP until it is closed.

    Args:
        desk: The stream.
        address: Where to listen.
        token: What senders must know; None on the loopback.
        clock: Seconds of the monotonic clock.

    Raises:
        ConfigError: The port is taken, or the address is none of this machine's.
    """

    def __init__(
        self,
        desk: Desk,
        address: Address,
        token: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk, self._token, self._clock = desk, token, clock
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((address.host, address.port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                [
                    f"live.osc {address} cannot be opened ({error.strerror or error}); another "
                    "program may have the port: choose another, as in --osc 127.0.0.1:7002"
                ]
            ) from error
        self._socket.settimeout(LOOK_SECONDS)
        self.address = Address(address.host, int(self._socket.getsockname()[1]))
        self._listeners: dict[Peer, float] = {}
        self._trusted: dict[Peer, float] = {}
        self._gathered: dict[str, tuple[Any, Peer]] = {}
        self._pushed = self._told()
        self._aside = Aside(MOST_WRITES)
        self._stop = threading.Event()
        logging.getLogger().addFilter(_is_ours)
        desk.controls.listen(lambda _: self._push())
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more; a second time does nothing."""
        self._stop.set()
        self._thread.join(2 * LOOK_SECONDS)
        self._socket.close()
        logging.getLogger().removeFilter(_is_ours)

    def _run(self) -> None:
        step_back()
        while not self._stop.is_set():
            try:
                self._turn()
            except OSError as error:
                if not self._stop.is_set():
                    logger.debug("OSC: %s", error)

    def _turn(self) -> None:
        """Take in what has come, and make the changes among it."""
        self._socket.settimeout(LOOK_SECONDS)
        for _ in range(MOST_AT_ONCE):
            try:
                data, sender = self._socket.recvfrom(MOST_DATAGRAM)
            except TimeoutError:
                break
            self._hear(data, sender[:2])
            # What comes now is of the same turn of a knob.
            self._socket.settimeout(GATHER_SECONDS)
        self._make()

    def _make(self) -> None:
        """Make the changes that have gathered: of each control the last one."""
        changes, self._gathered = self._gathered, {}
        for name, (value, sender) in changes.items():
            try:
                change(self._desk, {name: value})
            except Refusal as error:
                self._say(sender, "error", str(error))

    def _hear(self, data: bytes, sender: Peer) -> None:
        try:
            messages = [timed.message for timed in OscPacket(data).messages]
        except Exception as error:  # noqa: BLE001 - whatever a datagram makes of the parser
            logger.debug("OSC: no message (%s)", error)
            return
        for message in messages:
            if message.address.startswith(ROOT):
                self._obey(message, sender)

    def _obey(self, message: OscMessage, sender: Peer) -> None:
        word, _, rest = message.address.removeprefix(ROOT).partition("/")
        given = list(message.params)
        if word == "token":
            self._trust(sender, given)
        elif not self._trusts(sender):
            self._say(sender, "error", "say /perpetuo/token first; `perpetuo token` prints it")
        elif word in ("get", "listen", *DONE) or not given:
            self._make()
            self._ask(word, rest, given, sender)
        else:
            spec = control_specs().get(word)
            value = given[0] if spec is None else _value(spec, given)
            if not (lets_go(word, value) and word in self._gathered):
                self._gathered[word] = value, sender

    def _ask(self, word: str, rest: str, given: list[Any], sender: Peer) -> None:
        """Answer what is no change of a control."""
        if word == "get" or (word in ("scene", "bundle") and not rest and not given):
            self._reply(sender, given if word == "get" else [word])
        elif word == "listen":
            self._listen(sender, on=not given or bool(given[0]))
        elif word in DONE:
            self._do(word, rest or (str(given[0]) if given else ""), sender)
        else:
            self._reply(sender, [word])

    def _trust(self, sender: Peer, given: list[Any]) -> None:
        text = str(given[0]) if given else ""
        if self._token is None or hmac.compare_digest(text.encode(), self._token.encode()):
            _keep(self._trusted, sender, self._clock() + TRUST_SECONDS)
        else:
            self._say(sender, "error", "this is not the token that `perpetuo token` prints")

    def _trusts(self, sender: Peer) -> bool:
        return self._token is None or self._trusted.get(sender, 0.0) > self._clock()

    def _do(self, word: str, text: str, sender: Peer) -> None:
        """Do what is no change of a control; answer with what came of it, if anything."""

        def work() -> None:
            told = DONE[word](self._desk, text)
            if isinstance(told, str):
                self._say(sender, word, told)
            elif told is not None:  # what comes meanwhile is heard
                self._start(told, sender)

        if word in WRITES:
            self._start(work, sender)
        else:
            self._try(work, sender)  # here and now: what comes after it is meant to come after it

    def _start(self, work: Later, sender: Peer) -> None:
        """Do something aside."""
        self._try(lambda: self._aside.start(lambda: self._try(work, sender)), sender)

    def _try(self, work: Later, sender: Peer) -> None:
        """Do something; a refusal is an answer."""
        try:
            work()
        except Refusal as error:
            self._say(sender, "error", str(error))

    def _reply(self, sender: Peer, names: list[Any]) -> None:
        now = self._told()
        for name in map(str, names or now):
            if name in now:
                self._say(sender, name, now[name])
            else:
                self._say(sender, "error", f"no control is called {name[:60]!r}")

    def _told(self) -> dict[str, Any]:
        """Return all that is told: each control, the scene and the bundle that is heard."""
        told = {"scene": self._desk.controls.scene, "bundle": self._desk.bundle()}
        return {**self._desk.controls.snapshot().values(), **told}

    def _listen(self, sender: Peer, *, on: bool) -> None:
        if on:
            _keep(self._listeners, sender, self._clock() + LISTEN_SECONDS)
            self._reply(sender, [])
        else:
            self._listeners.pop(sender, None)

    def _push(self) -> None:
        """Tell listeners what has changed; called in the thread that changed it, never waits."""
        now = self._told()
        changed = {name: value for name, value in now.items() if self._pushed.get(name) != value}
        self._pushed = now
        for listener, until in list(self._listeners.items()):
            if until < self._clock():
                self._listeners.pop(listener, None)
                continue
            for name, value in changed.items():
                self._say(listener, name, value)

    def _say(self, peer: Peer, word: str, value: Any) -> None:
        builder = OscMessageBuilder(ROOT + word)
        if value is not None:
            builder.add_arg(value)
        try:
            self._socket.sendto(builder.build().dgram, socket.MSG_DONTWAIT, peer)
        except OSError as error:
            logger.debug("OSC to %s: %s", peer, error)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line of the log is none of python-osc's, which has one for each bad datagram."""
    return "pythonosc" not in record.pathname


def _keep(peers: dict[Peer, float], peer: Peer, until: float) -> None:
    """Remember a peer; the one that is forgotten soonest makes room."""
    peers.pop(peer, None)
    if len(peers) >= MOST_PEERS:
        del peers[min(peers, key=peers.__getitem__)]
    peers[peer] = until


def _value(spec: ControlSpec, arguments: list[Any]) -> Any:
    """Return what OSC arguments say to a control, at least one.

    Clients send floats for anything, and a text as so many words: all of them are the text.
    """
    given = arguments[0]
    if spec.kind == "text" and len(arguments) > 1:
        return " ".join(map(str, arguments))
    if spec.kind == "switch" and isinstance(given, int | float):
        return bool(given)
    if spec.kind == "whole number" and isinstance(given, float) and given.is_integer():
        return int(given)
    return given

"""What anybody may send to a surface: sense, damage and nonsense, the same for the same seed.

In: where a surface listens, and how many messages. Out: how many it was sent over the loopback and
still answered. Used by a test in short form, and by
``tests.surfaces.figures`` against a stream that plays.
"""

from __future__ import annotations

import json
import queue
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from streamer.settings.controls import control_specs
from streamer.surfaces.web import LIVE
from tests.fuzzing import damaged, odd_value

PATIENCE_SECONDS = 60.0
AT_ONCE = 64
"""Messages between two questions whether the surface still answers."""

NAMES = (
    *control_specs(),
    "scene",
    "get",
    "listen",
    "token",
    "error",
    "densty",
    "",
    "a/b",
    "scene/night",
)


def _value(chance: random.Random) -> Any:
    return chance.choice(
        (chance.uniform(-2, 5), chance.randint(-9, 200), "dorian", True, odd_value(chance))
    )


def osc_datagrams(chance: random.Random) -> Iterator[bytes]:
    """Yield datagrams without end: messages, bundles, arrays, damage."""
    while True:
        builder = OscMessageBuilder(f"/perpetuo/{chance.choice(NAMES)}")
        for _ in range(chance.choice((0, 1, 1, 1, 2, 9))):
            value = _value(chance)
            try:
                builder.add_arg(value)
            except Exception:  # noqa: BLE001 - what the library cannot say is said otherwise
                builder.add_arg(3)
        try:
            data = builder.build().dgram
        except Exception:  # noqa: BLE001 - the same
            continue
        if chance.random() < 0.1:
            bundle = OscBundleBuilder(IMMEDIATELY)  # type: ignore[no-untyped-call]
            bundle.add_content(OscMessage(data))
            data = bundle.build().dgram
        yield damaged(data, chance) if chance.random() < 0.5 else data


def osc(host: str, port: int, count: int, seed: int = 1) -> int:
    """Send datagrams to the OSC surface; return after how many it still answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(0.2)
        made = osc_datagrams(random.Random(seed))
        for number in range(count):
            sender.sendto(next(made)[:60_000], (host, port))
            asks = number % AT_ONCE == AT_ONCE - 1 or number == count - 1
            if asks and not _osc_answers(sender, (host, port)):
                return number - number % AT_ONCE
    return count


def _osc_answers(sender: socket.socket, to: tuple[str, int]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    question = OscMessageBuilder("/perpetuo/root").build().dgram
    while time.monotonic() < until:
        sender.sendto(question, to)
        try:
            while True:
                if OscMessage(sender.recv(65536)).address == "/perpetuo/root":
                    return True
        except TimeoutError:
            continue
    return False


PATHS = (
    "/", "/healthz", "/api/v1/state", "/api/v1/controls", "/api/v1/scene/night",
    "/perpetuo/density?VALUE", "/api/v1/recordings/x.mid", "/?HOST_INFO", LIVE,
    "/api/v1/recordings/..%2f..%2fetc%2fpasswd",
    "//[", "/%00", "/?" + "&".join(f"a{n}=1" for n in range(40)), "/" + "a" * 3000,
)  # fmt: skip
METHODS = ("GET", "GET", "PATCH", "PATCH", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "\u00ff")
HEADERS = (
    "Host: localhost", "Host: evil.example", "Host: [", "Origin: http://localhost",
    "Origin: http://[", "Authorization: Bearer x", "Transfer-Encoding: chunked",
    "Content-Length: -1",
    "Content-Length: 99999999999", "Upgrade: websocket", "Accept: */*", "Connection: close",
    "X: \u00ff",
)  # fmt: skip


def http_requests(chance: random.Random) -> Iterator[bytes]:
    """Yield requests without end, whole and damaged."""
    while True:
        try:
            body = json.dumps(
                {chance.choice(NAMES): _value(chance) for _ in range(chance.randrange(4))}
            )
        except ValueError:
            body = "{"
        lines = [f"{chance.choice(METHODS)} {chance.choice(PATHS)} HTTP/1.{chance.choice('1110')}"]
        if chance.random() < 0.8:
            lines.append("Host: localhost")
        lines += chance.sample(HEADERS, chance.choice((0, 0, 1, 2)))
        sent = body.encode("utf-8", "replace")
        if chance.random() < 0.7:
            lines.append(f"Content-Length: {len(sent)}")
        data = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + sent
        yield damaged(data, chance) if chance.random() < 0.5 else data


def http(host: str, port: int, count: int, seed: int = 1) -> int:
    """Send requests, each on a connection of its own; return how many were answered as HTTP is.

    Closed without a word counts too, and 500 does not. At the end the state must be told.
    """
    made = http_requests(random.Random(seed))
    for number in range(count):
        with socket.create_connection((host, port), PATIENCE_SECONDS) as client:
            # Thousands of closed connections would take up every port of the loopback.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request = next(made)
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                continue
            if answer and (not answer.startswith(b"HTTP/1.1 ") or b" 500 " in answer[:20]):
                sys.stderr.write(f"{request!r} was answered {answer!r}\n")
                return number
    return count if _http_answers(host, port) else 0


def _http_answers(host: str, port: int) -> bool:
    client = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    client.request("GET", "/api/v1/state")
    return client.getresponse().status == 200


def websocket(host: str, port: int, count: int, seed: int = 1) -> int:
    """Send messages to the live channel; return after how many it still answered.

    One that lets us go is opened anew.
    """
    chance = random.Random(seed)
    client = _WebSocket(host, port)
    for number in range(count):
        try:
            client.send(_text(chance), chance)
            if number % AT_ONCE == AT_ONCE - 1 and not client.answers(number):
                return number - number % AT_ONCE
        except (OSError, EOFError, LocalProtocolError, RemoteProtocolError):
            client.close()
            client = _WebSocket(host, port)
    client.close()
    fresh = _WebSocket(host, port)
    answers = fresh.answers(-1)
    fresh.close()
    return count if answers else count - 1


def _text(chance: random.Random) -> str:
    kind = chance.randrange(5)
    try:
        if kind == 0:
            return json.dumps({"set": {chance.choice(NAMES): _value(chance)}})
        if kind == 1:
            return json.dumps({chance.choice(("scene", "ping", "set", "x")): _value(chance)})
        text = json.dumps(odd_value(chance))
    except ValueError:
        text = "[" * 3000
    raw = damaged(text.encode(), chance)[:20_000] if kind == 2 else text.encode()
    return raw.decode("utf-8", "replace")


class _WebSocket:
    """A client that says anything."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._socket.sendall(self._ws.send(Request(host="localhost", target=LIVE)))
        self._sent_at = time.monotonic()
        while not any(isinstance(event, AcceptConnection) for event in self._read()):
            pass

    def _read(self) -> list[Any]:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self._ws.receive_data(data)
        return list(self._ws.events())

    def send(self, text: str, chance: random.Random) -> None:
        data = self._ws.send(TextMessage(text))
        self._socket.sendall(damaged(data, chance) if chance.random() < 0.02 else data)

    def answers(self, number: int) -> bool:
        """Wait for the answer to a ping; reading it all keeps us from being let go."""
        self._socket.sendall(self._ws.send(TextMessage(json.dumps({"ping": number}))))
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            for event in self._read():
                if isinstance(event, TextMessage) and '"pong"' in event.data:
                    return True
        return False

    def close(self) -> None:
        self._socket.close()


def mqtt(host: str, port: int, device: str, count: int, seed: int = 1) -> int:
    """Publish commands through a broker; return after how many the surface still obeyed."""
    chance = random.Random(seed)
    client = Client(CallbackAPIVersion.VERSION2)
    told = queue.SimpleQueue[str]()
    client.on_message = lambda _client, _data, message: told.put(message.payload.decode())
    client.connect(host, port)
    client.subscribe(f"perpetuo/{device}/root")
    client.loop_start()
    borne = 0
    for number in range(count):
        word = chance.choice(NAMES).replace("/", "_") or "x"
        if word == "root":  # by which it is asked whether the surface still obeys
            word = "densty"
        client.publish(f"perpetuo/{device}/{word}/set", _payload(chance), qos=0)
        if number % AT_ONCE == AT_ONCE - 1 or number == count - 1:
            value = str(number // AT_ONCE % 12)
            client.publish(f"perpetuo/{device}/root/set", value, qos=1)
            if not _is_told(told, value):
                break
            borne = number + 1
    client.loop_stop()
    client.disconnect()
    return borne


def _payload(chance: random.Random) -> bytes:
    text = str(_value(chance)).encode("utf-8", "replace")
    return damaged(text, chance)[:2000] if chance.random() < 0.5 else text[:2000]


def _is_told(told: queue.SimpleQueue[str], value: str) -> bool:
    """Whether a value is told before patience ends."""
    try:
        while told.get(timeout=PATIENCE_SECONDS) != value:
            pass
    except queue.Empty:
        return False
    return True

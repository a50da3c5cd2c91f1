"""The web surface: HTTP and WebSocket on one port, in one thread of its own (extra ``live``).

In: connections. Out: the page, the API (:mod:`streamer.surfaces.routes`) and the live channel
(:mod:`streamer.surfaces.live`). h11 and wsproto read and write the protocols; here are sockets and
bounds: how many clients, how long a head, how large a body, how long a silence, and what may wait
to be sent to a client that does not read, which is then dropped and never waited for. What waits
for a disk is done aside, one thing of each client at a time. Nothing here runs in the scheduler's
thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import ProtocolError

from streamer.errors import ConfigError
from streamer.settings.live import Address
from streamer.surfaces import live, oscquery
from streamer.surfaces.access import Access
from streamer.surfaces.aside import Aside
from streamer.surfaces.desk import Desk, Refusal
from streamer.surfaces.live import MOST_TEXT, SCENES_SECONDS, TOO_OFTEN, Channel, SceneList
from streamer.surfaces.pagefile import page
from streamer.surfaces.routes import API, Response, is_free, refusal, respond, waits_for_disk
from streamer.system.realtime import step_back

logger = logging.getLogger(__name__)

LIVE = f"{API}/live"
"""Where a WebSocket is opened."""

MOST_CLIENTS = 24
"""Connections at once, WebSockets among them; a further one is told 503."""

MOST_HEAD = 8 * 1024
MOST_FIELDS = 16
"""Of what stands behind the question mark."""

MOST_BODY = 64 * 1024
REQUEST_SECONDS = 10.0
"""How long a head or a body may take, and a kept connection be silent."""

MOST_UNSENT = 256 * 1024
"""Bytes that may wait for a client; one that does not read them is dropped."""

LINGER_SECONDS = 1.0
"""How long a client that is let go may go on talking. What it says is dropped, but read: a socket
that is closed with bytes unread is reset, and the client may lose the reason it was sent."""

CLOSE_SECONDS = 2.0
"""How long the thread may take to end."""

LOOK_SECONDS = 0.05
"""How often the live channel looks for what has changed."""

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class WebSurface:
    """Serves a desk until it is closed.

    Args:
        desk: The stream.
        address: Where to listen.
        access: Who is let in.
        osc: Where OSC is heard, for programs that ask by OSCQuery; None where it is not.
        scenes_seconds: How often it is looked for scenes that were saved elsewhere.

    Raises:
        ConfigError: The port is taken, or the address is none of this machine's.
    """

    def __init__(
        self,
        desk: Desk,
        address: Address,
        access: Access,
        osc: Address | None = None,
        *,
        scenes_seconds: float = SCENES_SECONDS,
    ) -> None:
        self._desk, self._access, self._osc = desk, access, osc
        self._loop = asyncio.new_event_loop()
        self._clients: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Event] = set()
        self._aside = Aside(MOST_CLIENTS)
        self._scenes = SceneList(desk, self._aside, scenes_seconds)
        self._stop = asyncio.Event()
        try:
            self._server = self._loop.run_until_complete(
                asyncio.start_server(self._meet, address.host, address.port, limit=MOST_HEAD)
            )
        except OSError as error:
            self._loop.close()
            raise ConfigError(
                [
                    f"live.web {address} cannot be opened ({error.strerror or error}); another "
                    "program may have the port: choose another, as in --web 127.0.0.1:8766"
                ]
            ) from error
        self.address = Address(address.host, int(self._server.sockets[0].getsockname()[1]))
        desk.controls.listen(lambda _: self.wake())
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The page's address, without the token."""
        return f"http://{self.address}/"

    def wake(self) -> None:
        """Push at once what has changed; any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for changed in self._waiting:  # one each: none takes another's wake away
            changed.set()

    def close(self) -> None:
        """Let every client go and end the thread; a second time does nothing."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        step_back()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        """Serve until :meth:`close`, then let every client go."""
        looking = asyncio.ensure_future(self._scenes.keep_up(lambda: self._waiting))
        await self._stop.wait()
        looking.cancel()
        self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection and close it; whatever a client does ends here."""
        task = asyncio.current_task()
        assert task is not None
        full = len(self._clients) >= MOST_CLIENTS
        self._clients.add(task)
        # What waits for a client is bounded by the transport itself: write() beyond it is seen.
        writer.transport.set_write_buffer_limits(high=MOST_UNSENT)
        try:
            client = _Client(
                self._desk,
                self._access,
                self._waiting,
                self._aside,
                self._scenes,
                reader,
                writer,
                self._osc,
            )
            await client.serve(full=full)
            await _linger(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or said nothing, or the surface is closed
        except (h11.RemoteProtocolError, h11.LocalProtocolError, ProtocolError) as error:
            logger.debug("a client speaks another protocol: %s", error)
        finally:
            self._clients.discard(task)
            if writer.transport.get_write_buffer_size() >= MOST_UNSENT:
                writer.transport.abort()
            else:
                writer.close()


class _Client:
    """One connection: requests one after another, or one WebSocket."""

    def __init__(
        self,
        desk: Desk,
        access: Access,
        waiting: set[asyncio.Event],
        aside: Aside,
        scenes: SceneList,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        osc: Address | None,
    ) -> None:
        self._desk, self._access, self._waiting, self._osc = desk, access, waiting, osc
        self._aside, self._scenes, self._reader, self._writer = aside, scenes, reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)

    async def serve(self, *, full: bool) -> None:
        """Answer until the client closes, or says nothing for too long."""
        while True:
            request = await _within(self._event())
            if not isinstance(request, h11.Request):
                return
            try:
                if full:
                    raise Refusal(503, f"at most {MOST_CLIENTS} clients at once; close a page")
                if await self._answer(request):
                    return
            except Refusal as error:
                await self._send(refusal(error), close=True)
                return
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(MOST_HEAD))

    async def _answer(self, request: h11.Request) -> bool:
        """Answer one request; return whether the connection became a WebSocket that has ended."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in request.headers}
        try:
            target = urlsplit(request.target.decode("latin-1"))
            query = dict(
                parse_qsl(target.query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
            )
        except ValueError as error:
            raise Refusal(
                400, f"the address cannot be read, or has more than {MOST_FIELDS} fields"
            ) from error
        self._access.check(headers, query, free=is_free(target.path))
        if target.path == LIVE and headers.get("upgrade", "").lower() == "websocket":
            await self._live(request)
            return True
        body = await _within(self._body())
        reads, method = request.method in (b"GET", b"HEAD"), request.method.decode("latin-1")
        work: Callable[[], Response] = partial(respond, self._desk, method, target.path, body)
        disk = waits_for_disk(method, target.path)
        if reads and oscquery.asks(target.path, query, headers.get("accept")):
            work = partial(oscquery.answer, self._desk, target.path, query, self._osc)
            disk = True
        elif reads and target.path == "/":
            work = page
        response = await self._aside.done(work) if disk else work()
        await self._send(response, head_only=request.method == b"HEAD")
        return False

    async def _body(self) -> bytes:
        held = b""
        while True:
            event = await self._event()
            if isinstance(event, h11.Data):
                held += bytes(event.data)
                if len(held) > MOST_BODY:
                    raise Refusal(413, f"a body must have at most {MOST_BODY} bytes")
            else:
                return held

    async def _send(
        self, response: Response, *, head_only: bool = False, close: bool = False
    ) -> None:
        headers = {
            "Content-Type": response.kind,
            "Content-Length": str(len(response.body)),
            **_SECURITY,
            **response.headers,
        }
        if close:
            headers["Connection"] = "close"
        start = h11.Response(status_code=response.status, headers=list(headers.items()))
        data = [self._http.send(start)]
        if not head_only:
            data.append(self._http.send(h11.Data(data=response.body)))
        data.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(piece for piece in data if piece))
        await _within(self._writer.drain())

    async def _live(self, request: h11.Request) -> None:
        """Be a WebSocket until either side closes."""
        socket = WSConnection(ConnectionType.SERVER)
        path = request.target.decode("latin-1")
        try:
            socket.initiate_upgrade_connection(list(request.headers), path)
        except ProtocolError as error:
            raise Refusal(400, f"{LIVE} is opened as a WebSocket, version 13") from error
        from wsproto.events import AcceptConnection

        for event in socket.events():
            if isinstance(event, Request):
                self._writer.write(socket.send(AcceptConnection()))
        channel = Channel(self._desk, known=self._scenes)
        self._say(socket, await self._aside.done(channel.hello))
        pushing = asyncio.ensure_future(self._push(socket, channel))
        try:
            await self._hear(socket, channel)
        finally:
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await pushing

    async def _push(self, socket: WSConnection, channel: Channel) -> None:
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            while not self._writer.is_closing():
                changed.clear()
                for text in channel.look():
                    self._say(socket, text)
                if self._writer.transport.get_write_buffer_size() > MOST_UNSENT:
                    self._writer.transport.abort()
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
        finally:
            self._waiting.discard(changed)

    async def _hear(self, socket: WSConnection, channel: Channel) -> None:
        held = ""
        while data := await self._reader.read(MOST_HEAD):
            socket.receive_data(data)
            for event in socket.events():
                if isinstance(event, TextMessage):
                    held += event.data
                    if len(held) > MOST_TEXT:
                        self._writer.write(socket.send(CloseConnection(1009, "too long")))
                        return
                    if not event.message_finished:
                        continue
                    text, held = held, ""
                    try:
                        told = await self._obeyed(channel, text)
                    except Refusal as error:
                        self._writer.write(socket.send(CloseConnection(1008, str(error))))
                        return
                    if told is not None:
                        self._say(socket, told)
                elif isinstance(event, Ping):
                    self._writer.write(socket.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self._writer.write(socket.send(event.response()))
                    return

    async def _obeyed(self, channel: Channel, text: str) -> str | None:
        """Do what a client asks, one thing after the other, and return what it is told.

        Raises:
            Refusal: It asks too often.
        """
        try:
            asked = channel.read(text)
            if live.loads(asked):
                self._aside.start(partial(channel.obey_aside, asked))
                return None
            if live.waits_for_disk(asked):
                told: str | None = await self._aside.done(partial(channel.obey, asked))
                for later in channel.begun():
                    self._aside.start(later)
                return told
            return channel.obey(asked)
        except Refusal as error:
            if error.status == TOO_OFTEN:
                raise
            return live.problem(error)

    def _say(self, socket: WSConnection | Connection, text: str) -> None:
        self._writer.write(socket.send(TextMessage(text)))


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that no more is sent, and hear a client out that has not read it yet."""
    if not writer.transport.is_closing():
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(MOST_HEAD):
                    pass


async def _within(work: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(work, REQUEST_SECONDS)

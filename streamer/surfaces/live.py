"""The live channel: what is pushed to a page, and what a page asks for; JSON both ways.

In: a desk, and texts that a client sent. Out: texts to send. A client gets all there is at first,
then what has changed: controls at once, the written and the sent notes twenty times a second while
there are any, figures twice a second. One :class:`Channel` a client; the web thread's
alone, but for :meth:`Channel.obey` and :meth:`Channel.obey_aside`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from streamer.settings.controls import Controls
from streamer.surfaces.aside import Aside
from streamer.surfaces.desk import Desk, Later, Refusal, Written, change, declarations, keep

FIGURES_SECONDS = 0.5
"""How often figures are pushed."""

SCENES_SECONDS = 2.0
"""How often it is looked for scenes that were saved: on another surface, by hand."""

MOST_TEXT = 16 * 1024
"""Characters of a client's message."""

RATE, BURST = 100.0, 200.0
"""Messages a second that a client may send, and how many at once."""

TOO_OFTEN = 429
"""Status of a client that sends more."""


class SceneList:
    """The scenes as they were found last, for every client.

    Args:
        desk: The stream.
        aside: Where a disk is waited for.
        seconds: How often they are looked for.

    Attributes:
        scenes: As :meth:`streamer.surfaces.desk.Desk.scenes` has them; None before the first look.
    """

    def __init__(self, desk: Desk, aside: Aside, seconds: float = SCENES_SECONDS) -> None:
        self._desk, self._aside, self._seconds = desk, aside, seconds
        self.scenes: list[Mapping[str, Any]] | None = None

    async def keep_up(self, wanted: Callable[[], object]) -> None:
        """Look again and again, while anybody wants to be told, until it is cancelled."""
        while True:
            if wanted():
                with contextlib.suppress(Refusal):  # the disk is busy enough
                    self.scenes = await self._aside.done(lambda: list(self._desk.scenes()))
            await asyncio.sleep(self._seconds)


class Channel:
    """One client's view of the stream.

    Args:
        desk: The stream.
        clock: Seconds of the monotonic clock.
        known: The scenes that a look found last: whoever saves one, every client is told.
    """

    def __init__(
        self,
        desk: Desk,
        clock: Callable[[], float] = time.monotonic,
        known: SceneList | None = None,
    ) -> None:
        self._desk, self._clock, self._known = desk, clock, known
        self._scenes: list[Mapping[str, Any]] | None = None
        self._written = self._sent = self._dropped = 0
        self._ports: list[Mapping[str, Any]] | None = None
        self._seen: Controls | None = None
        self._controls: dict[str, Any] = {}
        self._answers: deque[str] = deque()
        self._begun: deque[Later] = deque()
        self._scene = ""
        self._figures_at = float("-inf")
        self._credit, self._credit_at = BURST, clock()

    def hello(self) -> str:
        """Return the first text: what the page is made from."""
        self._sent, _ = self._desk.sent_since(0)  # what has sounded is not played again
        self._list_scenes()
        return _text(
            "hello",
            registry=declarations(),
            scenes=self._scenes,
            bundles=list(self._desk.bundles()),
        )

    def _list_scenes(self) -> list[Mapping[str, Any]]:
        """Look for the scenes, for every client."""
        self._scenes = found = list(self._desk.scenes())
        if self._known is not None:
            self._known.scenes = found
        return found

    def look(self) -> Iterator[str]:
        """Yield what has changed since the last look."""
        snapshot, scene = self._desk.controls.snapshot(), self._desk.controls.scene
        if snapshot is not self._seen or scene != self._scene:  # a snapshot never changes
            values, old = snapshot.values(), self._controls
            changed = {k: v for k, v in values.items() if k not in old or old[k] != v}
            if changed or scene != self._scene:
                yield _text("controls", values=changed, scene=scene)
            self._seen, self._controls, self._scene = snapshot, values, scene
        while self._answers:
            yield self._answers.popleft()
        if self._known is not None and self._known.scenes not in (None, self._scenes):
            self._scenes = self._known.scenes
            yield _text("scenes", scenes=self._scenes)
        now = self._clock()
        if now - self._figures_at >= FIGURES_SECONDS:
            self._figures_at = now
            yield _text("state", **self._desk.state())
            ports = list(self._desk.ports())
            if ports != self._ports:
                self._ports = ports
                yield _text("ports", ports=ports)
        yield from self._notes(now)

    def _notes(self, now: float) -> Iterator[str]:
        self._written, written = self._desk.written_since(self._written)
        self._sent, sent = self._desk.sent_since(self._sent)
        if written:
            yield _text("written", notes=[_row(note) for note in written])
        self._dropped, dropped = self._desk.ghosts_since(self._dropped)
        if dropped:
            ghosts = [[ghost.reason, [_row(note) for note in ghost.notes]] for ghost in dropped]
            yield _text("dropped", phrases=ghosts)
        if sent:
            left = [[round((now - one.at) * 1000.0, 1), *one.message] for one in sent]
            yield _text("sent", messages=left)
        yield _text("now", ms=round(self._desk.now_ms(), 1), rate=self._desk.rate())

    def read(self, text: str) -> dict[str, Any]:
        """Return what a client asks.

        Raises:
            Refusal: 400 or 413 for what is no message; 429 for a client that asks too often: it is
                let go.
        """
        now = self._clock()
        self._credit = min(self._credit + (now - self._credit_at) * RATE, BURST) - 1.0
        self._credit_at = now
        if self._credit < 0:
            raise Refusal(TOO_OFTEN, f"more than {RATE:g} messages a second")
        return _parsed(text)

    def obey_aside(self, asked: dict[str, Any]) -> None:
        """Do what a client asks, in any thread; what it is told comes with a later look."""
        told = self.obey(asked)
        if told is not None:
            self._answers.append(told)

    def obey(self, asked: dict[str, Any]) -> str | None:
        """Do what a client asks, in any thread; return what it is told, None where that is nothing.

        It takes as long as a disk takes where :func:`waits_for_disk` says so.
        """
        try:
            return self._obey(asked)
        except Refusal as error:
            return problem(error)

    def begun(self) -> Iterator[Later]:
        """Yield what :meth:`obey` has begun and is to be waited for, in any thread.

        What the client is told comes with a later look.
        """
        while self._begun:
            yield partial(self._wait, self._begun.popleft())

    def _wait(self, later: Later) -> None:
        try:
            later()
        except Refusal as error:
            self._answers.append(problem(error))

    def _obey(self, asked: dict[str, Any]) -> str | None:
        if "set" in asked:
            change(self._desk, asked["set"])
        elif isinstance(asked.get("scene"), str):
            if (later := self._desk.start_scene(asked["scene"])) is not None:
                self._begun.append(later)
        elif isinstance(asked.get("bundle"), str):
            self._desk.choose_bundle(asked["bundle"])
        elif isinstance(asked.get("save"), str):
            self._desk.save_scene(asked["save"])
            return _text("scenes", scenes=self._list_scenes(), saved=asked["save"])
        elif isinstance(asked.get("learn"), str):
            self._desk.learn(asked["learn"])
            self._figures_at = float("-inf")  # it is shown at once
        elif isinstance(asked.get("forget"), str):
            self._desk.forget(asked["forget"])
            self._figures_at = float("-inf")
        elif "keep" in asked:
            kept = keep(self._desk, asked["keep"] if isinstance(asked["keep"], dict) else None)
            return _text("kept", **kept)
        elif "ping" in asked:
            return _text(
                "pong", ping=asked["ping"] if isinstance(asked["ping"], int | float) else 0
            )
        else:
            raise Refusal(
                400,
                'a message must be {"set": {...}}, {"scene": NAME}, {"bundle": NAME}, '
                '{"save": NAME}, {"learn": CONTROL}, {"forget": CONTROL}, {"keep": {}} or '
                '{"ping": N}',
            )
        return None


def waits_for_disk(asked: dict[str, Any]) -> bool:
    """Whether a disk is read or written to do what a client asks."""
    return "set" not in asked and any(word in asked for word in ("scene", "save", "keep", "forget"))


def loads(asked: dict[str, Any]) -> bool:
    """Whether it may take seconds, in which the client is to be heard on."""
    return "set" not in asked and "bundle" in asked


def problem(error: Refusal) -> str:
    """Return what is wrong as a client is told."""
    return _text("error", error=str(error), status=error.status)


def _row(note: Written) -> list[int]:
    row = [round(note.onset_ms), round(note.duration_ms), note.pitch, note.velocity, note.channel]
    return [*row, 1] if note.pedal else row


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > MOST_TEXT:
        raise Refusal(413, f"a message must have at most {MOST_TEXT} characters")
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "a message must be JSON") from error
    if not isinstance(asked, dict):
        raise Refusal(400, "a message must be a JSON object")
    return asked


def _text(kind: str, **values: Any) -> str:
    return json.dumps({"type": kind, **values}, separators=(",", ":"))

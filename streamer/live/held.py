"""The last half hour of what was sent, held in memory, and a MIDI file of it or of its end.

In: every message that leaves, with its place in the played music, from the scheduler's thread,
which takes no lock and never waits. Out: the bytes of a MIDI file, to any thread. Memory is bounded
by time and by count: a message takes 11 bytes. So that a part of a stream is a whole piece,
programs, controllers and pedals are as they were where it begins, keys that are down there are left
out, and what sounds or is pedalled where it ends is ended there.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from streamer.midi import writer
from streamer.midi.messages import (
    CONTROL_PEDAL,
    channel_of,
    complete,
    control,
    ends_note,
    has_channel,
    is_control,
    is_pedal,
    is_program,
    key_of,
    note_off,
    starts_note,
)
from streamer.midi.meta import DEFAULT_TEMPO
from streamer.ports.base import Port, settle

HELD_SECONDS = 1800.0
"""How much is held."""

MOST_MESSAGES = 400_000
"""At most so many, 4.4 MB: 222 a second, five times what the densest scene sends."""

CHUNK = 2048
MESSAGE_BYTES = 3

SLICE = 256
"""Messages that are written between two breaths: other threads have better to do."""


@dataclass(slots=True)
class _Chunk:
    """Some messages in a row: their places in ms, and their bytes, three each."""

    places: array[float] = field(default_factory=lambda: array("d"))
    data: bytearray = field(default_factory=bytearray)


class HeldMusic:
    """Holds what was sent lately; one thread adds, any thread reads.

    Args:
        seconds: How much.
    """

    def __init__(self, seconds: float = HELD_SECONDS) -> None:
        self._ms = seconds * 1000.0
        self._chunks = deque([_Chunk()])

    def add(self, message: bytes, place_ms: float) -> None:
        """Hold one message with its place in the played music; it never waits."""
        if not has_channel(message):
            return
        chunk = self._chunks[-1]
        if len(chunk.places) >= CHUNK:
            chunk = _Chunk()
            self._chunks.append(chunk)
            self._let_go(place_ms)
        chunk.data += message.ljust(MESSAGE_BYTES, b"\0")
        chunk.places.append(place_ms)  # last: a reader counts by it

    def _let_go(self, now_ms: float) -> None:
        """Forget chunks that are wholly too old, or too many."""
        most = MOST_MESSAGES // CHUNK
        while len(self._chunks) > 2 and (
            len(self._chunks) > most or self._chunks[1].places[0] < now_ms - self._ms
        ):
            self._chunks.popleft()

    def messages(self) -> Iterator[tuple[float, bytes]]:
        """Yield what is held at this moment, in order: places in ms, and messages."""
        while True:
            try:
                chunks = list(self._chunks)
                break
            except RuntimeError:  # one was added meanwhile
                continue
        for chunk in chunks:
            places, data = chunk.places[:], bytes(chunk.data)
            for number, place in enumerate(places):
                message = complete(data[number * MESSAGE_BYTES : (number + 1) * MESSAGE_BYTES])
                if message is not None:
                    yield place, message

    def cut(self, seconds: float | None = None, pause: Callable[[], object] | None = None) -> Cut:
        """Return the end of what is held as a piece.

        Args:
            seconds: How much of it; None, or more than is held, takes all.
            pause: Called now and then, to let other threads run; None sleeps for nothing.
        """
        pause = pause or (lambda: time.sleep(0))
        found: list[tuple[float, bytes]] = []
        for place in self.messages():
            found.append(place)
            if len(found) % SLICE == 0:
                pause()
        if not found:
            return Cut()
        last = max(place for place, _ in found[-SLICE:])
        span = self._ms if seconds is None else min(seconds * 1000.0, self._ms)
        return _cut(found, last - span, last, pause)


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of what was sent.

    Attributes:
        data: The MIDI file; empty where there was no note.
        seconds: Its length.
        notes: How many begin in it.
    """

    data: bytes = b""
    seconds: float = 0.0
    notes: int = 0


def _cut(
    found: list[tuple[float, bytes]], begin: float, end: float, pause: Callable[[], object]
) -> Cut:
    """Make a file of what lies between two places."""
    state: dict[tuple[int, int], bytes] = {}
    first = next((n for n, (place, _) in enumerate(found) if place >= begin), len(found))
    for _, message in found[:first]:
        _remember(state, message)
    begin = max(begin, found[0][0])
    events = [(0, message) for _, message in sorted(state.items())]
    sounding: dict[tuple[int, int], bool] = {}
    down = {channel_of(message) for message in state.values() if _is_down(message)}
    notes = 0
    for number, (place, message) in enumerate(found[first:]):
        if number % SLICE == 0:
            pause()
        key = key_of(message) if starts_note(message) or ends_note(message) else None
        if key is not None and starts_note(message):
            notes += 1
            sounding[key] = True
        elif key is not None and sounding.pop(key, None) is None:
            continue  # it began before
        if is_pedal(message):
            (down.add if _is_down(message) else down.discard)(channel_of(message))
        events.append((round(max(place - begin, 0.0) / writer.TICK_MS), message))
    if not notes:
        return Cut()
    # Places may step back a little where the music was put off: a file only goes on.
    events.sort(key=lambda event: event[0])
    last = max(round((end - begin) / writer.TICK_MS), events[-1][0])
    events += [(last, note_off(*key)) for key in sounding]
    events += [(last, control(channel, CONTROL_PEDAL, 0)) for channel in sorted(down)]
    named = [(0, writer.track_name("Perpetuo")), (0, writer.tempo(DEFAULT_TEMPO)), *events]
    data = writer.midi_file([writer.track(named, last)])
    return Cut(data=data, seconds=last * writer.TICK_MS / 1000.0, notes=notes)


def _remember(state: dict[tuple[int, int], bytes], message: bytes) -> None:
    """Keep what still holds where a file begins: programs, pedals, volumes."""
    if is_program(message):
        state[channel_of(message), -1] = message
    elif is_control(message) and message[1] < 120:
        state[channel_of(message), message[1]] = message


def _is_down(message: bytes) -> bool:
    return is_pedal(message) and message[2] >= 64


class HoldingPort:
    """A port whose messages are held as they leave; the rest is the port's own.

    Args:
        port: Where they go.
        held: Where they are held.
    """

    def __init__(self, port: Port, held: HeldMusic) -> None:
        self._port, self._held, self._place_ms = port, held, 0.0

    @property
    def name(self) -> str:
        """The port's."""
        return self._port.name

    @property
    def epoch(self) -> int:
        """The port's."""
        return self._port.epoch

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send, then hold."""
        self._port.send(message, at_ms)
        self._place_ms = self._place_ms if at_ms is None else at_ms
        self._held.add(message, self._place_ms)

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        settle(self._port)

    def close(self) -> None:
        """Close the port."""
        self._port.close()

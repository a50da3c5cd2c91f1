"""Time, ports and music for tests: hand-written fakes, deterministic, without a single sleep.

For tests of the streamer, and of ports and generators from elsewhere. Nothing that plays imports
it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from streamer.errors import PortError
from streamer.live.buffer import RollingBuffer
from streamer.midi.messages import (
    channel_of,
    check_message,
    ends_note,
    is_pedal,
    key_of,
    starts_note,
)
from streamer.music.notes import ARGUMENTS, Note, Phrase
from streamer.ports.base import PortLost
from streamer.system.clock import Wake
from streamer.system.marks import Marked


class ManualClock:
    """A clock that stands still until somebody waits, and then leaps to the end of the wait.

    What is to happen at a time is given to :meth:`at`; it is done, in the waiting thread, when the
    time is passed. One thread only.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._suspended = 0.0
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Return the present in seconds."""
        return self._now

    def suspended(self) -> float:
        """Return the seconds given to :meth:`suspend` so far."""
        return self._suspended

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something when the clock has come to ``when``, in seconds."""
        heapq.heappush(self._plans, (when, next(self._numbers), action))

    def every(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something again and again, first after one interval."""

        def again() -> None:
            self.at(self._now + seconds, again)
            action()

        self.at(self._now + seconds, again)

    def wait_until(self, deadline: float, wake: Wake, spin_seconds: float = 0.0) -> bool:
        """Leap to the deadline, doing what was planned on the way (``system.clock.Clock``).

        Raises:
            RuntimeError: Nothing is planned that could ever end the wait.
        """
        while not wake.is_set():
            if self._plans and self._plans[0][0] <= deadline:
                when, _, action = heapq.heappop(self._plans)
                self._now = max(self._now, when)
                action()
            elif deadline == float("inf"):
                raise RuntimeError("this wait would never end: nothing is planned")
            else:
                self._now = max(self._now, deadline)
                return False
        return True

    def jump(self, seconds: float) -> None:
        """Let time pass, or run back, while nobody looks: the process was stopped, say."""
        self._now += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: the clock stands, :meth:`suspended` grows."""
        self._suspended += seconds


@dataclass(slots=True)
class Receiver:
    """What a synth makes of the messages: which keys sound and which pedals are down.

    It counts note-offs alone: a synth may ignore CC123, and then nothing else ends a note.

    Attributes:
        struck: How often each (channel, pitch) has been struck without a note-off.
        pedals: CC64 of each channel that had one.
    """

    struck: dict[tuple[int, int], int] = field(default_factory=dict)
    pedals: dict[int, int] = field(default_factory=dict)

    def hear(self, message: bytes) -> None:
        """Take in one message."""
        if starts_note(message):
            self.struck[key_of(message)] = self.struck.get(key_of(message), 0) + 1
        elif ends_note(message):
            self.struck.pop(key_of(message), None)
        elif is_pedal(message):
            self.pedals[channel_of(message)] = message[2]

    @property
    def is_silent(self) -> bool:
        """Whether no key sounds and no pedal is down."""
        return not self.struck and not any(self.pedals.values())


class FakePort:
    """A port that writes down what it gets, and can fail or vanish when told to.

    Attributes:
        log: (seconds of the clock, message) of all that arrived.
        receiver: The synth behind it.
        fail_at: Number of the send, from 0, that raises; None for never.
        fail_after_delivery: Whether the failing message arrives all the same.
        error: What the failing send raises.
        closed: How often :meth:`close` was called.
        sent: Told of each message before it is sent, as a port of a MIDI system tells its owner.
    """

    name = "fake"

    def __init__(self, clock: ManualClock | None = None) -> None:
        self._clock = clock or ManualClock(0.0)
        self._epochs = 1
        self._there = True
        self._sends = itertools.count()
        self.log: list[tuple[float, bytes]] = []
        self.places: list[float | None] = []
        self.receiver = Receiver()
        self.fail_at: int | None = None
        self.fail_after_delivery = False
        self.error: Exception = PortError("the fake port fails as it was told to")
        self.unnoticed = False
        self.closed = 0
        self.sent: Callable[[bytes], object] = lambda message: None

    @property
    def epoch(self) -> int:
        """See :class:`streamer.ports.base.Port`."""
        return self._epochs if self._there else 0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Write the message down, or raise."""
        check_message(message)
        self.sent(message)
        number = next(self._sends)
        if not self._there:
            raise PortLost("the fake port is gone")
        if number == self.fail_at and not self.fail_after_delivery:
            raise self.error
        if not self.unnoticed:
            self.log.append((self._clock.now(), message))
            self.places.append(at_ms)
            self.receiver.hear(message)
        if number == self.fail_at:
            raise self.error

    def vanish(self) -> None:
        """Be gone, and noticed to be."""
        self._there = False

    def vanish_unnoticed(self) -> None:
        """Be gone as an ALSA port is: sends raise nothing and arrive nowhere."""
        self.unnoticed = True

    def come_back(self) -> None:
        """Be there again; what sounded at the receiver still sounds."""
        self._there, self.unnoticed = True, False
        self._epochs += 1

    def close(self) -> None:
        """Count the call."""
        self.closed += 1

    @property
    def messages(self) -> list[bytes]:
        """What arrived, without times."""
        return [message for _, message in self.log]


def make_phrase(notes: Iterable[Note], start_ms: float = 0.0) -> Phrase:
    """Return a phrase of these notes, with entropies of 1 nat."""
    notes = tuple(notes)
    end_ms = notes[-1].onset_ms if notes else start_ms
    entropies = np.ones((len(notes), len(ARGUMENTS)), dtype=np.float32)
    return Phrase(notes, entropies, start_ms, end_ms)


class FakeGenerator(Marked):
    """Endless phrases of an arpeggio with chords, repeated keys and pedal: the same for one seed.

    Args:
        seed: Another seed gives other notes.
        phrase_notes: Notes of a phrase.
        notes_per_second: How dense it is.
    """

    marked = ("_random", "_now_ms")

    def __init__(
        self, seed: int = 0, phrase_notes: int = 16, notes_per_second: float = 10.0
    ) -> None:
        self._random = np.random.Generator(np.random.SFC64(seed))
        self._phrase_notes = phrase_notes
        self._step_ms = 1000.0 / notes_per_second
        self._now_ms = self.trail = 0.0

    def cut(self, trail: float, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a phrase anywhere (:meth:`streamer.generators.base.Generator.cut`)."""
        if phrase.start_ms + least_ms >= phrase.end_ms:
            return None
        self._now_ms = trail + least_ms
        return least_ms

    def next_phrase(self) -> Phrase:
        """Return the next phrase; onsets run on from the one before."""
        random, notes, start_ms = self._random, [], self._now_ms
        self.trail = start_ms
        pitch, pedal = 0, False
        for index in range(self._phrase_notes):
            step = 1.0 if index == 0 else float(random.choice((0.0, 0.5, 1.0, 2.5)))
            if step:
                self._now_ms += step * self._step_ms
                pitch, pedal = int(random.integers(40, 60)), bool(random.random() < 0.5)
            else:
                pitch += int(random.integers(1, 5))
            notes.append(
                Note(
                    pitch=pitch,
                    onset_ms=self._now_ms,
                    duration_ms=float(random.uniform(0.2, 8.0)) * self._step_ms,
                    velocity=int(random.integers(20, 121)),
                    pedal=pedal,
                )
            )
        return make_phrase(notes, start_ms)

    def __iter__(self) -> Iterator[Phrase]:
        while True:
            yield self.next_phrase()

    def top_up(self, buffer: RollingBuffer) -> None:
        """Fill the buffer to its high mark, as the generator thread would."""
        while not buffer.closed and buffer.seconds_ahead() < buffer.high_seconds:
            buffer.put(self.next_phrase())

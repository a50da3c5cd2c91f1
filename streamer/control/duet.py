"""A duet: whose turn it is, a person's or the machine's, and what the person has played.

    input's thread --notes, pedal--> Duet --notes that are over, whose turn--> generator's thread
                                       | a key goes down while the machine plays
                                       v
                                    ``let_go``

In: notes and pedal of a person with their times, the controls, the present. Out: the phase, the
notes in the order of their onsets, each as soon as it has ended or is :data:`KNOWN_SECONDS` old,
and a call the moment that the machine has to be silent. No generator, buffer or port is known
here.

=========  ==========================================  =====================================
phase      what happens                                what ends it
=========  ==========================================  =====================================
off        the stream plays by itself                  the control ``duet``
listening  the machine is silent and takes notes in    the person's silence, or ``duet_now``
thinking   the first phrase is drawn                   it is written; or a key goes down
playing    the machine plays                           a key, ``duet_now``, or all is said
yielding   it is silent, and its state goes back       the state is what has been heard
along      the machine plays, and takes notes in       the control ``duet``
=========  ==========================================  =====================================

:meth:`Duet.hear` belongs to the input's thread, :meth:`Duet.obey` to any, the others to the
generator's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from streamer.midi.keyboard import KeyboardState, Touch
from streamer.midi.sounding import Key
from streamer.settings.controls import Controls
from streamer.settings.duet import DuetControls
from streamer.system.clock import Wake

KNOWN_SECONDS = 0.3
"""A note that is held for longer is taken in all the same."""

LONGEST_SECONDS = 60.0
"""A key that is down while nothing is played for so long has lost its note-off: a cable was out."""

MOST_WAITING = 4096
"""Notes that wait to be taken in; of a flood the oldest are left out."""


TURNS = ("trade", "continue")
"""Modes in which one plays at a time."""


class Phase(Enum):
    """Whose turn it is."""

    OFF = "off"
    LISTENING = "listening"
    THINKING = "thinking"
    PLAYING = "playing"
    YIELDING = "yielding"
    ALONG = "along"


BY_ITSELF = {"off": Phase.OFF, "accompany": Phase.ALONG}
"""Modes in which the machine plays all the time."""


@dataclass(slots=True, eq=False)
class Played:
    """One note of a person.

    Attributes:
        key: Channel and pitch.
        velocity: 1..127.
        pedal: Whether the sustain pedal is down at the onset.
        at: When it began, seconds.
        until: When its key came up; None while it is down.
    """

    key: Key
    velocity: int
    pedal: bool
    at: float
    until: float | None = None

    @property
    def known_at(self) -> float:
        """When enough is known of it, seconds."""
        known_at = self.at + KNOWN_SECONDS
        return known_at if self.until is None else min(self.until, known_at)

    def seconds(self, now: float) -> float:
        """Return how long it is by now, 0 or more."""
        return max((now if self.until is None else self.until) - self.at, 0.0)


class Duet:
    """Listens to a person, and says whose turn it is.

    Args:
        controls: As they are at the start.
        let_go: Called with the number of the turn that begins, and whether what sounds is cut, the
            moment that the machine has to be silent; in the thread of whoever caused it. It must
            return at once.

    Attributes:
        moved: Set whenever the generator's thread has reason to look.
        left_out: How many notes of floods were left out.
    """

    def __init__(
        self, controls: Controls, let_go: Callable[[int, bool], object] = lambda turn, cut: None
    ) -> None:
        self._let_go = let_go
        self._lock = threading.RLock()
        self._wanted = controls.of(DuetControls)
        self._phase = BY_ITSELF.get(self._wanted.duet, Phase.LISTENING)
        self._turn = 0
        self._keys = KeyboardState()
        self._down: dict[Key, Played] = {}
        self._waiting: deque[Played] = deque()
        self._quiet_since = self._last_at = float("-inf")
        self._call_at: float | None = None
        self._pressed = False
        self.left_out = 0
        self.moved = Wake()

    @property
    def phase(self) -> Phase:
        """Whose turn it is; any thread."""
        return self._phase

    @property
    def mode(self) -> str:
        """The control ``duet``; any thread."""
        return self._wanted.duet

    @property
    def _takes_turns(self) -> bool:
        return self._wanted.duet in TURNS

    @property
    def said(self) -> str:
        """Whose turn it is, for who looks on: a word; "" for nobody's; any thread."""
        return "" if self.mode == "off" else self._phase.value

    @property
    def sounding(self) -> frozenset[Key]:
        """Keys of the person that are down, or sound under the pedal; any thread."""
        with self._lock:
            return self._keys.sounding

    def obey(self, controls: Controls) -> None:
        """Obey these controls from now on; any thread."""
        with self._lock:
            before, self._wanted = self._wanted, controls.of(DuetControls)
            self._pressed = self._pressed or (self._wanted.duet_now and not before.duet_now)
            if before.duet != self._wanted.duet:
                self._change_mode(before.duet, self._wanted.duet)
        self.moved.set()

    def _change_mode(self, before: str, mode: str) -> None:
        plays = self._phase in (Phase.OFF, Phase.ALONG, Phase.PLAYING)
        self._call_at = None
        if mode in BY_ITSELF:
            if plays:
                self._phase = BY_ITSELF[mode]
            elif self._phase is Phase.LISTENING:
                self._phase = Phase.THINKING
        elif mode == "continue" and plays:
            self._phase = Phase.PLAYING
        elif plays or (self._phase is Phase.THINKING and not {before, mode} <= {*TURNS}):
            self._yield()

    def hear(self, message: bytes, at: float) -> None:
        """Take in a note-on, a note-off, a pedal, or a CC that ends notes; the input's thread.

        Args:
            message: Normalised: a note-on has a velocity.
            at: When it came, seconds.
        """
        with self._lock:
            touch = self._keys.take(message)
            self._end(touch, at)
            if touch.struck is not None:
                self._strike(touch.struck, message[2], at)
        self.moved.set()

    def _end(self, touch: Touch, at: float) -> None:
        """Take note of what keys have come up, and whether nothing sounds any more."""
        for key in touch.released:
            self._last_at = at
            if (played := self._down.pop(key, None)) is not None:
                played.until = max(at, played.at)
        if touch.ended and not self._keys.sounding:
            self._quiet_since = at

    def _strike(self, key: Key, velocity: int, at: float) -> None:
        self._last_at = at
        if self._phase is Phase.OFF:
            return
        if self._takes_turns and self._phase in (Phase.PLAYING, Phase.THINKING):
            self._call_at = None
            self._yield()
        played = Played(key, velocity, key[0] in self._keys.pedals, at)
        self._call_at = at if self._call_at is None else self._call_at
        self._down[key] = played
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.left_out += 1
        self._waiting.append(played)

    def _yield(self) -> None:
        """Let the machine be silent, and go back to what has been heard of it."""
        self._turn += 1
        self._phase = Phase.YIELDING
        self._let_go(self._turn, self._wanted.duet_yield == "cut")

    def look(self, now: float, *, held: bool = False) -> tuple[Phase, int]:
        """Return whose turn it is at a moment, and the number of the turn.

        Args:
            now: Seconds.
            held: Whether the music stands: then the machine takes nothing over.
        """
        with self._lock:
            if self._keys.down and now - self._last_at > LONGEST_SECONDS:
                self._end(self._keys.end_all(), now)
            pressed, self._pressed = self._pressed, False
            if self._phase is Phase.LISTENING and self._takes_turns and not held:
                if pressed or now >= self._takes_over_at():
                    self._phase = Phase.THINKING
            elif pressed and self._takes_turns and self._phase in (Phase.PLAYING, Phase.THINKING):
                self._call_at = None
                self._yield()
            return self._phase, self._turn

    def _takes_over_at(self) -> float:
        """Return when the machine takes over by itself; infinite while there is nothing to say."""
        if self._call_at is None or self._keys.sounding:
            return float("inf")
        return max(self._quiet_since, self._last_at) + self._wanted.duet_after

    def take(self, now: float) -> Sequence[Played]:
        """Return the notes that are over, or known for long enough, in the order of their onsets.

        Args:
            now: Seconds.
        """
        found = []
        with self._lock:
            while self._waiting and now >= self._waiting[0].known_at:
                found.append(self._waiting.popleft())
        return found

    def take_all(self) -> Sequence[Played]:
        """Return all notes that have begun, in the order of their onsets."""
        with self._lock:
            found = [*self._waiting]
            self._waiting.clear()
        return found

    def due(self) -> float:
        """Return when there is something to do next if nothing is played, seconds."""
        with self._lock:
            first = self._waiting[0].known_at if self._waiting else float("inf")
            left = self._last_at + LONGEST_SECONDS if self._keys.down else float("inf")
            listens = self._phase is Phase.LISTENING and self._takes_turns
            takes = self._takes_over_at() if listens else float("inf")
            return min(first, left, takes)

    @property
    def is_silent(self) -> bool:
        """Whether no key of the person sounds."""
        return not self.sounding

    @property
    def call_seconds(self) -> float:
        """How long the person has played since the machine did; 0 for not at all."""
        with self._lock:
            end = max(self._quiet_since, self._last_at)
            return 0.0 if self._call_at is None else max(end - self._call_at, 0.0)

    def yielded(self, turn: int) -> None:
        """Take note that the machine's state is what was heard by the beginning of a turn."""
        with self._lock:
            if self._phase is Phase.YIELDING and turn == self._turn:
                self._phase = Phase.THINKING if self.mode in BY_ITSELF else Phase.LISTENING

    def begun(self, turn: int) -> None:
        """Take note that the machine's first phrase of a turn is written."""
        with self._lock:
            if self._phase is Phase.THINKING and turn == self._turn:
                self._phase = BY_ITSELF.get(self.mode, Phase.PLAYING)
                self._call_at = None

    def over(self, turn: int) -> None:
        """Take note that the machine has said all it had to say, and is silent."""
        with self._lock:
            if self._phase is Phase.PLAYING and turn == self._turn:
                self._turn += 1
                self._phase = Phase.LISTENING

    def close(self) -> None:
        """End every wait; any thread."""
        self.moved.set()

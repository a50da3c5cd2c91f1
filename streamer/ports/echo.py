"""Our own messages coming back: heard on an input, and not to be obeyed.

A synth with a soft thru, a loop in a patchbay, or one device for input and output sends back what
it got. In: every message that leaves through a MIDI system, whoever sends it (the scheduler, a port
that is left, an output that is back). Out: whether a message that came in is one of them (the
input's thread).

Commonly an echo is back within milliseconds. It may come late: a busy machine lets it wait, and
what an instrument sends while nobody listens, because its cable was out, comes when somebody does.
Then it comes in a run, as it was sent, and begins with what harms nobody; so a person's own panic
is told from it. Silence may come back more than once, by several ways; to obey it would send
silence again, for ever.
"""

from __future__ import annotations

import logging
from collections import Counter, deque

from streamer.midi.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CLOCK,
    CONTROL_PEDAL,
    RESET_CONTROLLERS,
    control,
    ends_note,
    has_channel,
    is_note,
    key_of,
    note_off,
    on_channel,
    starts_note,
)

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 4096
"""More than any cable carries within the longest window that can be set."""

LATE_SECONDS = 5.0
"""All but notes may come back within this, from the sending or from the opening of the input, if it
comes in a run."""

SILENCE_SECONDS = 1.0
"""Any number of copies of a silence may come back within this, the same way."""

RUN_SECONDS = 0.1
"""What comes so soon after an echo is in a run with it; a DIN cable carries a message in 1 ms."""

UNISON_SECONDS = 0.05
"""Where a person plays too, a note that comes in within this of one of ours of its key is ours."""

LOOP_NOTES = 12
"""So many notes in a row came back: what is sent is heard."""

MOST_OF_A_KEY = 32
"""Strikes of one key that are remembered; they are looked at for a moment only."""

_SILENCE = frozenset(
    control(0, number, 0)
    for number in (CONTROL_PEDAL, ALL_SOUND_OFF, ALL_NOTES_OFF, RESET_CONTROLLERS)
)
_HARMLESS = frozenset(control(0, number, 0) for number in (CONTROL_PEDAL, RESET_CONTROLLERS))
"""With the first of these each silence begins."""


class EchoFilter:
    """Remembers what was sent, for a while. Each message sent excuses one that comes in.

    Channels are not compared: a port may have sent on another one.

    Args:
        seconds: For so long an echo is one by itself; 0 remembers nothing at all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sent: deque[tuple[float, bytes]] = deque(maxlen=MOST_REMEMBERED)
        self._notes = _Memory(seconds)
        self._keys = _OwnKeys()
        self._others = _Memory(max(seconds, LATE_SECONDS))
        self._silenced: dict[bytes, float] = {}
        self._opened_at = self._run_at = float("-inf")
        self._returned = 0

    @property
    def loops(self) -> bool:
        """Whether all notes that are sent come back, and not only some that a person plays too."""
        return self._returned >= LOOP_NOTES

    def opened(self, now: float) -> None:
        """Take note that an input opens at ``now``: what waited until then comes now; any thread.

        It had not been heard, and so not been forgotten either.
        """
        self._opened_at = now

    def sent(self, message: bytes, now: float) -> None:
        """Take note of a message that leaves at ``now``, in seconds; any thread."""
        if self._seconds and message[0] != CLOCK:
            self._sent.append((now, _essence(message)))

    def is_echo(self, message: bytes, now: float) -> bool:
        """Whether a message that came in at ``now`` is one that was sent; the input's thread."""
        while self._sent:
            at, essence = self._sent.popleft()
            (self._notes if is_note(essence) else self._others).add(essence, at)
            self._keys.sent(essence, at)
            if essence in _SILENCE:
                self._silenced[essence] = at
        self._others.forget(now, self._opened_at)
        if any(starts_note(lost) for lost in self._notes.forget(now)):
            self._returned = 0
        essence = _essence(message)
        known = (
            self._note_returns(essence) if is_note(essence) else self._other_returns(essence, now)
        )
        if known:
            self._run_at = now
        return known

    def is_own_note(self, message: bytes, now: float) -> bool:
        """Whether a note message is one of ours, where a person plays on the same input.

        Known by its key and by its time, within :data:`UNISON_SECONDS`: a synth may send it back
        with another velocity. Where all that is sent comes back, it may come later. The input's
        thread.
        """
        known = self.is_echo(message, now)
        return self._keys.returns(message, now) or (known and self.loops)

    def _note_returns(self, essence: bytes) -> bool:
        known = self._notes.take(essence)
        if known and starts_note(essence):
            self._returned += 1
            if self._returned == LOOP_NOTES:
                logger.info("what is sent comes back on the input, and is left out there")
        return known

    def _other_returns(self, essence: bytes, now: float) -> bool:
        at = self._others.latest(essence)
        again = at is None
        if again:
            at = self._silenced.get(essence)
        if at is None:
            return False
        age = now - max(at, self._opened_at)
        in_run = now - self._run_at <= RUN_SECONDS or essence in _HARMLESS
        if age > self._seconds and not (in_run and (not again or age <= SILENCE_SECONDS)):
            return False
        self._others.take(essence)
        return True


class _OwnKeys:
    """Notes that were sent, by their keys: each strike excuses one, and its release another."""

    def __init__(self) -> None:
        self._struck: dict[int, deque[float]] = {}
        self._released: dict[int, deque[float]] = {}
        self._back: Counter[int] = Counter()

    def sent(self, message: bytes, at: float) -> None:
        """Take note of a message that left at some moment, in seconds; others than notes do."""
        if not is_note(message):
            return
        times = self._struck if starts_note(message) else self._released
        times.setdefault(key_of(message)[1], deque(maxlen=MOST_OF_A_KEY)).append(at)

    def returns(self, message: bytes, now: float) -> bool:
        """Whether a note message is one that was sent just before; it is excused once."""
        pitch, starts = key_of(message)[1], starts_note(message)
        if not starts and not self._back[pitch]:
            return False
        times = (self._struck if starts else self._released).get(pitch)
        while times and now - times[0] > UNISON_SECONDS:
            times.popleft()
        if not times:
            return False
        times.popleft()
        self._back[pitch] += 1 if starts else -1
        return True


class _Memory:
    """Messages that may come back within some seconds, each as often as it was sent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._recent: deque[tuple[float, bytes]] = deque(maxlen=MOST_REMEMBERED)
        self._expected: Counter[bytes] = Counter()

    def add(self, essence: bytes, at: float) -> None:
        """Expect a message that left at some moment, in seconds."""
        if len(self._recent) == MOST_REMEMBERED:
            self._settle(self._recent.popleft()[1])
        self._recent.append((at, essence))
        self._expected[essence] += 1

    def forget(self, now: float, opened_at: float = float("-inf")) -> list[bytes]:
        """Expect no more what has not come in time, and return it.

        Args:
            now: Seconds.
            opened_at: What was sent before this may come within the same time from then on.
        """
        lost = []
        while self._recent and now - max(self._recent[0][0], opened_at) > self._seconds:
            lost.append(self._recent.popleft()[1])
            self._settle(lost[-1])
        return lost

    def latest(self, essence: bytes) -> float | None:
        """Return when the last of its kind that is expected left, or None."""
        if not self._expected[essence]:
            return None
        return next(at for at, recent in reversed(self._recent) if recent == essence)

    def take(self, essence: bytes) -> bool:
        """Return whether a message is expected, which is one of its kind less from then on."""
        if not self._expected[essence]:
            return False
        for index in range(len(self._recent) - 1, -1, -1):
            if self._recent[index][1] == essence:
                del self._recent[index]
                break
        self._settle(essence)
        return True

    def _settle(self, essence: bytes) -> None:
        self._expected[essence] -= 1
        if not self._expected[essence]:
            del self._expected[essence]


def _essence(message: bytes) -> bytes:
    """Return what a device leaves of a message on its way: no channel, no speed of release."""
    if not has_channel(message):
        return message
    if ends_note(message):
        return note_off(0, key_of(message)[1])
    return on_channel(message, 0)

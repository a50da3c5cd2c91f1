"""Chords from the left hand: what is held below the split is the chord that holds.

In: note messages with the time at which they came, and the controls ``chords_from`` and ``split``.
Out: the symbol of a chord, once for each that is new. The keys of a chord do not come at once, so
that it is read when no key has moved for a moment; it holds until another one is held. What has no
name as a chord changes nothing. Keys that ring under a pedal are not held. A note-off can be lost:
a key that was struck long ago is none of the chord.

Thread: the input's.
"""

from __future__ import annotations

import math

from streamer.midi.keyboard import KeyboardState
from streamer.midi.sounding import Key
from streamer.music.chords import name_chord
from streamer.music.scales import OCTAVE
from streamer.settings.controls import Controls
from streamer.settings.duet import DuetControls
from streamer.settings.harmony import HarmonyControls

SETTLE_SECONDS = 0.05
"""So long after its last key moved a chord is read."""

LONGEST_SECONDS = 60.0
"""So long after its strike a key is taken to be held, where no note-off has come."""

LEAST_CLASSES = 3
"""Pitch classes of a chord."""

USUAL_SPLIT = 60
"""Keys below are the left hand's where no split is set, MIDI number."""


class LeftHand:
    """Reads the chords of a left hand; one thread."""

    def __init__(self) -> None:
        self._keyboard = KeyboardState()
        self._struck_at: dict[Key, float] = {}
        self._moved_at: float | None = None

    @property
    def due(self) -> float:
        """When there is something to be read, seconds; infinity where nothing is."""
        return math.inf if self._moved_at is None else self._moved_at + SETTLE_SECONDS

    def hear(self, message: bytes, at: float) -> None:
        """Take in a message that :class:`KeyboardState` takes, ``at`` in seconds."""
        touch = self._keyboard.take(message)
        for key in touch.released:
            self._struck_at.pop(key, None)
        if touch.struck is not None:
            self._struck_at[touch.struck] = at
        if touch.struck is not None or touch.released:
            self._moved_at = at

    def let_go(self) -> None:
        """Forget all keys: the input was closed, and what was let go meanwhile was not heard."""
        self._keyboard.end_all()
        self._struck_at.clear()
        self._moved_at = None

    def read(self, now: float, controls: Controls) -> str | None:
        """Return the chord that is held now and does not hold yet; None where there is none.

        Args:
            now: Seconds.
            controls: Where the split is, and what holds.
        """
        if self._moved_at is None or now < self.due:
            return None
        self._moved_at = None
        wanted = controls.of(HarmonyControls)
        split = controls.of(DuetControls).split or USUAL_SPLIT
        since = now - LONGEST_SECONDS
        keys = [key for (_, key), at in self._struck_at.items() if key < split and at >= since]
        classes = frozenset(key % OCTAVE for key in keys)
        if wanted.chords_from != "hand" or len(classes) < LEAST_CLASSES:
            return None
        name = name_chord(classes, min(keys) % OCTAVE)
        return None if name == wanted.chords else name

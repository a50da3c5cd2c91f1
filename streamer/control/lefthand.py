"""Chords from the left hand: what is held below the split is the chord that holds.

In: note messages with the time at which they came, and the controls ``chords_from`` and ``split``.
Out: the symbol of a chord, once for each that is new. The keys of a chord do not come at once, so
that it is read when no key has moved for a moment; it holds until another one is held. What has no
name as a chord changes nothing.

Thread: the input's.
"""

from __future__ import annotations

import math

from streamer.midi.messages import DRUM_CHANNEL, channel_of, ends_note, is_control, is_note
from streamer.music.chords import name_chord
from streamer.music.scales import OCTAVE
from streamer.settings.controls import Controls
from streamer.settings.duet import DuetControls
from streamer.settings.harmony import HarmonyControls

SETTLE_SECONDS = 0.05
"""So long after its last key moved a chord is read."""

LEAST_CLASSES = 3
"""Pitch classes of a chord."""

USUAL_SPLIT = 60
"""Keys below are the left hand's where no split is set, MIDI number."""


class LeftHand:
    """Reads the chords of a left hand; one thread."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._moved_at: float | None = None

    @property
    def due(self) -> float:
        """When there is something to be read, seconds; infinity where nothing is."""
        return math.inf if self._moved_at is None else self._moved_at + SETTLE_SECONDS

    def hear(self, message: bytes, at: float) -> None:
        """Take in a message that has a channel, ``at`` in seconds; what is no note lets all go."""
        if is_control(message):
            self._held.clear()
        elif is_note(message) and channel_of(message) != DRUM_CHANNEL:
            if ends_note(message):
                self._held.discard(message[1])
            else:
                self._held.add(message[1])
            self._moved_at = at

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
        keys = [key for key in self._held if key < split]
        classes = frozenset(key % OCTAVE for key in keys)
        if wanted.chords_from != "hand" or len(classes) < LEAST_CLASSES:
            return None
        name = name_chord(classes, min(keys) % OCTAVE)
        return None if name == wanted.chords else name

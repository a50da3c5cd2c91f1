"""The machine as a shadow: to each note of a person another one, within the scale, while it sounds.

In: notes and pedal of a person. Out: note messages, to be sent at once. The scale is the one that
is set, or else that of the key of the last notes. Keys below ``split`` are the left hand's: they
say what the key is, and have no shadow.

Threads: :meth:`Shadow.hear` is the input's, :meth:`Shadow.obey` any; neither waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from streamer.generators.heard import key_of_notes
from streamer.midi.keyboard import KeyboardState
from streamer.midi.messages import note_off, note_on
from streamer.midi.sounding import Key
from streamer.music.notes import Note
from streamer.music.scales import OCTAVE, SCALE_STEPS
from streamer.settings.controls import Controls
from streamer.settings.duet import DuetControls

BELOW = (3, 4, 5, 8, 9)
"""Semitones below a note at which its shadow may lie; the first that is on the scale is it."""

SOFTER = 0.8
"""Times the velocity of the note."""

MOST_KNOWN, LEAST_KNOWN = 24, 4
"""Notes that say what the key is."""


class Shadow:
    """Harmonises what is played.

    Args:
        send: Takes a note message that is to leave at once.
    """

    def __init__(self, controls: Controls, send: Callable[[bytes], object]) -> None:
        self._send, self._controls = send, controls
        self._lock = threading.Lock()
        self._known: deque[int] = deque(maxlen=MOST_KNOWN)
        self._keys = KeyboardState()
        self._sounding: dict[Key, int] = {}

    @property
    def plays(self) -> bool:
        """Whether it is wanted; any thread."""
        return self._controls.of(DuetControls).duet == "shadow"

    @property
    def sounding(self) -> frozenset[int]:
        """Pitches that sound; any thread."""
        with self._lock:
            return frozenset(self._sounding.values())

    def obey(self, controls: Controls) -> None:
        """Obey these controls from now on."""
        with self._lock:
            self._controls = controls
            if not self.plays:
                self._end_all()

    def hear(self, message: bytes) -> None:
        """Take in a note, a pedal, or a CC that ends notes, normalised."""
        with self._lock:
            touch = self._keys.take(message)
            for key in touch.ended:
                self._end(key)
            if touch.struck is not None:
                self._strike(touch.struck, message[2])

    def _strike(self, key: Key, velocity: int) -> None:
        self._known.append(key[1])
        duet = self._controls.of(DuetControls)
        if not self.plays or key[1] < duet.split:
            return
        pitch = shadow_of(key[1], self._scale())
        if pitch is None:
            return
        for other in [other for other, sounds in self._sounding.items() if sounds == pitch]:
            self._end(other)
        self._sounding[key] = pitch
        self._send(note_on(0, pitch, max(round(velocity * SOFTER), 1)))

    def _scale(self) -> frozenset[int]:
        """Return the pitch classes that a shadow may have."""
        scale, root = self._controls.scale, self._controls.root
        if scale == "off" and len(self._known) >= LEAST_KNOWN:
            scale, root = key_of_notes([Note(pitch, 0.0, 1.0, 64) for pitch in self._known])
        return frozenset((root + step) % OCTAVE for step in SCALE_STEPS[scale])

    def _end(self, key: Key) -> None:
        pitch = self._sounding.pop(key, None)
        if pitch is not None:
            self._send(note_off(0, pitch))

    def _end_all(self) -> None:
        for key in [*self._sounding]:
            self._end(key)


def shadow_of(pitch: int, scale: frozenset[int]) -> int | None:
    """Return the note that goes with one, 0..127; None where none does."""
    found = (pitch - below for below in BELOW if (pitch - below) % OCTAVE in scale)
    return next((one for one in found if one >= 0), None)

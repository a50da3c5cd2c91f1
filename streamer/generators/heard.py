"""Music that cannot be given single notes: what a person plays steers it as controls do.

In: the live controls, and notes of a person. Out: controls by which the next phrases are drawn: in
the key of what was heard, as dense, and as high. What a person has set by hand counts for more: a
scale that is set stays, a range and chords too. Nothing is steered where there is no duet.

The key is that of the 24 major and minor keys whose profile [Krumhansl1990] is nearest to the pitch
classes heard, each weighted by its length.

Thread: the generator's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakMethod

import numpy as np

from streamer.generators.harmony import harmony_of
from streamer.music.keys import MODES, likeness
from streamer.music.notes import Note
from streamer.music.scales import OCTAVE, Scale
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.duet import DuetControls

MOST_HEARD = 128
"""Notes of a person that count."""

LEAST_HEARD = 6
"""Of fewer nobody knows the key."""

RECENT_MS, LEAST_LEFT = 6000.0, 3
"""So long ago a chord still holds that is accompanied, and so many keys of a left hand are one."""

ONE_ONSET_MS = 40.0
"""Notes that begin so soon after one another are one onset."""

LONGEST_MS = 2000.0
"""A longer note weighs no more, and a longer rest counts no longer."""

REACH = 18
"""Semitones on either side of the middle of what was heard in which the music lies."""

DENSITY_REACH = 2.5
"""At most so many times as dense as by itself, or so many times less."""


class HeardControls(LiveControls):
    """The live controls with what a person has played in them.

    It is a :class:`streamer.generators.base.Listener` too.

    Args:
        live: Moved by everybody else.
        onsets_per_second: How dense the music is by itself; None leaves density alone.
        register: Whether the music moves to where the person plays.
    """

    counts_length: ClassVar[bool] = False

    def __init__(
        self,
        live: LiveControls,
        *,
        onsets_per_second: float | None = None,
        register: bool = True,
    ) -> None:
        super().__init__(live.snapshot())
        self._live, self._usual, self._register = live, onsets_per_second, register
        self._anew: WeakMethod[Callable[[Sequence[Note]], object]] | None = None
        self._notes: deque[Note] = deque(maxlen=MOST_HEARD)
        self._end_ms = 0.0
        self._like: dict[str, Any] = {}

    def call_anew(self, anew: Callable[[Sequence[Note]], object]) -> None:
        """Call a method before the first phrase of a turn: what was drawn ahead is to be forgotten.

        Args:
            anew: Given the notes that were heard. Its object, which holds these controls, is not
                held: a bundle that another has followed gives its memory back at once.
        """
        self._anew = WeakMethod(anew)

    def snapshot(self) -> Controls:
        """Return the present controls, as the person plays."""
        present = self._live.snapshot()
        if not self._like or present.of(DuetControls).duet == "off":
            return present
        return self._as_heard(present)

    def hear(self, notes: Sequence[Note]) -> None:
        """Take in notes (:meth:`streamer.generators.base.Listener.hear`)."""
        for note in notes:
            moved = Note(note.pitch, self._end_ms + note.onset_ms, note.duration_ms, note.velocity)
            self._notes.append(moved)
        self._end_ms += max(note.onset_ms for note in notes)

    def rest(self, silent_ms: float) -> None:
        """Let the next phrase be like what was heard."""
        heard = tuple(self._notes)
        self._end_ms += silent_ms
        if heard:
            self._like = self._described(heard)
        anew = None if self._anew is None else self._anew()
        if anew is not None:
            anew(heard)
        self._notes.clear()

    @property
    def accompanies(self) -> bool:
        """Yes: it is told of a key."""
        return True

    def follow(self) -> bool:
        """Draw in the key of the last seconds, by the left hand where there is one."""
        recent = [note for note in self._notes if note.onset_ms > self._end_ms - RECENT_MS]
        split = self._live.snapshot().of(DuetControls).split
        left = [note for note in recent if note.pitch < split]
        chord = left if len(left) >= LEAST_LEFT else recent if len(recent) >= LEAST_HEARD else []
        if not chord:
            return False
        before, (scale, root) = self._like, key_of_notes(chord)
        self._like = {"scale": scale, "root": root}
        return before != self._like

    def _described(self, notes: Sequence[Note]) -> dict[str, Any]:
        found: dict[str, Any] = {"pitch": sum(note.pitch for note in notes) / len(notes)}
        if len(notes) >= LEAST_HEARD:
            found["scale"], found["root"] = key_of_notes(notes)
            if self._usual is not None:
                times = onsets_per_second(notes) / self._usual
                found["density"] = min(max(times, 1.0 / DENSITY_REACH), DENSITY_REACH)
        return found

    def _as_heard(self, present: Controls) -> Controls:
        like, changes = self._like, dict[str, Any]()
        if present.scale == "off" and "scale" in like and harmony_of(present) is None:
            changes.update(scale=like["scale"], root=like["root"])
        if "density" in like:
            density = present.density * like["density"]
            changes["density"] = min(max(density, 0.25), 4.0)
        if self._register and "pitch" in like and (present.low, present.high) == (0, 127):
            middle = like["pitch"] - present.transpose
            low = min(max(round(middle) - REACH, 0), 127 - 2 * REACH)
            changes.update(low=low, high=low + 2 * REACH)
        return present.with_changes(changes)


def key_of_notes(notes: Sequence[Note]) -> tuple[Scale, int]:
    """Return the scale and root, 0..11, of the key that some notes are in, one or more."""
    weights = np.zeros(OCTAVE)
    for note in notes:
        weights[note.pitch % OCTAVE] += min(note.duration_ms, LONGEST_MS)
    mode, root = divmod(int(np.argmax(likeness(weights))), OCTAVE)
    return MODES[mode], root


def onsets_per_second(notes: Sequence[Note]) -> float:
    """Return how dense notes are, chords as one onset; two notes or more, sorted by onset."""
    shifts = [b.onset_ms - a.onset_ms for a, b in zip(notes, notes[1:], strict=False)]
    onsets = [min(shift, LONGEST_MS) for shift in shifts if shift >= ONE_ONSET_MS]
    return 1000.0 * len(onsets) / sum(onsets) if onsets else 1.0

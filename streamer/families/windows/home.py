"""A key of its own: what sections of a walk keep to where no person asks for a key (ours).

A path through a latent space goes from bar to bar through whatever keys its latents say: training
moved each song through many, and a song stays in one. So a stream of bars that walks by itself
takes the key that it has been heard in so far, keeps to it for as many bars as a song has, and goes
on to a neighbour, a fifth up or down.

In: the notes of committed sections. Out: a harmony. Thread: the generator's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamer.music.chords import NAMES, Key
from streamer.music.harmony import Harmony
from streamer.music.keys import MODES, likeness
from streamer.music.notes import Note
from streamer.music.progressions import KeyPlan
from streamer.music.scales import OCTAVE
from streamer.system.marks import Marked

STRENGTH = 0.3
"""How strongly it holds: a section is moved to it as a whole, and hardly a note within it. Where
notes are moved too (0.65, 0.8) there are more seconds among those that sound together."""

FADING = 0.9
"""Share of what was heard that counts with the next section still."""

FIFTHS = (5, 7)
"""Semitones to the keys of which one note is another."""


class HomeKey(Marked):
    """The key of one stream; one thread.

    Args:
        sections: For how many it holds, 0 or more; with 0 there is none.
    """

    marked = ("_heard", "_root", "_minor", "_left")

    def __init__(self, sections: int) -> None:
        self._sections = self._left = sections
        self._heard = np.zeros(OCTAVE)
        self._root, self._minor = -1, False  # no root where it is in no key yet

    def harmony(self) -> Harmony | None:
        """Return what the next section is drawn to; None before anything was heard."""
        if not self._sections or self._root < 0:
            return None
        scale = MODES[int(self._minor)]
        root = int(self._root) % OCTAVE
        key = Key(f"{NAMES[root]}-{scale}", root, scale)
        return Harmony(None, KeyPlan(((key, 1),)), STRENGTH)

    def hear(self, notes: Iterable[Note], rng: np.random.Generator, *, walks: bool) -> None:
        """Take in a section that was chosen.

        Args:
            notes: Its notes.
            rng: Says where it goes when it has held for long enough.
            walks: Whether it came of walking; else it was asked for, in a key of its own.
        """
        if not self._sections:
            return
        self._heard = FADING * self._heard
        for note in notes:
            self._heard[note.pitch % OCTAVE] += note.duration_ms
        if not walks:
            self._root, self._left = -1, self._sections
        elif self._root < 0:
            if self._heard.any():
                found = likeness(self._heard)
                mode, root = np.unravel_index(int(found.argmax()), found.shape)
                self._root, self._minor, self._left = int(root), bool(mode), self._sections
        else:
            self._left -= 1
            if self._left <= 0:
                self._root = (self._root + int(rng.choice(FIFTHS))) % OCTAVE
                self._left = self._sections

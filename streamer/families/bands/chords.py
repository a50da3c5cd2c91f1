"""Chords in bands: a section is moved to where it is most like them, then drawn to them (ours).

Training moves windows by -5..6 semitones ([Valenti2020], section 4.1), so that a section may be
moved by as much without becoming less likely. What the harmony asks of each pitch at each step is
added to the noise that its states are drawn with. Drums stay.

In: a harmony, what a network thinks of a section. Out: the same moved, and nats. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import DRUMS, PITCHES, BandCodec
from streamer.families.bands.key import best_shift
from streamer.music.harmony import Harmony, Nats
from streamer.music.scales import OCTAVE


@dataclass(frozen=True, slots=True, eq=False)
class BandHarmony:
    """What holds over one section.

    Attributes:
        nats: What each pitch loses at each step, ``(steps, 128)``.
        wanted: How much each pitch class is asked for, ``(12,)``.
    """

    nats: Nats
    wanted: NDArray[np.float64]

    @classmethod
    def of(
        cls, harmony: Harmony | None, codec: BandCodec, beat: float, bar_beats: float
    ) -> BandHarmony | None:
        """Return what holds from a beat on; None without a harmony.

        Args:
            harmony: What holds.
            codec: The bundle's.
            beat: Where the section begins.
            bar_beats: Quarters of a bar.
        """
        if harmony is None:
            return None
        beats = beat + np.arange(codec.steps) / codec.steps_per_beat
        nats = harmony.pitch_nats(beats, bar_beats, range(PITCHES))
        return cls(nats, harmony.chroma(beat, codec.beats, bar_beats))

    def moved(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities ``(steps, 4, 130)`` moved to where they are most like the chords."""
        struck = shown[:, DRUMS + 1 :, :PITCHES]
        classes = np.arange(PITCHES) % OCTAVE
        found = np.bincount(classes, struck.sum(axis=(0, 1)), minlength=OCTAVE).astype(np.float64)
        shift = best_shift(found, self.wanted)
        if not shift:
            return shown
        rolled = np.roll(struck, shift, axis=-1)
        # What comes in at one end of the keyboard has left it at the other.
        edge = slice(0, shift) if shift > 0 else slice(shift, None)
        rolled[..., edge] = 0.0
        lost = struck.sum(axis=-1, keepdims=True) / np.maximum(
            rolled.sum(axis=-1, keepdims=True), 1e-12
        )
        out = shown.copy()
        out[:, DRUMS + 1 :, :PITCHES] = rolled * lost
        return out

"""Homing: what an endless stream is like on the whole stays what the corpus is like (ours).

A recurrent model that feeds on its own notes slides: a little faster makes faster notes likelier,
and after ten minutes everything is twice as fast as pianists play; dynamics wander in the same way.
Phrase by phrase nothing is wrong, so that filters and rankings see nothing. Here the running means
of density, note length, velocity and register over the last minute are held against the middle and
the spread of the corpus's phrases, and only what lies beyond is leaned against, in the noise of the
next phrase: music may be fast for a while, and not for ever.

In: committed phrases and the bundle's quantiles. Out: a bias in nats. Called by the step generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.codec import PITCH_CLASSES, ChainCodec
from streamer.controls import Controls
from streamer.manifest import Statistics
from streamer.notes import PIANO_LOW, Phrase
from streamer.steering import DENSITY_KNEE_MS, DENSITY_TILT

MEMORY_NOTES = 384.0
"""Notes over which the running means fade to a third: about a minute of music."""

AT_HOME = 0.5
"""Spreads from the middle within which nothing is done: pieces differ, and may."""

MOST_SPREADS = 3.0
PITCH_VARIANCE = 200.0
"""Of the pitches within a phrase, semitones squared: a tilt of 1 / 200 nats a semitone moves the
mean by about a semitone. The same for velocity below, where changes add up."""

VELOCITY_NATS = 0.15
"""Tilt against a change of velocity of one spread."""


@dataclass(frozen=True, slots=True)
class Home:
    """Middle and spread of one figure over the corpus's phrases; half the 16..84 % range."""

    middle: float
    spread: float

    @classmethod
    def of(cls, statistics: Statistics, name: str, *, logarithm: bool = False) -> Home | None:
        """Read the quantiles of a figure, or None where the bundle has none."""
        quantiles: list[float] = statistics.note.get(name, [])
        if not quantiles or not statistics.levels:
            return None
        found = np.interp((0.16, 0.5, 0.84), statistics.levels, quantiles)
        low, middle, high = np.log(np.maximum(found, 1e-3)) if logarithm else found
        return cls(float(middle), max(float(high - low) / 2.0, 1e-3))

    def beyond(self, value: float, moved: float = 0.0) -> float:
        """Return how far a value lies beyond home, in spreads, with its sign; 0 at home."""
        away = (value - self.middle - moved) / self.spread
        far = min(max(abs(away) - AT_HOME, 0.0), MOST_SPREADS)
        return math.copysign(far, away)


class Homing:
    """Watches the stream and leans against what lasts too long; one thread.

    Args:
        statistics: The bundle's; figures that it lacks are not watched.
        codec: The bundle's.
        strength: 1 leans as much as should bring the stream home, 0 not at all.
    """

    def __init__(self, statistics: Statistics, codec: ChainCodec, strength: float = 1.0) -> None:
        self._codec, self._strength = codec, strength
        self._homes = {
            "density": Home.of(statistics, "density", logarithm=True),
            "duration_ms": Home.of(statistics, "duration_ms", logarithm=True),
            "velocity": Home.of(statistics, "velocity"),
            "pitch": Home.of(statistics, "pitch"),
        }
        self._means: dict[str, float] = {}

    @property
    def means(self) -> dict[str, float]:
        """Running means: logarithms of density and duration, velocity, pitch; empty at first."""
        return dict(self._means)

    def watch(self, phrase: Phrase) -> None:
        """Learn from a phrase that was committed."""
        notes = phrase.notes
        durations = sorted(note.duration_ms for note in notes)
        figures = {
            "density": math.log(len(notes) / max(phrase.seconds, 1e-3)),
            "duration_ms": math.log(durations[len(durations) // 2]),
            "velocity": sum(note.velocity for note in notes) / len(notes),
            "pitch": sum(note.pitch for note in notes) / len(notes),
        }
        keep = math.exp(-len(notes) / MEMORY_NOTES)
        for name, value in figures.items():
            # Until something is known, the stream counts as at home.
            home = self._homes[name]
            before = self._means.get(name, home.middle if home else value)
            self._means[name] = keep * before + (1.0 - keep) * value

    def bias(self, controls: Controls, *, register: bool = True) -> NDArray[np.float32]:
        """Return what to add to the noise of the next phrase's notes, ``(classes,)`` float32, nats.

        Args:
            controls: Density asked for moves home with it.
            register: Whether pitch is leaned on; not where a person has narrowed the range.
        """
        codec, offsets = self._codec, self._codec.offsets
        bias = np.zeros(offsets[-1], dtype=np.float32)
        if not self._means or not self._strength:
            return bias
        faster = self._lean("density", math.log(controls.density))
        bias[offsets[1] : offsets[2]] = faster * _log_length(codec.shift.centres)
        longer = self._lean("duration_ms")
        bias[offsets[2] : offsets[3]] = -longer * _log_length(codec.duration.centres)
        velocity = self._homes["velocity"]
        if velocity is not None:
            change = np.clip(codec.velocity.centres / velocity.spread, -1.0, 1.0)
            louder = velocity.beyond(self._means["velocity"])
            bias[offsets[3] : offsets[4]] = -self._strength * VELOCITY_NATS * louder * change
        pitch = self._homes["pitch"]
        if pitch is not None and register:
            higher = pitch.beyond(self._means["pitch"]) * pitch.spread
            away = np.arange(PITCH_CLASSES) + PIANO_LOW - pitch.middle
            bias[: offsets[1]] = -self._strength * higher * away / PITCH_VARIANCE
        return bias

    def _lean(self, name: str, moved: float = 0.0) -> float:
        """Return nats for each nat of length that bring a logarithmic figure home."""
        home = self._homes[name]
        if home is None:
            return 0.0
        return self._strength * DENSITY_TILT * home.beyond(self._means[name], moved) * home.spread


def _log_length(centres_ms: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.log((centres_ms + DENSITY_KNEE_MS) / DENSITY_KNEE_MS), dtype=np.float64)

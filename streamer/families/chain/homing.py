"""A feedback controller that keeps the stream's statistics at the corpus's: *homing* (ours).

A recurrent model that is fed its own notes drifts: a little faster makes faster notes likelier, and
after ten minutes everything is twice as fast as pianists play; dynamics drift in the same way. A
ranking by entropy drifts too: the surest of sixteen phrases is the one with the least pedal and the
flattest dynamics, and each choice leads to the next. Phrase by phrase nothing is wrong, so that
filters and rankings see nothing.

Controlled are running means over the last phrases: density, note length, velocity and its spread,
register, pedal, and the entropy of each argument. The set point is the corpus's median (*home*),
the unit half its 16..84 % range (a *spread*). Within a dead band nothing is done. Beyond it the
error, bounded, plus a leaky integral of it, bounded too (anti-windup), acts twice: as a bias on the
noise of the next phrase, and by dropping the candidates that would lead further away (*astray*).

The set point moves. A stream that is always at the middle of its corpus is duller than any of its
pieces, so that every minute or two the set point goes, in small strides, to the figures of another
training piece (a *mood*: density, length, loudness, register and pedal, from the bundle).

In: committed phrases and the bundle's quantiles. Out: a bias in nats, and how far astray a
candidate leads. Source: docs/design/selection.md, "Homing".
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import Statistics
from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.steering import DENSITY_KNEE_MS, DENSITY_TILT
from streamer.music.notes import ARGUMENTS, PIANO_LOW, Phrase
from streamer.settings.controls import Controls
from streamer.system.marks import Marked

MEMORY_NOTES = 256.0
"""Notes over which the running means fade to a third: some twenty seconds of music."""

AT_HOME = 0.1
"""Dead band: spreads from the set point within which nothing is done."""

MOST_SPREADS = 3.0
GROWTH, FADING, MOST_LASTING = 0.1, 0.98, 1.5
"""The leaky integral, in spreads: with each phrase it gains a tenth of the error and keeps 98 % of
itself, so that it fades within some fifty phrases; its bound keeps it from winding up. It corrects
a model that is a little fast by nature."""

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
        marks = np.interp((0.16, 0.5, 0.84), statistics.levels, quantiles)
        low, middle, high = np.log(np.maximum(marks, 1e-3)) if logarithm else marks
        return cls(float(middle), max(float(high - low) / 2.0, 1e-3))

    @classmethod
    def of_entropy(cls, statistics: Statistics, argument: int) -> Home | None:
        """Read mean and deviation of an argument's entropy, or None where not measured."""
        if argument >= len(statistics.arguments):
            return None
        entropy = statistics.arguments[argument]
        return cls(entropy.entropy_mean, max(entropy.entropy_sd, 1e-3))

    def beyond(self, value: float) -> float:
        """Return how far a value lies beyond home, in spreads, with its sign; 0 at home."""
        away = (value - self.middle) / self.spread
        far = min(max(abs(away) - AT_HOME, 0.0), MOST_SPREADS)
        return math.copysign(far, away)


WISHED = {"loudness": "velocity", "register": "pitch"}
"""Controls that say where home is, and what it is called here."""

STRIDE = 0.15
"""How far home moves with each phrase towards another mood, in spreads: the stream follows, and a
leap would push the model where it has never been."""

LOUDNESS_HELD = 0.5
"""Share of a mood's loudness that is taken away from it at a steadiness of 1."""

MOOD_LEVELS = (0.08, 0.92)
"""Quantiles of the corpus's phrases that no mood lies beyond: at the edges models fall apart."""

_LOGARITHMS = ("density", "duration_ms")


def _read_moods(statistics: Statistics, names: Collection[str]) -> list[dict[str, float]]:
    """Return one dictionary a mood, of what is watched; logarithms where the means are such."""
    columns = {}
    for name, values in statistics.moods.items():
        if name in names:
            low, high = np.interp(MOOD_LEVELS, statistics.levels, statistics.note[name])
            held = np.clip(values, low, high)
            held = np.log(np.maximum(held, 1e-3)) if name in _LOGARITHMS else held
            columns[name] = held.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Homing(Marked):
    """Watches the stream and leans against what lasts too long; one thread.

    Args:
        statistics: The bundle's; figures that it lacks are not watched.
        codec: The bundle's.
        strength: 1 leans as much as should bring the stream home, 0 not at all.
    """

    marked = ("_homes", "_goals", "_lasting", "_means", "_memory_notes", "_wished")

    def __init__(self, statistics: Statistics, codec: ChainCodec, strength: float = 1.0) -> None:
        self._codec, self._strength = codec, strength
        self._memory_notes = MEMORY_NOTES
        homes = {
            "density": Home.of(statistics, "density", logarithm=True),
            "duration_ms": Home.of(statistics, "duration_ms", logarithm=True),
            "velocity": Home.of(statistics, "velocity"),
            "velocity_sd": Home.of(statistics, "velocity_sd"),
            "pitch": Home.of(statistics, "pitch"),
            "pedal": Home.of(statistics, "pedal"),
        }
        for i, argument in enumerate(ARGUMENTS):
            homes[f"entropy_{argument}"] = Home.of_entropy(statistics, i)
        self._homes = {name: home for name, home in homes.items() if home is not None}
        self._moods = _read_moods(statistics, self._homes)
        self._goals = {name: home.middle for name, home in self._homes.items()}
        self._density = self._goals.get("density")
        self._loudness = self._homes.get("velocity")
        self._wished: dict[str, float] = {}
        self._lasting = dict.fromkeys(self._homes, 0.0)
        # Until something is known, the stream counts as at home.
        self._means = {name: home.middle for name, home in self._homes.items()}

    @property
    def means(self) -> dict[str, float]:
        """Running means of what is watched; of density and duration the logarithms."""
        return dict(self._means)

    @property
    def homes(self) -> dict[str, float]:
        """Where home is, in the terms of :attr:`means`."""
        return {name: home.middle for name, home in self._homes.items()}

    @property
    def spreads(self) -> dict[str, float]:
        """Of what is watched, over the corpus's phrases, in the terms of :attr:`means`."""
        return {name: home.spread for name, home in self._homes.items()}

    @property
    def density(self) -> float | None:
        """Of the corpus's phrases, notes a second; None where the bundle does not say."""
        return None if self._density is None else math.exp(self._density)

    @property
    def velocity(self) -> tuple[float, float] | None:
        """Of the corpus's phrases, middle and spread of their means; None where unknown."""
        return None if self._loudness is None else (self._loudness.middle, self._loudness.spread)

    @property
    def moods(self) -> int:
        """How many moods the bundle knows."""
        return len(self._moods)

    def change_mood(self, mood: int) -> None:
        """Let home move to what training piece number ``mood`` was like, 0..moods - 1."""
        self._goals.update(self._moods[mood])

    def begin_in_mood(self, rng: np.random.Generator) -> None:
        """Be in a mood from the first note on, as if the stream had gone on for long.

        A mood lasts for as many notes as any other, so that a stream is in a slow one for longer:
        whoever comes in at any time is likelier to find it there.
        """
        lasting = np.array([math.exp(-mood.get("density", 0.0)) for mood in self._moods])
        mood = self._moods[int(rng.choice(len(lasting), p=lasting / lasting.sum()))]
        self._goals.update(mood)
        for name, value in mood.items():
            self._homes[name] = replace(self._homes[name], middle=value)
            self._means[name] = value

    def begin_as(self, phrase: Phrase, memory_notes: float = MEMORY_NOTES) -> None:
        """Let home, and what is known of the stream, be what this music is like (priming).

        Args:
            phrase: The music.
            memory_notes: Notes over which running means fade from now on: of fewer each phrase has
                to be the more like it.
        """
        self._memory_notes = memory_notes
        here = phrase_figures(phrase)
        here = {name: value for name, value in here.items() if not name.startswith("entropy_")}
        for name in here.keys() & self._homes.keys():
            self._homes[name] = replace(self._homes[name], middle=here[name])
            self._means[name] = self._goals[name] = here[name]

    def wish(self, controls: Controls) -> None:
        """Let home be at once where a person has set it; where it no longer is, moods go on."""
        asked = controls.of(ChainControls).asked()
        self._wished = {
            home: asked[dial]
            for dial, home in WISHED.items()
            if dial in asked and home in self._homes
        }
        for name, value in self._wished.items():
            home = self._homes[name]
            if home.middle != value:
                # Of what was played before the wish nothing is to be made up for.
                self._means[name] += value - home.middle
                self._homes[name] = replace(home, middle=value)

    def correction(self, name: str) -> float:
        """Return how far the stream is above home, lasting error and all: what to ask less of.

        In the units of :attr:`means`; as much as homing is strong.
        """
        home = self._homes[name]
        away = home.beyond(self._means[name]) + self._lasting[name]
        return self._strength * away * home.spread

    def _stride(self, steadiness: float) -> None:
        """Move home a little towards the mood; the less, the steadier, in density and loudness."""
        for name, home in self._homes.items():
            wished = self._wished.get(name)
            goal = self._goals[name] if wished is None else wished
            if name == "density" and self._density is not None:
                goal += steadiness * (self._density - goal)
            # Where a person has set it, home stays: what it strode away, wish() would put back, and
            # move the running mean each time.
            if name == "velocity" and self._loudness is not None and wished is None:
                goal += LOUDNESS_HELD * steadiness * (self._loudness.middle - goal)
            away = goal - home.middle
            if away:
                most = STRIDE * home.spread
                middle = home.middle + min(max(away, -most), most)
                self._homes[name] = replace(home, middle=middle)

    def watch(self, phrase: Phrase, controls: Controls) -> None:
        """Learn from a phrase that was committed; density counts as a multiple of the control."""
        self._stride(controls.of(ChainControls).steadiness)
        self._means = self._after(phrase, controls)
        for name, mean in self._means.items():
            grown = FADING * self._lasting[name] + GROWTH * self._homes[name].beyond(mean)
            self._lasting[name] = min(max(grown, -MOST_LASTING), MOST_LASTING)

    def astray(self, phrase: Phrase, controls: Controls, *, register: bool = True) -> float:
        """Return how far from home the stream would be with this phrase, 0 at home.

        Args:
            phrase: A candidate.
            controls: A density that was asked for is not astray.
            register: Whether pitch counts; not where a person has narrowed the range.
        """
        if not self._strength:
            return 0.0
        return sum(
            self._homes[name].beyond(mean) ** 2
            for name, mean in self._after(phrase, controls).items()
            if register or name != "pitch"
        )

    def _after(self, phrase: Phrase, controls: Controls) -> dict[str, float]:
        """Return the running means as they would be after a phrase."""
        keep = math.exp(-len(phrase.notes) / self._memory_notes)
        figures = phrase_figures(phrase)
        figures["density"] -= math.log(controls.density)
        return {
            name: keep * mean + (1.0 - keep) * figures[name] for name, mean in self._means.items()
        }

    def bias(self, *, register: bool = True, asked: bool = False) -> NDArray[np.float32]:
        """Return what to add to the noise of the next phrase's notes, ``(classes,)`` float32, nats.

        Args:
            register: Whether pitch is leaned on; not where a person has narrowed the range.
            asked: Whether the model is asked for density, loudness and register instead, so that
                of these none is leaned on.
        """
        codec, offsets = self._codec, self._codec.offsets
        bias = np.zeros(offsets[-1], dtype=np.float32)
        if not self._strength:
            return bias
        longer = self._lean("duration_ms")
        bias[offsets[2] : offsets[3]] = -longer * _log_length(codec.duration.centres)
        if asked:
            return bias
        faster = self._lean("density")
        bias[offsets[1] : offsets[2]] = faster * _log_length(codec.shift.centres)
        velocity = self._homes.get("velocity")
        if velocity is not None:
            change = np.clip(codec.velocity.centres / velocity.spread, -1.0, 1.0)
            louder = velocity.beyond(self._means["velocity"]) + self._lasting["velocity"]
            bias[offsets[3] : offsets[4]] = -self._strength * VELOCITY_NATS * louder * change
        pitch = self._homes.get("pitch")
        if pitch is not None and register:
            higher = pitch.beyond(self._means["pitch"]) + self._lasting["pitch"]
            higher *= pitch.spread
            away = np.arange(PITCH_CLASSES) + PIANO_LOW - pitch.middle
            bias[: offsets[1]] = -self._strength * higher * away / PITCH_VARIANCE
        return bias

    def _lean(self, name: str) -> float:
        """Return the bias, nats for each nat of length, that corrects a logarithmic figure."""
        home = self._homes.get(name)
        if home is None:
            return 0.0
        away = home.beyond(self._means[name]) + self._lasting[name]
        return self._strength * DENSITY_TILT * away * home.spread


def phrase_figures(phrase: Phrase) -> dict[str, float]:
    """Return what of a phrase is watched; of density and duration the logarithms."""
    notes, count = phrase.notes, len(phrase.notes)
    durations = sorted(note.duration_ms for note in notes)
    velocity = sum(note.velocity for note in notes) / count
    variance = sum((note.velocity - velocity) ** 2 for note in notes) / count
    figures = {
        "density": math.log(count / max(phrase.seconds, 1e-3)),
        "duration_ms": math.log(durations[count // 2]),
        "velocity": velocity,
        "velocity_sd": math.sqrt(variance),
        "pitch": sum(note.pitch for note in notes) / count,
        "pedal": sum(note.pedal for note in notes) / count,
    }
    entropies = phrase.entropies.mean(axis=0, dtype=np.float64).tolist()
    figures.update(zip((f"entropy_{a}" for a in ARGUMENTS), entropies, strict=True))
    return figures


def _log_length(centres_ms: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.log((centres_ms + DENSITY_KNEE_MS) / DENSITY_KNEE_MS), dtype=np.float64)

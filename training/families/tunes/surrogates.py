"""Phrases with labels nobody had to give: real ones are good, spoilt ones bad.

Source: docs/design/tunes.md.

In: a set of tunes, or tunes from elsewhere. Out: phrases with what they are and the work they come
from. Three kinds of bad: a real phrase's notes in another order (*shuffled*), a few of its notes
again and again (*looped*), notes by chance (*random*). A filter that is trained on them hears
disorder, monotony and chance, not taste; what ships says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.families.tunes.codec import END, TuneArray, to_tune
from training.families.tunes.tuneset import TuneSet

REAL, GENERATED = "real", "generated"
SPOILT = ("shuffled", "looped", "random")
"""The kinds of bad phrases, in the order in which they are made of each real one."""

LEAST_NOTES, MOST_NOTES = 32, 64
"""Notes of a phrase: between these, so that a tune's beginning can be judged too."""

PHRASES_A_TRACK = 8
"""More would be much alike, and long tracks would speak for all."""

LOOP_NOTES = (2, 12)
"""Notes of the figure of a looped phrase; it is heard three times at least."""


@dataclass(frozen=True)
class Labelled:
    """Phrases and what is known of them; all columns are equally long.

    Attributes:
        tunes: The phrases.
        kinds: ``real``, one of :data:`SPOILT`, ``generated`` or ``rated``.
        good: Whether a filter should keep each.
        works: What must not be split between training and test.
        styles: The style of each.
    """

    tunes: tuple[TuneArray, ...]
    kinds: NDArray[np.str_]
    good: NDArray[np.bool_]
    works: NDArray[np.str_]
    styles: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.tunes)

    def select(self, keep: NDArray[np.bool_]) -> Labelled:
        """Return some of the phrases."""
        tunes = tuple(self.tunes[i] for i in np.flatnonzero(keep).tolist())
        return Labelled(
            tunes, self.kinds[keep], self.good[keep], self.works[keep], self.styles[keep]
        )


def labelled(
    rows: Sequence[tuple[TuneArray, str, bool, str, str]],
) -> Labelled:
    """Return rows of (tune, kind, good, work, style) as columns."""
    return Labelled(
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], dtype=np.str_),
        np.array([row[2] for row in rows], dtype=np.bool_),
        np.array([row[3] for row in rows], dtype=np.str_),
        np.array([row[4] for row in rows], dtype=np.str_),
    )


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Return several sets of phrases as one."""
    columns = ("kinds", "good", "works", "styles")
    together = {name: np.concatenate([getattr(p, name) for p in parts]) for name in columns}
    return Labelled(tuple(tune for part in parts for tune in part.tunes), **together)


def surrogate_phrases(
    tunes: TuneSet,
    splits: Sequence[str],
    rng: np.random.Generator,
    *,
    style: str | None = None,
    each: int = PHRASES_A_TRACK,
) -> Labelled:
    """Cut real phrases, and spoil each in three ways.

    Args:
        tunes: The corpus.
        splits: Which of its splits.
        rng: Where phrases begin, how long they are, and how they are spoilt.
        style: Only tracks of this one; None takes all.
        each: Most phrases of a track.

    Raises:
        DataError: No track has :data:`LEAST_NOTES` notes.
    """
    indices = [i for split in splits for i in tunes.indices(split, style)]
    chances = _chances(tunes, indices)
    rows = []
    for i in indices:
        info = tunes.tracks[i]
        for phrase in cut(tunes.tune(i), rng, each):
            rows.append((phrase, REAL, True, info.work_key, info.style))
            for kind in SPOILT:
                bad = SPOIL[kind](phrase, chances[info.style], rng)
                rows.append((bad, kind, False, info.work_key, info.style))
    if not rows:
        wanted = f"style {style}" if style else "any style"
        raise DataError(
            f"no track of {wanted} in {' and '.join(splits)} has {LEAST_NOTES} notes; "
            "prepare more files"
        )
    return labelled(rows)


def cut(tune: TuneArray, rng: np.random.Generator, each: int) -> list[TuneArray]:
    """Cut a track into phrases that do not overlap, at most ``each`` of them, evenly spread."""
    phrases = []
    at = 0
    while len(tune) - at >= LEAST_NOTES:
        notes = min(int(rng.integers(LEAST_NOTES, MOST_NOTES + 1)), len(tune) - at)
        phrases.append(tune[at : at + notes])
        at += notes
    if len(phrases) > each:
        phrases = [phrases[i] for i in np.linspace(0, len(phrases) - 1, each).round().astype(int)]
    return phrases


@dataclass(frozen=True)
class Chance:
    """What random phrases of a style are made of.

    Attributes:
        low: Lowest pitch.
        high: Highest pitch.
        lengths: A sample of the style's lengths, as often as they are there.
    """

    low: int
    high: int
    lengths: NDArray[np.uint16]


def shuffled(phrase: TuneArray, chance: Chance, rng: np.random.Generator) -> TuneArray:
    """Return the notes in another order, each with its own length; END stays last."""
    del chance
    body = phrase[: len(phrase) - int(phrase["length"][-1] == END)]
    return np.concatenate([rng.permutation(body), phrase[len(body) :]])


def looped(phrase: TuneArray, chance: Chance, rng: np.random.Generator) -> TuneArray:
    """Return as many notes that say a few of them again and again."""
    del chance
    low, high = LOOP_NOTES
    body = phrase[: len(phrase) - int(phrase["length"][-1] == END)]
    size = int(rng.integers(low, min(high, len(body) // 3) + 1))
    start = int(rng.integers(len(body) - size + 1))
    return np.resize(body[start : start + size], len(phrase))


def random(phrase: TuneArray, chance: Chance, rng: np.random.Generator) -> TuneArray:
    """Return as many notes by chance: any pitch of the style's range, lengths as often as there."""
    pitch = rng.integers(chance.low, chance.high + 1, len(phrase))
    return to_tune(pitch, rng.choice(chance.lengths, len(phrase)))


SPOIL: dict[str, Callable[[TuneArray, Chance, np.random.Generator], TuneArray]] = {
    "shuffled": shuffled,
    "looped": looped,
    "random": random,
}
"""Kind to the function that makes it of a real phrase and of what chance is in its style."""

_SAMPLE = 4096


def _chances(tunes: TuneSet, indices: Sequence[int]) -> dict[str, Chance]:
    """Measure each style; the last note of a track has no length."""
    found: dict[str, list[TuneArray]] = {}
    for i in indices:
        found.setdefault(tunes.tracks[i].style, []).append(tunes.tune(i)[:-1])
    chances = {}
    for style, parts in found.items():
        notes = np.concatenate(parts)
        low, high = np.quantile(notes["pitch"], (0.01, 0.99)).astype(int).tolist()
        chances[style] = Chance(low, high, notes["length"][:: max(len(notes) // _SAMPLE, 1)])
    return chances

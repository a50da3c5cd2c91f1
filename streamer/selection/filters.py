"""Hard filters: which phrases are fit to be heard at all.

Source: docs/design/selection.md; idea of [Yamshchikov2020].

In: a candidate phrase and the :class:`Context` it would follow. Out: None to keep it, or the reason
for which it is dropped, a short stable word that is counted and shown. Each filter is asked about
each candidate, before the ranking. A filter is a plain callable: adding one is a function and a
place in :data:`FILTERS`.

They drop what is broken, and leave taste to the ranking: the bounds are the outer quantiles of the
corpus's own phrases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.measures.repetition import loop_period
from streamer.music.notes import PIANO_HIGH, PIANO_LOW, Note, Phrase


@dataclass(frozen=True, slots=True)
class Limits:
    """What the filters allow. The defaults hold for piano music at large; bundles bring their own.

    Attributes:
        pitch_low: Lowest pitch of a note, MIDI number.
        pitch_high: Highest pitch of a note.
        mean_pitch: Least and greatest mean pitch of a phrase, MIDI numbers.
        density: Least and greatest notes a second of a phrase, onset to onset.
        velocity: Least and greatest mean velocity of a phrase.
        longest_rest_ms: Longest time from one onset to the next, ms.
        polyphony: Most keys held down at one moment.
        same_pitch_run: Most notes in a row on one pitch.
        same_pitch_share: Greatest share of a phrase on one pitch, 0..1.
        loop_notes: Longest figure, in notes, that counts as a loop when nothing else is heard.
        returned_share: Greatest share of a phrase's figures that were heard lately, 0..1.
    """

    pitch_low: int = PIANO_LOW
    pitch_high: int = PIANO_HIGH
    mean_pitch: tuple[float, float] = (36.0, 90.0)
    density: tuple[float, float] = (0.5, 60.0)
    velocity: tuple[float, float] = (20.0, 120.0)
    longest_rest_ms: float = 6000.0
    polyphony: int = 14
    same_pitch_run: int = 12
    same_pitch_share: float = 0.6
    loop_notes: int = 16
    returned_share: float = 0.75


@dataclass(frozen=True, slots=True)
class Context:
    """What a filter may look at beside the phrase.

    Attributes:
        limits: The bounds.
        recent: The last committed notes, oldest first, at most some dozens.
        density_scale: The live density control: bounds on density move with it.
        returned: Counts how many of a phrase's figures came lately; None knows of nothing.
    """

    limits: Limits = field(default_factory=Limits)
    recent: tuple[Note, ...] = ()
    density_scale: float = 1.0
    returned: Callable[[Phrase], float] | None = None


Filter = Callable[[Phrase, Context], str | None]
"""Phrase and context -> None to keep, or the reason to drop."""

Panel = Callable[[Sequence[tuple[Phrase, Context]]], Sequence[str | None]]
"""A filter that looks at many candidates at once, because a model runs them in one batch: phrases
with their contexts -> for each None or the reason. There may be none of them."""

LOOP_TAIL_NOTES = 64
"""Committed notes that are looked at together with a phrase to find a loop."""


def empty(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase without notes, without any length, or with a hole in it."""
    if not phrase.notes or not phrase.end_ms > phrase.start_ms:
        return "empty"
    onsets = (phrase.start_ms, *(note.onset_ms for note in phrase.notes))
    rest = max(b - a for a, b in zip(onsets, onsets[1:], strict=False))
    return "empty" if rest > context.limits.longest_rest_ms else None


def pitch_range(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that leaves the range, or dwells where the corpus never does."""
    pitches = [note.pitch for note in phrase.notes if not note.unpitched]
    if not pitches:
        return None
    limits = context.limits
    if min(pitches) < limits.pitch_low or max(pitches) > limits.pitch_high:
        return "range"
    low, high = limits.mean_pitch
    return None if low <= sum(pitches) / len(pitches) <= high else "range"


def density(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase with more or fewer notes a second than the corpus's phrases have."""
    if not phrase.seconds > 0:
        return "density"
    low, high = (bound * context.density_scale for bound in context.limits.density)
    return None if low <= len(phrase.notes) / phrase.seconds <= high else "density"


def stuck(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that hammers on one key, the last committed notes counted in."""
    limits = context.limits
    pitches = [note.pitch for note in phrase.notes if not note.unpitched]
    if not pitches:
        return None
    if len(pitches) >= 8 and max(Counter(pitches).values()) > limits.same_pitch_share * len(
        pitches
    ):
        return "stuck"
    run, before = 0, None
    for pitch in (*(note.pitch for note in context.recent), *pitches):
        run = run + 1 if pitch == before else 1
        before = pitch
        if run > limits.same_pitch_run:
            return "stuck"
    return None


def loop(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that goes on turning in a circle, or that only says again what was said."""
    tail = context.recent[-LOOP_TAIL_NOTES:]
    played = [note.pitch for note in (*tail, *phrase.notes) if not note.unpitched]
    pitches = np.array(played, dtype=np.int64)
    longest = context.limits.loop_notes
    if len(pitches) >= 3 * longest and loop_period(pitches, longest):
        return "loop"
    if context.returned and context.returned(phrase) > context.limits.returned_share:
        return "loop"
    return None


def dynamics(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that is softer or louder on the whole than the corpus's phrases are."""
    if not phrase.notes:
        return None
    low, high = context.limits.velocity
    mean = sum(note.velocity for note in phrase.notes) / len(phrase.notes)
    return None if low <= mean <= high else "dynamics"


def polyphony(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that holds down more keys at once than hands can."""
    events = [(note.onset_ms, 1) for note in phrase.notes]
    events += [(note.end_ms, -1) for note in phrase.notes]
    down = 0
    for _, change in sorted(events):
        down += change
        if down > context.limits.polyphony:
            return "polyphony"
    return None


FILTERS: tuple[Filter, ...] = (empty, pitch_range, stuck, loop, polyphony, density, dynamics)
"""The filters that run, in the order in which a dropped phrase gets its reason."""

RELAX_ORDER = ("dynamics", "density", "polyphony", "loop", "stuck", "range", "empty")
"""When every candidate of every draw was dropped, reasons are given up in this order, one more each
time, until a candidate passes: first those of taste, last those of broken music. A reason that is
not named here goes with the first."""


def first_reason(phrase: Phrase, context: Context, filters: Sequence[Filter]) -> str | None:
    """Return why the first filter that objects drops the phrase, None when none does."""
    for check in filters:
        reason = check(phrase, context)
        if reason is not None:
            return reason
    return None


def all_reasons(phrase: Phrase, context: Context, filters: Sequence[Filter]) -> frozenset[str]:
    """Return the reasons of every filter that objects."""
    found = (check(phrase, context) for check in filters)
    return frozenset(reason for reason in found if reason is not None)


def relax(
    reasons: Sequence[frozenset[str]], order: tuple[str, ...] = RELAX_ORDER
) -> tuple[list[int], tuple[str, ...]]:
    """Give up reasons in an order until a candidate passes.

    Args:
        reasons: Why each candidate is dropped; at least one candidate.
        order: First what is given up first.

    Returns:
        The candidates that pass, and the reasons given up for them, in order; where none of theirs
        is in ``order``, just those.

    Raises:
        ValueError: There is no candidate.
    """
    if not reasons:
        raise ValueError("there must be 1 candidate or more")
    ranks = {reason: rank for rank, reason in enumerate(order)}
    worst = [max((ranks.get(reason, 0) for reason in found), default=-1) for found in reasons]
    best = min(worst)
    kept = [k for k, rank in enumerate(worst) if rank == best]
    given_up = frozenset().union(*(reasons[k] for k in kept))
    if given_up and not given_up & {*order}:
        return kept, tuple(sorted(given_up))
    return kept, order[: best + 1]

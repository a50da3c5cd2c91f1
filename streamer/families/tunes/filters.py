"""Rules for tunes: the strict manual filters of [Yamshchikov2020].

Source: docs/design/tunes.md, "Filters".

In: a candidate phrase and its :class:`TuneContext`. Out: None, or why it is dropped. They are for
precision, not for recall: what they drop is poor, what they keep need not be good. A phrase of
other music passes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.context import TuneContext
from streamer.measures.repetition import loop_period
from streamer.music.notes import Phrase
from streamer.selection.filters import Context, Filter

ON_BEAT = 0.02
"""So near to a place counts as on it, quarters."""

PLACES = 2
"""Places a beat: on it and between two."""

TUNE_LOOP_NOTES = 48
"""Notes of the tune that are looked at together with a phrase to find a loop. Other music is looked
at over :data:`streamer.selection.filters.LOOP_TAIL_NOTES`."""

RULED_NOTES = 8
"""Shares are asked of phrases with at least this many notes."""


def on_beat_share(onsets: NDArray[np.float64]) -> float:
    """Return the share, 0..1, of onsets, in quarters, that fall on a beat or between two."""
    places = PLACES * onsets
    return float((np.abs(places - np.rint(places)) <= PLACES * ON_BEAT).mean())


def tune_empty(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase without notes, without length, or with a note that lasts too long."""
    if not isinstance(context, TuneContext):
        return None
    if not phrase.notes or not phrase.end_ms > phrase.start_ms:
        return "empty"
    longest = float(context.own["length"].max()) / context.beat
    if longest > context.rules.longest_beats:
        return "empty"
    onsets = [note.onset_ms for note in phrase.notes]
    rest_ms = max((b - a for a, b in zip(onsets, onsets[1:], strict=False)), default=0.0)
    return "empty" if rest_ms > context.limits.longest_rest_ms else None


def tune_range(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that leaves the range or spans more than a voice does."""
    if not isinstance(context, TuneContext) or not phrase.notes:
        return None
    limits = context.limits
    pitches = context.own["pitch"].astype(np.int64)
    low, high = int(pitches.min()), int(pitches.max())
    if low + context.transpose < limits.pitch_low or high + context.transpose > limits.pitch_high:
        return "range"
    return "range" if high - low > context.rules.span else None


def leap(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase with a leap that nobody sings, the step into it counted in."""
    del phrase
    if not isinstance(context, TuneContext):
        return None
    pitches = context.tune["pitch"][-context.fresh - 1 :].astype(np.int64)
    if len(pitches) < 2:
        return None
    return "leap" if int(np.abs(np.diff(pitches)).max()) > context.rules.leap else None


def repeated(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that hammers on one note, the last notes of the tune counted in."""
    del phrase
    if not isinstance(context, TuneContext):
        return None
    rules, own = context.rules, context.own["pitch"].tolist()
    if len(own) >= RULED_NOTES and max(Counter(own).values()) > rules.same_pitch_share * len(own):
        return "repeated"
    run, before = 0, None
    for pitch in context.tune["pitch"][-context.fresh - rules.same_pitch_run :].tolist():
        run = run + 1 if pitch == before else 1
        before = pitch
        if run > rules.same_pitch_run:
            return "repeated"
    return None


def off_beat(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that has lost the beat: too few of its notes fall on one or between two."""
    del phrase
    if not isinstance(context, TuneContext) or context.fresh < RULED_NOTES:
        return None
    share = on_beat_share(context.onsets / context.beat)
    return "off-beat" if share < context.rules.on_beat_share else None


def tune_density(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase with too many or too few notes, a quarter or a second."""
    if not isinstance(context, TuneContext) or context.fresh < RULED_NOTES:
        return None
    beats = float(context.own["length"].astype(np.int64).sum()) / context.beat
    seconds = (phrase.notes[-1].onset_ms - phrase.notes[0].onset_ms) / 1000.0
    bounds = (context.rules.density, beats), (context.limits.density, seconds)
    for (low, high), size in bounds:
        scaled = size * context.density_scale
        if not low * scaled <= context.fresh <= high * scaled:
            return "density"
    return None


def tune_loop(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase with which the tune would turn in a circle."""
    del phrase
    if not isinstance(context, TuneContext):
        return None
    longest = context.rules.loop_notes
    pitches = context.tune["pitch"][-context.fresh - TUNE_LOOP_NOTES :].astype(np.int64)
    turns = len(pitches) >= 3 * longest and loop_period(pitches, longest)
    return "loop" if turns else None


def heard_before(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase of which other tunes of the last minutes had too much."""
    del phrase
    if not isinstance(context, TuneContext):
        return None
    return "heard" if context.heard > context.rules.returned_share else None


def close(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that ends the tune on a note on which none of its key closes."""
    del phrase
    if not isinstance(context, TuneContext) or not (context.closing and context.ends):
        return None
    return None if int(context.own["pitch"][-1]) % 12 in context.closing else "close"


TUNE_FILTERS: tuple[Filter, ...] = (
    tune_empty,
    tune_range,
    leap,
    repeated,
    heard_before,
    tune_loop,
    tune_density,
    off_beat,
    close,
)
"""The rules that run, in the order in which a dropped phrase gets its reason."""

TUNE_RELAX_ORDER = (
    "close",
    "classifier",
    "off-beat",
    "density",
    "leap",
    "repeated",
    "plagiarism",
    "loop",
    "range",
    "heard",
    "empty",
)
"""When every candidate of every draw was dropped, reasons are given up in this order: first those
of taste, last those of broken or repeated music. A reason not named here goes with the first."""

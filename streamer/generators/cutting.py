"""Cutting sections at their beats: the rest of one is taken from the same section, drawn again.

In: a section as it is heard, and how much of it stays. Out: the beat at which another takes over,
and what of that other one is played: what begins from the beat on, and what sounds over the beat
where the one before it holds nothing. A player may be early, so that a cut lies half a step before
its beat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from streamer.generators.base import LEAST_MS
from streamer.music.notes import Note, Phrase


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SectionTrail:
    """What it takes to cut a section.

    Attributes:
        mark: Of the generator before it.
        start_ms: Where it begins in the generator's own time, all of it.
        from_ms: Where what of it is heard begins.
        beat_ms: Length of a quarter, ms.
        beats: Quarters of the whole section.
        step_beats: Quarters of a step of its grid.
    """

    mark: Any
    start_ms: float
    from_ms: float
    beat_ms: float
    beats: float
    step_beats: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rest:
    """The part of a section that is still to be played.

    Attributes:
        beat: It begins with this quarter of the section.
        beat_at_ms: Where that lies in the generator's own time.
        from_ms: Nothing begins before this, half a step earlier.
        held: Keys that sound over it, as (channel, pitch).
    """

    beat: int
    beat_at_ms: float
    from_ms: float
    held: frozenset[tuple[int, int]]


def rest_after(trail: SectionTrail, phrase: Phrase, least_ms: float) -> Rest | None:
    """Return the rest of a section from its next beat on; None where none is left.

    Args:
        trail: Of the section.
        phrase: What of it is heard, wherever in the stream.
        least_ms: So much of that stays at least, ms.
    """
    half_ms = trail.step_beats * trail.beat_ms / 2
    passed_ms = trail.from_ms + least_ms - trail.start_ms
    beat = max(math.ceil((passed_ms + half_ms) / trail.beat_ms - 1e-9), 1)
    if beat >= trail.beats:
        return None
    at_ms = trail.start_ms + beat * trail.beat_ms
    from_ms = at_ms - half_ms
    heard_ms = phrase.start_ms + from_ms - trail.from_ms
    held = frozenset(
        (note.channel, note.pitch)
        for note in phrase.notes
        if note.onset_ms < heard_ms < note.end_ms
    )
    return Rest(beat=beat, beat_at_ms=at_ms, from_ms=from_ms, held=held)


def rest_of(phrase: Phrase, rest: Rest) -> Phrase:
    """Return what of a section is played of its rest, all in the generator's own time."""
    kept: list[tuple[int, Note]] = []
    for index, note in enumerate(phrase.notes):
        if note.onset_ms >= rest.from_ms:
            kept.append((index, note))
            continue
        key = (note.channel, note.pitch)
        more_ms = note.end_ms - rest.beat_at_ms
        if more_ms > LEAST_MS and not note.unpitched and key not in rest.held:
            kept.append((index, replace(note, onset_ms=rest.beat_at_ms, duration_ms=more_ms)))
    kept.sort(key=lambda one: one[1].onset_ms)
    programs = tuple(
        replace(one, onset_ms=max(one.onset_ms, rest.from_ms)) for one in phrase.programs
    )
    return replace(
        phrase,
        notes=tuple(note for _, note in kept),
        entropies=phrase.entropies[[index for index, _ in kept]],
        start_ms=rest.from_ms,
        programs=programs,
    )

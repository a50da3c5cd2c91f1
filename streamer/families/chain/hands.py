"""What two hands can do, as a law of the draw (ours).

A recurrent model draws a pitch before it draws the time shift, and sees no key's age: left alone,
one note in twenty-five is a key struck twice at once. So the graph carries, for each key, how long
it cannot be struck (because it is down, or was struck just now) and how long it belongs to the
present chord. A pitch whose key is not ready by the time shift that is drawn for it is drawn again
among the keys that are ready, and the time shift with it: rejection sampling with one retry. What
is then still not ready is held back by the time shift.

Times are counted from the lower edge of each time shift class, so that the law holds whatever is
drawn inside a class. Here are its constants, the tables that graph and torch model share, and what
the generator does with notes: exact times after a phrase, and releases before the next strike.

Thread: any; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.engine.noise import FORBID
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import CHORD_MS, PIANO_LOW, Note, NoteArray, Phrase
from streamer.selection.filters import Context

KEYS_STATE, AGAIN_INPUT = "keys", "again"
"""The state ``(batch, 2, 88)`` of a graph that keeps the law, in ms: until a key can be struck, and
until it leaves the chord; and its input of second noise for time shift, ``(notes, batch, 105)``."""

RESTRIKE_MS = 85.0
"""The shortest time from one strike of a key to the next. Of real piano notes 0.13 %
(piano-midi.de, GiantMIDI) to 0.28 % (ASAP) come sooner."""

HELD_SHARE = 0.85
"""Share of the lower edge of a duration class for which the key counts as down. Time shifts are
counted by lower edges too, up to a ninth too short: no note of a real piece breaks the law so."""

HAND_SEMITONES = 16
"""What one hand spans, a tenth: the keys of a chord lie within two such spans."""

MOST_KEYS = 10
"""Of a chord: a key for each finger. Of a million real notes nine begin such a chord."""

HANDS = "hands"
"""Why a phrase is dropped that has a chord of more keys."""

SHORTEST_MS = 10.0
"""No note is shorter; 0.1 % of real ones are."""

WITHHELD, STILL_FORCED = -1e5, -5e5
"""Bias of what the law forbids, and of forced classes when drawn again: weaker than
:data:`streamer.engine.noise.FORBID` and ``FORCE``, so that ranges hold and a stream can be primed
with music that breaks the law."""


def shift_floors(codec: ChainCodec) -> NDArray[np.float32]:
    """Return the least time that passes with each time shift class, ``(105,)``, ms."""
    return np.asarray(codec.shift.edges[:-1], dtype=np.float32)


def hold_times(codec: ChainCodec) -> NDArray[np.float32]:
    """Return how long a key cannot be struck after a note of each duration class, ``(120,)``."""
    floors = np.asarray(codec.duration.edges[:-1], dtype=np.float32)
    held: NDArray[np.float32] = np.maximum(np.float32(HELD_SHARE) * floors, np.float32(RESTRIKE_MS))
    return held


def second_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    temperature: float,
    bias: NDArray[Any],
) -> NDArray[np.float32]:
    """Draw what time shift is drawn with again.

    Args:
        rng: That of the stream.
        shape: ``(notes, batch)``.
        temperature: Of time shift.
        bias: Nats for each class of time shift, as in the first noise.
    """
    noise = rng.standard_exponential((*shape, len(bias)), dtype=np.float32)
    np.maximum(noise, np.float32(1e-30), out=noise)
    np.log(noise, out=noise)
    noise *= np.float32(-temperature)
    noise += bias.astype(np.float32)
    return noise


def withhold_past(noise: NDArray[np.float32], codec: ChainCodec, passed_ms: float) -> None:
    """Forbid the time shifts that would put a note into the past, in place; never the longest.

    Args:
        noise: Of one note's time shift, ``(..., 105)``.
        codec: The bundle's.
        passed_ms: Time since the note before it, in which nothing was struck.
    """
    past = shift_floors(codec) < passed_ms
    past[-1] = False
    noise[..., past] += np.float32(FORBID)


def release_in_time(notes: NoteArray) -> None:
    """End each note by the next strike of its key, in place; none shorter than it can be.

    Args:
        notes: In the order of their onsets.
    """
    duration = np.maximum(notes["duration_ms"], SHORTEST_MS)
    order = np.lexsort((notes["onset_ms"], notes["pitch"]))
    onset, pitch = notes["onset_ms"][order], notes["pitch"][order]
    until = np.full(len(notes), np.inf)
    same = pitch[1:] == pitch[:-1]
    until[:-1][same] = np.diff(onset)[same]
    duration[order] = np.minimum(duration[order], until)
    notes["duration_ms"] = duration


def keys_after(
    notes: Sequence[Note], keys: NDArray[np.float32], since_ms: float
) -> NDArray[np.float32]:
    """Return the state of the keys after notes whose times are known exactly.

    Args:
        notes: In order, at least one.
        keys: The state before them, ``(1, 2, 88)``, ms from ``since_ms`` on.
        since_ms: Onset of the note before them.

    Returns:
        ``(1, 2, 88)`` float32, ms from the last note's onset on.
    """
    now = notes[-1].onset_ms
    after = keys - np.float32(now - since_ms)
    for note in notes:
        key = note.pitch - PIANO_LOW
        busy = max(note.end_ms, note.onset_ms + RESTRIKE_MS) - now
        after[0, 0, key] = max(after[0, 0, key], busy)
        after[0, 1, key] = max(after[0, 1, key], note.onset_ms + CHORD_MS - now)
    return after


def too_many_keys(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase with more keys in a chord than there are fingers; a filter."""
    onsets = [note.onset_ms for note in (*context.recent[-MOST_KEYS:], *phrase.notes)]
    beyond = zip(onsets, onsets[MOST_KEYS:], strict=False)
    return HANDS if any(last - first < CHORD_MS for first, last in beyond) else None

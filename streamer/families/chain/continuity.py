"""What keeps an endless stream of a recurrent model the same music for days.

Left alone, the cells of a recurrent model wander off (the authors' own release reaches values
near -375 within 500 notes), because no training piece was that long. Two bounds, both without a
seam that one could hear: cells are held within the corpus's quantiles after each phrase; and now
and then the state is built anew by feeding the last few hundred notes to a fresh one, so that the
model never sees a longer past than it was trained on.

Thread: the generator's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import Statistics
from streamer.engine.engine import Engine, State
from streamer.engine.noise import force_classes
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import PIANO_HIGH, PIANO_LOW, NoteArray

FEED_NOTES = 64
"""Notes fed at once; the true velocity is put into the state after each such run."""


def on_piano(notes: NoteArray) -> NoteArray:
    """Return the notes that lie on a piano, 21..108."""
    return notes[(notes["pitch"] >= PIANO_LOW) & (notes["pitch"] <= PIANO_HIGH)]


def with_velocity(state: State, velocity: float) -> State:
    """Return the state (batch 1) with the true velocity of the last note, if it holds one."""
    if "velocity" not in state.arrays:
        return state
    return state.replace(velocity=np.array([velocity], dtype=np.float32))


def follow(
    engine: Engine,
    codec: ChainCodec,
    state: State,
    notes: NoteArray,
    since_ms: float,
    velocity: int,
) -> State:
    """Return the state (batch 1) after more notes of a piece.

    Args:
        engine: Plays the bundle.
        codec: The bundle's.
        state: Before them, batch 1.
        notes: Sorted, on a piano, one or more.
        since_ms: Onset of the note before them.
        velocity: Of the note before them; 0 where there is none.
    """
    before = notes[:1].copy()
    before["onset_ms"], before["velocity"] = since_ms, velocity
    classes = codec.encode(np.concatenate([before, notes]))[1:]
    for start in range(0, len(notes), FEED_NOTES):
        stop = min(start + FEED_NOTES, len(notes))
        state = again(engine, codec, state, classes[start:stop].astype(np.int64))
        state = with_velocity(state, float(notes["velocity"][stop - 1]))
    return state


def feed(engine: Engine, codec: ChainCodec, notes: NoteArray) -> State:
    """Return the state (batch 1) after a piece that consists of these notes.

    Args:
        engine: Plays the bundle.
        codec: The bundle's.
        notes: Sorted, on a piano; any number. The first counts as the first of a piece.
    """
    state = engine.initial_state(1)
    if not len(notes):
        return state
    classes = codec.encode(notes)
    # The first alone: its change of velocity, counted from 0, is the coarsest of all.
    bounds = [0, *range(1, len(notes), FEED_NOTES), len(notes)]
    for start, stop in zip(bounds, bounds[1:], strict=False):
        if start == stop:
            continue
        noise = np.zeros((stop - start, 1, codec.offsets[-1]), dtype=np.float32)
        force_classes(noise, classes[start:stop], codec)
        state = engine.next_block(state, noise).state
        state = with_velocity(state, float(notes["velocity"][stop - 1]))
    return state


def again(engine: Engine, codec: ChainCodec, state: State, classes: NDArray[np.int64]) -> State:
    """Return the state (batch 1) after notes that were drawn from it before.

    Args:
        engine: Plays the bundle.
        codec: The bundle's.
        state: Before the notes, batch 1.
        classes: ``(notes, 5)``, one note or more.
    """
    noise = np.zeros((len(classes), 1, codec.offsets[-1]), dtype=np.float32)
    return engine.next_block(state, force_classes(noise, classes, codec)).state


class CellBound:
    """Holds the cells of a state within the corpus's quantiles, layer by layer."""

    def __init__(self, statistics: Statistics) -> None:
        low, high = np.array(statistics.c_low), np.array(statistics.c_high)
        self._known = low.size > 0 and low.shape == high.shape
        self._low = low[..., None, None].astype(np.float32)
        self._high = high[..., None, None].astype(np.float32)

    def apply(self, state: State) -> tuple[State, int]:
        """Return the state with its cells ``c (layer, submodel, batch, hidden)`` held back.

        Returns:
            The state, and how many values were outside.
        """
        if not self._known or "c" not in state.arrays:
            return state, 0
        cells: NDArray[np.float32] = state.arrays["c"]
        held = np.clip(cells, self._low, self._high)
        outside = int((held != cells).sum())
        return (state.replace(c=held), outside) if outside else (state, 0)

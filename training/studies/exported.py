"""What models do as exported: bundles that play notes, on ONNX Runtime, with one thread.

In: bundles whose classes are the chain's, and pieces. Out: notes a second, measured in turns, so
that a busy machine slows all alike, and by the processor's time; and nats a note, one step after
the other, as a stream goes: what the graph that is timed knows, and not what its training knew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import Engine
from streamer.engine.noise import force_classes
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import NoteArray

BLOCK_NOTES = 32
"""Notes of one call, as of a phrase."""

TURNS = 9


def notes_a_second(
    engines: Mapping[str, Engine],
    batches: Sequence[int],
    timer: Callable[[], float] = time.process_time,
    turns: int = TURNS,
) -> dict[str, dict[str, float]]:
    """Return the median speed of each engine, by its name and by the batch.

    Args:
        engines: By name.
        batches: Candidates that are drawn at once; a note of each counts.
        timer: Seconds, of the processor unless told otherwise.
        turns: Each engine plays a block for each batch in each turn, after one that is not timed.
    """
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, list[float]]] = {
        name: {str(batch): [] for batch in batches} for name in engines
    }
    for turn in range(turns + 1):
        for batch in batches:
            for name, engine in engines.items():
                shape = (BLOCK_NOTES, batch, engine.bundle.codec.offsets[-1])
                noise = rng.gumbel(size=shape).astype(np.float32)
                state = engine.initial_state(batch)
                began = timer()
                engine.next_block(state, noise)
                if turn:
                    took = max(timer() - began, 1e-9)
                    found[name][str(batch)].append(BLOCK_NOTES * batch / took)
    return {
        name: {batch: float(np.median(each)) for batch, each in speeds.items()}
        for name, speeds in found.items()
    }


def streamed_nats(
    engine: Engine, pieces: Sequence[NoteArray], codec: ChainCodec
) -> NDArray[np.float64]:
    """Return nats a note of each piece, ``(pieces,)``, each note forced on the graph in its turn.

    Args:
        engine: Plays the bundle.
        pieces: Of one note or more each.
        codec: The bundle's.
    """
    classes = [codec.encode(piece).astype(np.int64) for piece in pieces]
    nats: NDArray[np.float64] = np.zeros(len(pieces))
    state = engine.initial_state(len(pieces))
    for at in range(max(map(len, pieces))):
        playing = np.array([at < len(piece) for piece in pieces])
        # A piece that has ended is forced to its last note, and not counted.
        now = [min(at, len(piece) - 1) for piece in pieces]
        forced = np.stack([each[i] for each, i in zip(classes, now, strict=True)])[None]
        noise = np.zeros((1, len(pieces), codec.offsets[-1]), np.float32)
        block = engine.next_block(state, force_classes(noise, forced, codec))
        nats -= np.where(playing, block.log_probs[0].sum(axis=-1), 0.0)
        velocity = [float(piece["velocity"][i]) for piece, i in zip(pieces, now, strict=True)]
        state = block.state.replace(velocity=np.array(velocity, np.float32))
    mean: NDArray[np.float64] = nats / [len(piece) for piece in pieces]
    return mean

"""What a model thinks of music, note by note: entropies, their statistics, and nats ([Liu2025]).

A bundle's engine and pieces come in; each piece is fed to the model as if it had played it, and the
entropies of its five distributions and the log-probability of what stands there go out, with the
sequence statistics of [Liu2025], figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine
from streamer.engine.noise import force_classes
from streamer.families.chain.codec import ChainCodec
from streamer.families.chain.continuity import with_velocity
from streamer.measures.entropy import STATISTICS, sequence_statistics
from streamer.music.notes import ARGUMENTS, PIANO_HIGH, PIANO_LOW, NoteArray
from training.evaluation import bootstrap

BLOCK_NOTES = 64


@dataclass(frozen=True)
class Observed:
    """What a model thought of one piece.

    Attributes:
        entropies: ``(notes, 5)`` nats, before each argument is known.
        log_probs: ``(notes, 5)`` of the argument that stands there, nats, <= 0.
    """

    entropies: NDArray[np.float32]
    log_probs: NDArray[np.float32]


def observe(engine: Engine, codec: ChainCodec, notes: NoteArray) -> Observed:
    """Feed a piece to a model with carried state.

    Args:
        engine: Plays the bundle.
        codec: The bundle's.
        notes: Sorted by onset; what is not on a piano is left out.
    """
    piece = notes[(notes["pitch"] >= PIANO_LOW) & (notes["pitch"] <= PIANO_HIGH)]
    classes = codec.encode(piece)
    entropies = np.zeros((len(piece), 5), dtype=np.float32)
    log_probs = np.zeros((len(piece), 5), dtype=np.float32)
    state = engine.initial_state(1)
    # The first note alone: its change of velocity counts from 0, and the state must hear of it.
    bounds = [*range(min(len(piece), 1)), *range(1, len(piece), BLOCK_NOTES), len(piece)]
    for start, stop in pairwise(bounds):
        noise = np.zeros((stop - start, 1, codec.offsets[-1]), dtype=np.float32)
        force_classes(noise, classes[start:stop], codec)
        block = engine.next_block(state, noise)
        entropies[start:stop] = block.entropies[:, 0]
        log_probs[start:stop] = block.log_probs[:, 0]
        state = with_velocity(block.state, float(piece["velocity"][stop - 1]))
    return Observed(entropies, log_probs)


def phrase_statistics(entropies: NDArray[Any], phrase_notes: int) -> NDArray[np.float64]:
    """Return the statistics of a piece's phrases, ``(3, phrases, 5)``; see :data:`STATISTICS`."""
    count = len(entropies) // phrase_notes
    if count == 0:
        return np.zeros((len(STATISTICS), 0, entropies.shape[1]))
    whole = entropies[: count * phrase_notes].reshape(count, phrase_notes, -1)
    return sequence_statistics(whole.swapaxes(0, 1))


def entropy_section(
    engine: Engine, pieces: Sequence[NoteArray], rng: np.random.Generator, most_notes: int = 50_000
) -> dict[str, Any]:
    """Return the model's view of a set of pieces as plain data.

    Args:
        engine: Plays the bundle.
        pieces: Note arrays; the first ``most_notes`` notes, the same from each piece, are fed.
        rng: Resamples.
        most_notes: So many notes in all.

    Returns:
        ``nats``: by argument and in total, mean over notes, with intervals over pieces;
        ``statistics``: by statistic and argument, the quartiles over phrases.
    """
    manifest = engine.bundle.manifest
    each = max(most_notes // max(len(pieces), 1), 256)
    seen = [observe(engine, codec_as(engine.bundle.codec, ChainCodec), p[:each]) for p in pieces]
    seen = [s for s in seen if len(s.log_probs)]
    nats = np.asarray([-s.log_probs.mean(axis=0) for s in seen]).reshape(-1, 5)
    length = manifest.statistics.phrase_notes
    rows = [phrase_statistics(s.entropies, length) for s in seen]
    joined = np.concatenate(rows, axis=1) if rows else np.zeros((3, 0, 5))
    columns = dict(zip(ARGUMENTS, nats.T, strict=True)) | {"total": nats.sum(axis=1)}
    return {
        "model": manifest.name,
        "notes": int(sum(len(s.log_probs) for s in seen)),
        "nats": {name: bootstrap.interval(v, rng).to_dict() for name, v in columns.items()},
        "statistics": {
            statistic: {
                name: np.quantile(joined[i, :, a], (0.25, 0.5, 0.75)).tolist()
                for a, name in enumerate(ARGUMENTS)
            }
            for i, statistic in enumerate(STATISTICS)
            if joined.shape[1]
        },
    }

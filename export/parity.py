"""The proof that a bundle plays what was trained: torch against ONNX Runtime, same noise.

In: the torch model with the exported weights, and the engine on the bundle as written. Both play
note by note and over 512 notes, for several batch sizes, in one call and in many with the state
handed on. Required: identical classes and velocities, log-probabilities and entropies within
:data:`TOLERANCE`. Otherwise the export is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.engine import Engine, State, StepBlock
from streamer.errors import StreamerError
from streamer.noise import gumbel_noise

TOLERANCE = 1e-4
"""Nats. Measured on the shipped shape: 3e-6."""

LONG_NOTES, SHORT_NOTES = 512, 32
RUNS = ((1, LONG_NOTES), (3, LONG_NOTES), (16, SHORT_NOTES))
"""Batch size and notes of each run."""

ATTEMPTS = 3
"""Two float32 implementations may settle a tie (a gap of 1e-6 between the two best of 120 classes,
once in some ten thousand notes) differently, and go separate ways after it. Such a run is done
again with other noise; a wrong graph fails them all."""


class ParityError(StreamerError):
    """The bundle does not play what the checkpoint plays; nothing was exported."""


@dataclass(frozen=True)
class Parity:
    """What was compared.

    Attributes:
        notes: Notes compared, all runs and candidates together.
        log_prob_error: Largest difference, nats.
        entropy_error: Largest difference, nats.
        repeated: Runs that were done again because of a tie.
    """

    notes: int
    log_prob_error: float
    entropy_error: float
    repeated: int


def prove_parity(model: Any, engine: Engine, seed: int = 0) -> Parity:
    """Compare; see the module's text.

    Args:
        model: A torch model with ``step`` and ``initial_state``, in evaluation mode.
        engine: On the bundle.
        seed: Of the noise.

    Raises:
        ParityError: They differ.
    """
    notes, repeated, worst = 0, 0, np.zeros(2)
    for index, (batch, length) in enumerate(RUNS):
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng((seed, index, attempt))
            problem, errors = _compare(model, engine, batch, length, rng)
            if problem is None:
                break
            repeated += 1
        else:
            raise ParityError(
                f"parity failed with {batch} candidates over {length} notes: {problem}; "
                "nothing was exported"
            )
        worst = np.maximum(worst, errors)
        notes += batch * length
    return Parity(notes, float(worst[0]), float(worst[1]), repeated)


def _compare(
    model: Any, engine: Engine, batch: int, length: int, rng: np.random.Generator
) -> tuple[str | None, NDArray[np.float64]]:
    """Return what differs (None: nothing) and the largest errors of log-probability and entropy."""
    codec = engine.bundle.codec
    noise = gumbel_noise(rng, (length, batch, codec.offsets[-1]), 1.0, codec)
    reference = _play_torch(model, noise)
    ways = {
        "one call": [length],
        "note by note": [1] * min(length, SHORT_NOTES),
        "calls of uneven length": [1, 7, min(length, SHORT_NOTES) - 8],
    }
    errors = np.zeros(2)
    for way, lengths in ways.items():
        played = _play_engine(engine, noise, lengths)
        n = sum(lengths)
        for name in ("classes", "velocities"):
            differing = np.argwhere(played[name] != reference[name][:n])
            if len(differing):
                return f"{name} differ from note {differing[0][0]} on ({way})", errors
        found = [
            float(np.abs(played[name] - reference[name][:n]).max())
            for name in ("log_probs", "entropies")
        ]
        errors = np.maximum(errors, found)
        if not errors.max() <= TOLERANCE:
            return f"log-probabilities differ by {errors.max():.2g} > {TOLERANCE:g} ({way})", errors
    return None, errors


def _play_engine(
    engine: Engine, noise: NDArray[np.float32], lengths: list[int]
) -> dict[str, NDArray[Any]]:
    state: State = engine.initial_state(noise.shape[1])
    blocks: list[StepBlock] = []
    at = 0
    for length in lengths:
        block = engine.next_block(state, noise[at : at + length])
        blocks.append(block)
        state = block.state
        at += length
    names = ("classes", "entropies", "log_probs", "velocities")
    return {name: np.concatenate([getattr(b, name) for b in blocks]) for name in names}


def _play_torch(model: Any, noise: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    batch = noise.shape[1]
    previous = torch.full((batch, 5), -1, dtype=torch.long)
    velocity = torch.zeros(batch)
    h, c = model.initial_state(batch)
    rows: dict[str, list[Any]] = {
        "classes": [],
        "entropies": [],
        "log_probs": [],
        "velocities": [],
    }
    for slice_ in torch.from_numpy(noise):
        out = model.step(previous, velocity, h, c, slice_)
        previous, velocity, h, c = out.classes, out.velocity, out.h, out.c
        rows["classes"].append(out.classes.numpy().copy())
        rows["entropies"].append(out.entropies.numpy().copy())
        rows["log_probs"].append(out.log_probs.numpy().copy())
        rows["velocities"].append(out.velocity.numpy().copy())
    return {name: np.stack(values) for name, values in rows.items()}

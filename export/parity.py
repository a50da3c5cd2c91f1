"""The proof that a bundle plays what was trained: torch against ONNX Runtime, same noise.

In: the torch model with the exported weights, and the engine on the bundle as written. Both play
note by note and over 512 notes, for several batch sizes, in one call and in many with the state
handed on. Required: identical classes (and velocities, where the model has some), log-probabilities
and entropies within :data:`TOLERANCE`. Graphs that play nothing are compared output by output.
Otherwise the export is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine, Function, State, StepBlock
from streamer.engine.noise import gumbel_noise
from streamer.errors import StreamerError

Arrays = Mapping[str, NDArray[Any]]

TOLERANCE = 1e-4
"""Nats, or the unit of a function's output. Measured on the shipped shape: 3e-6."""

LONG_NOTES, SHORT_NOTES = 512, 32
RUNS = ((1, LONG_NOTES), (3, LONG_NOTES), (16, SHORT_NOTES))
"""Batch size and notes of each run."""

BATCHES = (1, 5)
"""Sections that are compared at once, of models that play whole sections."""

ATTEMPTS = 3
"""Two float32 implementations may settle a tie (a gap of 1e-6 between the two best of 120 classes,
once in some ten thousand notes) differently, and go separate ways after it. Such a run is done
again with other noise; a wrong graph fails them all."""


class Player(Protocol):
    """A torch model, as the proof plays it."""

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """Return what takes the place of arrays of the engine's initial state."""

    def play(self, begin: Arrays, noise: NDArray[np.float32], more: Arrays) -> Arrays:
        """Return ``classes``, ``entropies``, ``log_probs`` and, if it has any, ``velocities``.

        ``more`` is noise for the graph's further inputs, ``(notes, batch, width)`` each, or
        ``(batch, width)`` where one value is of all notes.
        """


class FunctionCase(NamedTuple):
    """One call of a graph that plays nothing: its inputs, and what torch answers."""

    graph: str
    inputs: Arrays
    expected: Arrays


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
        functions: Largest difference of each output of the graphs that play nothing.
    """

    notes: int
    log_prob_error: float
    entropy_error: float
    repeated: int
    functions: dict[str, float] = field(default_factory=dict)


def prove_parity(player: Player, engine: Engine, seed: int = 0) -> Parity:
    """Compare; see the module's text.

    Args:
        player: The torch model.
        engine: On the bundle.
        seed: Of the noise.

    Raises:
        ParityError: They differ.
    """
    notes, repeated, worst = 0, 0, np.zeros(2)
    for index, (batch, length) in enumerate(RUNS):
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng((seed, index, attempt))
            problem, errors = _compare(player, engine, batch, length, rng)
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
    player: Player, engine: Engine, batch: int, length: int, rng: np.random.Generator
) -> tuple[str | None, NDArray[np.float64]]:
    """Return what differs (None: nothing) and the largest errors of log-probability and entropy."""
    codec = engine.bundle.codec
    noise = gumbel_noise(rng, (length, batch, codec.offsets[-1]), 1.0, codec)
    sizes = {"notes": length, "batch": batch}
    more: Arrays = {
        name: rng.gumbel(size=[_size(size, sizes) for size in shape]).astype(np.float32)
        for name, shape in engine.further_inputs.items()
    }
    begin = player.begin(batch, rng)
    reference = player.play(begin, noise, more)
    exact = [name for name in ("classes", "velocities") if name in reference]
    ways = {
        "one call": [length],
        "note by note": [1] * min(length, SHORT_NOTES),
        "calls of uneven length": [1, 7, min(length, SHORT_NOTES) - 8],
    }
    errors = np.zeros(2)
    for way, lengths in ways.items():
        played = _play_engine(engine, begin, (noise, more), lengths, tuple(reference))
        n = sum(lengths)
        for name in exact:
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


def _size(size: int | str, sizes: Mapping[str, int]) -> int:
    return sizes[size] if isinstance(size, str) else size


def _play_engine(
    engine: Engine,
    begin: Arrays,
    drawn: tuple[NDArray[np.float32], Arrays],
    lengths: list[int],
    names: tuple[str, ...],
) -> dict[str, NDArray[Any]]:
    noise, more = drawn
    state: State = engine.initial_state(noise.shape[1]).replace(**begin)
    blocks: list[StepBlock] = []
    at = 0
    for length in lengths:
        # What is of each note is cut, what is of the whole call stays.
        part = {k: v[at : at + length] if v.ndim > 2 else v for k, v in more.items()}
        block = engine.next_block(state, noise[at : at + length], part)
        blocks.append(block)
        state = block.state
        at += length
    return {name: np.concatenate([getattr(b, name) for b in blocks]) for name in names}


def prove_functions(bundle: Bundle, cases: list[FunctionCase]) -> dict[str, float]:
    """Compare graphs that play nothing.

    Returns:
        The largest difference of each output, by ``graph.output``.

    Raises:
        ParityError: One is beyond :data:`TOLERANCE`, or is no number.
    """
    errors: dict[str, float] = {}
    functions: dict[str, Function] = {}
    for case in cases:
        function = functions.setdefault(case.graph, Function(bundle, case.graph))
        found = function(**case.inputs)
        for name, wanted in case.expected.items():
            label = f"{case.graph}.{name}"
            error = float(np.abs(found[name] - wanted).max(initial=0.0))
            errors[label] = max(errors.get(label, 0.0), error)
            if not error <= TOLERANCE:
                raise ParityError(
                    f"parity failed: {label} differs by {error:.2g} > {TOLERANCE:g}; "
                    "nothing was exported"
                )
    return errors

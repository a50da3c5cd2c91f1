"""The engine: one ONNX Runtime session, explicit state in, block out.

In: a :class:`State`, and noise for M notes of B candidates. Out: a :class:`StepBlock` with classes,
entropies and the state after it. It runs in the generator's thread; ONNX Runtime lets go of the
interpreter meanwhile, so that the timing thread is never held up.

The engine holds no state of its own and no randomness: the same state and noise, the same block.
Graphs that play nothing (encoders, classifiers) run as a :class:`Function`: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, TensorSpec
from streamer.engine.session import Array, GraphSession, Runtime
from streamer.errors import EngineError

PASTS = "pasts"
"""Name of a state's batch axis that may also be 1: one row that all candidates share."""

CALL_NOTES = 64
"""Notes of one call of a graph with such a state, at most; more are played in several."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything a model remembers, for a batch of candidates. Never changed in place.

    Attributes:
        arrays: By the name of the graph's input.
        axes: Which axis of each is the batch.
        shared: Those of which one row may serve the whole batch (:data:`PASTS`).
    """

    arrays: Mapping[str, Array]
    axes: Mapping[str, int]
    shared: frozenset[str] = frozenset()

    @property
    def batch(self) -> int:
        """Number of candidates."""
        name = next(name for name in self.axes if name not in self.shared)
        return int(self.arrays[name].shape[self.axes[name]])

    def select(self, candidate: int) -> State:
        """Return the state of one candidate, with a batch of 1 (IndexError)."""
        if not 0 <= candidate < self.batch:
            raise IndexError(f"candidate must be in range 0..{self.batch - 1}, not {candidate}")

        def take(array: Array, axis: int, shared: bool) -> Array:
            row = 0 if shared and array.shape[axis] == 1 else candidate
            return np.take(array, [row], axis=axis)

        return self._map(take)

    def tile(self, batch: int) -> State:
        """Return a state of one candidate, repeated.

        Raises:
            ValueError: There is more than one candidate, or ``batch`` is below 1.
        """
        if self.batch != 1 or batch < 1:
            raise ValueError(f"only a batch of 1 can be repeated 1 or more times, not {self.batch}")
        return self._map(lambda a, axis, shared: a if shared else np.repeat(a, batch, axis=axis))

    def replace(self, **arrays: Array) -> State:
        """Return a state with other arrays in place of those named.

        Raises:
            ValueError: There is no such array, or it has another shape.
        """
        for name, array in arrays.items():
            if name not in self.arrays or array.shape != self.arrays[name].shape:
                raise ValueError(f"state has no {name} of shape {array.shape}")
        merged = {
            name: np.ascontiguousarray(arrays[name], dtype=old.dtype) if name in arrays else old
            for name, old in self.arrays.items()
        }
        return State(MappingProxyType(merged), self.axes, self.shared)

    def _map(self, change: Any) -> State:
        changed = {
            name: np.ascontiguousarray(change(array, self.axes[name], name in self.shared))
            for name, array in self.arrays.items()
        }
        return State(MappingProxyType(changed), self.axes, self.shared)


@dataclass(frozen=True, slots=True)
class StepBlock:
    """M notes of B candidates.

    Attributes:
        classes: ``(M, B, A)`` int64, A arguments as the codec has them.
        entropies: ``(M, B, A)`` float32, nats, untempered: how unsure the model was.
        log_probs: ``(M, B, A)`` float32, untempered log-probability of the class chosen.
        velocities: ``(M, B)`` float32, the absolute velocity that the changes have led to; None
            where the model has none.
        state: After the last note, one for each candidate.
    """

    classes: NDArray[np.int64]
    entropies: NDArray[np.float32]
    log_probs: NDArray[np.float32]
    velocities: NDArray[np.float32] | None
    state: State


@dataclass(slots=True)
class Engine:
    """Plays a ``step`` bundle.

    Args:
        bundle: A verified bundle.
        runtime: What it runs on; a CPU where none is given.
        graph: Which of the bundle's graphs.

    Raises:
        EngineError: The provider is not there, or ONNX Runtime refuses the graph.
        BundleError: The graph changed since the bundle was verified.
    """

    bundle: Bundle
    runtime: Runtime | None = None
    graph: str = STEP_GRAPH
    _graph: GraphSession = field(init=False, repr=False)
    _axes: Mapping[str, int] = field(init=False, repr=False)
    _shared: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._graph = GraphSession(self.bundle, self.graph, self.runtime)
        spec = self._graph.spec
        shapes = {name: spec.input(name).shape for name in spec.state}
        self._shared = frozenset(name for name, shape in shapes.items() if PASTS in shape)
        self._axes = MappingProxyType(
            {n: s.index(PASTS if n in self._shared else "batch") for n, s in shapes.items()}
        )

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before a piece.

        Raises:
            ValueError: ``batch`` is below 1.
        """
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, not {batch}")
        arrays = {
            name: np.full(
                _sizes(self._graph.spec.input(name), batch),
                self._graph.spec.initial.get(name, 0),
                dtype=self._graph.spec.input(name).dtype,
            )
            for name in self._graph.spec.state
        }
        return State(MappingProxyType(arrays), self._axes, self._shared)

    @property
    def further_inputs(self) -> dict[str, tuple[str | int, ...]]:
        """Inputs beside state and noise, by name.

        ``("notes", "batch", width)`` of each note, or ``("batch", width)`` of all notes of a call.
        """
        spec = self._graph.spec
        return {
            t.name: tuple(t.shape)
            for t in spec.inputs
            if t.name != "noise" and t.name not in spec.state
        }

    def nothing_further(self, notes: int, batch: int) -> dict[str, Array]:
        """Return zeros for all of :attr:`further_inputs` of a call."""
        return self._further((notes, batch), {})

    def next_block(
        self, state: State, noise: NDArray[np.float32], more: Mapping[str, Array] | None = None
    ) -> StepBlock:
        """Play M notes of each candidate. May be called from any one thread at a time.

        Args:
            state: One for each candidate.
            noise: ``(M, batch, classes)`` float32, from :func:`streamer.engine.noise.gumbel_noise`.
            more: Values of :attr:`further_inputs`; those that are left out are 0.

        Raises:
            ValueError: The noise does not fit the state or the codec, or there is no such input.
            EngineError: ONNX Runtime failed, or the model returned NaN or infinity.
        """
        classes = self.bundle.codec.offsets[-1]
        if noise.ndim != 3 or noise.shape[0] < 1 or noise.shape[1:] != (state.batch, classes):
            raise ValueError(
                f"noise must be (notes, {state.batch}, {classes}) with 1 note or more, "
                f"not {noise.shape}"
            )
        if self._shared and len(noise) > CALL_NOTES:
            return self._in_parts(state, noise, more or {})
        feeds = {**state.arrays, "noise": np.ascontiguousarray(noise, dtype=np.float32)}
        feeds |= self._further((noise.shape[0], noise.shape[1]), more or {})
        out = self._graph.run(feeds)
        if not np.isfinite(out["entropies"][-1]).all():
            raise _no_numbers(self.bundle)
        after = {name: out[target] for name, target in self._graph.spec.state.items()}
        return StepBlock(
            classes=out["classes"],
            entropies=out["entropies"],
            log_probs=out["log_probs"],
            velocities=out.get("velocities"),
            state=State(MappingProxyType(after), self._axes, self._shared),
        )

    def _in_parts(
        self, state: State, noise: NDArray[np.float32], more: Mapping[str, Array]
    ) -> StepBlock:
        """Play in calls of :data:`CALL_NOTES`."""
        blocks = []
        for start in range(0, len(noise), CALL_NOTES):
            part = slice(start, start + CALL_NOTES)
            # What is of each note is cut, what is of the whole call stays.
            own = {name: v[part] if v.ndim > 2 else v for name, v in more.items()}
            blocks.append(self.next_block(state, noise[part], own))
            state = blocks[-1].state
        velocities = [b.velocities for b in blocks if b.velocities is not None]
        return StepBlock(
            classes=np.concatenate([b.classes for b in blocks]),
            entropies=np.concatenate([b.entropies for b in blocks]),
            log_probs=np.concatenate([b.log_probs for b in blocks]),
            velocities=np.concatenate(velocities) if velocities else None,
            state=state,
        )

    def _further(self, rows: tuple[int, int], more: Mapping[str, Array]) -> dict[str, Array]:
        """Return all further inputs of ``(notes, batch)`` rows (ValueError)."""
        known = self.further_inputs
        if unknown := sorted(more.keys() - known.keys()):
            raise ValueError(f"graph {self.graph} takes {sorted(known)}, not {unknown}")
        sizes = {"notes": rows[0], "batch": rows[1]}
        feeds = {}
        for name, shape in known.items():
            wanted = tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            values = np.ascontiguousarray(more.get(name, np.zeros(wanted)), dtype=np.float32)
            if values.shape != wanted:
                raise ValueError(f"{name} must be {wanted}, not {values.shape}")
            feeds[name] = values
        return feeds


@dataclass(slots=True)
class Function:
    """Runs any graph of a bundle: named arrays in, named arrays out, nothing remembered.

    Args:
        bundle: A verified bundle.
        graph: Which of its graphs.
        runtime: What it runs on; a CPU where none is given.

    Raises:
        BundleError: There is no such graph, or it changed since the bundle was verified.
        EngineError: The provider is not there, or ONNX Runtime refuses the graph.
    """

    bundle: Bundle
    graph: str
    runtime: Runtime | None = None
    _graph: GraphSession = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._graph = GraphSession(self.bundle, self.graph, self.runtime)

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Run the graph. May be called from any one thread at a time.

        Args:
            inputs: Each of the graph's inputs, by name; converted to its type.

        Returns:
            Each of its outputs, by name.

        Raises:
            ValueError: Inputs are missing or unknown, or of another shape than the graph takes;
                sizes of one name (``batch``) must be equal.
            EngineError: ONNX Runtime failed, or the graph answered with NaN or infinity.
        """
        feeds = self._fitted(inputs)
        out = self._graph.run(feeds)
        for values in out.values():
            if values.dtype == np.float32 and not np.isfinite(values).all():
                raise _no_numbers(self.bundle)
        return out

    def _fitted(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs in their types, or refuse them (ValueError)."""
        stated = [tensor.name for tensor in self._graph.spec.inputs]
        if sorted(inputs) != sorted(stated):
            raise ValueError(f"graph {self.graph} takes {stated}, not {sorted(inputs)}")
        free: dict[str, int] = {}
        feeds = {}
        for tensor in self._graph.spec.inputs:
            array = np.ascontiguousarray(inputs[tensor.name], dtype=tensor.dtype)
            fits = array.ndim == len(tensor.shape) and all(
                real == (free.setdefault(size, real) if isinstance(size, str) else size)
                for size, real in zip(tensor.shape, array.shape, strict=True)
            )
            if not fits:
                raise ValueError(f"{tensor.name} must be {tensor.shape}, not {array.shape}")
            feeds[tensor.name] = array
        return feeds


def _no_numbers(bundle: Bundle) -> EngineError:
    return EngineError(
        f"{bundle.path}: the model returned NaN or infinity; "
        "its weights are damaged: export the bundle again"
    )


def _sizes(tensor: TensorSpec, batch: int) -> tuple[int, ...]:
    sizes = []
    for size in tensor.shape:
        if size in ("batch", PASTS):
            sizes.append(batch)
        elif isinstance(size, int):
            sizes.append(size)
        else:
            raise EngineError(f"state {tensor.name} has a free axis {size!r} beside its batch")
    return tuple(sizes)

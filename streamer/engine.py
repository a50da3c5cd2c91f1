"""The engine: one ONNX Runtime session, explicit state in, block out.

In: a :class:`State`, and noise for M notes of B candidates. Out: a :class:`StepBlock` with classes,
entropies and the state after it. Called by the step generator, in the generator's thread; ONNX
Runtime lets go of the interpreter meanwhile, so that the timing thread is never held up.

The engine holds no state of its own and no randomness: the same state and noise, the same block.
Graphs that play nothing (encoders, classifiers) run as a :class:`Function`: arrays in, arrays out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle import Bundle
from streamer.errors import EngineError
from streamer.manifest import STEP_GRAPH, GraphSpec, TensorSpec
from streamer.memory import give_back

Array = NDArray[Any]

_FATAL = 4
"""The severity of ONNX Runtime's log that leaves out errors."""

_options: list[Any] = []
_options_lock = threading.Lock()

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class State:
    """Everything a model remembers, for a batch of candidates. Never changed in place.

    Attributes:
        arrays: By the name of the graph's input.
        axes: Which axis of each is the batch.
    """

    arrays: Mapping[str, Array]
    axes: Mapping[str, int]

    @property
    def batch(self) -> int:
        """Number of candidates."""
        name = next(iter(self.axes))
        return int(self.arrays[name].shape[self.axes[name]])

    def select(self, candidate: int) -> State:
        """Return the state of one candidate, with a batch of 1 (IndexError)."""
        if not 0 <= candidate < self.batch:
            raise IndexError(f"candidate must be in range 0..{self.batch - 1}, not {candidate}")
        return self._map(lambda a, axis: np.take(a, [candidate], axis=axis))

    def tile(self, batch: int) -> State:
        """Return a state of one candidate, repeated.

        Raises:
            ValueError: There is more than one candidate, or ``batch`` is below 1.
        """
        if self.batch != 1 or batch < 1:
            raise ValueError(f"only a batch of 1 can be repeated 1 or more times, not {self.batch}")
        return self._map(lambda a, axis: np.repeat(a, batch, axis=axis))

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
        return State(MappingProxyType(merged), self.axes)

    def _map(self, change: Any) -> State:
        changed = {
            name: np.ascontiguousarray(change(array, self.axes[name]))
            for name, array in self.arrays.items()
        }
        return State(MappingProxyType(changed), self.axes)


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
        provider: ``cpu`` or ``cuda``.
        graph: Which of the bundle's graphs.

    Raises:
        EngineError: The provider is not there, or ONNX Runtime refuses the graph.
        BundleError: The graph changed since the bundle was verified.
    """

    bundle: Bundle
    provider: str = "cpu"
    graph: str = STEP_GRAPH
    _spec: GraphSpec = field(init=False, repr=False)
    _session: Any = field(init=False, repr=False)
    _failures: tuple[type[Exception], ...] = field(init=False, repr=False)
    _axes: Mapping[str, int] = field(init=False, repr=False)
    _outputs: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._spec = self.bundle.manifest.graph(self.graph)
        data = self.bundle.graph_bytes(self.graph)
        self._session, self._failures = open_session(data, self.provider, str(self.bundle.path))
        _check_session(self._session, self._spec, self.bundle)
        tensors = {name: self._spec.input(name) for name in self._spec.state}
        self._axes = MappingProxyType({n: t.shape.index("batch") for n, t in tensors.items()})
        self._outputs = [t.name for t in self._spec.outputs]

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before a piece.

        Raises:
            ValueError: ``batch`` is below 1.
        """
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, not {batch}")
        arrays = {
            name: np.full(
                _sizes(self._spec.input(name), batch),
                self._spec.initial.get(name, 0),
                dtype=self._spec.input(name).dtype,
            )
            for name in self._spec.state
        }
        return State(MappingProxyType(arrays), self._axes)

    def next_block(self, state: State, noise: NDArray[np.float32]) -> StepBlock:
        """Play M notes of each candidate. May be called from any one thread at a time.

        Args:
            state: One for each candidate.
            noise: ``(M, batch, classes)`` float32, from :func:`streamer.noise.gumbel_noise`.

        Raises:
            ValueError: The noise does not fit the state or the codec.
            EngineError: ONNX Runtime failed, or the model answered with numbers that are none.
        """
        classes = self.bundle.codec.offsets[-1]
        if noise.ndim != 3 or noise.shape[0] < 1 or noise.shape[1:] != (state.batch, classes):
            raise ValueError(
                f"noise must be (notes, {state.batch}, {classes}) with 1 note or more, "
                f"not {noise.shape}"
            )
        feeds = {**state.arrays, "noise": np.ascontiguousarray(noise, dtype=np.float32)}
        out = _run(self._session, self._outputs, feeds, self._failures, self.bundle)
        if not np.isfinite(out["entropies"][-1]).all():
            raise _no_numbers(self.bundle)
        after = {name: out[target] for name, target in self._spec.state.items()}
        return StepBlock(
            out["classes"],
            out["entropies"],
            out["log_probs"],
            out.get("velocities"),
            State(MappingProxyType(after), self._axes),
        )


@dataclass(slots=True)
class Function:
    """Runs any graph of a bundle: named arrays in, named arrays out, nothing remembered.

    Args:
        bundle: A verified bundle.
        graph: Which of its graphs.
        provider: ``cpu`` or ``cuda``.

    Raises:
        BundleError: There is no such graph, or it changed since the bundle was verified.
        EngineError: The provider is not there, or ONNX Runtime refuses the graph.
    """

    bundle: Bundle
    graph: str
    provider: str = "cpu"
    _spec: GraphSpec = field(init=False, repr=False)
    _session: Any = field(init=False, repr=False)
    _failures: tuple[type[Exception], ...] = field(init=False, repr=False)
    _outputs: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._spec = self.bundle.manifest.graph(self.graph)
        data = self.bundle.graph_bytes(self.graph)
        self._session, self._failures = open_session(data, self.provider, str(self.bundle.path))
        _check_session(self._session, self._spec, self.bundle)
        self._outputs = [t.name for t in self._spec.outputs]

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Run the graph. May be called from any one thread at a time.

        Args:
            inputs: Each of the graph's inputs, by name; converted to its type.

        Returns:
            Each of its outputs, by name.

        Raises:
            ValueError: Inputs are missing or unknown, or of another shape than the graph takes;
                sizes of one name (``batch``) must be equal.
            EngineError: ONNX Runtime failed, or the graph answered with numbers that are none.
        """
        feeds = self._fitted(inputs)
        out = _run(self._session, self._outputs, feeds, self._failures, self.bundle)
        for values in out.values():
            if values.dtype == np.float32 and not np.isfinite(values).all():
                raise _no_numbers(self.bundle)
        return out

    def _fitted(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs in their types, or refuse them (ValueError)."""
        stated = [tensor.name for tensor in self._spec.inputs]
        if sorted(inputs) != sorted(stated):
            raise ValueError(f"graph {self.graph} takes {stated}, not {sorted(inputs)}")
        free: dict[str, int] = {}
        feeds = {}
        for tensor in self._spec.inputs:
            array = np.ascontiguousarray(inputs[tensor.name], dtype=tensor.dtype)
            fits = array.ndim == len(tensor.shape) and all(
                real == (free.setdefault(size, real) if isinstance(size, str) else size)
                for size, real in zip(tensor.shape, array.shape, strict=True)
            )
            if not fits:
                raise ValueError(f"{tensor.name} must be {tensor.shape}, not {array.shape}")
            feeds[tensor.name] = array
        return feeds


def _run(
    session: Any,
    outputs: list[str],
    feeds: Mapping[str, Array],
    failures: tuple[type[Exception], ...],
    bundle: Bundle,
) -> dict[str, Array]:
    """Run a session; what ONNX Runtime raises becomes one line (EngineError)."""
    try:
        values = session.run(outputs, feeds, _run_options())
    except failures as error:
        raise EngineError(
            f"{bundle.path}: ONNX Runtime failed ({_first_line(error)}); "
            "start again, or export the bundle again"
        ) from error
    return dict(zip(outputs, values, strict=True))


def interrupt() -> None:
    """Let every run that is under way end at once, with an EngineError; any thread.

    For the end of a process. Runs that begin later are not touched.
    """
    with _options_lock:
        for options in _options:
            options.terminate = True
        _options.clear()


def _run_options() -> Any:
    """Return what runs under way are interrupted by; one for all sessions."""
    with _options_lock:
        if not _options:
            _options.append(import_onnxruntime().RunOptions())
            # What fails is raised; ONNX Runtime would write it to stderr as well.
            _options[0].log_severity_level = _FATAL
        return _options[0]


def _no_numbers(bundle: Bundle) -> EngineError:
    return EngineError(
        f"{bundle.path}: the model answered with numbers that are none; "
        "its weights are damaged: export the bundle again"
    )


def _check_session(session: Any, spec: GraphSpec, bundle: Bundle) -> None:
    """Refuse a session whose inputs are not the manifest's (belt and braces)."""
    real = {t.name for t in session.get_inputs()}
    stated = {t.name for t in spec.inputs}
    if real != stated:
        raise EngineError(
            f"{bundle.path}: {spec.file} takes {sorted(real)}, but its manifest "
            f"says {sorted(stated)}; export the bundle again"
        )


def open_session(
    model: bytes, provider: str = "cpu", where: str = "model"
) -> tuple[Any, tuple[type[Exception], ...]]:
    """Open an ONNX Runtime session as the stream wants it: one thread, asleep when idle.

    Args:
        model: Bytes of a ``.onnx`` file.
        provider: ``cpu`` or ``cuda``.
        where: Named in error lines.

    Returns:
        The ``InferenceSession``, and the exceptions that its ``run`` may raise.

    Raises:
        EngineError: The provider is unknown or not there, or the model is refused.
    """
    ort = import_onnxruntime()
    if provider not in _PROVIDERS:
        raise EngineError(f"provider must be one of {', '.join(_PROVIDERS)}, not {provider!r}")
    wanted = _PROVIDERS[provider]
    if wanted not in ort.get_available_providers():
        raise EngineError(
            f"provider {provider!r} is not in this onnxruntime "
            f"(it has {', '.join(ort.get_available_providers())}); "
            'install onnxruntime-gpu, or set provider = "cpu"'
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning between notes would cost 43 % of a core instead of 2 % (specs engine).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    failures = _failure_types(ort)
    try:
        session = ort.InferenceSession(model, options, providers=[wanted])
    except failures as error:
        raise EngineError(
            f"{where}: ONNX Runtime {ort.__version__} refuses the graph ({_first_line(error)}); "
            "export the bundle again"
        ) from error
    give_back()  # 20 MB of 90 for the shipped model, which opening has freed
    return session, failures


def import_onnxruntime() -> Any:
    """Import onnxruntime without its telemetry: it would keep a device id and a database."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def _failure_types(ort: Any) -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime's binding defines; they share no base of their own."""
    state = ort.capi.onnxruntime_pybind11_state
    found = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)]
    return (*found, RuntimeError, ValueError)


def _sizes(tensor: TensorSpec, batch: int) -> tuple[int, ...]:
    sizes = []
    for size in tensor.shape:
        if size == "batch":
            sizes.append(batch)
        elif isinstance(size, int):
            sizes.append(size)
        else:
            raise EngineError(f"state {tensor.name} has a free axis {size!r} beside its batch")
    return tuple(sizes)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__

"""Sessions of ONNX Runtime: how they are opened, what they run on, and what ends their runs.

In: a graph of a verified bundle. Out: named arrays in, named arrays out. An
:class:`~streamer.system.interrupt.Interrupt` is made by whoever runs a stream: two streams of one
process end each by itself. One thread at a time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.errors import EngineError
from streamer.system.allocator import give_back
from streamer.system.installing import how_to_install
from streamer.system.interrupt import Interrupt

Array = NDArray[Any]

_FATAL = 4
"""The severity of ONNX Runtime's log that leaves out errors."""

FIRST_RUN_SECONDS = 60.0
"""What the first run of a graph may take of a processor: a block of ours takes a tenth of a second
on a Pi. Not by the wall: a machine may have other things to do, or sleep."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What inference runs on, and what ends it; shared by the engines of one stream.

    Attributes:
        provider: ``cpu`` or ``cuda``.
        interrupt: Ends a run that is under way.
    """

    provider: str = "cpu"
    interrupt: Interrupt = field(default_factory=Interrupt)


class GraphSession:
    """One graph of a bundle in a session of its own.

    Args:
        bundle: A verified bundle.
        name: Which of its graphs.
        runtime: What it runs on; a CPU where none is given.

    Attributes:
        spec: What the manifest says of it.

    Raises:
        BundleError: There is no such graph, or it changed since the bundle was verified.
        EngineError: The provider is not there, or ONNX Runtime refuses the graph.
    """

    def __init__(self, bundle: Bundle, name: str, runtime: Runtime | None) -> None:
        runtime = runtime or Runtime()
        self.spec = spec = bundle.manifest.graph(name)
        self._where, self._tried = bundle.path, False
        self._outputs = [tensor.name for tensor in spec.outputs]
        data = bundle.graph_bytes(name)
        self._session, self._failures = open_session(data, runtime.provider, str(bundle.path))
        self._options = import_onnxruntime().RunOptions()
        # What fails is raised; ONNX Runtime would write it to stderr as well.
        self._options.log_severity_level = _FATAL
        runtime.interrupt.listen(self._end)
        real = {tensor.name for tensor in self._session.get_inputs()}
        stated = {tensor.name for tensor in spec.inputs}
        if real != stated:  # loading has compared them already
            raise EngineError(
                f"{bundle.path}: {spec.file} takes {sorted(real)}, but its manifest "
                f"says {sorted(stated)}; export the bundle again"
            )

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph and return its outputs by name.

        Raises:
            EngineError: ONNX Runtime failed, or the run was interrupted.
        """
        if self._tried:
            return self._run(feeds)
        with self._bounded():
            values = self._run(feeds)
        self._refuse_unlike(feeds, values)
        self._tried = True
        return values

    def _refuse_unlike(self, feeds: Mapping[str, Array], values: Mapping[str, Array]) -> None:
        """Refuse a graph that makes other shapes than its manifest says (EngineError)."""
        free = {
            size: real
            for tensor in self.spec.inputs
            for size, real in zip(tensor.shape, feeds[tensor.name].shape, strict=True)
            if isinstance(size, str)
        }
        for tensor in self.spec.outputs:
            real_shape = values[tensor.name].shape
            stated = tuple(free.get(n, -1) if isinstance(n, str) else n for n in tensor.shape)
            if len(stated) != len(real_shape) or any(
                n not in (real, -1) for n, real in zip(stated, real_shape, strict=True)
            ):
                raise EngineError(
                    f"{self._where}: {self.spec.file} makes {tensor.name} of {real_shape}, but its "
                    f"manifest says {tensor.shape}; export the bundle again"
                )

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        try:
            values = self._session.run(self._outputs, feeds, self._options)
        except self._failures as error:
            raise EngineError(
                f"{self._where}: ONNX Runtime failed ({_first_line(error)}); "
                "start again, or export the bundle again"
            ) from error
        return dict(zip(self._outputs, values, strict=True))

    def _end(self) -> None:
        self._options.terminate = True

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """End a run that takes longer than any first run of a bundle of ours would."""
        late, over = threading.Event(), threading.Event()
        until = time.process_time() + FIRST_RUN_SECONDS

        def watch() -> None:
            # One processor at most is used, so that it takes this long at least.
            while not over.wait(max(until - time.process_time(), 0.0)):
                if time.process_time() >= until:
                    late.set()
                    self._end()
                    return

        threading.Thread(target=watch, name="first run", daemon=True).start()
        try:
            yield
        except EngineError as error:
            if late.is_set():
                raise EngineError(
                    f"{self._where}: a run took more than {FIRST_RUN_SECONDS:g} s of a processor, "
                    "the limit; ask for fewer candidates, or choose another bundle"
                ) from error
            raise
        finally:
            over.set()


def open_session(
    model: bytes, provider: str = "cpu", where: str = "model", *, profile: Path | None = None
) -> tuple[Any, tuple[type[Exception], ...]]:
    """Open an ONNX Runtime session as the stream wants it: one thread, asleep when idle.

    Args:
        model: Bytes of a ``.onnx`` file.
        provider: ``cpu`` or ``cuda``.
        where: Named in error lines.
        profile: What the file of ONNX Runtime's profile begins with, which the session's
            ``end_profiling`` writes; None for none.

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
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    # Spinning between notes would cost 43 % of a core instead of 2 % (docs/design/engine.md).
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
    """Import onnxruntime without its telemetry: it would keep a device id and a database.

    Raises:
        EngineError: It is there and cannot be loaded.
        ModuleNotFoundError: It is not there.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
            raise
        raise EngineError(
            f"onnxruntime cannot be loaded ({_first_line(error)}); install another build of it: "
            f"{how_to_install('onnxruntime', again=True)}"
        ) from error
    return onnxruntime


def _failure_types(ort: Any) -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime's binding defines; they share no base of their own."""
    state = ort.capi.onnxruntime_pybind11_state
    found = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)]
    return (*found, RuntimeError, ValueError)


def _first_line(error: Exception) -> str:
    """Return what an exception of ONNX Runtime says, without the trace of its own."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__

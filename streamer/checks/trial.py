"""One step of the engine in a process of its own: what would end the process ends that one.

    python -m streamer.checks.trial PROVIDER [BUNDLE]

In: a provider, and a bundle where there is one that can be used. Out: nothing, or why this machine
cannot run it. A library that is there and cannot be loaded, or that dies of an instruction which
the processor has not, shows in no list of packages. Thread: main.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from streamer.system.installing import how_to_install

MOST_SECONDS = 60.0
"""How long the other process may take: a Pi with a slow card imports for seconds."""


def engine_problem(provider: str, bundle: Path | None, installed: str) -> str | None:
    """Run one step of each graph in another process.

    Args:
        provider: ``cpu`` or ``cuda``.
        bundle: A bundle that can be loaded; None lets the library be loaded alone.
        installed: Version of the library; another one is the remedy where it dies.

    Returns:
        One line with what went wrong; None where all is well.
    """
    command = [sys.executable, "-m", __name__, provider, *([str(bundle)] if bundle else [])]
    folders = [*sys.path, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, stdin=subprocess.DEVNULL,
            timeout=MOST_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"did not run a step within {MOST_SECONDS:g} s; choose a smaller bundle"
    if ended.returncode == 0:
        return None
    if ended.returncode < 0:
        remedy = how_to_install(f"onnxruntime!={installed}")
        return f"{_died_of(-ended.returncode)}; install another version: {remedy}"
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"ends with status {ended.returncode}"


def _died_of(number: int) -> str:
    if number == signal.SIGILL:
        return "dies of an instruction that this processor has not (SIGILL)"
    return f"dies of {signal.Signals(number).name}"


def main(arguments: list[str]) -> int:
    """Be the other process."""
    import numpy as np

    from streamer.bundle.bundle import load_bundle
    from streamer.engine.session import GraphSession, Runtime, import_onnxruntime
    from streamer.errors import StreamerError

    provider, *paths = arguments
    try:
        import_onnxruntime()
        for path in paths:
            bundle = load_bundle(path)
            for spec in bundle.manifest.graphs:
                feeds = {
                    tensor.name: np.zeros(
                        [size if isinstance(size, int) else 1 for size in tensor.shape],
                        dtype=tensor.dtype,
                    )
                    for tensor in spec.inputs
                }
                GraphSession(bundle, spec.name, Runtime(provider)).run(feeds)
    except StreamerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The report of ``perpetuo bench``: all that is measured, in one run.

In: settings. Out: a report as plain data: ``engine`` and ``baselines`` (streamer/bench/speed.py),
``scheduler`` (timing.py), ``process`` (process.py), and ``machine``, which says what was measured.
Figures of one run belong together: everything that is compared is measured in turns, round by
round, so that a busy machine slows all of it alike.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from streamer.bundle.bundle import load_bundle
from streamer.settings.settings import Settings
from streamer.system.allocator import keep_flat

SCHEDULER_SECONDS = 10.0


def run(settings: Settings, seconds: float = SCHEDULER_SECONDS) -> dict[str, Any]:
    """Measure everything.

    Args:
        settings: Which bundle, and the scheduler's priority.
        seconds: How long the scheduler is measured, and how long the playing process.

    Raises:
        StreamerError: The bundle cannot be used, or the process under measurement failed.
    """
    from streamer.bench.process import measure_process
    from streamer.bench.speed import measure_speed
    from streamer.bench.timing import measure_timing

    keep_flat()  # as the stream does
    bundle = load_bundle(settings.model.model, settings.model.bundle_paths)
    report: dict[str, Any] = {
        "bundle": bundle.manifest.name,
        "machine": _machine(),
        **measure_speed(bundle.path, settings.model.provider),
        "scheduler": measure_timing(bundle, settings.scheduler, seconds),
        "process": measure_process(settings, bundle.path, seconds),
    }
    return report


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": version("onnxruntime"),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [
                line.partition(":")[2].strip() for line in file if "model name" in line.lower()
            ]
    except OSError:
        names = []
    return names[0] if names else platform.machine()

"""Which kinds of operators a note's time goes to, from ONNX Runtime's own profile.

In: a bundle that plays notes. Out: a row for each kind of operator in the body of its ``Scan``.
Profiling costs some microseconds for each operator, so that what is small looks larger than it is:
the shares rank kinds and show what a change moved; times are measured without it (speed.py).
ONNX Runtime fuses a product and the Sigmoid or Tanh after it into one ``FusedGemm``.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.engine import Engine
from streamer.engine.noise import gumbel_noise
from streamer.engine.session import Runtime, open_session

NOTES = {1: 32, 16: 16}
"""Notes of the block that is profiled, by candidates."""

_KERNEL = "_kernel_time"


def operator_rows(bundle: Bundle, provider: str = "cpu") -> list[dict[str, Any]]:
    """Return a row for each kind of operator, the dearest with sixteen candidates first.

    Args:
        bundle: One that plays notes.
        provider: ``cpu`` or ``cuda``.

    Returns:
        ``{"operator": kind, "a_note": how many run a note, "share": {"1": .., "16": ..}}``; shares
        of the time of all operators of the body, by candidates.

    Raises:
        EngineError: ONNX Runtime refuses the graph.
    """
    events = {batch: _profile(bundle, provider, batch) for batch in NOTES}
    shares = {batch: shares_of(events[batch]) for batch in NOTES}
    counts = counts_of(events[1], NOTES[1])
    kinds = sorted(counts, key=lambda kind: -shares[16].get(kind, 0.0))
    return [
        {
            "operator": kind,
            "a_note": round(counts[kind], 2),
            "share": {str(batch): round(shares[batch].get(kind, 0.0), 4) for batch in NOTES},
        }
        for kind in kinds
    ]


def shares_of(events: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the share of time of each kind; of each operator the faster half of its runs counts.

    Args:
        events: Of a profile; see :func:`body_of`.
    """
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in body_of(events):
        runs[event["args"]["op_name"], event["name"]].append(event["dur"])
    times: dict[str, float] = defaultdict(float)
    for (kind, _), every in runs.items():
        faster = sorted(every)[: (len(every) + 1) // 2]
        times[kind] += float(np.mean(faster)) * len(every)
    total = sum(times.values()) or 1.0
    return {kind: time / total for kind, time in times.items()}


def counts_of(events: Sequence[dict[str, Any]], notes: int) -> dict[str, float]:
    """Return how many operators of each kind run a note."""
    counts: dict[str, float] = defaultdict(float)
    for event in body_of(events):
        counts[event["args"]["op_name"]] += 1 / notes
    return dict(counts)


def body_of(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the operators that ran within the longest Scan; all of them where there is none."""
    nodes = [
        event
        for event in events
        if event.get("cat") == "Node" and str(event.get("name")).endswith(_KERNEL)
    ]
    scans = [event for event in nodes if event["args"]["op_name"] == "Scan"]
    if not scans:
        return nodes
    scan = max(scans, key=lambda event: event["dur"])
    begin, end = scan["ts"], scan["ts"] + scan["dur"]
    return [e for e in nodes if e is not scan and begin <= e["ts"] and e["ts"] + e["dur"] <= end]


def _profile(bundle: Bundle, provider: str, batch: int) -> list[dict[str, Any]]:
    """Play one block and return the events of ONNX Runtime's profile of it."""
    engine = Engine(bundle, Runtime(provider))
    codec, rng = bundle.codec, np.random.Generator(np.random.SFC64(0))
    shape = (NOTES[batch], batch, codec.offsets[-1])
    feeds = {**engine.initial_state(batch).arrays, "noise": gumbel_noise(rng, shape, 1.0, codec)}
    feeds |= engine.nothing_further(*shape[:2])
    with tempfile.TemporaryDirectory(prefix="perpetuo-bench-") as folder:
        graph = bundle.graph_bytes(STEP_GRAPH)
        session, _ = open_session(graph, provider, str(bundle.path), profile=Path(folder) / "run")
        session.run(None, feeds)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_bytes())
    return events

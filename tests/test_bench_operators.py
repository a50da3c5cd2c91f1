"""``perpetuo bench`` names the share of each kind of operator of a note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.bench.operators import body_of, counts_of, operator_rows, shares_of
from streamer.verbs.bench import operator_lines
from tests.bundles import write_tiny_bundle


def event(kind: str, name: str, begin: int, lasted: int) -> dict[str, Any]:
    """One operator's run, as ONNX Runtime's profile tells it."""
    args = {"op_name": kind}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": begin, "dur": lasted, "args": args}


PROFILE = [
    {"cat": "Session", "name": "model_run", "ts": 0, "dur": 999},
    event("Cast", "outer", 0, 90),
    event("Scan", "numbers", 95, 3),
    event("Add", "number", 96, 1),
    event("Gemm", "gates", 110, 30),
    event("Mul", "a", 140, 5),
    event("Mul", "b", 146, 5),
    event("Gemm", "gates", 160, 70),
    event("Mul", "a", 230, 5),
    event("Mul", "b", 236, 45),
    event("Scan", "notes", 100, 200),
    event("Concat", "after", 301, 40),
]
"""A block of two notes; the second was interrupted twice."""


def test_the_body_is_what_runs_within_the_scan_over_the_notes() -> None:
    assert {e["name"] for e in body_of(PROFILE)} == {
        "gates_kernel_time", "a_kernel_time", "b_kernel_time",
    }  # fmt: skip
    assert counts_of(PROFILE, 2) == {"Gemm": 1.0, "Mul": 2.0}


def test_a_run_that_was_interrupted_does_not_count() -> None:
    assert shares_of(PROFILE) == {"Gemm": 0.75, "Mul": 0.25}


def test_a_graph_without_a_scan_is_its_own_body() -> None:
    flat = [event("Gemm", "gates", 0, 9), event("Relu", "out", 10, 1)]
    assert shares_of(flat) == {"Gemm": 0.9, "Relu": 0.1}


@pytest.mark.parametrize("hands", [True, False])
def test_a_bundle_says_what_its_notes_consist_of(hands: bool, tmp_path: Path) -> None:
    rows = operator_rows(write_tiny_bundle(tmp_path, hands=hands))
    counts = {row["operator"]: row["a_note"] for row in rows}
    assert counts["ArgMax"] == 5
    assert counts["Where"] == 2 if hands else "Where" not in counts
    for batch in ("1", "16"):
        assert sum(row["share"][batch] for row in rows) == pytest.approx(1, abs=0.01)
    assert [row["share"]["16"] for row in rows] == sorted(
        (row["share"]["16"] for row in rows), reverse=True
    )


def test_the_shares_are_a_table_on_the_terminal() -> None:
    row = {"operator": "Gemm", "a_note": 13.0, "share": {"1": 0.297, "16": 0.3271}}
    head, line = operator_lines([row])[1:]
    assert head.split()[-4:] == ["1", "cand.", "16", "cand."]
    assert line.split() == ["Gemm", "13", "29.7", "%", "32.7", "%"]
    assert operator_lines([]) == []

"""What the judges cost the stream: under 5 % of the time that generation takes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.chain.graph import build_chain_graph
from streamer.engine.engine import Engine
from streamer.families.chain.codec import published_codec
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.generator import StepGenerator
from streamer.music.notes import Phrase
from streamer.selection.filters import FILTERS, Context, Filter
from streamer.selection.judges import make_judges
from tests.bundles import tiny_arrays, tiny_statistics
from tests.training.evaluation.pieces import tunes
from training.evaluation.judges import fit_judges

SHARE_LIMIT = 0.05
"""Measured 0.035 to 0.05 for both judges together: 16 candidates of 32 notes, hidden 150, on a
two-core x86 with other work to do."""

PHRASES = 20


class Timed:
    """A filter that counts the seconds it takes."""

    def __init__(self, judge: Filter) -> None:
        self._judge = judge
        self.seconds = 0.0

    def __call__(self, phrase: Phrase, context: Context) -> str | None:
        began = time.perf_counter()
        reason = self._judge(phrase, context)
        self.seconds += time.perf_counter() - began
        return reason


@pytest.mark.benchmark
def test_both_judges_cost_under_5_percent_of_generation(tmp_path: Path) -> None:
    arrays = tiny_arrays(hidden=150, scale=0.08)
    graph = build_chain_graph(arrays).SerializeToString(deterministic=True)
    spec = describe_graph("step", "chain.onnx", graph)
    manifest = make_manifest("full", published_codec(), [spec], tiny_statistics())
    bundle = write_bundle(tmp_path / "full", manifest, {"chain.onnx": graph}, "# full\n")
    references = fit_judges(tunes(12))
    for reference in references.values():
        reference["limit"] = 1e9  # nothing is dropped: every candidate is judged by both
    judges = [Timed(judge) for judge in make_judges("both", references)]
    generator = StepGenerator(
        Engine(bundle),
        StepSettings(candidates=16, phrase_notes=32),
        np.random.Generator(np.random.SFC64(0)),
        filters=(*FILTERS, *judges),
    )
    for _ in range(3):
        generator.next_phrase()
    shares = []
    for _ in range(3):
        for judge in judges:
            judge.seconds = 0.0
        began = time.perf_counter()
        for _ in range(PHRASES):
            generator.next_phrase()
        shares.append(sum(judge.seconds for judge in judges) / (time.perf_counter() - began))
    assert min(shares) < SHARE_LIMIT

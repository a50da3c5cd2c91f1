"""``perpetuo bench`` has the keys that were promised, and the engine is as fast as was promised."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.chain.graph import build_chain_graph
from streamer import bench
from streamer.bench import speed
from streamer.bench.products import floors_of
from streamer.bench.speed import measure_speed
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.errors import EngineError
from streamer.families.chain.codec import published_codec
from streamer.settings.settings import ModelSettings, Settings
from tests.bundles import tiny_arrays, tiny_statistics, write_tiny_bundle

FLOOR_RATIO, GEMM_RATIO, TORCH_RATIO = 3.2, 1.4, 15.0
"""Bars of the issue; measured 2.2, 1.1 and 17 beside a training run on two cores (AMD EPYC)."""

PROMISED = (
    *(f"engine.ms_per_note.{q}" for q in ("p50", "p99")),
    "engine.floor_ms_per_note",
    "engine.ratio_to_floor",
    *(f"engine.candidate_notes_per_second.{batch}" for batch in (8, 16, 32)),
    "engine.ratio_to_gemm_16",
    "baselines.torch_eager_ms_per_note",
    "baselines.five_sessions_ms_per_note",
    *(f"scheduler.lateness_ms.{q}" for q in ("p50", "p99", "p999", "max")),
    "scheduler.policy",
    *(f"process.{name}" for name in ("rss_mb", "cpu_percent", "start_to_first_note_s")),
)


def lookup(report: dict[str, Any], dotted: str) -> Any:
    value: Any = report
    for key in dotted.split("."):
        value = value[key]
    return value


@pytest.fixture(scope="module")
def paper_sized(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shape of the paper with random weights."""
    graph = build_chain_graph(tiny_arrays(0, 150, scale=0.1)).SerializeToString()
    spec = describe_graph("step", "chain.onnx", graph)
    manifest = make_manifest("paper", published_codec(), [spec], tiny_statistics())
    return write_bundle(
        tmp_path_factory.mktemp("bench") / "paper", manifest, {"chain.onnx": graph}, ""
    )


@pytest.mark.benchmark
def test_report_has_every_key_that_was_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path)
    monkeypatch.setattr(speed, "SECONDS", 0.2)
    settings = Settings(model=ModelSettings(model=str(tmp_path / "tiny")))
    report = json.loads(json.dumps(bench.run(settings, seconds=1.0)))
    for key in PROMISED:
        if key.startswith("baselines.") and "missing" in report["baselines"]:
            continue
        assert lookup(report, key) is not None, key
    assert report["scheduler"]["messages"] == 20
    assert report["process"]["start_to_first_note_s"] > 0
    assert report["process"]["rss_mb"] > 10


@pytest.mark.benchmark
@pytest.mark.timeout(180)
def test_engine_holds_its_bars_beside_floor_and_baselines(paper_sized: Bundle) -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        pytest.skip(f"load {load:.1f} on {cores} cores: nothing can be compared")
    # The best of three: what else runs on the machine must not decide.
    reports = [measure_speed(paper_sized.path, seconds=3.0) for _ in range(3)]
    assert min(r["engine"]["ratio_to_floor"] for r in reports) <= FLOOR_RATIO
    assert min(r["engine"]["ratio_to_gemm_16"] for r in reports) <= GEMM_RATIO
    against_torch = [
        r["baselines"]["torch_eager_ms_per_note"] / r["engine"]["ms_per_note"]["best"]
        for r in reports
        if "torch_eager_ms_per_note" in r["baselines"]
    ]
    assert not against_torch or max(against_torch) >= TORCH_RATIO


def test_weights_of_a_note_are_counted_from_the_bundle(paper_sized: Bundle) -> None:
    products = floors_of(paper_sized)
    assert len(products) == 5 + 5 + 5
    assert sum(a * b for a, b, _ in products) == 5 * 150 * 600 * 3 + 150 * 362


def test_process_that_fails_gives_one_line(tmp_path: Path) -> None:
    bundle = load_bundle(write_tiny_bundle(tmp_path).path)
    (bundle.path / "chain.onnx").write_bytes(b"gone")
    with pytest.raises(EngineError) as caught:
        measure_speed(bundle.path)
    assert "SHA-256" in str(caught.value)
    assert "\n" not in str(caught.value)

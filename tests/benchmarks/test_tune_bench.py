"""The engine plays tunes at least ten times as fast as the torch model stepping beside it."""

import os
import time
from pathlib import Path

import pytest

from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.tunes.graph import START_FILE, STEP_FILE, build_start_graph, build_tune_graph
from export.family import Built
from streamer import bench
from streamer.bench import speed
from streamer.bench.products import floors_of
from streamer.bench.speed import measure_speed
from streamer.bundle.bundle import Bundle
from streamer.errors import EngineError
from streamer.families.tunes.codec import TuneCodec
from streamer.families.tunes.spec import START_GRAPH
from streamer.pipeline import open_source
from streamer.settings.settings import ModelSettings, Settings
from tests.bundles import (
    TINY_STYLES,
    tiny_tune_arrays,
    tiny_tune_statistics,
    tiny_tunes_spec,
    write_tiny_tunes_bundle,
)

TORCH_RATIO = 10.0
"""Bar of the issue, against ``Vrash.step``; measured 10.4 on two cores with a load of 15 (8.7
against the same with its tables taken once)."""

MOST_SHARE = 0.02
"""Of a core, processor time, with K = 16 and random weights; measured 0.5 % at a load of 10. With
scheduler and all, `perpetuo bench` measured 0.45 % of a bundle that was trained for ten minutes."""

CODEC = TuneCodec(3, 7, tuple(range(1, 48)))
"""Classes of the bundle that ships: 12, 7 and 48."""

CONFIG = {"family": "vrash", "hidden": 256, "depth": 3, "latent": 32, "head": 128}


@pytest.fixture(scope="module")
def full_sized(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shape of the preset ``vrash`` with random weights."""
    arrays = tiny_tune_arrays(0, 256, 3, CODEC, latent=32, head=128, encoder=128, scale=0.05)
    built = [
        Built("step", STEP_FILE, build_tune_graph(arrays).SerializeToString()),
        Built(START_GRAPH, START_FILE, build_start_graph(arrays).SerializeToString()),
    ]
    manifest = make_manifest(
        "full", CODEC, [describe_graph(*graph) for graph in built], tiny_tune_statistics(),
        family="vrash", styles=list(TINY_STYLES), tunes=tiny_tunes_spec(latent=32),
        config={"model": CONFIG}, defaults={"candidates": 16, "phrase_notes": 16},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bench") / "full"
    return write_bundle(folder, manifest, {graph.file: graph.model for graph in built}, "")


@pytest.mark.benchmark
@pytest.mark.timeout(180)
def test_engine_is_ten_times_as_fast_as_torch_beside_it(full_sized: Bundle) -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        pytest.skip(f"load {load:.1f} on {cores} cores: nothing can be compared")
    # The best of three: what else runs on the machine must not decide.
    reports = [measure_speed(full_sized.path, seconds=3.0) for _ in range(3)]
    ratios = [
        report["baselines"]["torch_eager_ms_per_note"] / report["engine"]["ms_per_note"]["best"]
        for report in reports
    ]
    assert max(ratios) >= TORCH_RATIO


@pytest.mark.benchmark
def test_minute_of_tunes_costs_less_than_two_percent_of_a_core(full_sized: Bundle) -> None:
    model = ModelSettings(model=str(full_sized.path), seed=1, ranking="mean")
    source = open_source(settings=Settings(model=model))
    source.next_phrase()
    shares = []
    for _ in range(3):
        began, start_ms, end_ms = time.process_time(), None, 0.0
        while start_ms is None or end_ms - start_ms < 60_000.0:
            phrase = source.next_phrase()
            start_ms = phrase.start_ms if start_ms is None else start_ms
            end_ms = phrase.end_ms
        shares.append((time.process_time() - began) * 1000.0 / (end_ms - start_ms))
    assert min(shares) < MOST_SHARE


@pytest.mark.benchmark
def test_whole_report_is_made_for_a_bundle_of_tunes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_tiny_tunes_bundle(tmp_path)
    monkeypatch.setattr(speed, "SECONDS", 0.2)
    report = bench.run(Settings(model=ModelSettings(model=str(bundle.path))), seconds=1.0)
    assert report["engine"]["ratio_to_floor"] > 0
    assert report["scheduler"]["messages"] == 20
    assert report["process"]["rss_mb"] > 10
    assert "torch_eager_ms_per_note" in report["baselines"]


def test_weights_of_a_note_are_counted_from_the_configuration(full_sized: Bundle) -> None:
    products = floors_of(full_sized)
    assert sum(a * b for a, b, _ in products) == 3 * 256 * 512 + 256 * 3 * 128 + 128 * (12 + 7 + 48)


def test_bundle_that_does_not_state_its_sizes_gives_one_line(tmp_path: Path) -> None:
    bundle = write_tiny_tunes_bundle(tmp_path, config={})
    with pytest.raises(EngineError, match="says no depth and head"):
        floors_of(bundle)


def test_torch_baselines_play_the_tiny_bundle(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found, missing = speed._baselines(write_tiny_tunes_bundle(tmp_path))
    assert set(found) == {"torch_eager", "torch_tables"}
    assert all(play() == 4 for play in found.values())
    assert any("five_sessions" in line for line in missing)

"""The engine plays tunes at least ten times as fast as the torch model stepping beside it."""

import os
from pathlib import Path

import pytest

from export.bundle import describe_graph, make_manifest, write_bundle
from export.tune_graph import STEP_FILE, build_tune_graph
from streamer.bench import speed
from streamer.bench.speed import measure_speed, products_of_a_note
from streamer.bundle import Bundle
from streamer.errors import EngineError
from streamer.tunes import TuneCodec
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

CODEC = TuneCodec(3, 7, tuple(range(1, 48)))
"""Classes of the bundle that ships: 12, 7 and 48."""

CONFIG = {"family": "vrash", "hidden": 256, "depth": 3, "latent": 32, "head": 128}


@pytest.fixture(scope="module")
def full_sized(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shape of the preset ``vrash`` with random weights."""
    arrays = tiny_tune_arrays(0, 256, 3, CODEC, latent=32, head=128, scale=0.05)
    graph = build_tune_graph(arrays).SerializeToString()
    manifest = make_manifest(
        "full", CODEC, [describe_graph("step", STEP_FILE, graph)], tiny_tune_statistics(),
        family="vrash", styles=list(TINY_STYLES), tunes=tiny_tunes_spec(latent=32),
        config={"model": CONFIG},
    )  # fmt: skip
    return write_bundle(tmp_path_factory.mktemp("bench") / "full", manifest, {STEP_FILE: graph}, "")


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


def test_weights_of_a_note_are_counted_from_the_configuration(full_sized: Bundle) -> None:
    products = products_of_a_note(full_sized)
    assert sum(a * b for a, b in products) == 3 * 256 * 512 + 256 * 3 * 128 + 128 * (12 + 7 + 48)


def test_bundle_that_does_not_state_its_sizes_gives_one_line(tmp_path: Path) -> None:
    bundle = write_tiny_tunes_bundle(tmp_path, config={})
    with pytest.raises(EngineError, match="says no depth and head"):
        products_of_a_note(bundle)


def test_torch_baselines_play_the_tiny_bundle(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found, missing = speed._baselines(write_tiny_tunes_bundle(tmp_path))
    assert set(found) == {"torch_eager", "torch_tables"}
    assert all(play() == 4 for play in found.values())
    assert any("five_sessions" in line for line in missing)

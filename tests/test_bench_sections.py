"""``perpetuo bench`` of a bundle that composes bars: figures of whole sections beside a floor."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bench.sections import CANDIDATES, floors, section_players, section_report
from streamer.bundle.bundle import Bundle
from streamer.generators.sectionspec import section_of
from tests import bundles
from tests.bandbundles import write_tiny_band_bundle


@pytest.fixture(params=["draw", "band"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Bundle:
    if request.param == "band":
        return write_tiny_band_bundle(tmp_path / "tiny")
    return bundles.write_tiny_draw_bundle(tmp_path / "tiny")


def test_every_contestant_plays_and_the_report_compares_them(bundle: Bundle) -> None:
    contestants = {**section_players(bundle, "cpu"), **floors(bundle)}
    assert all(play() == 1 for play in contestants.values())
    times = {name: [0.02, 0.01] for name in contestants}
    report = section_report(bundle, times)
    window = section_of(bundle.manifest)
    assert window is not None
    seconds = report["section_seconds"]
    assert report["share_of_its_duration"]["8"] == pytest.approx(0.015 / seconds, rel=0.01)
    assert report["ratio_to_floor"] == {str(k): 1.0 for k in CANDIDATES}
    assert report["ms_per_section"]["1"] == 10.0

"""What a filter keeps and drops is held against the corpus by measures of other kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from export.families.tunes.filters import add_filters
from streamer import cli
from streamer.errors import DataError
from streamer.families.tunes.codec import END, to_tune
from tests.bundles import write_tiny_tunes_bundle
from tests.tunesets import orderly_tunes
from training.studies.tunes.filter_effect import UNIT_MS, as_notes, filter_effect, main


def test_a_tune_becomes_notes_at_one_tempo():
    notes = as_notes(to_tune([60, 62, 64], [12, 6, END]))
    assert notes["onset_ms"].tolist() == [0.0, UNIT_MS, 1.5 * UNIT_MS]
    assert notes["duration_ms"].tolist() == [UNIT_MS, UNIT_MS / 2, UNIT_MS]
    assert notes["pitch"].tolist() == [60, 62, 64]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("effect")
    orderly_tunes(notes=140).save(folder / "tunes.npz")
    bundle = write_tiny_tunes_bundle(folder)
    assert cli.main(["train", "filter", "--tunes", str(folder / "tunes.npz"), "--keep", "0.8",
                     "--method", "lr", "-o", str(folder / "filters")]) == 0  # fmt: skip
    add_filters(bundle.path, folder / "filters", bundle.path)
    return folder


def test_every_style_that_both_have_is_measured(made, tmp_path, capsys):
    out = tmp_path / "effect.json"
    arguments = [str(made / "tiny-tunes"), str(made / "tunes.npz"), "-o", str(out)]
    assert main([*arguments, "--count", "24"]) == 0
    report = json.loads(out.read_text())
    assert [*report["styles"]] == ["bach", "jazz", "all"]
    for style in ("bach", "jazz"):
        row = report["styles"][style]
        assert row["kept"] + row["dropped"] == 24
    # An untrained model writes noise, which the filters drop.
    assert report["styles"]["all"]["dropped"] > 24
    assert "signature distance" in capsys.readouterr().out


def test_a_bundle_without_filters_is_one_line(tmp_path, capsys):
    bundle = write_tiny_tunes_bundle(tmp_path)
    tunes = orderly_tunes()
    with pytest.raises(DataError, match="has no filters; add some with --filters"):
        filter_effect(bundle, tunes, np.random.default_rng(0))
    tunes.save(tmp_path / "t.npz")
    assert main([str(bundle.path), str(tmp_path / "t.npz"), "-o", str(tmp_path / "e.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1

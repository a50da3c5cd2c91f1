"""``perpetuo study chain --only classes`` sets a bundle's class tables beside its corpus."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.cli import main
from streamer.families.chain.codec import ClassTable, published_codec
from tests.bundles import write_tiny_bundle
from tests.training.test_chain_training import made_tensors
from training.studies.chain.classes import class_figures


def test_even_classes_are_balanced_and_an_empty_one_is_told():
    table = ClassTable((100, 110, 121, 133, 146))
    found = np.asarray([0, 1, 2, 0, 1, 2], np.uint8)
    figures = class_figures(table, found, np.asarray([1, 1, 1, 0]) / 3)
    assert {"classes": 4, "used": 3, "half": 2, "largest": pytest.approx(1 / 3)} == {
        key: figures[key] for key in ("classes", "used", "half", "largest")
    }
    assert pytest.approx(np.log(3) / np.log(4)) == figures["balance"]
    assert pytest.approx(0.1, abs=0.002) == figures["width_of_value"]


def test_a_table_without_large_values_has_no_share_of_its_width():
    share = np.asarray([0.5, 0.5])
    figures = class_figures(ClassTable((0, 1, 2)), np.asarray([0, 1], np.uint8), share)
    assert figures["width_of_value"] is None
    assert 1 == figures["half"]


def test_the_tables_of_a_bundle_are_drawn_beside_its_corpus(tmp_path):
    tensors = made_tensors()
    tensors.save(tmp_path / "notes.npz")
    bundle = write_tiny_bundle(tmp_path / "bundle").path
    assert 0 == main(
        [
            "study", "chain", "--bundle", str(bundle), "--tensors", str(tmp_path / "notes.npz"),
            "-o", str(tmp_path / "out"), "--only", "classes",
        ]
    )  # fmt: skip
    told = json.loads((tmp_path / "out/classes.json").read_text())
    assert sum(map(len, tensors.iterate("train"))) == told["notes"]
    assert published_codec().name == told["codec"]
    assert [105, 120, 47] == [told["arguments"][name]["classes"] for name in told["arguments"]]
    assert (tmp_path / "out/classes.png").stat().st_size > 10_000

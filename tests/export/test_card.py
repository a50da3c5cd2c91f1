"""The model card says what its figures are counted per, and what their total adds."""

from pathlib import Path

import pytest

from export.card import FamilyText, write_card
from streamer.bundle.bundle import load_bundle
from streamer.bundle.manifest import Manifest
from tests.bundles import write_tiny_bundle
from training.run.unit import Unit

SHIPPED = Path("streamer/models")
TEXT = FamilyText("A model.", "nats a note ({phrases} phrases of {phrase_notes} notes)")


def manifest(tmp_path: Path, **metrics: object) -> Manifest:
    return write_tiny_bundle(tmp_path, metrics=metrics).manifest


def card(told: Manifest, text: FamilyText = TEXT) -> str:
    return write_card(told, text, weights=1000, size=2_000_000)


@pytest.mark.parametrize(
    ("name", "unit", "total"),
    [
        ("piano", "note", "| 5.304 |"),
        ("piano-competition", "note", "| 12.305 |"),
        ("tunes", "note", "| 3.134 |"),
        ("beethoven", "section", "| 838.301 |"),
        ("answer", "bar", "The total is cells + 0.5 × latent."),
        ("band", "step", "Together 3.071 nats per step."),
    ],
)
def test_a_shipped_card_states_the_unit_of_its_manifest(name: str, unit: str, total: str) -> None:
    bundle = load_bundle(SHIPPED / name)
    assert Unit.from_dict(bundle.manifest.metrics["unit"]).per == unit
    assert f"Held-out compositions, nats per {unit}:" in bundle.card
    assert total in bundle.card


def test_a_total_that_adds_something_else_than_nats_is_no_column(tmp_path: Path) -> None:
    unit = Unit("step", {"drums": 1.0, "bass": 1.0}, beside="ln(1 + mismatch)")
    told = card(manifest(tmp_path, drums=1.5, bass=0.5, total=2.25, unit=unit.to_dict()))
    assert "| drums | bass |\n| --- | --- |\n| 1.500 | 0.500 |" in told
    assert "Together 2.000 nats per step." in told
    assert "drums + bass + ln(1 + mismatch), which is 2.250 and no number of nats" in told


def test_figures_without_a_unit_are_not_given_one(tmp_path: Path) -> None:
    told = card(manifest(tmp_path, pitch=3.0, total=12.5))
    assert "the checkpoint does not say what they are counted per" in told
    assert "| pitch | total |\n| --- | --- |\n| 3.000 | 12.500 |" in told
    assert "nats per" not in told


def test_a_family_adds_sections_of_its_own(tmp_path: Path) -> None:
    text = FamilyText("A model.", TEXT.entropies, [("Styles", "Two of them.")])
    told = card(manifest(tmp_path), text)
    assert "\n\n## Styles\n\nTwo of them.\n\n## Licence\n\n" in told
    assert "2.50 nats a note (1,000 phrases of 32 notes)." in told


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        (Unit("note", {"a": 1.0, "b": 1.0}), "total 3.0000 nats a note (= a + b): a 1.000,"
                                             " b 2.000"),
        (Unit("bar", {"a": 1.0, "b": 0.5}), "total 2.0000 nats a bar (= a + 0.5 × b): a 1.000,"
                                            " b 2.000"),
        (Unit("step", {"a": 1.0}, "ln(1 + c)"), "total 1.5000 (= a + ln(1 + c)); nats a step:"
                                                " a 1.000"),
    ],
)  # fmt: skip
def test_a_line_of_figures_says_what_its_total_adds(unit: Unit, line: str) -> None:
    figures = {"a": 1.0, "b": 2.0, "c": 0.65, "total": 1.5}
    total = figures["total"] if unit.beside else unit.total(figures)
    assert line == unit.line({**figures, "total": total})


def test_a_unit_comes_back_from_plain_data() -> None:
    unit = Unit("bar", {"cells": 1.0, "latent": 0.5})
    assert unit == Unit.from_dict(unit.to_dict())

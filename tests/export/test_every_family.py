"""Every model of every family goes all the way: made corpus, two steps, bundle, sixteen notes.

The models are those of the registry, so that one that is added is tested by what it registers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from export.pipeline import ExportOptions, export_checkpoint
from streamer.bundle.bundle import Bundle
from streamer.cli import main
from streamer.pipeline import open_source
from training.registry import family_of, load_preset, make_task, models, tiny_corpus
from training.run.checkpoint import Checkpoint, load_checkpoint
from training.run.loop import Trainer

UNITS = {
    "chain": "note", "lm": "note", "vae": "note", "vrash": "note", "draw": "section",
    "query": "bar", "musae": "step",
}  # fmt: skip
"""What the figures of each model are counted per; one that is added has a line here."""

MOST_PHRASES = 64


@dataclass(frozen=True)
class Journey:
    """What came of one model."""

    corpus: Path
    checkpoint: Checkpoint
    bundle: Bundle


@pytest.fixture(scope="module", params=sorted(models()))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def journey(name: str, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    folder = tmp_path_factory.mktemp(name)
    corpus = tiny_corpus(name)
    corpus.save(folder / "corpus.npz")
    preset = load_preset(f"{name}-tiny")
    torch.manual_seed(0)
    task = make_task(preset, corpus, 0, torch.device("cpu"))
    batches = task.batches
    task.batches = lambda epoch: islice(batches(epoch), 2)
    trainer = Trainer(task, replace(preset.loop, epochs=1), folder, {"preset": preset.name})
    trainer.run()
    assert trainer.update == 2
    options = ExportOptions(target=folder / "bundle", tensors=folder / "corpus.npz")
    exported = export_checkpoint(folder, options)
    return Journey(folder / "corpus.npz", load_checkpoint(folder), exported.bundle)


def test_a_model_of_two_steps_is_exported_with_a_proof(name: str, journey: Journey) -> None:
    manifest = journey.bundle.manifest
    assert (manifest.family, manifest.name) == (name, f"{name}-tiny")
    parity = manifest.metrics["parity"]
    assert parity["notes"] > 0 or parity["functions"]
    assert max([parity["log_prob_error"], *parity["functions"].values()]) < 1e-4


def test_the_bundle_plays_sixteen_notes(journey: Journey) -> None:
    source = open_source(journey.bundle, seed=1)
    notes = 0
    for _ in range(MOST_PHRASES):
        notes += len(source.next_phrase().notes)
        if notes >= 16:
            break
    assert notes >= 16


def test_the_card_counts_in_the_unit_of_the_task(name: str, journey: Journey) -> None:
    unit = UNITS[name]
    assert journey.checkpoint.unit["per"] == unit
    assert journey.bundle.manifest.metrics["unit"] == journey.checkpoint.unit
    assert f"Held-out compositions, nats per {unit}:" in journey.bundle.card
    assert all(
        f"nats per {other}" not in journey.bundle.card for other in {*UNITS.values()} - {unit}
    )


def test_a_search_of_the_model_tries_a_shape(
    name: str, journey: Journey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = [
        argument
        for entry, span in models()[name].space.items()
        for argument in ("--range", f"{entry}={span.low:g}..{span.low:g}")
    ]
    command = ["search", name, "--preset", f"{name}-tiny", "--tensors", str(journey.corpus)]
    command += ["-o", str(tmp_path / "out"), "--trials", "1", "--budget", "0.1", "--threads", "1"]
    assert main([*command, "--device", "cpu", *narrow]) == 0
    assert "best of 1" in capsys.readouterr().out


def test_a_study_of_the_family_says_its_own_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = family_of(name).studies
    assert studies
    for study in studies:
        assert main(["study", study.name, "--help"]) == 0
        told = capsys.readouterr().out
        assert "--tensors" in told
        assert "--output" in told
        # The parts of a study can be chosen; one that plays has none, and says how much it plays.
        assert "--only" in told or "--streams" in told

"""Each family of kind step goes all the way: tiny preset, two steps, bundle, sixteen notes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from export import parity
from export.pipeline import ExportOptions, export_checkpoint
from export.registry import EXPORTERS
from streamer.controls import LiveControls
from streamer.pipeline import open_source
from streamer.settings import ModelSettings, Settings
from tests.export.tune_corpus import make_tunes
from training.checkpoint import Checkpoint, save_checkpoint
from training.families import FAMILIES, load_preset

STEP_FAMILIES = [name for name, family in EXPORTERS.items() if family.kind == "step"]


@pytest.fixture
def corpus(family: str, tensors: Path, tmp_path: Path) -> Path:
    """What the family trains on."""
    if family == "chain":
        return tensors
    path = tmp_path / "tunes.npz"
    make_tunes().save(path)
    return path


def train_two_steps(family: str, corpus: Path, path: Path) -> Path:
    """Train the tiny preset, but hardly, and write a checkpoint."""
    torch.manual_seed(0)
    entry, preset = FAMILIES[family], load_preset(f"{family}-tiny")
    loaded: Any = entry.load(corpus)
    model = entry.build({**preset.model, **entry.from_corpus(loaded)}, loaded.codec)
    task = entry.task(model, loaded, preset.data, 0, low_precision=False, compiled=False)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    carry = None
    for step, batch in enumerate(batch for epoch in range(2) for batch in task.batches(epoch)):
        result = task.train_step(batch, carry)
        optimiser.zero_grad()
        result.loss.backward()
        optimiser.step()
        carry = result.carry
        if step == 1:
            break
    told = task.describe()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    save_checkpoint(
        path,
        Checkpoint(family, told["config"], told["codec"], weights, {"preset": preset.name}, {}, {}),
    )
    return path


@pytest.mark.parametrize("family", STEP_FAMILIES)
def test_tiny_preset_trains_two_steps_is_exported_and_plays_sixteen_notes(
    family: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "RUNS", ((1, 40), (3, 16)))
    checkpoint = train_two_steps(family, corpus, tmp_path / "best.pt")
    options = ExportOptions(target=tmp_path / "out", tensors=corpus, phrase_notes=16)
    exported = export_checkpoint(checkpoint, options)
    assert exported.parity.notes == 40 + 3 * 16
    assert exported.bundle.manifest.name == f"{family}-tiny"
    settings = Settings(model=ModelSettings(model=str(tmp_path / "out"), seed=1))
    source = open_source(settings, LiveControls())
    assert sum(len(source.next_phrase().notes) for _ in range(16)) >= 16


def test_every_family_that_can_be_trained_can_be_exported() -> None:
    assert set(FAMILIES) <= set(EXPORTERS)

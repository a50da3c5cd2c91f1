"""A bundle is written only when it plays, note for note, what the checkpoint plays."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export import parity
from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.chain.exporter import ChainPlayer
from export.families.chain.graph import build_chain_graph
from export.parity import Arrays, ParityError, prove_parity
from export.wrap import round_to_half
from streamer.bundle.manifest import Statistics
from streamer.engine.engine import Engine
from streamer.errors import DataError
from tests.export.conftest import make_model
from training.families.chain.model import Chain


def engine_of(model: Chain, folder: Path) -> Engine:
    graph = build_chain_graph(model.export_arrays()).SerializeToString()
    spec = describe_graph("step", "chain.onnx", graph)
    manifest = make_manifest("draft", model.codec, [spec], Statistics(32))
    return Engine(write_bundle(folder / "draft", manifest, {"chain.onnx": graph}, ""))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer notes than the proof of an export takes."""
    monkeypatch.setattr(parity, "RUNS", ((1, 48), (3, 40), (16, 12)))


@pytest.mark.parametrize(
    "config",
    [{}, {"absolute_velocity": False}, {"embedding": 6}, {"current_prefix": False}, {"layers": 1}],
    ids=str,
)
@pytest.mark.usefixtures("short")
def test_every_form_of_the_model_plays_the_same_in_torch_and_onnx(
    config: dict[str, object], tmp_path: Path
) -> None:
    model = make_model(**config)
    round_to_half(model)
    result = prove_parity(ChainPlayer(model), engine_of(model, tmp_path))
    assert result.notes == 48 + 3 * 40 + 16 * 12
    assert result.log_prob_error < 1e-5


def test_trained_length_of_512_notes_holds(tmp_path: Path) -> None:
    model = make_model()
    assert parity.RUNS == ((1, 512), (3, 512), (16, 32))
    result = prove_parity(ChainPlayer(model), engine_of(model, tmp_path))
    assert result.notes == 2560


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("weight", ["bias.0", "w_hh.0", "tables.4", "heads.2.weight"])
def test_any_weight_that_differs_is_found(weight: str, tmp_path: Path) -> None:
    model = make_model()
    engine = engine_of(model, tmp_path)
    with torch.no_grad():
        model.get_parameter(weight).mul_(1.1)
    with pytest.raises(ParityError, match="nothing was exported"):
        prove_parity(ChainPlayer(model), engine)


@pytest.mark.usefixtures("short")
def test_a_tie_that_falls_otherwise_is_tried_again(tmp_path: Path) -> None:
    class OnceOtherwise(ChainPlayer):
        """Takes the other class of the last note in its first run, as rounding may at a tie."""

        runs = 0

        def play(self, begin: Arrays, noise: np.ndarray, more: Arrays) -> Arrays:
            played = super().play(begin, noise, more)
            if not self.runs:
                played["classes"][-1, 0, 0] ^= 1
            self.runs += 1
            return played

    model = make_model()
    player, engine = OnceOtherwise(model), engine_of(model, tmp_path)
    assert prove_parity(player, engine).repeated == 1
    assert player.runs == 3 + 1


def test_rounding_keeps_biases_and_refuses_what_half_cannot_hold() -> None:
    model = make_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    round_to_half(model)
    for name, p in model.named_parameters():
        if "bias" in name:
            assert torch.equal(p, before[name])
        else:
            assert torch.equal(p, before[name].half().float())
    with torch.no_grad():
        model.w_hh[0][0, 0, 0] = 1e6
    with pytest.raises(DataError, match="65504"):
        round_to_half(model)

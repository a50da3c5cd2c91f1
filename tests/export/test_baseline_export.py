"""A baseline is exported as any model: proven against torch, played by the chain's own family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from export import parity
from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.chain.note_exporter import GATED, TRANSFORMER, NotePlayer, backbone_of
from export.families.chain.note_graph import build_note_graph
from export.parity import ParityError, prove_parity
from export.wrap import round_to_half
from streamer.bundle.bundle import load_bundle
from streamer.bundle.manifest import Statistics
from streamer.cli import main
from streamer.engine.engine import Engine
from streamer.errors import DataError
from streamer.families.chain.codec import published_codec
from streamer.pipeline import open_source
from tests.training.test_chain_training import made_tensors
from training.baselines.nets import NETS, NoteModel, build
from training.families.chain.batches import windows
from training.families.chain.model import Chain, ChainConfig
from training.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.studies.bench import held_out
from training.studies.exported import streamed_nats

# Fewer notes are remembered than are played, and fewer distances told apart than are remembered.
SMALL = {"width": 16, "layers": 2, "heads": 2, "memory": 12, "distance": 9}
STREAMED_APART = 0.02
"""Nats a note between float32 in windows and float16 weights note by note; measured 0.0012."""


def model_of(net: str, **more: int) -> NoteModel:
    torch.manual_seed(0)
    model = build({**SMALL, "net": net, **more}, published_codec()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # untrained, all classes are about as likely
    return model


def engine_of(model: NoteModel, folder: Path) -> Engine:
    exporter = {"transformer": TRANSFORMER, "gated": GATED}[model.family]
    (built,) = exporter.build(model, {})
    spec = describe_graph(*built)
    manifest = make_manifest("draft", model.codec, [spec], Statistics(32), family=model.family)
    return Engine(write_bundle(folder / "draft", manifest, {built.file: built.model}, ""))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer notes than the proof of an export takes."""
    monkeypatch.setattr(parity, "RUNS", ((1, 48), (3, 40), (16, 12)))


@pytest.mark.parametrize("net", sorted(NETS))
def test_the_edge_bench_of_a_baseline_says_what_times_it(
    net: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It compares with the products of a chain, which a baseline does not have."""
    bundle = engine_of(model_of(net), tmp_path).bundle
    assert 1 == main(["bench", "--model", str(bundle.path), "--seconds", "1"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "EngineError" not in line
    assert f"{net} is no chain" in line
    assert "perpetuo study bench --bundles" in line


@pytest.mark.parametrize("net", sorted(NETS))
@pytest.mark.parametrize(
    "more", [{}, {"layers": 1}, {"heads": 4, "distance": 30}, {"memory": 1}], ids=str
)
@pytest.mark.usefixtures("short")
def test_every_form_of_a_baseline_plays_the_same_in_torch_and_onnx(
    net: str, more: dict[str, int], tmp_path: Path
) -> None:
    model = model_of(net, **more)
    round_to_half(model)
    result = prove_parity(NotePlayer(model), engine_of(model, tmp_path))
    assert result.notes == 48 + 3 * 40 + 16 * 12
    assert 0 < result.log_prob_error <= parity.TOLERANCE


WEIGHTS = {
    "transformer": ["attention.1.distances", "attention.0.pair.weight", "norms.3.weight"],
    "gated": ["mix.1.bias", "out.0.weight", "forward_layers.1.down.weight"],
}


@pytest.mark.parametrize(("net", "weight"), [(n, w) for n in WEIGHTS for w in WEIGHTS[n]])
@pytest.mark.usefixtures("short")
def test_any_weight_of_a_baseline_that_differs_is_found(
    net: str, weight: str, tmp_path: Path
) -> None:
    model = model_of(net)
    round_to_half(model)
    engine = engine_of(model, tmp_path)
    with torch.no_grad():
        changed = dict(model.net.named_parameters())[weight]
        changed.add_(torch.randn_like(changed))
    with pytest.raises(ParityError, match="parity failed"):
        prove_parity(NotePlayer(model), engine)


def test_matrices_of_a_baseline_are_stored_in_half() -> None:
    model = model_of("transformer", width=64, heads=4)
    whole = build_note_graph(model.export_arrays(), backbone_of(model)).ByteSize()
    round_to_half(model)
    half = build_note_graph(model.export_arrays(), backbone_of(model)).ByteSize()
    assert half < 0.65 * whole


def test_a_transformer_without_a_memory_is_not_exported() -> None:
    with pytest.raises(DataError, match="without a memory cannot be exported"):
        backbone_of(model_of("transformer", memory=0))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of both baselines and of a chain, and their bundles."""
    folder = tmp_path_factory.mktemp("baselines")
    tensors = made_tensors(8)
    tensors.save(folder / "tensors.npz")
    chain = Chain(ChainConfig(hidden=8, absolute_velocity=True), tensors.codec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "RUNS", ((1, 24),))
        for model in (model_of("transformer"), model_of("gated"), chain):
            about = model.describe(), tensors.codec.to_dict(), model.state_dict()
            path = folder / f"{model.family}.pt"
            training = {"baseline": model.family} if model is not chain else {}
            save_checkpoint(path, Checkpoint(model.family, *about, training, {}, {}))
            line = ["export", str(path), "-o", str(folder / model.family)]
            assert 0 == main([*line, "--statistics-from", str(folder / "tensors.npz")])
    return folder


@pytest.mark.parametrize("net", sorted(NETS))
def test_a_baselines_bundle_says_what_it_is_and_plays(net: str, runs: Path) -> None:
    bundle = load_bundle(runs / net)
    assert net == bundle.manifest.family
    assert "A baseline" in bundle.card
    assert bundle.manifest.statistics.phrases > 0
    assert [] == bundle.manifest.statistics.c_low
    source = open_source(bundle, seed=1)
    notes = [note for _ in range(3) for note in source.next_phrase().notes]
    assert len(notes) > 16
    assert 3 < len({note.pitch for note in notes})


def bench(runs: Path, names: list[str], bundles: list[str], *more: str) -> int:
    line = ["study", "bench", *(str(runs / f"{name}.pt") for name in names)]
    line += ["--tensors", str(runs / "tensors.npz"), "--split", "valid", "-o", str(runs / "bench")]
    return main([*line, "--bundles", *(str(runs / name) for name in bundles), *more])


def test_the_bench_times_what_was_exported_and_knows_as_much_note_by_note(runs: Path) -> None:
    names = ["chain", "gated", "transformer"]
    assert 0 == bench(runs, names, names)
    told = json.loads((runs / "bench/bench.json").read_text())
    assert ("bundles", 2) == (told["speeds_of"], told["works"])
    for row in told["models"]:
        assert all(speed > 0 for speed in row["notes_a_second"].values())
        assert row["megabytes_exported"] < row["megabytes"] + 0.1
        if row["model"] != "transformer":  # of which a window sees more than the stream remembers
            apart = row["nats_a_note_streamed"] - row["nats_a_note"]["value"]
            assert abs(apart) < STREAMED_APART
    first, *others = told["models"]
    assert 0 == first["nats_against_the_first"]["value"]
    for row in others:
        apart = row["nats_a_note"]["value"] - first["nats_a_note"]["value"]
        assert row["nats_against_the_first"]["value"] == pytest.approx(apart)
        assert row["works_better_than_the_first"] in range(3)


def test_a_transformer_streamed_is_the_torch_model_step_by_step(runs: Path) -> None:
    """With windows of one note torch remembers as much as the stream does."""
    tensors = made_tensors(8)
    model = model_of("transformer")
    model.load_state_dict(load_checkpoint(runs / "transformer.pt").weights)
    round_to_half(model)
    piece = tensors.notes(held_out(tensors, "valid", 1)[0])
    carry, wanted = model.initial_state(1), 0.0
    with torch.no_grad():
        for window in windows([piece], tensors.codec, batch=1, steps=1):
            logits, carry = model(
                window.previous, window.current, window.velocity, window.keep, carry
            )
            for m, each in enumerate(logits):
                wanted -= float(each[0, 0].log_softmax(0)[window.current[0, 0, m]])
    found = streamed_nats(Engine(load_bundle(runs / "transformer")), [piece], tensors.codec)
    np.testing.assert_allclose(found, wanted / len(piece), atol=1e-4)


def test_bundles_that_are_not_of_the_runs_are_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == bench(runs, ["chain", "gated"], ["gated", "chain"], "--no-speed")
    err = capsys.readouterr().err
    assert "gated: was not exported of" in err
    assert "give bundles in the order of the runs" in err
    assert 1 == err.count("\n")
    assert 1 == bench(runs, ["chain", "gated"], ["chain"], "--no-speed")
    assert "--bundles must be one for each run, 2, not 1" in capsys.readouterr().err


def test_a_run_of_a_baseline_that_is_asked_to_play_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run folder is no bundle; the line says what makes one."""
    (runs / "run").mkdir(exist_ok=True)
    (runs / "run" / "best.pt").write_bytes((runs / "gated.pt").read_bytes())
    line = ["render", str(runs / "out.mid"), "--model", str(runs / "run"), "--duration", "5"]
    assert 1 == main(line)
    err = capsys.readouterr().err
    assert "run: a run of training and no bundle; make one of it with perpetuo export" in err
    assert 1 == err.count("\n")

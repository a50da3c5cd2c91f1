"""The chained model learns, resumes exactly where it was killed, and keeps the paper's shape."""

from __future__ import annotations

import json
import signal
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.errors import ConfigError, DataError
from streamer.families.chain.codec import ChainCodec, published_codec
from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests.training.killed import killed_at
from training.families.chain.batches import Augmentation, epoch, windows
from training.families.chain.model import Chain, ChainConfig
from training.families.chain.task import ChainData, ChainTask, evaluate_nats
from training.families.chain.tensors import PieceInfo, TensorSet
from training.kernels.layers import stacked_lstm
from training.registry import load_preset, model_from_checkpoint, models, presets, trainable
from training.run.checkpoint import load_checkpoint
from training.run.loop import LoopConfig, StopTraining, Trainer
from training.verbs.train import parse_overrides


def made_piece(seed: int, notes: int = 120) -> NoteArray:
    """Return a scale in even time, loud on every fourth note."""
    rng = np.random.default_rng(seed)
    out = np.zeros(notes, dtype=NOTE_DTYPE)
    out["onset_ms"] = np.arange(notes) * 250.0 + rng.uniform(0, 5, notes)
    out["onset_ms"].sort()
    out["duration_ms"] = 200.0
    out["pitch"] = 48 + (np.arange(notes) + seed) % 12
    out["velocity"] = np.where(np.arange(notes) % 4 == 0, 90, 60)
    out["pedal"] = np.arange(notes) % 8 < 4
    return out


def made_tensors(pieces: int = 10) -> TensorSet:
    """Return a small corpus: the last two pieces are held out."""
    infos = [
        PieceInfo(f"{i}.mid", "made", f"work{i}", "", "valid" if i >= pieces - 2 else "train")
        for i in range(pieces)
    ]
    notes = [made_piece(i) for i in range(pieces)]
    return TensorSet.from_pieces(notes, infos, published_codec())


def made_trainer(folder: Path, epochs: int = 2, kill_at: int = 0) -> Trainer:
    """Return a run that is small enough for a test; equal in every call, but for a kill."""
    torch.manual_seed(1)
    tensors = made_tensors()
    model = Chain(ChainConfig(hidden=8, absolute_velocity=True), tensors.codec)
    task = ChainTask(model, tensors, ChainData(batch=4, steps=16), seed=3)
    config = LoopConfig(epochs=epochs, learning_rate=0.01, warmup=2, save_seconds=1e9)
    folder.mkdir(exist_ok=True)
    return Trainer(killed_at(kill_at, task), config, folder, {"preset": "made", "seed": 3})


@pytest.fixture
def codec() -> ChainCodec:
    return published_codec()


def test_reference_preset_has_the_input_widths_of_the_paper(codec: ChainCodec) -> None:
    """Inputs are 362, 450, 555, 675 and 722 wide without our velocity context."""
    model = Chain(ChainConfig(absolute_velocity=False), codec)
    assert [table.shape[0] for table in model.tables] == [362, 450, 555, 675, 722]
    recurrent = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("heads"))
    assert 2.9e6 < recurrent < 3.2e6


def test_stacked_lstm_equals_torch_lstm_forward_and_backward() -> None:
    """Our recurrence gives nn.LSTM's outputs and gradients for each group."""
    torch.manual_seed(0)
    groups, steps, batch, hidden, inputs = 3, 7, 4, 5, 6
    references = [torch.nn.LSTM(inputs, hidden) for _ in range(groups)]
    x = torch.randn(groups, steps, batch, inputs)
    upstream = torch.randn(groups, steps, batch, hidden)
    expected = torch.stack([lstm(x[g])[0] for g, lstm in enumerate(references)])
    (expected * upstream).sum().backward()
    w = torch.stack([r.weight_hh_l0.T for r in references]).detach().requires_grad_()
    b = torch.stack([r.bias_hh_l0 + r.bias_ih_l0 for r in references]).detach().requires_grad_()
    pre = torch.stack([x[g] @ r.weight_ih_l0.T for g, r in enumerate(references)])
    pre = pre.detach().requires_grad_()
    zero = torch.zeros(groups, batch, hidden)
    actual, _ = stacked_lstm(pre, w, b, (zero, zero), torch.ones(steps, batch))
    (actual * upstream).sum().backward()
    torch.testing.assert_close(actual, expected)
    assert w.grad is not None
    assert b.grad is not None
    assert pre.grad is not None
    torch.testing.assert_close(w.grad, torch.stack([r.weight_hh_l0.grad.T for r in references]))
    torch.testing.assert_close(b.grad, torch.stack([r.bias_hh_l0.grad for r in references]))
    back = pre.grad.reshape(groups, steps * batch, -1).transpose(1, 2)
    into = back @ x.reshape(groups, steps * batch, inputs)
    torch.testing.assert_close(into, torch.stack([r.weight_ih_l0.grad for r in references]))


def test_teacher_forced_window_equals_single_steps(codec: ChainCodec) -> None:
    """The training graph and the eager step that export is judged by are one model."""
    torch.manual_seed(0)
    model = Chain(ChainConfig(hidden=12, absolute_velocity=True, embedding=6), codec).eval()
    window = next(windows([made_piece(1), made_piece(2)], codec, batch=2, steps=9))
    state = model.initial_state(2)
    with torch.no_grad():
        logits, after = model(window.previous, window.current, window.velocity, window.keep, state)
    h, c, _ = model.initial_state(2)
    offsets = codec.offsets
    for t in range(9):
        noise = torch.zeros(2, offsets[-1])
        for m in range(5):
            noise[torch.arange(2), window.current[t, :, m] + offsets[m]] = 1e6
        out = model.step(window.previous[t], window.velocity[t], h, c, noise)
        assert torch.equal(out.classes, window.current[t])
        for m in range(5):
            log_p = torch.log_softmax(logits[m][t], dim=1)
            chosen = log_p.gather(1, window.current[t, :, m : m + 1])[:, 0]
            torch.testing.assert_close(out.log_probs[:, m], chosen, atol=1e-5, rtol=1e-4)
        h, c = out.h, out.c
    torch.testing.assert_close(h, after.h, atol=1e-5, rtol=1e-4)


def test_state_is_reset_where_a_piece_begins(codec: ChainCodec) -> None:
    """A piece's likelihood does not depend on the piece before it in its row."""
    torch.manual_seed(0)
    model = Chain(ChainConfig(hidden=8), codec)
    alone = evaluate_nats(model, [made_piece(2)], codec)
    both = evaluate_nats(model, [made_piece(1), made_piece(2)], codec, batch=1)
    first = evaluate_nats(model, [made_piece(1)], codec)
    assert (alone["total"] + first["total"]) / 2 == pytest.approx(both["total"], abs=1e-5)


def test_windows_hold_every_note_once(codec: ChainCodec) -> None:
    """Weights count exactly the notes, and previous is the note before."""
    pieces = [made_piece(i, notes) for i, notes in enumerate((30, 77, 5, 64))]
    parts = list(windows(pieces, codec, batch=3, steps=16))
    assert sum(len(p) for p in pieces) == sum(float(w.weight.sum()) for w in parts)
    starts = sum(int(((w.previous[..., 0] < 0) & (w.weight > 0)).sum()) for w in parts)
    assert len(pieces) == starts


def test_same_epoch_number_gives_same_windows() -> None:
    """Order and augmentation come from the seed alone, so that a resumed run repeats them."""
    tensors = made_tensors()
    moves = Augmentation()
    one, two = (list(epoch(tensors, range(8), moves, 5, batch=4, steps=16)) for _ in range(2))
    assert all(torch.equal(a.current, b.current) for a, b in zip(one, two, strict=True))


def test_augmentation_stays_on_the_piano() -> None:
    """A piece at the top of the keyboard is never moved past it."""
    piece = made_piece(0)
    piece["pitch"] = 108 - np.arange(len(piece)) % 3
    for seed in range(20):
        moved = Augmentation(transpose=11).apply(piece, np.random.default_rng(seed))
        assert moved["pitch"].max() <= 108
        assert moved["velocity"].min() >= 1


def test_training_lowers_the_held_out_figure(tmp_path: Path) -> None:
    """Two epochs on scales beat the untrained model, and leave a checkpoint and curves."""
    trainer = made_trainer(tmp_path / "run", epochs=6)
    before = trainer.task.evaluate()["total"]
    best = trainer.run()
    assert best["total"] < before - 3
    model = model_from_checkpoint(load_checkpoint(tmp_path / "run"))
    tensors = made_tensors()
    again = evaluate_nats(model, list(tensors.iterate("valid")), tensors.codec)
    assert best["total"] == pytest.approx(again["total"], abs=1e-6)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_gets_events_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure of an epoch at its update; nothing but the rest of the run without it."""
    seen: dict[str, tuple[float, int]] = {}

    class Writer:
        def __init__(self, folder: str) -> None:
            assert str(tmp_path / "run") == folder

        def add_scalar(self, name: str, value: float, step: int) -> None:
            seen[name] = (value, step)

        def close(self) -> None:
            seen["closed"] = (1.0, 0)

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    trainer = made_trainer(tmp_path / "run", epochs=1)
    best = trainer.run()
    assert (best["total"], trainer.update) == seen["valid/total"]
    assert {"train/pitch", "valid/pedal", "learning_rate", "closed"} <= set(seen)


def test_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """SIGTERM in the middle of an epoch loses nothing: the weights end up bit for bit equal."""
    whole = made_trainer(tmp_path / "whole")
    whole.run()
    broken = made_trainer(tmp_path / "broken", kill_at=7)
    with pytest.raises(StopTraining) as stop:
        broken.run()
    assert stop.value.signum == signal.SIGTERM
    again = made_trainer(tmp_path / "broken")
    again.resume()
    assert again.update == 7
    again.run()
    expected = load_checkpoint(tmp_path / "whole" / "best.pt").weights
    actual = load_checkpoint(tmp_path / "broken" / "best.pt").weights
    assert all(torch.equal(expected[k], actual[k]) for k in expected)


def test_resume_refuses_another_configuration(tmp_path: Path) -> None:
    """A checkpoint of another shape is named, not loaded in part."""
    trainer = made_trainer(tmp_path / "run", epochs=1)
    trainer.run()
    tensors = made_tensors()
    other = Chain(ChainConfig(hidden=9, absolute_velocity=True), tensors.codec)
    task = ChainTask(other, tensors, ChainData(), seed=3)
    with pytest.raises(DataError, match="config differs"):
        Trainer(task, LoopConfig(), tmp_path / "run", {}).resume()


def test_half_written_checkpoint_gives_one_line(tmp_path: Path) -> None:
    """A file that was cut off is refused with its remedy."""
    made_trainer(tmp_path / "run", epochs=1).run()
    whole = (tmp_path / "run" / "best.pt").read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 20):
        (tmp_path / "cut.pt").write_bytes(whole[:size])
        with pytest.raises(DataError, match="not a whole checkpoint"):
            load_checkpoint(tmp_path / "cut.pt")


def test_every_preset_builds_its_model(codec: ChainCodec) -> None:
    """Presets that ship have no unknown key and belong to a family of the registry."""
    for name in presets():
        preset = load_preset(name)
        assert preset.model in models()
        if preset.model == "chain":
            trainable("chain").build(preset.config, codec)


def test_all_mistakes_in_overrides_are_named_at_once() -> None:
    """Three wrong keys, three lines."""
    with pytest.raises(ConfigError) as error:
        load_preset("chain-tiny", {"model.hiden": 3, "loops.epochs": 1, "data.bach": 2})
    assert len(error.value.problems) == 3


def test_one_bare_word_is_text_in_an_override() -> None:
    items = ["model.prior=normal", 'data.hold="release"', "loop.epochs=3", "model.parts=true"]
    found = {"model.prior": "normal", "data.hold": "release", "loop.epochs": 3, "model.parts": True}
    assert parse_overrides(items) == found
    with pytest.raises(ConfigError, match=r"--set a\.b=two words: must be"):
        parse_overrides(["a.b=two words"])


def test_tensor_file_survives_saving_and_names_damage(tmp_path: Path) -> None:
    """What is saved is what is loaded; a cut or changed file is refused in one line."""
    tensors = made_tensors()
    path = tmp_path / "tensors.npz"
    tensors.save(path)
    again = TensorSet.load(path)
    assert tensors.pieces == again.pieces
    assert tensors.codec.fingerprint == again.codec.fingerprint
    np.testing.assert_array_equal(tensors.codec.encode(tensors.notes(3)),
                                  again.codec.encode(again.notes(3)))  # fmt: skip
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="not a whole tensor file"):
        TensorSet.load(path)


@pytest.mark.parametrize(
    ("column", "value", "range_"),
    [("shift_ms", np.nan, "0..1e+09"), ("pitch", 5, "21..108"), ("velocity", 0, "1..127")],
)
def test_a_tensor_file_with_an_impossible_note_is_refused(
    tmp_path: Path, column: str, value: float, range_: str
) -> None:
    path = tmp_path / "corpus.npz"
    tensors = made_tensors(2)
    getattr(tensors, column)[3] = value
    tensors.save(path)
    with pytest.raises(DataError, match=f"{column} must be in range .* prepare") as refused:
        TensorSet.load(path)
    assert range_ in str(refused.value)


def test_a_file_that_is_no_tensor_file_is_refused_without_advice_to_trust_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "corpus.npz"
    path.write_text("not a tensor file")
    with pytest.raises(DataError, match="not a whole tensor file; make it again"):
        TensorSet.load(path)

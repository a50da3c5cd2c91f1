"""Families lm, vae and vrash: one network, stepped or swept, that learns tunes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.errors import ConfigError, DataError
from tests.training.killed import killed_at
from tests.training.made_tunes import made_tunes
from training.families.tunes.crops import Crops, epoch_crops, whole_tracks
from training.families.tunes.model import VARIANTS, Vrash, VrashConfig
from training.families.tunes.nats import (
    divergence,
    evaluate_tunes,
    importance_nats,
    latents,
    tune_nats,
)
from training.families.tunes.task import VrashData, VrashTask, crop_nats, drop_history
from training.families.tunes.tuneset import TuneSet
from training.kernels import replay
from training.kernels.gru import gru
from training.kernels.highway import highway, highway_cell
from training.registry import load_preset, model_from_checkpoint, trainable
from training.run.checkpoint import load_checkpoint
from training.run.loop import StopTraining, Trainer
from training.run.task import Task
from training.verbs.train import add_arguments, make_trainer

FLOAT_TOLERANCE = 1e-5  # measured 3e-7


def small_model(family: str = "vrash", seed: int = 1) -> Vrash:
    torch.manual_seed(seed)
    config = VrashConfig(
        family=family, hidden=12, depth=3, latent=5, embeddings=(4, 2, 3), style_size=3,
        programme_size=2, head=7, encoder_hidden=6, dropout=0.0,
    )  # fmt: skip
    tunes = made_tunes()
    return Vrash(config, tunes.codec, tunes.styles)


def made_task(tunes: TuneSet, family: str = "vrash", **changes: float) -> Task:
    """Return the family's tiny preset on made tunes; equal in every call."""
    torch.manual_seed(1)
    preset = load_preset(f"{family}-tiny")
    kind = trainable(family)
    model = kind.untrained(preset.config, preset.data, tunes)
    return kind.task(model, tunes, {**preset.data, **changes}, 3)


def made_trainer(folder: Path, family: str = "vrash", kill_at: int = 0) -> Trainer:
    folder.mkdir(exist_ok=True)
    task = killed_at(kill_at, made_task(made_tunes(), family))
    return Trainer(task, load_preset(f"{family}-tiny").loop, folder, {})


def encoded(model: Vrash, crops: Crops) -> tuple[Tensor, Tensor]:
    return model.encode(crops.classes, crops.style, crops.lengths)


def plain_highway(pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    out = []
    for row in pre:
        for layer, weight in enumerate(weights):
            s = highway_cell((bias[layer] if layer else row) + s @ weight, s)[0]
        out.append(s)
    return torch.stack(out)


@pytest.mark.parametrize("family", VARIANTS)
def test_step_by_step_equals_the_sequence(family: str) -> None:
    model = small_model(family).eval()
    tunes = made_tunes()
    crops = whole_tracks(tunes, [0, 1, 2])
    z = torch.randn(3, 5)
    previous, s = crops.previous(), model.start(z, crops.style)
    sums = torch.zeros(3, 3)
    for t in range(crops.classes.shape[1]):
        wanted = crops.classes[:, t]
        noise = torch.full((3, tunes.codec.offsets[-1]), -1e6)
        noise.scatter_(1, wanted + torch.tensor(tunes.codec.offsets[:-1]), 0.0)
        step = model.step(previous[:, t], s, z, crops.style, noise)
        assert step.classes.equal(wanted)
        assert (step.entropies > 0).all()
        sums -= step.log_probs * (t < crops.lengths)[:, None]
        s = step.s
    expected = tune_nats(model, crops, z, steps=7)
    torch.testing.assert_close(sums.double(), expected, rtol=1e-5, atol=1e-3)


def test_highway_has_the_gradient_of_the_plain_recurrence() -> None:
    torch.manual_seed(2)
    inputs = [torch.randn(5, 3, 8), torch.randn(3, 4), torch.randn(2, 4, 8), torch.randn(2, 8)]
    inputs = [x.requires_grad_() for x in inputs]
    weight = torch.randn(5, 3, 4)
    plain = torch.autograd.grad((plain_highway(*inputs) * weight).sum(), inputs)
    out, last = highway(*inputs)
    ours = torch.autograd.grad((out * weight).sum(), inputs)
    assert last.equal(out[-1])
    for a, b in zip(plain, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=FLOAT_TOLERANCE, atol=FLOAT_TOLERANCE)


def test_highway_passes_on_the_gradient_of_its_last_state() -> None:
    inputs = [torch.randn(4, 3, 8), torch.randn(3, 4), torch.randn(2, 4, 8), torch.randn(2, 8)]
    inputs = [x.requires_grad_() for x in inputs]
    plain = torch.autograd.grad(plain_highway(*inputs)[-1].sum(), inputs)
    ours = torch.autograd.grad(highway(*inputs)[1].sum(), inputs)
    for a, b in zip(plain, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=FLOAT_TOLERANCE, atol=FLOAT_TOLERANCE)


def test_gru_equals_torch_forward_and_backward() -> None:
    torch.manual_seed(3)
    theirs = torch.nn.GRU(4, 6)
    x = torch.randn(7, 2, 4)
    weight = torch.randn(7, 2, 6)
    ours = [p.detach()[None].requires_grad_() for p in theirs.parameters()]
    w_in, w_state, b_in, b_state = ours
    out = gru(x[None], w_in.transpose(1, 2), w_state.transpose(1, 2), b_in, b_state)[0]
    torch.testing.assert_close(out, theirs(x)[0])
    (out * weight).sum().backward()
    (theirs(x)[0] * weight).sum().backward()
    for a, b in zip(theirs.parameters(), ours, strict=True):
        torch.testing.assert_close(a.grad, b.grad[0], rtol=1e-4, atol=1e-5)


def test_padding_does_not_reach_the_latent() -> None:
    model = small_model().eval()
    tunes = made_tunes()
    together = encoded(model, whole_tracks(tunes, [0, 9]))
    alone = encoded(model, whole_tracks(tunes, [0]))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[:1], b)


@pytest.mark.parametrize("family", VARIANTS)
def test_gradient_reaches_every_parameter(family: str) -> None:
    task = made_task(made_tunes(), family)
    task.model.train()
    for batch in task.batches(1):
        task.train_step(batch, None).loss.backward()
    silent = [n for n, p in task.model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_latent_is_held_through_a_track_and_paid_for_once() -> None:
    """All crops of a track hear the same window, and their shares of its divergence sum to one."""
    tunes = made_tunes()
    batches = list(epoch_crops(tunes, [0], 3, rows=1, crop=16, transpose=True, hear=24))
    assert len(batches) > 1
    assert sum(float(crops.share) for crops in batches) == pytest.approx(1)
    assert all(crops.heard.equal(batches[0].heard) for crops in batches)
    assert batches[0].heard_lengths.item() == 24
    model = small_model()
    _, kl, (_, noise) = crop_nats(model, batches[0])
    _, later_kl, (_, later) = crop_nats(model, batches[1], [torch.zeros(1, 12), noise])
    assert later.equal(noise)
    torch.testing.assert_close(kl, later_kl)


def test_hearing_nothing_of_a_track_gives_each_crop_its_own_latent() -> None:
    for crops in epoch_crops(made_tunes(), [0], 3, rows=1, crop=16, transpose=True):
        assert crops.heard.equal(crops.classes)
        assert crops.share.item() == 1


@dataclass
class Kept:
    """Stands for a CUDA graph: keeps its outputs' memory from call to call, as one does."""

    function: Callable[..., tuple[Tensor, ...]]
    inputs: list[Tensor]

    def __post_init__(self) -> None:
        self.outputs = tuple(x.clone() for x in self.function(*self.inputs))

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        for kept, given in zip(self.inputs, inputs, strict=True):
            kept.copy_(given)
        for kept, new in zip(self.outputs, self.function(*self.inputs), strict=True):
            kept.copy_(new)
        return self.outputs


def test_recorded_loops_train_as_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording's memory is used again by the next update; an update in between has its own."""

    def weights() -> Tensor:
        torch.manual_seed(5)
        task = made_task(made_tunes(), "vrash")
        optimizer = torch.optim.SGD(task.model.parameters(), lr=0.05)
        for batch in task.batches(0):
            first, second = (task.train_step(batch, None).loss for _ in range(2))
            optimizer.zero_grad()
            (first + second).backward()
            optimizer.step()
        return torch.cat([p.flatten() for p in task.model.parameters()])

    plain = weights()
    monkeypatch.setattr(replay, "Replay", Kept)
    monkeypatch.setattr(replay, "recordable", lambda _x: True)
    torch.testing.assert_close(weights(), plain)


@pytest.mark.parametrize("family", VARIANTS)
def test_tiny_preset_learns_within_seconds(family: str, tmp_path: Path) -> None:
    trainer = made_trainer(tmp_path / "run", family)
    random = trainer.task.evaluate()["cross_entropy"]
    best = trainer.run()
    assert best["cross_entropy"] < random - 0.5
    model = model_from_checkpoint(load_checkpoint(tmp_path / "run" / "best.pt"))
    assert (model.family, model.styles) == (family, ("down", "up"))
    again = evaluate_tunes(model, made_tunes(), made_tunes().indices("valid"))
    assert again["total"] == pytest.approx(best["total"], abs=1e-6)


def test_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    made_trainer(tmp_path / "whole").run()
    broken = made_trainer(tmp_path / "broken", kill_at=5)
    with pytest.raises(StopTraining):
        broken.run()
    again = made_trainer(tmp_path / "broken")
    again.resume()
    assert again.update == 5
    again.run()
    expected = load_checkpoint(tmp_path / "whole" / "best.pt").weights
    actual = load_checkpoint(tmp_path / "broken" / "best.pt").weights
    assert all(torch.equal(expected[k], actual[k]) for k in expected)


def test_state_goes_on_from_crop_to_crop_and_begins_anew_with_a_track() -> None:
    """Two crops of an lm, the state carried between them, cost what they cost at once."""
    model = small_model("lm").eval()
    model.config = replace(model.config, history_dropout=0.0, meta_dropout=0.0)
    whole = whole_tracks(made_tunes(), [0, 0])._replace(programme=torch.tensor([-1, -1]))
    cut = 20
    first = whole._replace(classes=whole.classes[:, :cut], lengths=torch.full((2,), cut))
    later = whole._replace(
        classes=whole.classes[:, cut:],
        lengths=whole.lengths - cut,
        before=whole.classes[:, cut - 1],
    )
    nats, _, state = crop_nats(model, first)
    more, _, _ = crop_nats(model, later, state)
    expected, _, _ = crop_nats(model, whole)
    torch.testing.assert_close(nats + more, expected)
    anew = later._replace(before=torch.full((2, 3), -1))
    torch.testing.assert_close(crop_nats(model, anew, state)[0], crop_nats(model, anew)[0])


def test_divergence_is_that_of_two_normal_densities() -> None:
    mean, log_variance = torch.tensor([0.0, 1.5, -2.0]), torch.tensor([0.0, 0.7, -1.1])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_free_bits_cost_nothing_and_the_weight_rises() -> None:
    tunes = made_tunes()
    data = VrashData(anneal_epochs=4.0, kl_weight=0.5)
    assert [data.weight(e) for e in (0.0, 2.0, 4.0, 9.0)] == [0.0, 0.25, 0.5, 0.5]
    losses = {}
    for free, late in ((0.0, 0.0), (0.0, 9.0), (1e3, 9.0)):
        task = made_task(tunes, free_bits=free)
        batch = next(iter(task.batches(0)))
        torch.manual_seed(4)
        losses[free, late] = task.train_step(batch._replace(epochs=late), None)
    first, full, free = losses.values()
    tracks, notes = float(batch.crops.share.sum()), first.counted
    paid, held = float(first.sums["kl"]) / notes, 4 * 1e3 * tracks / notes
    assert full.loss.item() == pytest.approx(first.loss.item() + paid, rel=1e-5)
    assert free.loss.item() == pytest.approx(first.loss.item() + held, rel=1e-5)


def test_latent_is_heard_as_loud_as_its_scale_says() -> None:
    loud = small_model()
    quiet = Vrash(replace(loud.config, latent_scale=0.1), loud.codec, loud.styles)
    quiet.load_state_dict(loud.state_dict())
    z, style = torch.randn(3, 5), torch.eye(3, 2)
    torch.testing.assert_close(quiet.condition(z, style), loud.condition(0.1 * z, style))
    torch.testing.assert_close(quiet.start(z, style), loud.start(0.1 * z, style))
    with pytest.raises(ValueError, match="latent_scale must be above 0"):
        replace(loud.config, latent_scale=0.0)


def test_history_dropout_shows_no_note_at_all() -> None:
    previous = torch.randint(0, 5, (50, 40, 3))
    torch.manual_seed(0)
    dropped = drop_history(previous, 0.3)
    gone = (dropped == -1).all(dim=2)
    assert gone.equal((dropped == -1).any(dim=2))
    assert dropped[~gone].equal(previous[~gone])
    assert 0.25 < gone.float().mean() < 0.35
    model = small_model()
    none = model.note_rows(torch.full((1, 3), -1))
    torch.testing.assert_close(none[0], model.no_note @ model.note_in)


def test_vae_does_not_see_the_note_before_and_lm_no_latent() -> None:
    previous = torch.tensor([[0, 1, 0], [5, 0, 1]])
    z, style = torch.randn(2, 5), torch.eye(2)
    vae, lm = small_model("vae"), small_model("lm")
    assert not vae.note_rows(previous).any()
    assert lm.condition(z, style).equal(lm.condition(-z, style))
    assert lm.start(z, style).equal(lm.start(-z, style))


def test_bounds_of_the_likelihood_are_in_order() -> None:
    """More samples bound more tightly, and all bounds lie above what is seen with z."""
    tunes = made_tunes()
    model, held = small_model(), tunes.indices("valid")
    figures = evaluate_tunes(model, tunes, held)
    one = importance_nats(model, tunes, held, samples=1)
    many = importance_nats(model, tunes, held, samples=32)
    assert figures["cross_entropy"] < figures["total"]
    assert many < one
    assert one == pytest.approx(figures["total"], abs=0.02)  # one draw of the divergence
    assert model.training


def test_uniform_figures_are_the_logarithms_of_the_sizes() -> None:
    tunes = made_tunes()
    model = small_model("lm")
    for weight in model.head_out:
        weight.data.zero_()
    figures = evaluate_tunes(model, tunes, tunes.indices("valid"))
    expected = sum(math.log(size) for size in tunes.codec.sizes)
    assert figures["total"] == pytest.approx(expected, abs=1e-5)


def test_latents_keep_the_order_of_the_tracks() -> None:
    tunes, model = made_tunes(), small_model()
    means, _ = latents(model, tunes, [5, 2, 9])
    alone, _ = latents(model, tunes, [2])
    torch.testing.assert_close(means[1:2], alone)


@pytest.mark.parametrize("family", VARIANTS)
def test_exported_arrays_step_as_the_model_does(family: str) -> None:
    """The fold: sums of rows, x @ W, and zeros for what the family does not use."""
    model = small_model(family).eval()
    arrays = model.export_arrays()
    sizes, offsets = model.sizes, model.offsets
    rng = np.random.default_rng(0)
    z, style = rng.normal(size=(2, 5)), np.array([[1.0, 0.0], [0.3, 0.7]])
    s = np.tanh(z @ arrays["start_z"] + arrays["start_b"])
    torch.testing.assert_close(
        torch.tensor(s).float(), model.start(torch.tensor(z).float(), torch.zeros(2, 2))
    )
    previous = np.array([[3, 0, 1], [-1, -1, -1]])
    rows = np.stack(
        [arrays["prev_table"][previous[0] + offsets[:3]].sum(axis=0), arrays["prev_table"][-1]]
    )
    a = rows + z @ arrays["cond_z"] + style @ arrays["cond_style"] + arrays["bias_in"]
    a = a + s @ arrays["r_0"]
    state = s
    for layer in range(3):
        a = a if layer == 0 else state @ arrays[f"r_{layer}"] + arrays[f"rb_{layer}"]
        h, t = np.tanh(a[:, :12]), 1 / (1 + np.exp(-a[:, 12:]))
        state = state + t * (h - state)
    noise = np.zeros((2, offsets[-1]), dtype=np.float32)
    floats = [torch.tensor(x).float() for x in (s, z, style, noise)]
    step = model.step(torch.tensor(previous), *floats)
    torch.testing.assert_close(step.s, torch.tensor(state).float())
    classes = step.classes.numpy()
    for m in range(3):
        u = state @ arrays[f"head_a_{m}"] + arrays[f"head_ab_{m}"]
        if m:
            u = u + arrays[f"head_rows_{m}"][classes[:, :m] + offsets[:m]].sum(axis=1)
        logits = torch.tensor(np.tanh(u) @ arrays[f"head_b_{m}"] + arrays[f"head_bb_{m}"])
        assert logits.shape == (2, sizes[m])
        chosen = F.log_softmax(logits, 1).gather(1, step.classes[:, m : m + 1])[:, 0]
        torch.testing.assert_close(chosen.float(), step.log_probs[:, m])


@pytest.mark.parametrize("name", [*VARIANTS, "tunes"])
def test_presets_raise_the_weight_over_a_quarter_of_the_run(name: str) -> None:
    preset = load_preset(name)
    assert 0.2 <= preset.data["anneal_epochs"] / preset.loop.epochs <= 0.3


def test_another_corpus_and_another_family_are_refused() -> None:
    tunes = made_tunes()
    model = small_model()
    with pytest.raises(DataError, match="styles bach, jazz, the model down, up"):
        VrashTask(model, replace(tunes, styles=("bach", "jazz")), VrashData(), 0)
    with pytest.raises(ValueError, match=r"model\.family must be lm, not 'vae'"):
        trainable("lm").build({"family": "vae", "styles": ["a"]}, tunes.codec)
    with pytest.raises(ValueError, match="at least one style"):
        trainable("lm").build({"styles": []}, tunes.codec)
    with pytest.raises(ValueError, match="no TuneCodec"):
        trainable("lm").build({"styles": ["a"]}, FakeCodec())


class FakeCodec:
    name = "other"


@pytest.mark.parametrize(
    "wrong",
    [{"family": "gan"}, {"depth": 0}, {"embeddings": (1, 2)}, {"history_dropout": 1.0},
     {"latent": 0}, {"encoder_hidden": 0}],
)  # fmt: skip
def test_a_configuration_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        VrashConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"crop": 1}, {"kl_weight": -1.0}, {"balance": 1.5}]
)
def test_a_choice_of_data_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        VrashData(**wrong)  # type: ignore[arg-type]


def test_an_unknown_key_of_a_preset_is_named() -> None:
    with pytest.raises(ConfigError, match=r"model\.layers: unknown key"):
        load_preset("vrash-tiny", {"model.layers": 2})


def train_arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([*words, "--quiet", "--threads", "1", "--precision", "float32"])


def test_the_verb_trains_on_tunes_and_refuses_other_files(tmp_path: Path) -> None:
    made_tunes().save(tmp_path / "tunes.npz")
    out = str(tmp_path / "run")
    arguments = train_arguments(
        "lm", "--preset", "lm-tiny", "--tensors", str(tmp_path / "tunes.npz"), "--output", out
    )
    about = make_trainer(arguments).about
    assert {"made": {"pieces": 20, "notes": 1150, "licences": []}} == about["corpus"]
    np.savez(tmp_path / "other.npz", meta=np.frombuffer(b'{"pieces": []}', dtype=np.uint8))
    arguments.tensors, arguments.resume = tmp_path / "other.npz", True
    with pytest.raises(DataError, match=r"other\.npz: holds pieces, not tunes"):
        make_trainer(arguments)

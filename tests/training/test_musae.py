"""MusAE: encoder, decoders, critic and prior; training with two optimisers, stopped and resumed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.errors import DataError
from streamer.families.bands.codec import HOLD, SILENCE, TRACKS, BandCodec
from tests.bandsongs import band_set
from tests.training.killed import killed_at
from training.families.bands.model import Critic, Musae, MusaeConfig, standard_kl
from training.families.bands.task import MusaeData, MusaeTask, reconstruction, splice
from training.run import loop
from training.run.checkpoint import load_checkpoint
from training.run.loop import LoopConfig, StopTraining, Trainer
from training.run.task import AdversarialTask

CODEC = BandCodec(4, 32)
TINY = MusaeConfig(hidden=16, layers=2, latent=6)
UNFOLDED = MusaeConfig(hidden=16, layers=2, latent=6, unfold=4, parts=4)


def model(config: MusaeConfig = TINY) -> Musae:
    torch.manual_seed(0)
    return Musae(config, CODEC, ["jazz", "rock"])


def task(config: MusaeConfig = TINY, **data: object) -> MusaeTask:
    choices = {"batch": 8, "critic_steps": 2, "beta_every": 4, **data}
    return MusaeTask(model(config), band_set(), MusaeData(**choices), seed=1)  # type: ignore[arg-type]


def test_a_window_becomes_one_latent_and_four_tracks() -> None:
    net = model()
    states = torch.from_numpy(band_set(1).song(0)[:32][None].repeat(3, axis=0))
    mean, log_variance = net.encode(states)
    assert mean.shape == log_variance.shape == (3, 6)
    assert net.decode(mean).shape == (3, 32, 4, 130)


def test_the_encoder_reads_from_both_ends() -> None:
    net = model()
    states = torch.from_numpy(band_set(1).song(0)[:32].copy()[None])
    base = net.encode(states)[0]
    for step in (0, 31):
        other = states.clone()
        other[0, step, 1] = 99
        assert not torch.allclose(net.encode(other)[0], base)


def test_each_decoder_is_of_its_own_track_and_z_is_all_they_hear() -> None:
    net = model()
    z = torch.randn(2, 6)
    before = net.decode(z)
    with torch.no_grad():
        net.decoders["bass"].out.bias += 1.0
        net.decoders["bass"].out.bias[HOLD] += 1.0
    moved = (net.decode(z) - before).abs().amax(dim=(0, 1, 3))
    assert [bool(m > 0) for m in moved] == [track == "bass" for track in TRACKS]


def test_latents_are_spread_before_training_and_left_alone_after() -> None:
    net = model()
    states = torch.from_numpy(np.stack([band_set(4).song(i)[:32] for i in range(4)]))
    net.spread(states)
    means = net.encode(states)[0] / net.unit
    assert torch.allclose(means.std(dim=0), torch.ones(6), atol=1e-3)
    assert means.mean(dim=0).abs().max() < 1e-3
    before = net.latent.weight.clone()
    net.spread(states)
    assert torch.equal(before, net.latent.weight)


@pytest.mark.parametrize("config", [TINY, UNFOLDED], ids=["paper", "unfolded"])
def test_every_parameter_learns(config: MusaeConfig) -> None:
    net = model(config)
    states = torch.from_numpy(band_set(1).song(0)[:32][None].copy())
    mean, log_variance = net.encode(states)
    z = mean + (log_variance / 2).exp() * torch.randn(1, 6)
    net.decode(z).logsumexp(-1).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_critic_is_told_the_genre_and_its_loss_has_the_corrected_signs() -> None:
    torch.manual_seed(0)
    critic = Critic(TINY)
    z, petals = torch.randn(4, 6), torch.tensor([0, 5, 5, 32])
    scores = critic(z, petals)
    assert not torch.allclose(critic(z, petals.flip(0)), scores)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
    # A critic that says nothing: no difference, and a gradient of 0 where 1 is wanted.
    loss = critic.loss(z, -z, petals, torch.full((4, 1), 0.5), 10.0)
    assert loss.item() == pytest.approx(10.0)
    optimizer = torch.optim.Adam((critic := Critic(TINY)).parameters(), lr=0.02)
    encoded, prior = torch.randn(64, 6) - 1, torch.randn(64, 6) + 1
    many = torch.zeros(64, dtype=torch.int64)
    for _ in range(30):
        optimizer.zero_grad()
        critic.loss(encoded, prior, many, torch.rand(64, 1), 10.0).backward()
        optimizer.step()
    assert critic(prior, many).mean() > critic(encoded, many).mean() + 0.5


def test_without_genres_the_critic_hears_of_none() -> None:
    config = MusaeConfig(hidden=8, layers=1, latent=3, prior="normal")
    critic = Critic(config)
    z = torch.randn(2, 3)
    assert torch.equal(critic(z, torch.tensor([0, 1])), critic(z, torch.tensor([7, 32])))
    assert torch.equal(model(config).unit, torch.ones(3))
    z = model(config).sample_prior(np.zeros(5000, np.int64), np.random.default_rng(0))
    assert z.std() == pytest.approx(1.0, abs=0.03)


def test_a_song_of_several_genres_takes_each_in_turn_and_one_of_none_the_middle() -> None:
    net = model()
    assert net.petals(("jazz", "rock", "polka")) == [0, 16]
    assert net.petals(("polka",)) == net.petals(()) == [32]


def test_beta_grows_in_steps_and_stops() -> None:
    data = MusaeData(beta_every=100, beta_step=0.25, beta_most=0.6)
    assert [data.beta(u) for u in (0, 99, 100, 250, 10_000)] == [0, 0, 0.25, 0.5, 0.6]


def test_accuracy_stands_beside_always_holding() -> None:
    states = np.full((1, 4, 4), HOLD, np.uint8)
    states[0, 0] = 60
    always = reconstruction(states, states == HOLD)
    assert (always["accuracy"], always["hold"], always["gap"], always["onsets"]) == (0.75,) * 2 + (
        0.0,
    ) * 2
    assert reconstruction(states, np.ones_like(states, np.bool_))["gap_bass"] == 1.0


def test_standard_kl_is_nothing_for_the_standard_normal() -> None:
    rng = np.random.default_rng(0)
    assert standard_kl(rng.standard_normal((20_000, 3))) < 0.001
    assert standard_kl(2 * rng.standard_normal((20_000, 3))) == pytest.approx(
        0.5 * (4 - 1 - math.log(4)), abs=0.05
    )


def test_batches_are_the_same_for_the_same_epoch_and_move_all_but_drums() -> None:
    work = task()
    first, again, other = (list(work.batches(e)) for e in (2, 2, 3))
    assert all(torch.equal(a.states, b.states) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].states, other[0].states)
    assert [b.update for b in first] == [2 * len(first) + i for i in range(len(first))]
    drums = torch.cat([b.states[..., 0] for b in other]).unique()
    assert set(drums.tolist()) <= {*range(36, 45), 128, 129}


def test_an_epoch_of_several_passes_shows_every_window_as_often() -> None:
    thrice = task(transpose=False, passes=3, batch=1)
    batches = list(thrice.batches(0))
    assert len(batches) == thrice.updates_per_epoch()
    keys = [str(window) for batch in batches for window in batch.states.tolist()]
    assert {3} == {keys.count(key) for key in keys}


def test_a_corrupted_window_is_heard_with_gaps_and_played_back_whole() -> None:
    clean, dirty = task(transpose=False), task(transpose=False, corrupt=0.5)
    for one, other in zip(clean.batches(0), dirty.batches(0), strict=True):
        assert torch.equal(one.states, other.states)
        assert torch.equal(one.heard, one.states)
        gone = other.heard != other.states
        assert 0.2 < gone.float().mean() < 0.6  # what was silent already is no gap
        assert set(other.heard[gone].tolist()) == {SILENCE}


def test_spliced_windows_take_beats_of_a_track_from_others_and_hold_no_silence() -> None:
    rng = np.random.default_rng(0)
    states = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None], 32, axis=1)
    states = states.repeat(4, axis=2)
    assert np.array_equal(splice(states, 0.0, rng), states)
    mixed = splice(states, 0.5, rng)
    foreign = mixed != states
    assert 0.3 < foreign.any(axis=1).mean() < 0.55  # half of the tracks, less those of themselves
    assert np.array_equal(foreign[:, ::4], foreign[:, 3::4])  # whole beats
    for window, track in zip(*np.nonzero(foreign.any(axis=1)), strict=True):
        assert len(set(mixed[window, :, track][foreign[window, :, track]])) == 1
    states[::2], states[1::2] = SILENCE, HOLD
    states[1::2, 0] = 60
    mixed = splice(states, 1.0, rng)
    assert not ((mixed[:, 1:] == HOLD) & (mixed[:, :-1] == SILENCE)).any()


def test_a_task_that_splices_plays_back_what_it_hears() -> None:
    for batch in task(transpose=False, splice=1.0).batches(0):
        assert torch.equal(batch.heard, batch.states)


def test_latents_are_pulled_to_the_middle_of_their_petals_and_only_where_there_are_petals() -> None:
    net = model()
    petals = torch.tensor([0, 16, 32])
    middle = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    z = torch.cat([middle, torch.randn(3, 4)], dim=1)
    assert net.astray(z, petals).abs().max() < 1e-6
    z[:, 1] += 0.5
    assert net.astray(z, petals).tolist() == pytest.approx([0.5 * 0.25 / 0.1] * 3, rel=1e-4)
    work = task(pull=2.0)
    batch = next(iter(work.batches(0)))
    pulled = work.train_step(batch, None)
    work.data = replace(work.data, pull=0.0)
    assert pulled.loss > work.train_step(batch, None).loss
    normal = task(replace(TINY, prior="normal"), pull=2.0)
    alone = normal.train_step(next(iter(normal.batches(0))), None)
    assert alone.loss.item() == pytest.approx(sum(alone.sums.values()) / alone.counted, rel=1e-5)


def test_training_learns_to_play_back() -> None:
    work = task(MusaeConfig(hidden=24, layers=1, latent=6), transpose=False, batch=16)
    before = work.evaluate()
    both = [torch.optim.Adam(net.parameters(), lr=0.02) for net in (work.model, work.opponent)]
    for epoch in range(8):
        for batch in work.batches(epoch):
            for loss in work.opponent_losses(batch):
                both[1].zero_grad()
                loss.backward()
                both[1].step()
            both[0].zero_grad()
            work.train_step(batch, None).loss.backward()
            both[0].step()
    after = work.evaluate()
    assert sum(after[t] for t in TRACKS) < 0.6 * sum(before[t] for t in TRACKS)
    assert after["accuracy"] > before["accuracy"]
    assert {"gap", "onsets", "hold", "petal", "mismatch", "accuracy_drums"} <= set(after)


def test_the_autoencoder_is_led_to_what_the_critic_takes_for_the_prior() -> None:
    work = task(beta_every=1, beta_step=0.5)
    batch = next(iter(work.batches(1)))
    led = work.train_step(batch, None).loss
    grown = work.opponent.layers[-1].bias
    with torch.no_grad():
        grown += 3.0
    # The critic says 3 more of everything; β is 1, and the loss falls by as much.
    assert (led - work.train_step(batch, None).loss).item() == pytest.approx(3.0, abs=1e-4)
    work.data = replace(work.data, beta_most=0.0)
    alone = work.train_step(batch, None)
    assert alone.loss.item() == pytest.approx(sum(alone.sums.values()) / alone.counted, rel=1e-5)


def test_a_run_that_is_killed_goes_on_to_the_same_weights_of_both_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "write_curves", lambda _folder, _unit: None)
    monkeypatch.setattr(loop, "write_events", lambda _folder, _row: None)
    config = LoopConfig(epochs=2, learning_rate=0.01, warmup=2, average=0.9, patience=0)
    whole = Trainer(task(), config, tmp_path / "whole", {})
    (tmp_path / "whole").mkdir()
    whole.run()
    (tmp_path / "broken").mkdir()
    broken = Trainer(killed_at(7, task()), config, tmp_path / "broken", {})
    with pytest.raises(StopTraining):
        broken.run()
    again = Trainer(task(), config, tmp_path / "broken", {})
    again.resume()
    again.run()
    one, other = (load_checkpoint(tmp_path / n / "last.pt") for n in ("whole", "broken"))
    assert all(torch.equal(v, other.weights[k]) for k, v in one.weights.items())
    assert not any("critic" in name for name in one.weights)
    critics = [c.progress["opponent"]["weights"] for c in (one, other)]
    assert all(torch.equal(v, critics[1][k]) for k, v in critics[0].items())


def test_only_an_adversarial_task_has_an_opponent() -> None:
    assert isinstance(task(), AdversarialTask)
    assert not isinstance(object(), AdversarialTask)


def test_songs_too_short_for_a_window_are_refused_with_what_to_do() -> None:
    long = Musae(TINY, BandCodec(4, 256), [])
    with pytest.raises(DataError, match="no window of 16 bars"):
        MusaeTask(long, band_set(bars=8), MusaeData(bars=16), seed=0)


def test_parts_that_do_not_fill_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="parts must divide the 32 steps, not 5"):
        model(replace(UNFOLDED, parts=5))


@pytest.mark.parametrize("choice", [{"splice": 1.5}, {"pull": -1.0}, {"corrupt": 1.0}])
def test_impossible_ways_to_train_are_refused(choice: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(choice))):
        MusaeData(**choice)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choice", "said"),
    [({"hidden": 0}, "hidden must be 1 or more"), ({"prior": "star"}, "prior must be one of"),
     ({"latent": 1}, "latent must be 2 or more"), ({"parts": -1}, "parts must be 0 or more")],
)  # fmt: skip
def test_impossible_shapes_are_refused(choice: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MusaeConfig(**choice)  # type: ignore[arg-type]

"""MusAE as the training loop sees it: windows of bands in, two networks against each other.

Autoencoder and critic take turns with every batch: the critic a few steps on encodings and samples
of the prior (:meth:`MusaeTask.opponent_losses`), then the autoencoder one on reconstruction and, by
the weight β, on what the critic says. All that is drawn follows from the number of the batch, so
that a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streamer.errors import DataError
from streamer.families.bands.codec import (
    HOLD,
    HOLDS,
    PITCHES,
    SILENCE,
    STATES,
    TRACKS,
    BandCodec,
    States,
    transpose,
)
from training.families.bands.bandset import BAR_STEPS, STEPS_PER_BEAT, BandSet, Windows, cut_windows
from training.families.bands.model import Critic, Musae, standard_kl
from training.run.task import Rows, StepResult
from training.run.unit import Unit

TRANSPOSE = (-5, 6)
"""Semitones, least and greatest ([Valenti2020], section 4.1)."""

MOST_VALID = 2048
"""Held-out windows that an epoch is judged by; a larger set is thinned evenly."""


@dataclass(frozen=True)
class MusaeData:
    """How the corpus is cut, and how the two networks take turns.

    Attributes:
        batch: Windows of an update; the paper's is 256.
        bars: Of a window: 2, or 16.
        hold: How held notes are written (:mod:`streamer.families.bands.codec`): ``onsets`` or
            ``release``.
        transpose: Whether windows are moved by -5..6 semitones at random; drums never are.
        corrupt: Share of states that the encoder reads as silence in training, 0..1; what it has
            to play back is whole. Keeps a small corpus from being learnt by heart.
        splice: Share of a window's tracks of which some beats are taken from another window of the
            batch, 0..1: music that is not in the corpus, of which nothing can be known by heart.
        passes: Times that all windows are shown in an epoch, after which it is judged: few windows
            make short epochs.
        critic_steps: Steps of the critic for one of the autoencoder.
        penalty: Weight of the critic's gradient penalty.
        beta_most: β at the end.
        beta_step: β grows by this much ...
        beta_every: ... every this many updates, from 0.
        pull: Weight of how far latents are from the middle of their petals (ours; 0 in the paper):
            the critic hardly looks at two numbers among hundreds.
    """

    batch: int = 256
    bars: int = 2
    hold: str = "onsets"
    transpose: bool = True
    corrupt: float = 0.0
    splice: float = 0.0
    passes: int = 1
    critic_steps: int = 5
    penalty: float = 10.0
    beta_most: float = 1.0
    beta_step: float = 0.1
    beta_every: int = 10_000
    pull: float = 0.0

    def __post_init__(self) -> None:
        for name in ("batch", "bars", "passes", "critic_steps", "beta_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if min(self.penalty, self.beta_most, self.beta_step, self.pull) < 0:
            raise ValueError("penalty, beta_most, beta_step and pull must be 0 or more")
        if not 0 <= self.corrupt < 1:
            raise ValueError(f"corrupt must be in range 0..1, below 1, not {self.corrupt}")
        if not 0 <= self.splice <= 1:
            raise ValueError(f"splice must be in range 0..1, not {self.splice}")
        if self.hold not in HOLDS:
            raise ValueError(f"hold must be one of {', '.join(HOLDS)}, not {self.hold!r}")

    def codec(self) -> BandCodec:
        """Return what the states of the model mean."""
        return BandCodec(STEPS_PER_BEAT, self.bars * BAR_STEPS, self.hold)

    def beta(self, update: int) -> float:
        """Return the weight of the critic's word at an update."""
        return min(self.beta_most, self.beta_step * (update // self.beta_every))


class Batch(NamedTuple):
    """Windows of an update.

    Attributes:
        states: ``(B, steps, 4)`` uint8.
        heard: What the encoder reads of them, in the same shape.
        petals: Petal of one of each song's genres, ``(B,)`` int64.
        update: Number of the batch in the whole run.
    """

    states: Tensor
    heard: Tensor
    petals: Tensor
    update: int


class MusaeTask:
    """See :class:`training.run.task.AdversarialTask`.

    Args:
        model: To train, on its device.
        bands: Prepared corpus.
        data: How it is cut.
        seed: Decides order, augmentation, latents and the critic's beginning.
        low_precision: bfloat16 products in encoder and decoders.
    """

    def __init__(
        self,
        model: Musae,
        bands: BandSet,
        data: MusaeData,
        seed: int,
        *,
        low_precision: bool = False,
        compiled: bool = False,
    ) -> None:
        del compiled
        self.model, self.bands, self.data, self.seed = model, bands, data, seed
        self.low_precision = low_precision
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.opponent = Critic(model.config).to(model.device)
        held = bands.indices("valid") or bands.indices("train")[:2]
        self._train = cut_windows(bands, bands.indices("train"), model.codec)
        valid = cut_windows(bands, held, model.codec)
        thin = np.linspace(0, len(valid) - 1, min(len(valid), MOST_VALID)).astype(np.int64)
        self._valid = Windows(valid.states[thin], valid.song[thin], valid.codec, valid.dropped)
        if not len(self._train) or not len(self._valid):
            raise DataError(
                f"no window of {data.bars} bars in which all four tracks play; prepare longer songs"
            )
        some = np.linspace(0, len(self._train) - 1, min(len(self._train), 512)).astype(np.int64)
        model.spread(torch.from_numpy(self._train.states[some]).to(model.device))
        self._petals = [model.petals(piece.tags) for piece in bands.pieces]
        self._ready: tuple[Batch, Tensor, Tensor] | None = None

    @property
    def rows(self) -> Rows:
        """Windows, each for itself."""
        return Rows(unused=True)

    @property
    def unit(self) -> Unit:
        """Nats a step by track; the total also has how far latents lie from their prior."""
        return Unit("step", dict.fromkeys(TRACKS, 1.0), beside="ln(1 + mismatch)")

    def batches(self, epoch_number: int) -> Iterator[Batch]:
        """Yield shuffled, transposed windows."""
        rng = np.random.default_rng((self.seed, epoch_number))
        passes = [rng.permutation(len(self._train)) for _ in range(self.data.passes)]
        order = np.concatenate(passes)
        updates = self.updates_per_epoch()
        for index in range(updates):
            some = order[index * self.data.batch : (index + 1) * self.data.batch]
            states = self._train.states[some]
            if self.data.transpose:
                low, high = TRANSPOSE
                states = transpose(states, rng.integers(low, high + 1, len(some)))
            if self.data.splice:
                states = splice(states, self.data.splice, rng)
            petals = self._draw_petals(self._train.song[some], rng)
            heard = np.where(rng.random(states.shape) < self.data.corrupt, SILENCE, states)
            update = epoch_number * updates + index
            yield Batch(
                torch.from_numpy(states),
                torch.from_numpy(heard.astype(np.uint8)),
                torch.from_numpy(petals),
                update,
            )

    def updates_per_epoch(self) -> int:
        """Return how many batches an epoch has; a last one of less than half is left out."""
        return max(1, round(self.data.passes * len(self._train) / self.data.batch))

    def _draw_petals(self, songs: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
        chosen = [self._petals[song][rng.integers(len(self._petals[song]))] for song in songs]
        return np.asarray(chosen, dtype=np.int64)

    def opponent_losses(self, batch: Batch) -> Iterator[Tensor]:
        """Yield the critic's loss, once for each of its steps."""
        mean, log_variance = self._encode(batch)
        petals = batch.petals.to(self.model.device)
        rng = np.random.default_rng((self.seed, batch.update, 1))
        for _ in range(self.data.critic_steps):
            encoded = self._draw(mean.detach(), log_variance.detach(), rng) / self.model.unit
            prior = self._tensor(self.model.sample_prior(batch.petals.numpy(), rng))
            mix = self._tensor(rng.random((len(mean), 1), dtype=np.float32))
            yield self.opponent.loss(
                encoded, prior / self.model.unit, petals, mix, self.data.penalty
            )

    def train_step(self, batch: Batch, carry: Any) -> StepResult:
        """Return reconstruction, nats a step over all tracks, less β times the critic's word."""
        mean, log_variance = self._encode(batch)
        self._ready = None
        z = self._draw(mean, log_variance, np.random.default_rng((self.seed, batch.update, 2)))
        states = batch.states.to(self.model.device)
        with self._autocast():
            logits = self.model.decode(z)
        nats = _nats(logits, states)
        count = states.shape[0] * states.shape[1]
        loss = nats.sum() / count
        beta = self.data.beta(batch.update)
        petals = batch.petals.to(self.model.device)
        if beta > 0:
            loss = loss - beta * self.opponent(z / self.model.unit, petals).mean()
        if self.data.pull and self.model.config.prior == "flower":
            loss = loss + self.data.pull * self.model.astray(z, petals).mean()
        figures = dict(zip(TRACKS, nats.detach().tolist(), strict=True))
        return StepResult(loss, figures, float(count), carry)

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encode a batch once for both networks: the critic's steps leave the encoder as it is."""
        if self._ready is None or self._ready[0] is not batch:
            with self._autocast():
                mean, log_variance = self.model.encode(batch.heard.to(self.model.device))
            self._ready = (batch, mean.float(), log_variance.float())
        return self._ready[1:]

    def _draw(self, mean: Tensor, log_variance: Tensor, rng: np.random.Generator) -> Tensor:
        noise = self._tensor(rng.standard_normal(tuple(mean.shape), dtype=np.float32))
        return mean + (log_variance / 2).exp() * noise

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).to(self.model.device)

    def _autocast(self) -> Any:
        kind = self.model.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=self.low_precision)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return figures of held-out windows.

        Nats a step by track; ``accuracy``, that of always holding (``hold``), the share of the
        ``gap`` between that and 1 that is closed, and the accuracy where a note begins
        (``onsets``), each in the mean over tracks and by track; ``petal``, the share of windows
        that lie nearest to a petal of their own; ``mismatch``, how far they are from their prior.
        ``total`` is the nats plus ln(1 + mismatch): best is what plays back well and can be
        composed from.
        """
        self.model.eval()
        means, sampled, logits_nats, right = [], [], [], []
        rng = np.random.default_rng(self.seed)
        for start in range(0, len(self._valid), 128):
            states = torch.from_numpy(self._valid.states[start : start + 128])
            states = states.to(self.model.device)
            mean, log_variance = self.model.encode(states)
            logits = self.model.decode(mean)
            logits_nats.append(_nats(logits, states))
            right.append((logits.argmax(-1) == states).cpu().numpy())
            means.append(mean.cpu().numpy())
            sampled.append(self._draw(mean, log_variance, rng).cpu().numpy())
        count = len(self._valid) * self._valid.codec.steps
        nats = (torch.stack(logits_nats).sum(0) / count).tolist()
        figures = dict(zip(TRACKS, nats, strict=True))
        figures.update(reconstruction(self._valid.states, np.concatenate(right)))
        figures.update(self._latent_figures(np.concatenate(means), np.concatenate(sampled)))
        total = self.unit.total(figures) + math.log1p(figures["mismatch"])
        return {**figures, "total": total}

    def _latent_figures(
        self, means: NDArray[np.float32], sampled: NDArray[np.float32]
    ) -> dict[str, float]:
        own = [self._petals[song] for song in self._valid.song]
        if self.model.config.prior != "flower":
            return {"mismatch": standard_kl(sampled)}
        nearest = self.model.flower.nearest(means)
        hits = [int(petal) in mine for petal, mine in zip(nearest, own, strict=True)]
        first = np.array([mine[0] for mine in own])
        return {
            "petal": float(np.mean(hits)),
            "mismatch": standard_kl(self.model.flower.fold(sampled, first)),
        }

    def restore_carry(self, saved: list[Tensor]) -> Any:
        """Return None: windows are independent."""
        del saved
        return None

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": Musae.family,
            "config": self.model.describe(),
            "codec": self.model.codec.to_dict(),
            "data": asdict(self.data),
        }


def splice(states: States, share: float, rng: np.random.Generator) -> States:
    """Return windows of which some tracks have some beats from another window.

    Args:
        states: ``(B, steps, 4)``.
        share: Probability of it for each track of each window, 0..1.
        rng: Which tracks, which beats and from which window.
    """
    count, steps, tracks = states.shape
    beats = steps // STEPS_PER_BEAT
    first = rng.integers(0, beats, (count, 1, tracks)) * STEPS_PER_BEAT
    last = first + rng.integers(1, beats + 1, (count, 1, tracks)) * STEPS_PER_BEAT
    chosen = rng.random((count, 1, tracks)) < share
    step = np.arange(steps)[None, :, None]
    taken = chosen & (step >= first) & (step < last)
    mixed = np.where(taken, states[rng.permutation(count)], states)
    # What held a note now may follow silence, and there is nothing to hold.
    for after in range(1, steps):
        lost = (mixed[:, after] == HOLD) & (mixed[:, after - 1] == SILENCE)
        mixed[:, after][lost] = SILENCE
    return mixed


def _nats(logits: Tensor, states: Tensor) -> Tensor:
    """Return the nats of each track, summed over windows and steps, ``(4,)``."""
    flat = F.cross_entropy(logits.reshape(-1, STATES), states.reshape(-1).long(), reduction="none")
    return flat.reshape(states.shape).sum((0, 1))


def reconstruction(states: States, right: NDArray[np.bool_]) -> dict[str, float]:
    """Return accuracies beside those of always holding, over tracks and by track.

    Args:
        states: What was played, ``(windows, steps, 4)``.
        right: Whether each state came back.
    """
    found: dict[str, float] = {}
    onsets = states < PITCHES
    columns: dict[str, list[float]] = {"accuracy": [], "hold": [], "onsets": [], "gap": []}
    for track, name in enumerate(TRACKS):
        accuracy = float(right[..., track].mean())
        hold = float((states[..., track] == HOLD).mean())
        struck = right[..., track][onsets[..., track]]
        row = (accuracy, hold, float(struck.mean()) if struck.size else 0.0,
               (accuracy - hold) / max(1 - hold, 1e-9))  # fmt: skip
        for (column, values), value in zip(columns.items(), row, strict=True):
            values.append(value)
            found[f"{column}_{name}"] = value
    return {**{column: float(np.mean(values)) for column, values in columns.items()}, **found}

"""Family ``musae``: an adversarial autoencoder of four tracks.

Source: [Valenti2020]; docs/design/bands.md.

A bidirectional LSTM reads a window of a band, one latent z says all of it, and one LSTM a track
plays it back. The decoders do not hear what they play: z is their only input, in every step, so
that it has to carry the music. A critic holds encodings against a prior, the standard normal or a
flower with a petal for each genre (:mod:`streamer.families.bands.flower`); there is no KL term.

Inside, the latent is counted in units of the prior's narrow standard deviation (:attr:`Musae.unit`)
so that networks see numbers near 1; outside it is that of the paper.

In: states ``(B, steps, 4)``. Out: mean and log-variance ``(B, latent)``; logits
``(B, steps, 4, 130)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.bands.codec import STATES, TRACKS, BandCodec
from streamer.families.bands.flower import Flower

PRIORS = ("flower", "normal")

START_LOG_VARIANCE = -3.0
"""Where the encoder's log-variance begins, in units of the prior: little noise at first."""

MEMORY_STEPS = 32
"""Steps that an LSTM may remember at the start."""

SPREAD_ALREADY = 0.5
"""Deviation of the means, in units of the prior, from which a model counts as trained."""


@dataclass(frozen=True)
class MusaeConfig:
    """Shape of the model; the defaults are the paper's.

    Attributes:
        hidden: Width of every LSTM (of each direction of the encoder's).
        layers: Of every LSTM.
        latent: Numbers of z.
        critic: Width of the critic's two layers; 0: as ``hidden``.
        prior: ``flower``, or ``normal`` without genres.
        petals: Of the flower.
        unfold: 0 for the paper's decoders. Otherwise (ours) a perceptron unfolds z to this many
            numbers for every step, and one layer of LSTM reads them: no decoder has to learn to
            count the steps first (docs/results/musae.md).
        parts: 0 for the paper's encoder, whose z comes of its last outputs. Otherwise (ours) it
            comes of the means of its outputs over this many equal parts of the window: what happens
            in a part reaches z without being remembered to the end.
    """

    hidden: int = 1024
    layers: int = 3
    latent: int = 512
    critic: int = 0
    prior: Literal["flower", "normal"] = "flower"
    petals: int = 32
    unfold: int = 0
    parts: int = 0

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "petals"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.latent < 2 or self.critic < 0:
            raise ValueError("latent must be 2 or more, critic 0 or more")
        for name in ("unfold", "parts"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if self.prior not in PRIORS:
            raise ValueError(f"prior must be one of {', '.join(PRIORS)}, not {self.prior!r}")


class Decoder(nn.Module):
    """One track: z in every step, and at the start of each layer (equations 11 and 12)."""

    def __init__(self, config: MusaeConfig) -> None:
        super().__init__()
        self.start = nn.Linear(config.latent, config.hidden)
        self.lstm = nn.LSTM(config.latent, config.hidden, config.layers, batch_first=True)
        self.out = nn.Linear(config.hidden, STATES)
        _remember(self.lstm)

    def forward(self, z: Tensor, steps: int) -> Tensor:
        """Return logits ``(B, steps, 130)`` for latents ``(B, latent)`` in the prior's units."""
        h = self.start(z).expand(self.lstm.num_layers, -1, -1).contiguous()
        outputs, _ = self.lstm(z[:, None].expand(-1, steps, -1), (h, torch.zeros_like(h)))
        logits: Tensor = self.out(outputs)
        return logits


class UnfoldedDecoder(nn.Module):
    """One track: z unfolded to an input for every step, and one layer of LSTM over them (ours)."""

    def __init__(self, config: MusaeConfig, steps: int) -> None:
        super().__init__()
        self.wide = nn.Linear(config.latent, 2 * config.hidden)
        self.steps = nn.Linear(2 * config.hidden, steps * config.unfold)
        self.lstm = nn.LSTM(config.unfold, config.hidden, batch_first=True)
        self.out = nn.Linear(config.hidden, STATES)
        _remember(self.lstm)

    def forward(self, z: Tensor, steps: int) -> Tensor:
        """Return logits ``(B, steps, 130)`` for latents ``(B, latent)`` in the prior's units."""
        unfolded = self.steps(F.relu(self.wide(z)))
        outputs, _ = self.lstm(unfolded.view(len(z), steps, -1))
        logits: Tensor = self.out(outputs)
        return logits


class Musae(nn.Module):
    """Encoder and decoders.

    Args:
        config: Its shape.
        codec: Steps of a window.
        genres: Names, related ones side by side; spread over the petals in this order.
    """

    family = "musae"

    def __init__(self, config: MusaeConfig, codec: BandCodec, genres: Sequence[str] = ()) -> None:
        super().__init__()
        self.config, self.codec, self.genres = config, codec, tuple(genres)
        self.flower = Flower(config.latent, config.petals)
        self.petal_of = dict(zip(genres, self.flower.place(len(genres)), strict=True))
        width = STATES * len(TRACKS)
        self.encoder = nn.LSTM(
            width, config.hidden, config.layers, batch_first=True, bidirectional=True
        )
        if config.parts and codec.steps % config.parts:
            raise ValueError(f"parts must divide the {codec.steps} steps, not {config.parts}")
        self.latent = nn.Linear(2 * config.hidden * max(1, config.parts), 2 * config.latent)
        self.decoders = nn.ModuleDict(
            {
                track: UnfoldedDecoder(config, codec.steps) if config.unfold else Decoder(config)
                for track in TRACKS
            }
        )
        _remember(self.encoder)
        nn.init.constant_(self.latent.bias[config.latent :], START_LOG_VARIANCE)
        self.register_buffer("unit", torch.from_numpy(self._unit()), persistent=False)

    unit: Tensor
    """Standard deviation of the prior that counts as 1, ``(latent,)``."""

    def _unit(self) -> NDArray[np.float32]:
        unit = np.ones(self.config.latent, dtype=np.float32)
        if self.config.prior == "flower":
            unit[2:] = self.flower.other_sd
        return unit

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.latent.weight.device

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data."""
        return {**asdict(self.config), "genres": list(self.genres)}

    def encode(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of z, each ``(B, latent)`` float32.

        Args:
            states: ``(B, steps, 4)``, whole numbers 0..129.
        """
        x = F.one_hot(states.long(), STATES).flatten(2).float()
        outputs, _ = self.encoder(x)
        if self.config.parts:
            both = outputs.unflatten(1, (self.config.parts, -1)).mean(dim=2).flatten(1)
        else:
            # What each direction says when it has read all: the last step, and the first.
            hidden = self.config.hidden
            both = torch.cat([outputs[:, -1, :hidden], outputs[:, 0, hidden:]], dim=1)
        mean, log_variance = self.latent(both).float().chunk(2, dim=1)
        log_variance = log_variance.clamp(-14, 4) + 2 * torch.log(self.unit)
        return mean * self.unit, log_variance

    @torch.no_grad()
    def spread(self, states: Tensor) -> None:
        """Scale a fresh encoder so that the means of these windows have deviation 1 in each number.

        At the usual start all windows have nearly one latent, which the noise drowns: decoders
        learn to do without, and the critic sees to it that it stays so. A model whose latents are
        spread already is left as it is.

        Args:
            states: Windows of the corpus, ``(B, steps, 4)``, B 2 or more.
        """
        latent = self.config.latent
        means = self.encode(states)[0] / self.unit
        deviation = means.std(dim=0)
        if deviation.mean() > SPREAD_ALREADY:
            return
        deviation = deviation.clamp_min(1e-6)
        self.latent.weight[:latent] /= deviation[:, None]
        bias = self.latent.bias[:latent]
        self.latent.bias[:latent] = (bias - means.mean(dim=0)) / deviation

    def decode(self, z: Tensor) -> Tensor:
        """Return logits ``(B, steps, 4, 130)`` float32 for latents ``(B, latent)``."""
        scaled, steps = z / self.unit, self.codec.steps
        tracks = [self.decoders[track](scaled, steps) for track in TRACKS]
        return torch.stack(tracks, dim=2).float()

    def astray(self, z: Tensor, petals: Tensor) -> Tensor:
        """Return how far latents are from the middle of their petals, in the plane of the flower.

        Args:
            z: ``(B, latent)``.
            petals: ``(B,)`` int64.

        Returns:
            ``(B,)``: half the squared distance, counted in radial deviations of a petal.
        """
        middle = torch.from_numpy(self.flower.mean(petals.cpu().numpy())).to(z)
        return 0.5 * ((z[:, :2] - middle) ** 2).sum(dim=1) / self.flower.radial_sd**2

    def petals(self, tags: Sequence[str]) -> list[int]:
        """Return the petals that a song's tags name; that of the untagged where there is none."""
        known = [self.petal_of[tag] for tag in tags if tag in self.petal_of]
        return known or [self.flower.untagged]

    def sample_prior(
        self, petals: NDArray[np.integer], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Draw latents of the prior, ``(n, latent)``; the standard normal knows no petals."""
        if self.config.prior == "flower":
            return self.flower.sample(petals, rng)
        return rng.standard_normal((len(petals), self.config.latent), dtype=np.float32)

    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights as plain arrays, as torch names and lays them out."""
        found = {name: value.detach().float().numpy() for name, value in self.state_dict().items()}
        return {**found, "unit": self.unit.numpy()}


class Critic(nn.Module):
    """Tells encodings from the prior, genre by genre: 2 layers of tanh, linear out.

    Args:
        config: Gives its width, and whether it is told the genre.
    """

    def __init__(self, config: MusaeConfig) -> None:
        super().__init__()
        width = config.critic or config.hidden
        self.petals = config.petals + 1 if config.prior == "flower" else 0
        self.layers = nn.Sequential(
            nn.Linear(config.latent + self.petals, width), nn.Tanh(),
            nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, z: Tensor, petals: Tensor) -> Tensor:
        """Return how much each latent looks like the prior, ``(B,)``, without bounds.

        Args:
            z: ``(B, latent)`` in the prior's units.
            petals: ``(B,)`` int64.
        """
        if self.petals:
            z = torch.cat([z, F.one_hot(petals, self.petals).to(z.dtype)], dim=1)
        score: Tensor = self.layers(z)
        return score[:, 0]

    def loss(
        self, encoded: Tensor, prior: Tensor, petals: Tensor, mix: Tensor, weight: float
    ) -> Tensor:
        """Return E d(encoded) - E d(prior) + weight · (‖∇d‖ - 1)² (WGAN-GP, signs as in the spec).

        Args:
            encoded: Latents of real windows, detached, in the prior's units.
            prior: Latents of the prior in the same petals.
            petals: Of both.
            mix: ``(B, 1)`` in 0..1: where between the two the gradient is taken.
            weight: Of the penalty, 10 in the paper that it is from.
        """
        between = (mix * encoded + (1 - mix) * prior).requires_grad_(True)
        score = self(between, petals).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
        penalty = ((gradient.norm(dim=1) - 1) ** 2).mean()
        difference = self(encoded, petals).mean() - self(prior, petals).mean()
        loss: Tensor = difference + weight * penalty
        return loss


def _remember(lstm: nn.LSTM) -> None:
    """Start with gates that forget after 1 to 31 steps, each its own (Tallec and Ollivier 2018)."""
    for name, parameter in lstm.named_parameters():
        quarter = len(parameter) // 4
        if name.startswith("bias_ih"):
            forget = torch.log(torch.rand(quarter) * (MEMORY_STEPS - 2) + 1)
            with torch.no_grad():
                parameter[:quarter] = -forget
                parameter[quarter : 2 * quarter] = forget
        elif name.startswith("bias_hh"):
            nn.init.zeros_(parameter)
        elif name.startswith("weight_hh"):
            for gate in range(4):
                nn.init.orthogonal_(parameter[gate * quarter : (gate + 1) * quarter])


def standard_kl(seen: NDArray[np.floating]) -> float:
    """Return how far numbers are from the standard normal by mean and variance, nats a component.

    Args:
        seen: ``(n, components)``.
    """
    mean, variance = seen.mean(axis=0), seen.var(axis=0) + 1e-9
    return float(0.5 * (mean**2 + variance - 1 - np.log(variance)).mean())

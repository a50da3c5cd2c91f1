"""Family ``query``: a variational autoencoder of one bar.

Source: [Dubnov2019], section 3; docs/design/query.md.

In: the cells of a bar, sixteen sixteenths of 78 pitches, held and onset: 2,496 numbers. Out: logits
of the same, and the latent's mean and log-variance. The channel that is put between encoder and
decoder belongs to the bundle (:mod:`streamer.families.windows.bitchannel`): nothing of it is
trained.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.windows.codec import RollCodec

FIRST_LOGIT = -4.0
"""Where the cells' biases begin: music fills few of them."""


@dataclass(frozen=True)
class QueryConfig:
    """Shape of the model and of its objective.

    Attributes:
        hidden: Width of the hidden layers; the paper's is 500.
        layers: Hidden layers of the encoder, and of the decoder; the paper's is 1.
        latent: Components of z; the paper does not say.
        kl_weight: What a nat of the latent costs; 1 is the variational bound.
        dropout: Before the first hidden layer, 0..1: bars with some cells missing.
    """

    hidden: int = 500
    layers: int = 1
    latent: int = 64
    kl_weight: float = 1.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "latent"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not self.kl_weight >= 0 or not 0 <= self.dropout < 1:
            raise ValueError("kl_weight must be 0 or more, dropout in range 0..1, 1 excluded")


class Query(nn.Module):
    """The network.

    Args:
        config: Its shape.
        codec: Gives the cells.
    """

    family = "query"

    def __init__(self, config: QueryConfig, codec: RollCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        widths = [codec.cells] + [config.hidden] * config.layers
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.latent = nn.Linear(config.hidden, 2 * config.latent)
        widths = [config.latent] + [config.hidden] * config.layers
        self.decoder = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.cells = nn.Linear(config.hidden, codec.cells)
        nn.init.constant_(self.cells.bias, FIRST_LOGIT)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.cells.bias.device

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data."""
        return asdict(self.config)

    def encode(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent, ``(B, latent)`` each.

        Args:
            cells: ``(B, steps, pitches, layers)`` or flat, 0 or 1, float.
        """
        x = self.dropout(cells.reshape(len(cells), -1))
        for layer in self.encoder:
            x = torch.relu(layer(x))
        mean, log_variance = self.latent(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """Return the logits of the cells, ``(B, cells)``, for latents ``(B, latent)``."""
        for layer in self.decoder:
            z = torch.relu(layer(z))
        logits: Tensor = self.cells(z)
        return logits

    def forward(self, cells: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(B, cells)`` and the nats of each latent component ``(B, latent)``."""
        mean, log_variance = self.encode(cells)
        z = mean + (0.5 * log_variance).exp() * noise
        nats = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1)
        return self.decode(z), nats

    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the network as plain arrays, ``x @ W + b``, hidden layers with ReLU.

        ``encoder_w_i``, ``encoder_b_i``, ``latent_w``, ``latent_b`` (mean, then log-variance),
        ``decoder_w_i``, ``decoder_b_i``, ``cells_w``, ``cells_b``.
        """
        layers = {f"encoder_{{}}_{i}": layer for i, layer in enumerate(self.encoder)}
        layers |= {"latent_{}": self.latent, "cells_{}": self.cells}
        layers |= {f"decoder_{{}}_{i}": layer for i, layer in enumerate(self.decoder)}
        found = {}
        for name, layer in layers.items():
            assert isinstance(layer, nn.Linear)
            found[name.format("w")] = layer.weight.T
            found[name.format("b")] = layer.bias
        return {
            name: np.ascontiguousarray(value.detach().float().numpy())
            for name, value in found.items()
        }

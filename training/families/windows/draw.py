"""Family ``draw``: a section drawn on a canvas in T passes.

Source: [Sabathe2017], section 3; docs/design/draw.md.

A DRAW network without attention: in every pass the encoder reads the section and what is missing of
it, the latent z_t is drawn from what the encoder says, and the decoder adds to the canvas. To
generate, only decoder and canvas are needed, with z_t from the standard normal in every pass.

Reading is linear, so that the product with the section itself is taken once and not T times.
Writing is linear as well: the canvas after t passes is the sum of the decoder's outputs, times one
matrix; :meth:`Draw.decode` therefore costs one product, whatever T is.

In: cells ``(B, steps, pitches)``. Out: logits of the same shape, nats of the latents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.windows.codec import RollCodec
from training.kernels.repeated import Repeated

CANVAS_BIAS = -4.0
"""Where the canvas begins, logits in sum over all passes: about as many cells as music fills."""


@dataclass(frozen=True)
class DrawConfig:
    """Shape of the model; the defaults are the paper's reference.

    Attributes:
        passes: T, times that the canvas is written to.
        latent: Numbers of z in each pass.
        hidden: Width of the encoder's and the decoder's LSTM.
        write_rank: Width of a layer between decoder and canvas; 0 writes directly, as the paper.
        dropout: Share of the section's cells that the encoder does not see in an update, 0..1
            (ours; the paper has none): it then cannot tell the pieces by a few cells of each.
        kl_weight: What a nat of the latents costs in training; 1 is the variational bound.
    """

    passes: int = 23
    latent: int = 22
    hidden: int = 167
    write_rank: int = 0
    dropout: float = 0.0
    kl_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("passes", "latent", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.write_rank < 0:
            raise ValueError(f"write_rank must be 0 or more, not {self.write_rank}")
        if not self.kl_weight >= 0 or not 0 <= self.dropout < 1:
            raise ValueError("kl_weight must be 0 or more, dropout in range 0..1, 1 excluded")


class Draw(nn.Module):
    """The network.

    Args:
        config: Its shape.
        codec: Gives steps and pitches.
    """

    family = "draw"

    def __init__(self, config: DrawConfig, codec: RollCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        cells, hidden = codec.cells, config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.read_section = nn.Linear(cells, 4 * hidden)
        self.read_missing = nn.Linear(cells, 4 * hidden, bias=False)
        self.encoder_own = nn.Linear(hidden, 4 * hidden, bias=False)
        self.encoder_decoder = nn.Linear(hidden, 4 * hidden, bias=False)
        self.latent = nn.Linear(hidden, 2 * config.latent)
        self.decoder_in = nn.Linear(config.latent, 4 * hidden)
        self.decoder_own = nn.Linear(hidden, 4 * hidden, bias=False)
        if config.write_rank:
            self.write: nn.Module = nn.Sequential(
                nn.Linear(hidden, config.write_rank, bias=False),
                nn.Linear(config.write_rank, cells, bias=False),
            )
        else:
            self.write = nn.Linear(hidden, cells, bias=False)
        self.canvas = nn.Parameter(torch.full((cells,), CANVAS_BIAS))
        for matrix in (self.encoder_own, self.encoder_decoder, self.decoder_own):
            nn.init.orthogonal_(matrix.weight)
        nn.init.normal_(self.read_section.weight, std=0.01)
        nn.init.normal_(self.read_missing.weight, std=0.01)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.canvas.device

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data."""
        return asdict(self.config)

    def forward(self, cells: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Draw sections over with the encoder watching.

        Args:
            cells: ``(B, steps, pitches)`` or flat, 0 or 1, float.
            noise: ``(T, B, latent)`` from the standard normal.

        Returns:
            Logits of the last canvas, ``(B, cells)``, and the latents' nats ``(T, B)``.
        """
        canvas, posterior = self._drawn(cells, noise)
        nats = [
            0.5 * (mean**2 + (2 * log_sd).exp() - 2 * log_sd - 1).sum(1)
            for mean, log_sd in posterior
        ]
        return canvas, torch.stack(nats)

    def posterior(self, cells: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the deviation of each pass's latent, ``(B, T, latent)``.

        Args:
            cells: As :meth:`forward` takes them.
            noise: The same: what the encoder sees in a pass depends on the latents before.
        """
        means, log_sds = zip(*self._drawn(cells, noise)[1], strict=True)
        return torch.stack(means, dim=1), torch.stack(log_sds, dim=1)

    def _drawn(self, cells: Tensor, noise: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the last canvas, and the posterior of each pass: mean, logarithm of deviation."""
        x = self.dropout(cells.reshape(len(cells), -1))
        batch, hidden = len(x), self.config.hidden
        # [x, x - sigmoid(c)] W = x (W1 + W2) - sigmoid(c) W2
        fixed = self.read_section(x) + self.read_missing(x)
        missing, write = Repeated(self.read_missing.weight), self._writer()
        h_enc, c_enc, h_dec, c_dec = (x.new_zeros(batch, hidden) for _ in range(4))
        canvas = self.canvas.expand(batch, -1)
        posterior = []
        for t in range(len(noise)):
            gates = fixed - missing(torch.sigmoid(canvas))
            gates = gates + self.encoder_own(h_enc) + self.encoder_decoder(h_dec)
            h_enc, c_enc = _cell(gates, c_enc)
            mean, log_sd = self.latent(h_enc).chunk(2, dim=1)
            log_sd = log_sd.clamp(-8, 4)
            posterior.append((mean, log_sd))
            z = mean + log_sd.exp() * noise[t]
            h_dec, c_dec = _cell(self.decoder_in(z) + self.decoder_own(h_dec), c_dec)
            canvas = canvas + write(h_dec)
        return canvas, posterior

    def _writer(self) -> Callable[[Tensor], Tensor]:
        if isinstance(self.write, nn.Linear):
            return Repeated(self.write.weight)
        return self.write

    def decode(self, z: Tensor) -> Tensor:
        """Return the canvas after the last pass for given latents.

        Args:
            z: ``(T, B, latent)``; any T of 1 or more.

        Returns:
            Logits, ``(B, cells)``.
        """
        logits: Tensor = self.canvas + self.write(self._outputs(z).sum(0))
        return logits

    def canvases(self, z: Tensor) -> Tensor:
        """Return the canvas after every pass, ``(T, B, cells)`` logits (figure 6)."""
        logits: Tensor = self.canvas + self.write(self._outputs(z).cumsum(0))
        return logits

    def _outputs(self, z: Tensor) -> Tensor:
        h = z.new_zeros(z.shape[1], self.config.hidden)
        c, found = h, []
        for gates in self.decoder_in(z):
            h, c = _cell(gates + self.decoder_own(h), c)
            found.append(h)
        return torch.stack(found)

    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the decoder as plain arrays, ``x @ W``; gate order i, f, g, o.

        ``decoder_in`` (latent, 4H), ``decoder_bias`` (4H), ``decoder_own`` (H, 4H), ``write``
        (H, cells), or ``write_0`` and ``write_1`` where there is a layer between, ``canvas``
        (cells).
        """
        found: dict[str, Any] = {
            "decoder_in": self.decoder_in.weight.T,
            "decoder_bias": self.decoder_in.bias,
            "decoder_own": self.decoder_own.weight.T,
            "canvas": self.canvas,
        }
        if isinstance(self.write, nn.Sequential):
            for i, layer in enumerate(self.write):
                found[f"write_{i}"] = layer.weight.T
        else:
            found["write"] = self.write.weight.T
        return {
            name: np.ascontiguousarray(value.detach().float().numpy())
            for name, value in found.items()
        }


def _cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return output and cell of an LSTM from its pre-activations i, f, g, o."""
    i, f, g, o = gates.chunk(4, dim=1)
    c = torch.sigmoid(f + 1.0) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c

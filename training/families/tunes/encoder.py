"""The encoder of a tune: a GRU in each direction, its mean and last states, mean and variance of z.

In: class tensors ``(B, N, 3)``. Out: ``(B, Z)`` twice. The export's arrays are those of the ONNX
operator GRU, so that the graph has it as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.kernels.gru import gru


class TuneEncoder(nn.Module):
    """q(z | notes), and where asked for q(z | notes, style).

    Args:
        sizes: Classes of each argument.
        embeddings: Widths of their embeddings.
        hidden: Width of the state, each direction.
        latent: Width of z.
        styles: Number of styles that it sees; 0 for none.
    """

    def __init__(
        self, sizes: Sequence[int], embeddings: Sequence[int], hidden: int, latent: int, styles: int
    ) -> None:
        super().__init__()
        self.hidden, self.latent = hidden, latent
        self.embeddings = nn.ParameterList(
            nn.Parameter(torch.randn(size, width) * 0.5)
            for size, width in zip(sizes, embeddings, strict=True)
        )
        bound, inputs = 1 / math.sqrt(hidden), sum(embeddings)
        # Gates r, z, n; forward in time, then backward.
        self.w_in = nn.Parameter(torch.empty(2, inputs, 3 * hidden).uniform_(-bound, bound))
        self.w_state = nn.Parameter(torch.empty(2, hidden, 3 * hidden).uniform_(-bound, bound))
        self.b_in = nn.Parameter(torch.zeros(2, 3 * hidden))
        self.b_state = nn.Parameter(torch.zeros(2, 3 * hidden))
        self.out = nn.Parameter(torch.randn(4 * hidden, 2 * latent) * 0.5 / math.sqrt(4 * hidden))
        self.out_bias = nn.Parameter(torch.zeros(2 * latent))
        self.out_style = nn.Parameter(torch.zeros(styles, 2 * latent)) if styles else None

    def forward(
        self,
        classes: Tensor,
        style: Tensor,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, ``(B, Z)`` each.

        Args:
            classes: ``(B, N, 3)`` int64; what lies behind a row's length is not read.
            style: ``(B, S)``; used where the encoder sees it.
            lengths: Notes of each row ``(B,)``, at least 1; None for all N.
        """
        batch, notes = classes.shape[:2]
        if lengths is None:
            lengths = torch.full((batch,), notes, device=classes.device)
        time = torch.arange(notes, device=classes.device)
        inside = time < lengths[:, None]
        # Each row is turned round within its own length, so that its padding stays behind it.
        turned = torch.where(inside, lengths[:, None] - 1 - time, time)
        x = self._embed(classes)
        both = torch.stack((x, x.gather(1, turned[..., None].expand_as(x)))).transpose(1, 2)
        states = gru(both, self.w_in, self.w_state, self.b_in, self.b_state)  # (2, N, B, G)
        share = (inside / lengths[:, None]).T[..., None].to(states.dtype)
        means = (states * share).sum(dim=1)
        last = states[:, lengths - 1, torch.arange(batch, device=classes.device)]
        pooled = torch.cat((means[0], means[1], last[0], last[1]), dim=1).float()
        out = pooled @ self.out + self.out_bias
        if self.out_style is not None:
            out = out + style @ self.out_style
        mean, log_variance = out.chunk(2, dim=1)
        return mean, log_variance

    def _embed(self, classes: Tensor) -> Tensor:
        rows = [table[classes[..., m]] for m, table in enumerate(self.embeddings)]
        return torch.cat(rows, dim=-1)

    def export_arrays(self, styles: int) -> dict[str, Tensor]:
        """Return the weights as the ONNX operator GRU takes them.

        ``enc_table_m`` ``(size_m, width_m)``: X is their rows side by side, ``(N, B, E)``.
        ``enc_w`` ``(2, 3G, E)``, ``enc_r`` ``(2, 3G, G)``, ``enc_b`` ``(2, 6G)``: gates z, r, h,
        ``direction = "bidirectional"``, ``linear_before_reset = 1``. Pooled is Y's mean over the
        notes, forward then backward, then Y_h, forward then backward, ``(B, 4G)``; mean and
        log-variance are the halves of pooled @ ``enc_out`` ``(4G, 2Z)`` + ``enc_out_b`` + style
        @ ``enc_style`` ``(S, 2Z)``, which is zero where the encoder does not see the style.
        """

        def order(x: Tensor) -> Tensor:
            reset, update, new = x.chunk(3, dim=-1)
            return torch.cat((update, reset, new), dim=-1)

        tables = {f"enc_table_{m}": table for m, table in enumerate(self.embeddings)}
        seen = self.out_style
        return {
            **tables,
            "enc_w": order(self.w_in).transpose(1, 2),
            "enc_r": order(self.w_state).transpose(1, 2),
            "enc_b": torch.cat((order(self.b_in), order(self.b_state)), dim=1),
            "enc_out": self.out,
            "enc_out_b": self.out_bias,
            "enc_style": self.out.new_zeros(styles, 2 * self.latent) if seen is None else seen,
        }

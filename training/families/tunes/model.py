"""Families ``lm``, ``vae`` and ``vrash``: tunes from a recurrent highway network.

Source: [Yamshchikov2020].

One network, told apart by what its decoder sees beside the style: ``lm`` the previous note,
``vae`` the latent z, ``vrash`` ("supported by history") both. A note is three classes, drawn by
chained heads: pitch class, then octave, then length (streamer/families/tunes/codec.py).

The encoder (``encoder.py``) sees the notes and by default not the style: so what tells the
styles apart stays in z, where a style's mean latent can be found again and moved.

In: class tensors ``(B, N, 3)``. Out: logits, and plain arrays for the exporter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.tunes.codec import TUNE_ARGUMENTS, TuneCodec
from training.families.tunes.encoder import TuneEncoder
from training.families.tunes.folding import folded
from training.kernels.highway import highway, highway_cell

ARGUMENT_COUNT = len(TUNE_ARGUMENTS)
PROGRAMMES = 16
"""Instrument families of General MIDI; one more row stands for "unknown"."""

VARIANTS = ("lm", "vae", "vrash")


@dataclass(frozen=True)
class VrashConfig:
    """Shape of the model.

    Attributes:
        family: ``lm``, ``vae`` or ``vrash``: what the decoder sees.
        hidden: Width of the state.
        depth: Micro-layers of the highway cell, 1..10.
        latent: Width of z.
        latent_scale: What z is multiplied with before its weights, above 0. Most of what is drawn
            is noise. At 1 it is as loud as all else that a step is given, and Adam, whose steps are
            of one size, keeps weights that nothing pulls at walking; with a small scale ``vrash``
            begins as an ``lm``, and z is heard where it tells something. The ``vae`` has nothing
            but z.
        embeddings: Widths of the embeddings of pitch class, octave and length.
        style_size: Width of a style's embedding.
        programme_size: Width of the instrument family's embedding; the stream leaves the
            family unknown.
        head: Width of the layer inside each head.
        encoder_hidden: Width of the encoder's state, in each direction.
        encoder_style: Show the encoder the style too.
        history_dropout: Chance that a step does not see the previous note, 0..1, 1 excluded.
        meta_dropout: Chance that a track's style is hidden, and apart from that its
            instrument family, 0..1, 1 excluded.
        dropout: Of units before the heads, 0..1, 1 excluded.
        transform_bias: Where the transform gates begin; below 0 the state is kept at first.
    """

    family: str = "vrash"
    hidden: int = 256
    depth: int = 3
    latent: int = 32
    latent_scale: float = 1.0
    embeddings: tuple[int, int, int] = (16, 8, 24)
    style_size: int = 16
    programme_size: int = 8
    head: int = 128
    encoder_hidden: int = 128
    encoder_style: bool = False
    history_dropout: float = 0.3
    meta_dropout: float = 0.3
    dropout: float = 0.1
    transform_bias: float = -3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "embeddings", tuple(self.embeddings))
        if self.family not in VARIANTS:
            raise ValueError(f"family must be one of {', '.join(VARIANTS)}, not {self.family!r}")
        widths = (self.hidden, self.latent, self.style_size, self.programme_size, self.head)
        if len(self.embeddings) != ARGUMENT_COUNT or min(*widths, *self.embeddings) < 1:
            raise ValueError(f"widths must be 1 or more, and embeddings {ARGUMENT_COUNT} of them")
        if not 1 <= self.depth <= 10 or self.encoder_hidden < 1:
            raise ValueError("depth must be in range 1..10, encoder_hidden 1 or more")
        if not self.latent_scale > 0:
            raise ValueError("latent_scale must be above 0")
        chances = (self.history_dropout, self.meta_dropout, self.dropout)
        if not all(0 <= chance < 1 for chance in chances):
            raise ValueError("dropouts must be in range 0..1, 1 excluded")


class StepOut(NamedTuple):
    """One sampled note for a batch; see :meth:`Vrash.step`."""

    classes: Tensor
    entropies: Tensor
    log_probs: Tensor
    s: Tensor


class StepConstants(NamedTuple):
    """What is the same for every note of a tune.

    Attributes:
        table: Rows that the classes of a previous note give, ``(R + 2, 2H)``.
        condition: What latent and style give, ``(B, 2H)``.
    """

    table: Tensor
    condition: Tensor


class Vrash(nn.Module):
    """Decoder, and an encoder where the family has a latent.

    Args:
        config: Shape and family.
        codec: Class tables; their sizes fix inputs and outputs.
        styles: Names of the styles, in the order of the style weights.
    """

    def __init__(self, config: VrashConfig, codec: TuneCodec, styles: Sequence[str]) -> None:
        super().__init__()
        if not styles:
            raise ValueError("there must be at least one style")
        self.config, self.codec, self.styles = config, codec, tuple(styles)
        self.sizes, self.offsets = codec.sizes, codec.offsets
        self.uses_history, self.uses_latent = config.family != "vae", config.family != "lm"
        hidden = config.hidden
        if self.uses_history:
            self.embeddings = nn.ParameterList(
                nn.Parameter(torch.randn(size, width) * 0.5)
                for size, width in zip(self.sizes, config.embeddings, strict=True)
            )
            self.no_note = nn.Parameter(torch.zeros(sum(config.embeddings)))
            self.note_in = _matrix(sum(config.embeddings), 2 * hidden)
        self.style_table = nn.Parameter(torch.randn(len(self.styles), config.style_size) * 0.5)
        self.style_in = _matrix(config.style_size, 2 * hidden)
        self.programme_table = nn.Parameter(
            torch.randn(PROGRAMMES + 1, config.programme_size) * 0.5
        )
        self.programme_in = _matrix(config.programme_size, 2 * hidden)
        bias = torch.zeros(config.depth, 2 * hidden)
        bias[:, hidden:] = config.transform_bias
        self.bias = nn.Parameter(bias)
        self.recurrent = nn.Parameter(
            torch.stack([_matrix(hidden, 2 * hidden).data for _ in range(config.depth)])
        )
        self.start_bias = nn.Parameter(torch.zeros(hidden))
        if self.uses_latent:
            self.latent_in = _matrix(config.latent, 2 * hidden)
            self.start_in = _matrix(config.latent, hidden)
            self.encoder = TuneEncoder(
                self.sizes, config.embeddings, config.encoder_hidden, config.latent,
                len(self.styles) if config.encoder_style else 0,
            )  # fmt: skip
        self.head_in = _matrix(hidden, ARGUMENT_COUNT * config.head)
        self.head_bias = nn.Parameter(torch.zeros(ARGUMENT_COUNT, config.head))
        self.head_rows = nn.ParameterList(
            nn.Parameter(torch.randn(self.offsets[m], config.head) * 0.1)
            for m in range(1, ARGUMENT_COUNT)
        )
        self.head_out = nn.ParameterList(_matrix(config.head, size) for size in self.sizes)
        self.out_bias = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in self.sizes)

    @property
    def family(self) -> str:
        """Registry name."""
        return self.config.family

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.bias.device

    def note_table(self) -> Tensor:
        """Rows of all classes, one for "no previous note", and one of zeros, ``(R + 2, 2H)``."""
        hidden = self.config.hidden
        if not self.uses_history:
            return self.bias.new_zeros(self.offsets[-1] + 2, 2 * hidden)
        parts = torch.split(self.note_in, list(self.config.embeddings))
        rows = [table @ part for table, part in zip(self.embeddings, parts, strict=True)]
        none = (self.no_note @ self.note_in)[None]
        return torch.cat((*rows, none, torch.zeros_like(none)))

    def note_rows(self, previous: Tensor, table: Tensor | None = None) -> Tensor:
        """What previous notes give to the first micro-layer.

        Args:
            previous: Classes ``(..., 3)`` int64; -1 where there is none.
            table: Of :meth:`constants`; None makes it anew.

        Returns:
            ``(..., 2H)``.
        """
        offsets = torch.tensor(self.offsets[:-1], device=previous.device)
        none = torch.tensor([0, 1, 1], device=previous.device) + self.offsets[-1]
        index = torch.where(previous[..., :1] < 0, none, previous + offsets)
        table = self.note_table() if table is None else table
        rows = F.embedding_bag(index.reshape(-1, ARGUMENT_COUNT), table, mode="sum")
        return rows.view(*previous.shape[:-1], -1)

    def condition(self, z: Tensor, style: Tensor, programme: Tensor | None = None) -> Tensor:
        """What latent, style and instrument give to the first micro-layer, with its bias.

        Args:
            z: ``(B, Z)``.
            style: Weights of the styles ``(B, S)``; zeros are an unknown style.
            programme: Instrument families ``(B,)`` int64; None or -1 for unknown.

        Returns:
            ``(B, 2H)``.
        """
        out = self.bias[0] + style @ self.style_table @ self.style_in
        if programme is None:
            row = self.programme_table[PROGRAMMES]
        else:
            row = self.programme_table[torch.where(programme < 0, PROGRAMMES, programme)]
        out = out + row @ self.programme_in
        return out + self.scaled(z) @ self.latent_in if self.uses_latent else out

    def start(self, z: Tensor, style: Tensor) -> Tensor:
        """Return the state before a tune, tanh(z · start_z + start_b), ``(B, H)``.

        The style has no part in it; ``lm`` has one learned state.
        """
        if not self.uses_latent:
            return torch.tanh(self.start_bias).expand(len(style), -1)
        return torch.tanh(self.scaled(z) @ self.start_in + self.start_bias)

    def scaled(self, z: Tensor) -> Tensor:
        """Return a latent, or weights of one, as loud as the model hears it."""
        return self.config.latent_scale * z

    def encode(
        self,
        classes: Tensor,
        style: Tensor,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | notes), ``(B, Z)`` each; zeros for ``lm``.

        Args:
            classes: ``(B, N, 3)`` int64.
            style: Weights of the styles, ``(B, S)``.
            lengths: Notes of each row, ``(B,)``; None for all N.
        """
        if not self.uses_latent:
            zeros = style.new_zeros(len(classes), self.config.latent)
            return zeros, zeros
        return self.encoder(  # type: ignore[no-any-return]
            classes, style, lengths
        )

    def states(
        self,
        rows: Tensor,
        condition: Tensor,
        s: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run the cell over a window.

        Args:
            rows: From :meth:`note_rows`, ``(T, B, 2H)``.
            condition: From :meth:`condition`, ``(B, 2H)``.
            s: State before the window, ``(B, H)``.

        Returns:
            States ``(T, B, H)`` and the last one in float32.
        """
        pre = rows + condition
        return highway(pre, s, self.recurrent, self.bias)

    def logits(self, states: Tensor, classes: Tensor) -> list[Tensor]:
        """Return the logits of each argument, teacher-forced.

        Args:
            states: ``(..., H)``.
            classes: Of the same notes, ``(..., 3)`` int64.

        Returns:
            Three tensors ``(..., classes)`` float32.
        """
        kind, shape = states.dtype, states.shape[:-1]
        inner = (states.reshape(-1, states.shape[-1]) @ self.head_in.to(kind)).float()
        inner = inner.view(-1, ARGUMENT_COUNT, self.config.head) + self.head_bias
        flat = classes.reshape(-1, ARGUMENT_COUNT)
        out = []
        for m in range(ARGUMENT_COUNT):
            u = torch.tanh(inner[:, m] + self._chosen(m, flat))
            part = (u.to(kind) @ self.head_out[m].to(kind)).float() + self.out_bias[m]
            out.append(part.view(*shape, -1))
        return out

    def _chosen(self, m: int, classes: Tensor) -> Tensor | float:
        """What the arguments before the m-th give to its head, ``(N, U)``."""
        if m == 0:
            return 0.0
        offsets = torch.tensor(self.offsets[:m], device=classes.device)
        return F.embedding_bag(classes[:, :m] + offsets, self.head_rows[m - 1], mode="sum")

    @torch.no_grad()
    def constants(self, z: Tensor, style: Tensor) -> StepConstants:
        """Return what is the same for every note of a tune; see :meth:`step`."""
        return StepConstants(self.note_table(), self.condition(z, style))

    @torch.no_grad()
    def step(
        self,
        previous: Tensor,
        s: Tensor,
        z: Tensor,
        style: Tensor,
        noise: Tensor,
        constants: StepConstants | None = None,
    ) -> StepOut:
        """Sample one note, eagerly: the reference that the exported graph is compared with.

        Args:
            previous: Classes of the previous note ``(B, 3)`` int64, -1 for none.
            s: State ``(B, H)``.
            z: Latent ``(B, Z)``.
            style: Weights of the styles ``(B, S)``.
            noise: ``(B, sum of sizes)``; the class is the argmax of logits plus noise.
            constants: Of the same ``z`` and ``style``, taken once for many notes; None takes them
                anew.

        Returns:
            Classes, untempered entropies and log-probabilities, ``(B, 3)`` each, in nats, and
            the next state.
        """
        table, condition = self.constants(z, style) if constants is None else constants
        a = self.note_rows(previous, table) + condition + s @ self.recurrent[0]
        s = highway_cell(a, s)[0]
        for layer in range(1, self.config.depth):
            s = highway_cell(s @ self.recurrent[layer] + self.bias[layer], s)[0]
        classes = torch.zeros(len(s), ARGUMENT_COUNT, dtype=torch.long, device=s.device)
        inner = (s @ self.head_in).view(-1, ARGUMENT_COUNT, self.config.head) + self.head_bias
        entropies, log_probs = [], []
        for m in range(ARGUMENT_COUNT):
            u = torch.tanh(inner[:, m] + self._chosen(m, classes))
            logits = u @ self.head_out[m] + self.out_bias[m]
            noised = logits + noise[:, self.offsets[m] : self.offsets[m + 1]]
            classes[:, m] = noised.argmax(dim=1)
            log_p = F.log_softmax(logits, dim=1)
            entropies.append(-(log_p.exp() * log_p).sum(dim=1))
            log_probs.append(log_p.gather(1, classes[:, m : m + 1])[:, 0])
        return StepOut(classes, torch.stack(entropies, 1), torch.stack(log_probs, 1), s)

    @torch.no_grad()
    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights as the exporter folds them (:func:`folded`)."""
        return folded(self)

    def describe(self) -> dict[str, Any]:
        """Return configuration and styles as plain data for checkpoints and cards."""
        lists = {"embeddings": list(self.config.embeddings), "styles": list(self.styles)}
        return asdict(self.config) | lists


def _matrix(rows: int, columns: int) -> nn.Parameter:
    """A weight that keeps the variance of what it is given."""
    return nn.Parameter(torch.randn(rows, columns) / math.sqrt(rows))

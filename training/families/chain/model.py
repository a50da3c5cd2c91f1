"""Family ``chain``: five LSTMs in a chain, one per note argument ([Liu2025], section 3).

p(n)·p(t|n)·p(d|n,t)·p(v|n,t,d)·p(p|n,t,d,v): each submodel sees the previous note in full and the
arguments of the current note that were sampled before its own. The submodels share nothing; they
only advance side by side, as one batched product (``layers.stacked_lstm``).

A one-hot input is a table row, so layer 0 is a sum of gathered rows: for submodel m the fields of
the previous note, the prefix of the current one and, as an extension of ours, the absolute
velocity that the changes have led to (a bin of :data:`VELOCITY_BIN` steps).

Two extensions of ours, each left out where its setting is: a memory
(:mod:`training.families.chain.memory`) adds to the logits what came at places like this one; and
the trained controls (:mod:`streamer.families.chain.asked`) add to layer 0 what is asked for.

In: class tensors ``(T, B, 5)``. Out: losses in nats, and plain arrays for the exporter.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.chain.asked import ASKED_WIDTH
from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.hands import (
    hold_times,
    shift_floors,
)
from streamer.families.chain.remembering import OF_ARGUMENT
from streamer.music.notes import ARGUMENTS
from training.families.chain.memory import Memory, with_pieces
from training.families.chain.stepping import Given, StepOut, draw_note
from training.kernels.layers import grouped_product, stacked_lstm, window_dropout

GROUPS = len(ARGUMENTS)
VELOCITY_BIN = 4
VELOCITY_BINS = 32


@dataclass(frozen=True)
class ChainConfig:
    """Shape of the model.

    Attributes:
        hidden: Width of each LSTM layer; the paper's is 150.
        layers: Stacked layers per submodel; the paper's is 2.
        absolute_velocity: Also show each submodel the previous note's absolute velocity (ours).
        current_prefix: Condition on the current note's sampled arguments. False is the
            independent model of the paper's reference [10], kept for the ablation.
        embedding: Width of a learned projection between one-hot input and layer 0; 0 is the
            paper's direct one-hot input. Folded into the tables at export.
        dropout: Between layers and before the heads, 0..1.
        input_dropout: Chance that a whole argument of the previous note is hidden, 0..1.
        hands: Whether what is drawn keeps to what two hands can do (ours,
            :mod:`streamer.families.chain.hands`); training is the same without.
        memory: Notes that the memory looks back on; 0 is none (ours).
        asked: Whether it is told what the next phrase is to be like (ours).
    """

    hidden: int = 150
    layers: int = 2
    absolute_velocity: bool = False
    current_prefix: bool = True
    embedding: int = 0
    dropout: float = 0.1
    input_dropout: float = 0.0
    hands: bool = True
    memory: int = 0
    asked: bool = False

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.layers < 1 or self.embedding < 0:
            raise ValueError("hidden and layers must be 1 or more, embedding 0 or more")
        if not (0 <= self.dropout < 1 and 0 <= self.input_dropout < 1):
            raise ValueError("dropout must be in range 0..1, 1 excluded")
        if self.memory < 0:
            raise ValueError(f"memory must be 0 or more notes, not {self.memory}")


class LstmState(NamedTuple):
    """What is carried from window to window.

    ``h`` and ``c`` are of all layers, ``(layers, 5, batch, hidden)`` float32. ``past``
    ``(1, notes, batch, 6)`` int64 are the last notes and the piece of each, where there is a
    memory; no notes where there is none.
    """

    h: Tensor
    c: Tensor
    past: Tensor


class Chain(nn.Module):
    """The five submodels.

    Args:
        config: Shape.
        codec: Class tables; their sizes fix the inputs and outputs.
    """

    family = "chain"
    may_be_new = ("memory.", "asked")
    """Weights that a run may add to those that it starts from."""
    velocity_centres: Tensor
    shift_floors: Tensor
    hold_times: Tensor

    def __init__(self, config: ChainConfig, codec: ChainCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        hidden, sizes = config.hidden, codec.sizes
        self._offsets = codec.offsets
        width = config.embedding or 4 * hidden
        self._one_hot = self._offsets[-1]
        context = VELOCITY_BINS if config.absolute_velocity else 0
        # Rows: previous note, then the current prefix, then (ours) bins of absolute velocity.
        self.tables = nn.ParameterList(
            nn.Parameter(torch.empty(self._one_hot + self._offsets[m] + context, width))
            for m in range(GROUPS)
        )
        self.project = (
            nn.Parameter(torch.empty(GROUPS, width, 4 * hidden)) if config.embedding else None
        )
        self.w_hh = nn.ParameterList(
            nn.Parameter(torch.empty(GROUPS, hidden, 4 * hidden)) for _ in range(config.layers)
        )
        self.w_ih = nn.ParameterList(
            nn.Parameter(torch.empty(GROUPS, hidden, 4 * hidden)) for _ in range(config.layers - 1)
        )
        self.bias = nn.ParameterList(
            nn.Parameter(torch.zeros(GROUPS, 4 * hidden)) for _ in range(config.layers)
        )
        self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
        self.memory = Memory(config.memory, hidden, codec) if config.memory else None
        self.asked = (
            nn.Parameter(torch.zeros(ASKED_WIDTH, GROUPS * 4 * hidden)) if config.asked else None
        )
        self.register_load_state_dict_pre_hook(_widen_asked)  # type: ignore[no-untyped-call]
        centres = torch.tensor(codec.velocity.centres, dtype=torch.float32)
        self.register_buffer("velocity_centres", centres, persistent=False)
        for name, table in (("shift_floors", shift_floors), ("hold_times", hold_times)):
            self.register_buffer(name, torch.from_numpy(table(codec)), persistent=False)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.config.hidden)
        for name, p in self.named_parameters():
            if not name.startswith(("bias", "heads", "memory", "asked")):
                nn.init.uniform_(p, -bound, bound)
        for b in self.bias:
            # A forget gate that starts open lets gradients through long windows.
            b.data[:, self.config.hidden : 2 * self.config.hidden] = 1.0

    def initial_state(self, batch: int) -> LstmState:
        """Return the state before a piece: zeros."""
        shape = (self.config.layers, GROUPS, batch, self.config.hidden)
        zeros = torch.zeros(shape, device=self.device)
        if self.memory is not None:
            past = self.memory.empty(batch)
        else:
            past = torch.zeros((1, 0, batch, 6), dtype=torch.long, device=self.device)
        return LstmState(zeros, zeros.clone(), past)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return cast(Tensor, self.bias[0]).device

    def _indices(self, m: int, previous: Tensor, current: Tensor, velocity: Tensor) -> Tensor:
        """Rows of table m for each note, ``(N, fields)``; -1 means no row."""
        offsets = torch.tensor(self._offsets[:-1], device=previous.device)
        rows = [torch.where(previous < 0, previous, previous + offsets)]
        if m and self.config.current_prefix:
            rows.append(current[:, :m] + offsets[:m] + self._one_hot)
        if self.config.absolute_velocity:
            bin_ = torch.div(velocity, VELOCITY_BIN, rounding_mode="floor").long()
            base = self._one_hot + self._offsets[m]
            rows.append(bin_.clamp(0, VELOCITY_BINS - 1)[:, None] + base)
        return torch.cat(rows, dim=1)

    def layer_input(self, m: int, previous: Tensor, current: Tensor, velocity: Tensor) -> Tensor:
        """Layer-0 pre-activation of submodel m without bias, ``(N, 4H)``."""
        index = self._indices(m, previous, current, velocity)
        if self.training and self.config.input_dropout:
            hide = torch.rand(index.shape[0], GROUPS, device=index.device)
            index[:, :GROUPS].masked_fill_(hide < self.config.input_dropout, -1)
        present = None
        if bool((index < 0).any()):
            present, index = (index >= 0).to(self.tables[m].dtype), index.clamp(min=0)
        rows = F.embedding_bag(index, self.tables[m], mode="sum", per_sample_weights=present)
        return rows @ self.project[m] if self.project is not None else rows

    def forward(
        self,
        previous: Tensor,
        current: Tensor,
        velocity: Tensor,
        keep: Tensor,
        state: LstmState,
        asked: Tensor | None = None,
        *,
        low_precision: bool = False,
        compiled: bool = False,
    ) -> tuple[list[Tensor], LstmState]:
        """Return the logits of every argument for a window, teacher-forced.

        Args:
            previous: Classes of the previous note, ``(T, B, 5)`` int64; -1 at a piece's start.
            current: Classes of the current note, ``(T, B, 5)``.
            velocity: Absolute velocity of the previous note, ``(T, B)``; 0 at a piece's start.
            keep: ``(T, B)`` float: 0 where a piece starts.
            state: From :meth:`initial_state` or the window before.
            asked: What is asked of each note, ``(T, B, ASKED_WIDTH)``; None asks for nothing, and
                a model that was not trained to be asked takes no notice.
            low_precision: Products in bfloat16.
            compiled: Fuse the LSTM cell.

        Returns:
            Five tensors ``(T, B, classes)`` and the state after the window.
        """
        steps = len(previous)
        out = self._first_inputs(previous, current, velocity, asked)
        if low_precision:
            out = out.to(torch.bfloat16)
        h_after, c_after = [], []
        for layer in range(self.config.layers):
            if layer:
                out = window_dropout(out, self.config.dropout, self.training)
                out = grouped_product(out, self.w_ih[layer - 1])
            before = (state.h[layer], state.c[layer])
            out, (h, c) = stacked_lstm(
                out, self.w_hh[layer], self.bias[layer], before, keep, compiled=compiled
            )
            h_after.append(h)
            c_after.append(c)
        out = window_dropout(out, self.config.dropout, self.training)
        logits = []
        for m in range(GROUPS):
            weight, bias = (p.to(out.dtype) for p in self._head(m))
            logits.append(F.linear(out[m], weight, bias).float())
        past = state.past
        if self.memory is not None:
            entries = with_pieces(past[0], current, keep)
            looked = self.memory.look(entries, steps)
            for head, m in enumerate(OF_ARGUMENT):
                logits[m] = logits[m] + self.memory.offered(head, looked, out[m].float(), current)
            past = entries[None, -self.memory.kept :]
        return logits, LstmState(torch.stack(h_after), torch.stack(c_after), past)

    def _first_inputs(
        self, previous: Tensor, current: Tensor, velocity: Tensor, asked: Tensor | None
    ) -> Tensor:
        """Layer-0 pre-activations without bias, ``(5, T, B, 4H)``."""
        steps, batch = previous.shape[:2]
        flat = (previous.reshape(-1, GROUPS), current.reshape(-1, GROUPS), velocity.reshape(-1))
        rows = torch.stack([self.layer_input(m, *flat) for m in range(GROUPS)])
        out = rows.view(GROUPS, steps, batch, -1)
        if self.asked is None or asked is None:
            return out
        wanted = (asked.flatten(0, 1) @ self.asked).view(steps, batch, GROUPS, -1)
        return out + wanted.permute(2, 0, 1, 3)

    def _head(self, m: int) -> tuple[Tensor, Tensor]:
        """Weight ``(classes, H)`` and bias ``(classes,)`` of submodel m's output."""
        head = cast(nn.Linear, self.heads[m])
        return head.weight, head.bias

    def initial_keys(self, batch: int) -> Tensor:
        """Return the state of the keys before a piece, ``(batch, 2, 88)``: all are ready."""
        return torch.zeros(batch, 2, PITCH_CLASSES, device=self.device)

    @torch.no_grad()
    def step(
        self,
        previous: Tensor,
        velocity: Tensor,
        h: Tensor,
        c: Tensor,
        noise: Tensor,
        keys: Tensor | None = None,
        again: Tensor | None = None,
        past: Tensor | None = None,
        asked: Tensor | None = None,
    ) -> StepOut:
        """Sample one note, eagerly: the reference that the exported graph is compared with.

        Args:
            previous: ``(B, 5)`` int64 classes of the previous note, -1 for none.
            velocity: ``(B,)`` absolute velocity of the previous note, 0 for none.
            h: ``(layers, 5, B, H)``.
            c: ``(layers, 5, B, H)``.
            noise: ``(B, 362)``; the class is the argmax of logits plus noise.
            keys: ``(B, 2, 88)``, see :mod:`streamer.families.chain.hands`; None draws without the
                law of two hands.
            again: ``(B, 105)`` noise for a time shift that is drawn again; None is 0.
            past: ``(kept, B, 5)`` classes of the notes before, where there is a memory; -1 for
                none.
            asked: ``(B, ASKED_WIDTH)``; None asks for nothing.

        Returns:
            Classes ``(B, 5)``, untempered entropies and log-probabilities ``(B, 5)`` in nats,
            the next absolute velocity ``(B,)`` and the next state.
        """
        given = Given(previous, velocity, h, c, past, asked)
        return draw_note(self, given, noise, keys, again)

    @torch.no_grad()
    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights as the exporter folds them, float32, gate order i, f, g, o.

        ``prev_table`` ``(362, 5·4H)``, ``velocity_table`` ``(32, 5·4H)`` when the model has one,
        ``prefix_table_m`` ``(offsets[m], 4H)``, ``bias0`` ``(5, 4H)``, ``w_hh{l}``
        ``(5, H, 4H)``, ``w_ih{l}``, ``b{l}``, ``head_w_m`` ``(H, classes)``, ``head_b_m``,
        ``velocity_centres`` ``(47,)``; ``shift_floors`` ``(105,)`` and ``hold_times`` ``(120,)``
        where the model keeps to the law of two hands; ``asked`` ``(ASKED_WIDTH, 5·4H)`` where it
        can be asked; ``memory_*`` where it has one, whose reach is ``memory_reach`` ``(1,)``.
        """
        tables = [
            t if self.project is None else t @ self.project[m] for m, t in enumerate(self.tables)
        ]
        one_hot = self._one_hot
        arrays: dict[str, Tensor] = {"prev_table": torch.cat([t[:one_hot] for t in tables], dim=1)}
        if self.config.absolute_velocity:
            arrays["velocity_table"] = torch.cat([t[-VELOCITY_BINS:] for t in tables], dim=1)
        for m in range(1, GROUPS):
            prefix = tables[m][one_hot : one_hot + self._offsets[m]]
            arrays[f"prefix_table_{m}"] = (
                prefix if self.config.current_prefix else torch.zeros_like(prefix)
            )
        for layer in range(self.config.layers):
            arrays[f"w_hh{layer}"] = self.w_hh[layer]
            arrays["bias0" if layer == 0 else f"b{layer}"] = self.bias[layer]
            if layer:
                arrays[f"w_ih{layer}"] = self.w_ih[layer - 1]
        for m in range(GROUPS):
            weight, arrays[f"head_b_{m}"] = self._head(m)
            arrays[f"head_w_{m}"] = weight.T
        arrays["velocity_centres"] = self.velocity_centres
        if self.config.hands:
            arrays["shift_floors"], arrays["hold_times"] = self.shift_floors, self.hold_times
        if self.asked is not None:
            arrays["asked"] = self.asked
        if self.memory is not None:
            arrays |= {f"memory_{name}": value for name, value in self.memory.named_parameters()}
            arrays["memory_reach"] = torch.tensor([float(self.memory.remembered)])
        return {k: v.float().cpu().contiguous().numpy() for k, v in arrays.items()}

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data for checkpoints and cards."""
        return asdict(self.config)


def _widen_asked(model: Chain, weights: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Let weights that were trained before there were as many dials do nothing for the new ones."""
    known, own = weights.get(f"{prefix}asked"), model.asked
    if known is not None and own is not None and len(known) < len(own):
        weights[f"{prefix}asked"] = torch.cat([known, torch.zeros_like(own[len(known) :])])

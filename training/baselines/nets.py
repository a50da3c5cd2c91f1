"""Two backbones over notes: a Transformer with relative attention, and a gated linear recurrence.

Both read the notes before in full and give, through one small head for each argument, what the
chain gives: p(pitch)·p(shift|pitch)·…, so that nats are of the same classes under the same order.
The Transformer attends causally over a window and the window before, with a learned key for each
distance ([Huang2018], and the memory of [Dai2019]); the recurrence has gates that depend on the
input alone and a state of one number a channel ([Feng2024]), with a gated feed-forward layer
between.

In: class tensors ``(T, B, 5)`` and a carry. Out: five logits ``(T, B, classes)`` and the carry
after. A piece never sees another: what lies before its first note is masked, or the state is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW, ChainCodec
from streamer.music.notes import ARGUMENTS

VELOCITY_BIN = 4
VELOCITY_BINS = 32


@dataclass(frozen=True)
class BaselineConfig:
    """Shape of a baseline.

    Attributes:
        net: One of :data:`NETS`.
        width: Channels.
        layers: Blocks.
        heads: Of attention; divides the width.
        distance: Farthest distance that has a key of its own, notes; those beyond share the last.
        memory: Notes before the window that attention sees.
        dropout: After each block's two parts, 0..1.
    """

    net: str = "transformer"
    width: int = 256
    layers: int = 4
    heads: int = 4
    distance: int = 128
    memory: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.net not in NETS:
            raise ValueError(f"net must be of {', '.join(NETS)}, not {self.net}")
        for name in ("width", "layers", "heads", "distance"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads must divide the width {self.width}, not be {self.heads}")
        if self.memory < 0 or not 0 <= self.dropout < 1:
            raise ValueError("memory must be 0 or more, dropout in range 0..1")


Carry = list[Tensor]


class RelativeAttention(nn.Module):
    """Causal attention with a learned key for each distance, over a window and a memory."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.heads, self.far = config.heads, config.distance
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.pair = nn.Linear(config.width, 2 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        each = config.width // config.heads
        self.distances = nn.Parameter(torch.randn(config.heads, config.distance + 1, each) * 0.02)

    def forward(self, x: Tensor, memory: Tensor, seen: Tensor) -> Tensor:
        """Attend.

        Args:
            x: ``(B, T, width)``.
            memory: What lies before, ``(B, M, width)``.
            seen: ``(B, T, M + T)``, whether a note sees another.
        """
        batch, steps, width = x.shape
        both = torch.cat((memory, x), dim=1)
        total, each = both.shape[1], width // self.heads
        q = self.query(x).view(batch, steps, self.heads, each).transpose(1, 2) * each**-0.5
        k, v = (
            part.view(batch, total, self.heads, each).transpose(1, 2)
            for part in self.pair(both).chunk(2, dim=-1)
        )
        near = torch.arange(steps, device=x.device)[:, None] + total - steps
        apart = (near - torch.arange(total, device=x.device)).clamp(0, self.far)
        by_distance = q @ self.distances.transpose(1, 2)  # (B, heads, T, distances)
        index = apart.expand(batch, self.heads, steps, total)
        scores = q @ k.transpose(2, 3) + by_distance.gather(3, index)
        weights = scores.masked_fill(~seen[:, None], float("-inf")).softmax(dim=-1)
        return cast(Tensor, self.out((weights @ v).transpose(1, 2).reshape(batch, steps, width)))


class Transformer(nn.Module):
    """Blocks of relative attention and a feed-forward layer, normalised before each."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.attention = nn.ModuleList(RelativeAttention(config) for _ in range(config.layers))
        self.forward_layers = nn.ModuleList(_feed_forward(config) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(2 * config.layers))

    def start(self, batch: int, device: torch.device) -> Carry:
        """Return a memory that nobody sees: of each layer ``(layers, B, M, width)``, and a mask."""
        c = self.config
        return [
            torch.zeros(c.layers, batch, c.memory, c.width, device=device),
            torch.zeros(1, batch, c.memory, device=device),
        ]

    def forward(self, x: Tensor, keep: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """Return states ``(B, T, width)`` and the carry after; ``keep`` is ``(B, T)``."""
        memory, valid = carry[0], carry[1][0] > 0.5
        begun = (keep < 0.5).long().cumsum(dim=1)  # pieces begun in this window so far
        steps = x.shape[1]
        order = torch.ones(steps, steps, dtype=torch.bool, device=x.device).tril()
        same = (begun[:, :, None] == begun[:, None, :]) & order
        seen = torch.cat((valid[:, None] & (begun == 0)[:, :, None], same), dim=2)
        kept = []
        drop = self.config.dropout
        for layer, (attend, feed) in enumerate(
            zip(self.attention, self.forward_layers, strict=True)
        ):
            kept.append(torch.cat((memory[layer], x.detach()), dim=1)[:, steps:])
            # What is kept is normalised anew: it is the layer's input, as x is.
            norm = self.norms[2 * layer]
            x = x + F.dropout(attend(norm(x), norm(memory[layer]), seen), drop, self.training)
            x = x + F.dropout(feed(self.norms[2 * layer + 1](x)), drop, self.training)
        last = begun[:, -1:]
        still = torch.cat((valid & (last == 0), begun == last), dim=1)[:, steps:]
        return x, [torch.stack(kept), still[None].to(x.dtype)]


class GatedRecurrence(nn.Module):
    """Blocks of a gated linear recurrence and a gated feed-forward layer."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        wide = config.width
        self.mix = nn.ModuleList(nn.Linear(wide, 3 * wide) for _ in range(config.layers))
        self.out = nn.ModuleList(nn.Linear(wide, wide, bias=False) for _ in range(config.layers))
        self.forward_layers = nn.ModuleList(_feed_forward(config) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(wide) for _ in range(2 * config.layers))
        with torch.no_grad():
            for mix in self.mix:  # memories of some notes to some hundreds at first
                cast(nn.Linear, mix).bias[:wide] = -torch.linspace(1.0, 6.0, wide)

    def start(self, batch: int, device: torch.device) -> Carry:
        """Return states of 0, ``(layers, B, width)``."""
        return [torch.zeros(self.config.layers, batch, self.config.width, device=device)]

    def forward(self, x: Tensor, keep: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """Return states ``(B, T, width)`` and the carry after; ``keep`` is ``(B, T)``."""
        after, drop = [], self.config.dropout
        for layer, (mix, out) in enumerate(zip(self.mix, self.out, strict=True)):
            gate, new, shown = mix(self.norms[2 * layer](x)).chunk(3, dim=-1)
            gate = torch.sigmoid(gate)
            new = gate * new
            left = (1 - gate) * keep[:, :, None]
            state, states = carry[0][layer], []
            for t in range(x.shape[1]):
                state = left[:, t] * state + new[:, t]
                states.append(state)
            after.append(state.detach())
            read = torch.stack(states, dim=1) * F.silu(shown)
            x = x + F.dropout(out(read), drop, self.training)
            feed = self.forward_layers[layer]
            x = x + F.dropout(feed(self.norms[2 * layer + 1](x)), drop, self.training)
        return x, [torch.stack(after)]


class _FeedForward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        shown, gate = self.up(x).chunk(2, dim=-1)
        return cast(Tensor, self.down(shown * F.silu(gate)))


def _feed_forward(config: BaselineConfig) -> nn.Module:
    return _FeedForward(config.width, 2 * config.width)


NETS: Mapping[str, Callable[[BaselineConfig], nn.Module]] = {
    "transformer": Transformer,
    "gated": GatedRecurrence,
}
"""Word after ``perpetuo train baseline`` to backbone."""


class Drawn(NamedTuple):
    """One note drawn for a batch.

    Attributes:
        classes: ``(B, 5)`` int64.
        entropies: ``(B, 5)``, untempered, nats.
        log_probs: ``(B, 5)``, untempered, of the classes drawn.
        velocity: ``(B,)``, which the changes have led to.
        carry: After it.
    """

    classes: Tensor
    entropies: Tensor
    log_probs: Tensor
    velocity: Tensor
    carry: Carry


class NoteModel(nn.Module):
    """A backbone between embeddings of notes and heads for their arguments.

    Args:
        config: Shape.
        codec: What the classes mean.
    """

    def __init__(self, config: BaselineConfig, codec: ChainCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        wide = config.width
        # Class 0 of each table is the note that is not there.
        self.before = nn.ModuleList(nn.Embedding(size + 1, wide) for size in codec.sizes)
        self.loudness = nn.Embedding(VELOCITY_BINS, wide)
        self.current = nn.ModuleList(nn.Embedding(size, wide) for size in codec.sizes[:-1])
        self.net = NETS[config.net](config)
        self.norm = nn.LayerNorm(wide)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(wide, wide), nn.SiLU(), nn.Linear(wide, size))
            for size in codec.sizes
        )
        for table in (*self.before, *self.current, self.loudness):
            nn.init.normal_(cast(nn.Embedding, table).weight, std=0.05)

    @property
    def family(self) -> str:
        """Name in checkpoints."""
        return self.config.net

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.loudness.weight.device

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data."""
        return asdict(self.config)

    def initial_state(self, batch: int) -> Carry:
        """Return the carry before any piece."""
        return cast(Carry, cast(Any, self.net).start(batch, self.device))

    def forward(
        self, previous: Tensor, current: Tensor, velocity: Tensor, keep: Tensor, carry: Carry
    ) -> tuple[list[Tensor], Carry]:
        """Return the logits of each argument.

        Args:
            previous: Classes of the note before, ``(T, B, 5)``, -1 where a piece begins.
            current: Classes of the note, of which each head sees those before its own.
            velocity: Of the note before, ``(T, B)``.
            keep: ``(T, B)``, 0 where a piece begins.
            carry: From :meth:`initial_state` or the window before.
        """
        seen, carry = self._seen(previous, velocity, keep, carry)
        logits = []
        for m, head in enumerate(self.heads):
            logits.append(head(seen))
            if m < len(self.current):
                seen = seen + self.current[m](current[..., m])
        return logits, carry

    def _seen(
        self, previous: Tensor, velocity: Tensor, keep: Tensor, carry: Carry
    ) -> tuple[Tensor, Carry]:
        """Return what the heads see of the notes before, ``(T, B, width)``, and the carry after."""
        x = sum(table(previous[..., m] + 1) for m, table in enumerate(self.before))
        bins = (velocity.long() // VELOCITY_BIN).clamp(0, VELOCITY_BINS - 1)
        x = cast(Tensor, x) + self.loudness(bins)
        states, carry = self.net(x.transpose(0, 1), keep.transpose(0, 1), carry)
        return self.norm(states).transpose(0, 1), carry

    @torch.no_grad()
    def step(self, previous: Tensor, velocity: Tensor, carry: Carry, noise: Tensor) -> Drawn:
        """Draw one note, eagerly: the reference that the exported graph is compared with.

        Args:
            previous: ``(B, 5)`` int64 classes of the note before, -1 for none.
            velocity: ``(B,)`` of the note before, 0 for none.
            carry: From :meth:`initial_state` or the note before.
            noise: ``(B, classes)``; a class is the argmax of logits plus noise.
        """
        seen, carry = self._seen(
            previous[None], velocity[None], torch.ones_like(velocity)[None], carry
        )
        seen, classes, entropies, log_probs = seen[0], [], [], []
        parts = torch.split(noise, list(self.codec.sizes), dim=1)
        for m, head in enumerate(self.heads):
            logits = head(seen)
            chosen = (logits + parts[m]).argmax(dim=1)
            log_p = logits.log_softmax(dim=1)
            entropies.append(-(log_p.exp() * log_p).sum(dim=1))
            log_probs.append(log_p.gather(1, chosen[:, None])[:, 0])
            classes.append(chosen)
            if m < len(self.current):
                seen = seen + self.current[m](chosen)
        centres = torch.tensor(self.codec.velocity.centres, device=seen.device)
        moved = (velocity + centres[classes[ARGUMENTS.index("velocity")]]).float()
        level = moved.clamp(VELOCITY_LOW, VELOCITY_HIGH)
        drawn, doubts, likely = (
            torch.stack(part, dim=1) for part in (classes, entropies, log_probs)
        )
        return Drawn(drawn, doubts, likely, level, carry)

    @torch.no_grad()
    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by their names here, and ``velocity_centres``, float32."""
        arrays = {name: x.float().cpu().numpy() for name, x in self.state_dict().items()}
        centres = np.asarray(self.codec.velocity.centres, dtype=np.float32)
        return {**arrays, "velocity_centres": centres}


def build(config: Mapping[str, Any], codec: ChainCodec) -> NoteModel:
    """Return an untrained baseline (ValueError for a shape that cannot be)."""
    return NoteModel(BaselineConfig(**config), codec)

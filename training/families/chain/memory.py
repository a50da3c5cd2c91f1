"""The memory of a chain in torch: attention over the last notes, offered to the draw.

For each of :data:`HEADS` a place in the music is compared with those before it; the classes that
came there get the attention's shares, and ``gate · log(1 + share / LEAST_SHARE)`` is added to the
logits. What of the present note is drawn already counts too: places whose note had the same key,
interval, time shift or duration weigh more. Gates are of the submodel's own output; a sink takes
the attention where no place is alike.

Descriptions of places hang on notes alone and not on the recurrent state, so that a window of
training is one product, and at the edge each place is described once.

Shapes: E entries of the past and the window, T steps, B batch, S entries that a search looks at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.remembering import (
    AGE_BINS,
    HEADS,
    INTERVALS,
    KEY_WIDTH,
    LEAST_SHARE,
    NEAREST,
    OF_ARGUMENT,
    PLACE_WIDTH,
    WIDEST,
    slot_sizes,
)

NEVER = -1e9
"""Added to the score of what cannot be looked at."""

MATCHES = 4
"""What of the present note may be the same there: key, interval, time shift, duration."""

PIECE = 5
"""Column of the past that says which piece a note is of; the others are its classes."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The places that a window can look back on.

    Attributes:
        scores: How alike they are, ``(B, heads, T, S)``, with ages, NEVER where none is.
        classes: What came there, ``(B, S, 5)``.
        intervals: From the note before, ``(B, S)``, 0..:data:`WIDEST`; the last for none.
        before: Key of the note before each step's, ``(B, T)``; -1 for none.
    """

    scores: Tensor
    classes: Tensor
    intervals: Tensor
    before: Tensor


class Memory(nn.Module):
    """Finds places like the present one.

    Args:
        remembered: Notes that are looked back on.
        hidden: Width of the submodels' outputs, for the gates.
        codec: Gives the classes.
    """

    sizes: Tensor

    def __init__(self, remembered: int, hidden: int, codec: ChainCodec) -> None:
        super().__init__()
        self.remembered, self.codec = remembered, codec
        slot = sum(slot_sizes(codec))
        heads = len(HEADS)
        self.places = nn.Parameter(torch.randn(NEAREST * slot, PLACE_WIDTH) * 0.3)
        self.place_bias = nn.Parameter(torch.zeros(PLACE_WIDTH))
        scale = 1 / math.sqrt(PLACE_WIDTH)
        self.query = nn.Parameter(torch.randn(PLACE_WIDTH, heads * KEY_WIDTH) * scale)
        self.key = nn.Parameter(self.query.detach().clone())
        self.ages = nn.Parameter(torch.zeros(heads, AGE_BINS))
        self.sinks = nn.Parameter(torch.full((heads,), 2.0))
        self.same = nn.Parameter(torch.ones(heads, MATCHES))
        self.gates = nn.Parameter(torch.zeros(heads, hidden))
        self.gate_bias = nn.Parameter(torch.full((heads,), 0.1))

    @property
    def kept(self) -> int:
        """Notes of the past that a window needs: one more describes the eldest place."""
        return self.remembered + NEAREST + 1

    def empty(self, batch: int) -> Tensor:
        """Return the past before a piece, ``(1, kept, batch, 6)`` int64, all -1."""
        shape = (1, self.kept, batch, PIECE + 1)
        return torch.full(shape, -1, dtype=torch.long, device=self.places.device)

    def look(self, entries: Tensor, steps: int) -> Looked:
        """Compare the places of a window's last steps with those before each.

        Args:
            entries: ``(E, B, 6)``: the past and the window, E at least :attr:`kept` + steps.
            steps: T.
        """
        searched = self.remembered + steps
        with torch.no_grad():
            elder = self._described(self._rows(entries[: len(entries) - steps]))
            elder = (elder @ self.key)[-self.remembered :]
        recent = self._described(self._rows(entries[-steps - NEAREST - 1 :]))
        keys = torch.cat([elder, recent @ self.key])
        heads = len(HEADS)
        k = keys.view(searched, -1, heads, KEY_WIDTH).permute(1, 2, 3, 0)
        q = (recent @ self.query).view(steps, -1, heads, KEY_WIDTH).permute(1, 2, 0, 3)
        scores = (q @ k) * (1 / math.sqrt(KEY_WIDTH))
        place = torch.arange(searched, device=entries.device)
        age = place[-steps:, None] - place[None]
        possible = (age > 0) & (age <= self.remembered)
        bins = torch.log2(age.clamp(min=1).float() + 0.5).long()
        bins = bins.clamp(max=AGE_BINS - 1)
        own = entries[-searched:, :, PIECE].T
        same = (own[:, None] == own[:, -steps:, None]) & possible
        scores = scores + self.ages[:, bins]
        scores = scores.masked_fill(~same[:, None], NEVER)
        return Looked(
            scores,
            entries[-searched:, :, :PIECE].permute(1, 0, 2).clamp(min=0),
            _wide_intervals(entries)[-searched:].T,
            _before(entries)[-steps:].T,
        )

    def offered(self, head: int, looked: Looked, top: Tensor, current: Tensor) -> Tensor:
        """Return what one head adds to its argument's logits, ``(T, B, classes)``.

        Args:
            head: Of :data:`HEADS`.
            looked: From :meth:`look`.
            top: Output of the submodel, ``(T, B, hidden)``.
            current: Classes of the present notes, ``(T, B, 5)``; those before its argument count.
        """
        argument = OF_ARGUMENT[head]
        scores = looked.scores[:, head]
        if argument:
            now = current.permute(1, 0, 2)
            interval = now[..., 0] - looked.before + PITCH_CLASSES - 1
            interval = torch.where(looked.before < 0, -1, interval)
            alike = [
                looked.classes[:, None, :, 0] == now[:, :, None, 0],
                looked.intervals[:, None] == interval[:, :, None],
                looked.classes[:, None, :, 1] == now[:, :, None, 1],
                looked.classes[:, None, :, 2] == now[:, :, None, 2],
            ]
            for place, mask in enumerate(alike[: argument + 1]):
                scores = scores + self.same[head, place] * mask
        sink = self.sinks[head].expand(*scores.shape[:2], 1)
        shares = torch.cat([sink, scores], dim=2).softmax(dim=2)[..., 1:]
        if HEADS[head] == "interval":
            values, width = looked.intervals, WIDEST + 1
        else:
            values, width = looked.classes[..., argument], self.codec.sizes[argument]
        out = shares.new_zeros(*shares.shape[:2], width)
        out = out.scatter_add(2, values[:, None].expand_as(shares), shares)
        if HEADS[head] == "interval":
            keys = torch.arange(PITCH_CLASSES, device=out.device)
            index = keys - looked.before[..., None] + PITCH_CLASSES - 1
            out = out.gather(2, index.clamp(0, WIDEST))
        gate = top @ self.gates[head] + self.gate_bias[head]
        return gate[..., None] * torch.log1p(out * (1 / LEAST_SHARE)).transpose(0, 1)

    def _rows(self, entries: Tensor) -> Tensor:
        """Return the rows that describe the place of each entry, ``(E - NEAREST - 1, B, 24)``."""
        sizes = slot_sizes(self.codec)
        present = entries[..., 0] >= 0
        wide = _wide_intervals(entries)
        interval = wide - (PITCH_CLASSES - 1) + INTERVALS // 2
        interval = torch.where(wide == WIDEST, INTERVALS, interval.clamp(0, INTERVALS - 1))
        facts = [interval]
        facts += [
            torch.where(present, entries[..., j], size - 1) for j, size in enumerate(sizes[1:])
        ]
        first = NEAREST + 1
        last = len(entries)
        piece = entries[..., PIECE]
        rows, offset = [], 0
        for slot in range(1, NEAREST + 1):
            here = slice(first - slot, last - slot)
            own = piece[here] == piece[first:]
            for fact, size in zip(facts, sizes, strict=True):
                rows.append(torch.where(own, fact[here], size - 1) + offset)
                offset += size
        return torch.stack(rows, dim=-1)

    def _described(self, rows: Tensor) -> Tensor:
        """Return places ``(.., PLACE_WIDTH)`` of their rows ``(.., 24)``."""
        flat = F.embedding_bag(rows.reshape(-1, rows.shape[-1]), self.places, mode="sum")
        return torch.relu(flat + self.place_bias).view(*rows.shape[:-1], -1)


def _before(entries: Tensor) -> Tensor:
    """Return the key of the note before each entry in its piece, ``(E, B)``; -1 for none."""
    before = torch.full_like(entries[..., 0], -1)
    own = entries[1:, :, PIECE] == entries[:-1, :, PIECE]
    before[1:] = torch.where(own, entries[:-1, :, 0], -1)
    return before


def _wide_intervals(entries: Tensor) -> Tensor:
    """Return the interval that led to each entry, ``(E, B)``, 0..WIDEST; the last for none."""
    before = _before(entries)
    wide = entries[..., 0] - before + PITCH_CLASSES - 1
    return torch.where(before < 0, WIDEST, wide)


def with_pieces(past: Tensor, current: Tensor, keep: Tensor) -> Tensor:
    """Return the past and a window, ``(E, B, 6)``, each note with the number of its piece."""
    piece = past[-1, :, PIECE].clamp(min=0) + (keep == 0).cumsum(dim=0)
    return torch.cat([past, torch.cat([current, piece[..., None]], dim=2)])


def looked_once(memory: Memory, past: Tensor) -> Looked:
    """Return what one note can look back on; ``past`` is ``(kept, B, 5)``, of one piece."""
    present = torch.where(past[..., :1] < 0, -1, 0)
    entries = torch.cat([past, present], dim=2)
    now = torch.zeros_like(entries[:1])  # its classes are not known, and not looked at
    return memory.look(torch.cat([entries, now]), 1)

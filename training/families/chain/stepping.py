"""One note of the chain, eagerly: the reference that the exported graph is compared with.

In: the model, what was before the note, and noise. Out: a :class:`StepOut`. The law of two hands
(:mod:`training.families.chain.hands`) and the memory take part where they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW
from streamer.families.chain.hands import STILL_FORCED, WITHHELD
from streamer.families.chain.remembering import OF_ARGUMENT
from training.families.chain.hands import keys_next, waits
from training.families.chain.memory import looked_once
from training.kernels.layers import cell_forward

if TYPE_CHECKING:
    from training.families.chain.model import Chain


class StepOut(NamedTuple):
    """One sampled note for a batch; see :meth:`training.families.chain.model.Chain.step`."""

    classes: Tensor
    entropies: Tensor
    log_probs: Tensor
    velocity: Tensor
    h: Tensor
    c: Tensor
    keys: Tensor | None
    past: Tensor | None


class Given(NamedTuple):
    """What is known before a note, as :meth:`training.families.chain.model.Chain.step` takes it."""

    previous: Tensor
    velocity: Tensor
    h: Tensor
    c: Tensor
    past: Tensor | None
    asked: Tensor | None


class _Note:
    """A note that is being drawn: its classes so far, and the next state."""

    def __init__(self, model: Chain, given: Given) -> None:
        self.model, self.given = model, given
        self.current = torch.zeros_like(given.previous)
        self.h, self.c = given.h.clone(), given.c.clone()
        memory, past = model.memory, given.past
        self._looked = None if memory is None or past is None else looked_once(memory, past)
        self._wanted: Tensor | None = None
        if model.asked is not None and given.asked is not None:
            self._wanted = given.asked @ model.asked[: given.asked.shape[1]]

    def logits(self, m: int) -> Tensor:
        """Return the logits of an argument, from the classes so far."""
        model, given, h, c = self.model, self.given, self.h, self.c
        x = model.layer_input(m, given.previous, self.current, given.velocity) + model.bias[0][m]
        if self._wanted is not None:
            gates = 4 * model.config.hidden
            x = x + self._wanted[:, m * gates : (m + 1) * gates]
        for layer in range(model.config.layers):
            if layer:
                x = h[layer - 1, m] @ model.w_ih[layer - 1][m] + model.bias[layer][m]
            a = x + given.h[layer, m] @ model.w_hh[layer][m]
            h[layer, m], c[layer, m], _ = cell_forward(a, given.c[layer, m])
        logits = cast(Tensor, model.heads[m](h[-1, m]))
        if model.memory is not None and self._looked is not None:
            top, now = h[-1, m][None], self.current[None]
            for head in (k for k, of in enumerate(OF_ARGUMENT) if of == m):
                logits = logits + model.memory.offered(head, self._looked, top, now)[0]
        return logits

    def draw_again(self, first: Tensor, noise: Tensor, keys: Tensor, again: Tensor) -> Tensor:
        """Draw the pitch anew where its key is not ready at the time shift it got.

        Args:
            first: Logits of pitch with their noise, ``(B, 88)``.
            noise: Of time shift.
            keys: State of the keys.
            again: Second noise of time shift.

        Returns:
            What to draw the time shift with.
        """
        wait, floors = waits(keys), self.model.shift_floors
        passed = floors[(self.logits(1) + noise).argmax(dim=1)]
        early = passed < wait.gather(1, self.current[:, :1])[:, 0]
        ready = (first + torch.where(wait > 0, WITHHELD, 0.0)).argmax(dim=1)
        self.current[:, 0] = torch.where(early, ready, self.current[:, 0])
        anew = torch.maximum(again, noise + STILL_FORCED)
        noise = torch.where(early[:, None], anew, noise)
        late = floors < wait.gather(1, self.current[:, :1])
        return noise + torch.where(late, WITHHELD, 0.0)


def draw_note(
    model: Chain, given: Given, noise: Tensor, keys: Tensor | None, again: Tensor | None
) -> StepOut:
    """Draw one note; :meth:`training.families.chain.model.Chain.step` says what is what."""
    note = _Note(model, given)
    slices = list(torch.split(noise, list(model.codec.sizes), dim=1))
    all_logits: list[Tensor] = []
    for m in range(len(slices)):
        if m == 1 and keys is not None:
            second = torch.zeros_like(slices[1]) if again is None else again
            slices[1] = note.draw_again(all_logits[0] + slices[0], slices[1], keys, second)
        all_logits.append(note.logits(m))
        note.current[:, m] = (all_logits[m] + slices[m]).argmax(dim=1)
    current, past = note.current, given.past
    entropies, log_probs = _doubts(all_logits, current)
    moved = given.velocity + model.velocity_centres[current[:, 3]]
    if keys is not None:
        passed, hold = model.shift_floors[current[:, 1]], model.hold_times[current[:, 2]]
        keys = keys_next(keys, current[:, 0], passed, hold)
    return StepOut(
        current, entropies, log_probs, moved.clamp(VELOCITY_LOW, VELOCITY_HIGH), note.h, note.c,
        keys, None if past is None else torch.cat([past[1:], current[None]]),
    )  # fmt: skip


def _doubts(all_logits: list[Tensor], drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Return entropies and log-probabilities of what was drawn, ``(B, 5)`` each, nats."""
    entropies, log_probs = [], []
    for m, logits in enumerate(all_logits):
        log_p = F.log_softmax(logits, dim=1)
        entropies.append(-(log_p.exp() * log_p).sum(dim=1))
        log_probs.append(log_p.gather(1, drawn[:, m : m + 1])[:, 0])
    return torch.stack(entropies, 1), torch.stack(log_probs, 1)

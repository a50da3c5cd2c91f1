"""The bound of a model with latents, as DRAW and the query VAE train and judge it.

In: sums of nats by name, as the tasks take them. Out: a step's loss, and held-out means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from training.run.task import StepResult
from training.run.unit import Unit


def standard_noise(
    shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """Return normal noise of a shape; a generator is the processor's, so that machines agree."""
    if generator is None:
        return torch.randn(shape, device=device)
    return torch.randn(shape, generator=generator).to(device)


def step_of(sums: Mapping[str, Tensor], unit: Unit, count: int, carry: Any) -> StepResult:
    """Return the step of a batch: its loss is the unit's total, nats a window.

    Args:
        sums: Nats of the batch by name.
        unit: What they are counted in, and their weights.
        count: Windows of the batch.
        carry: Handed on.
    """
    # Left on the device: a number read here would have the host wait for the GPU.
    figures = {name: value.detach().double() for name, value in sums.items()}
    return StepResult(unit.total(sums) / count, figures, float(count), carry)


def held_out(batches: Iterable[Mapping[str, Tensor]], unit: Unit, count: int) -> dict[str, float]:
    """Return means of nats a window over ``count`` windows, and ``total`` at their weights."""
    sums = dict.fromkeys(unit.weights, 0.0)
    for found in batches:
        for name, value in found.items():
            sums[name] += float(value)
    means = {name: value / count for name, value in sums.items()}
    return {**means, "total": unit.total(means)}

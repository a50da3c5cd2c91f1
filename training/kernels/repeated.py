"""A matrix that is applied in every step of a recurrence, with its gradient taken once.

Autograd would write a gradient as large as the matrix in every step and add them up: where the
matrix is large and the batch small, that takes longer than the products. Here each step keeps its
input and the gradient of its output, and the first step, which the backward pass reaches last, puts
all of them into one product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Repeated:
    """``x @ weight.T`` for one forward pass of many steps.

    Args:
        weight: ``(out, in)``. Products are of autocast's kind where that is on; the matrix is cast
            once.
    """

    def __init__(self, weight: Tensor) -> None:
        kind = weight.device.type
        low = torch.is_autocast_enabled(kind)
        dtype: torch.dtype = torch.get_autocast_dtype(kind) if low else weight.dtype
        self._dtype, self._weight = dtype, weight.to(dtype)
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Return the product for ``(batch, in)``."""
        number = self._calls
        self._calls += 1
        found: Tensor = _Product.apply(  # type: ignore[no-untyped-call]
            x.to(self._dtype), self._weight, self, number
        )
        return found

    def keep(self, x: Tensor, grad: Tensor, number: int) -> Tensor | None:
        """Keep a step's part of the gradient; return the whole with the first step's.

        Raises:
            RuntimeError: The first step came before others: its output does not lead to theirs.
        """
        self._kept.append((x, grad))
        if number:
            return None
        if len(self._kept) != self._calls:
            raise RuntimeError("the first step of a recurrence must lead to all others")
        inputs, grads = (torch.cat(column) for column in zip(*self._kept, strict=True))
        self._kept.clear()
        return grads.T @ inputs


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, repeated: Repeated, number: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.repeated, ctx.number = repeated, number
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].to(weight.dtype)
        return grad @ weight, ctx.repeated.keep(x, grad, ctx.number), None, None

"""A loop of many small products, recorded once on a GPU and replayed with one call.

A recurrence over a window is thousands of kernels of a few microseconds; launching them one by one
takes longer than running them. A CUDA graph is launched as one. Its shapes and its memory are
fixed: what goes in is copied to where the recording reads it, and what comes out is overwritten by
the next replay, so that a recording serves one window at a time (``busy``).

CUDA only, and only while training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_MOST_SHAPES = 4
"""Recordings hold memory; crops of training have one length, or two."""


class Replay:
    """A function of tensors as a CUDA graph.

    Args:
        function: Of tensors, to tensors; nothing in it may wait for the GPU.
        inputs: Where the recording reads; a call copies there what lies elsewhere.
    """

    def __init__(
        self, function: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor]
    ) -> None:
        self.inputs = inputs
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), torch.no_grad():
            for _ in range(2):  # workspaces are made outside the recording
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph), torch.no_grad():
            self.outputs = function(*self.inputs)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the recording's own tensors, good until the next call."""
        for kept, given in zip(self.inputs, inputs, strict=True):
            if kept.data_ptr() != given.data_ptr():
                kept.copy_(given)
        self.graph.replay()
        return self.outputs


class Window:
    """A recurrence's loops forward and backward, recorded for one shape.

    Args:
        forward: The loop, to what its backward needs and what it gives.
        backward: Its gradient, of what ``wanted`` names and of the gradients that come back.
        inputs: Of ``forward``.
        gradients: Shaped like those that come back.
        wanted: What of inputs and outputs the backward reads: numbers into inputs + outputs.
    """

    def __init__(
        self,
        forward: Callable[..., tuple[Tensor, ...]],
        backward: Callable[..., tuple[Tensor, ...]],
        inputs: Sequence[Tensor],
        gradients: Sequence[Tensor],
        wanted: Sequence[int],
    ) -> None:
        self.forward = Replay(forward, _own(inputs))
        there = [*self.forward.inputs, *self.forward.outputs]
        self.saved = [there[i] for i in wanted]
        self.backward = Replay(backward, [*self.saved, *_own(gradients)])
        self.busy = False


def recordable(x: Tensor) -> bool:
    """Whether loops over such tensors can be recorded."""
    return x.is_cuda


def _own(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [x.detach().clone() for x in tensors]


class Recordings:
    """A recurrence's recordings by shape; without CUDA, or without a gradient, the plain loops.

    Args:
        forward: See :class:`Window`.
        backward: See :class:`Window`.
        wanted: See :class:`Window`.
    """

    def __init__(
        self,
        forward: Callable[..., tuple[Tensor, ...]],
        backward: Callable[..., tuple[Tensor, ...]],
        wanted: Sequence[int],
    ) -> None:
        self._forward, self._backward, self._wanted = forward, backward, wanted
        self._windows: dict[tuple[torch.Size, ...], Window] = {}

    def forward(
        self, grad: bool, inputs: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
    ) -> tuple[Window | None, tuple[Tensor, ...]]:
        """Run the loop; return the recording that it was, if any, and the outputs."""
        window = self._window(inputs, gradients) if grad and recordable(inputs[0]) else None
        if window is None:
            return None, self._forward(*inputs)
        window.busy = True
        return window, window.forward(*inputs)

    def backward(
        self, window: Window | None, saved: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Run the loop back, in the recording that the forward was."""
        if window is None:
            return self._backward(*saved, *gradients)
        out = window.backward(*window.saved, *gradients)
        window.busy = False
        return out

    def _window(self, inputs: tuple[Tensor, ...], gradients: tuple[Tensor, ...]) -> Window | None:
        shape = tuple(x.shape for x in inputs)
        if shape not in self._windows:
            if len(self._windows) >= _MOST_SHAPES:
                return None
            self._windows[shape] = Window(
                self._forward, self._backward, inputs, gradients, self._wanted
            )
        window = self._windows[shape]
        return None if window.busy else window

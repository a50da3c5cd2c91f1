"""Layers that several models share, with backward passes of their own where that pays.

In: torch tensors, shapes in each docstring. Out: the same, differentiable: LSTMs side by side
(:func:`stacked_lstm`), GRUs, the recurrent highway cell (:func:`highway_cell`).
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.kernels.highway import highway_cell
    from training.kernels.layers import cell_forward, grouped_product, stacked_lstm, window_dropout
    from training.kernels.repeated import Repeated
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        highway="highway_cell",
        layers="cell_forward grouped_product stacked_lstm window_dropout",
        repeated="Repeated",
    )

__all__ = [
    "Repeated", "cell_forward", "grouped_product", "highway_cell", "stacked_lstm",
    "window_dropout",
]  # fmt: skip

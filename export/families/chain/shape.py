"""The shape of a chain, read off its arrays, and the names that its graph's parts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.asked import ASKED_WIDTH
from streamer.music.notes import ARGUMENTS

Arrays = Mapping[str, NDArray[np.float32]]

GROUPS = len(ARGUMENTS)
VELOCITY_BIN = 4
SHIFT = ARGUMENTS.index("shift")


@dataclass(frozen=True)
class ChainShape:
    """Sizes read off the arrays.

    Attributes:
        hidden: Width of a layer.
        layers: Stacked layers.
        sizes: Classes of each argument.
        velocity_bins: Rows of the absolute-velocity table, 0 without one.
        hands: Whether the draw keeps to what two hands can do.
        memory: Whether it has a memory.
        asked: Whether it can be asked for something.
    """

    hidden: int
    layers: int
    sizes: tuple[int, ...]
    velocity_bins: int
    hands: bool
    memory: bool
    asked: bool

    @classmethod
    def of(cls, arrays: Arrays) -> ChainShape:
        """Read the shape, and check that the arrays agree with it.

        Raises:
            ValueError: An array is missing or has another shape than the rest imply.
        """
        if "w_hh0" not in arrays or arrays["w_hh0"].ndim != 3:
            raise ValueError("array w_hh0 must be (5, hidden, 4 * hidden)")
        hidden = arrays["w_hh0"].shape[1]
        layers = sum(1 for name in arrays if name.startswith("w_hh"))
        sizes = tuple(arrays[f"head_w_{m}"].shape[1] for m in range(GROUPS))
        bins = arrays["velocity_table"].shape[0] if "velocity_table" in arrays else 0
        own = ("hold_times" in arrays, "memory_reach" in arrays, "asked" in arrays)
        shape = cls(hidden, layers, sizes, bins, *own)
        for name, wanted in shape.expected().items():
            if name not in arrays or arrays[name].shape != wanted:
                got = arrays[name].shape if name in arrays else "nothing"
                raise ValueError(f"array {name} must be {wanted}, not {got}")
        return shape

    @property
    def offsets(self) -> list[int]:
        """First row of each argument, and the number of rows."""
        return [int(x) for x in np.cumsum((0, *self.sizes))]

    @property
    def columns(self) -> int:
        """What is kept of each note: its classes, and the bin of its velocity where it has one."""
        return GROUPS + (1 if self.velocity_bins else 0)

    def expected(self) -> dict[str, tuple[int, ...]]:
        """Return every array's name and shape."""
        h, gates = self.hidden, 4 * self.hidden
        found: dict[str, tuple[int, ...]] = {"prev_table": (self.offsets[-1], GROUPS * gates)}
        if self.velocity_bins:
            found["velocity_table"] = (self.velocity_bins, GROUPS * gates)
        for m in range(1, GROUPS):
            found[f"prefix_table_{m}"] = (self.offsets[m], gates)
        for layer in range(self.layers):
            found[f"w_hh{layer}"] = (GROUPS, h, gates)
            found[f"b{layer}" if layer else "bias0"] = (GROUPS, gates)
            if layer:
                found[f"w_ih{layer}"] = (GROUPS, h, gates)
        for m, size in enumerate(self.sizes):
            found[f"head_w_{m}"] = (h, size)
            found[f"head_b_{m}"] = (size,)
        found["velocity_centres"] = (self.sizes[ARGUMENTS.index("velocity")],)
        if self.hands:
            found["shift_floors"] = (self.sizes[ARGUMENTS.index("shift")],)
            found["hold_times"] = (self.sizes[ARGUMENTS.index("duration")],)
        if self.asked:
            found["asked"] = (ASKED_WIDTH, GROUPS * gates)
        return found

    def states(self, kind: str) -> list[str]:
        """Names of one kind of state in the body, layer by layer: h0_0 .. h0_4, h1_0 .."""
        return [f"{kind}{layer}_{m}" for layer in range(self.layers) for m in range(GROUPS)]

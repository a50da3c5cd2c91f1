"""The tables of the performance layer: what a corpus's players do, in some numbers a style (ours).

Plain data in a bundle's manifest (``expression``), checked when it is read. Fitted by
:mod:`training.expression`. All numbers of two styles may be mixed by weights, which is how a stream
between two styles is played.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import BundleError

VERSION = 1
DEFAULT = "default"
"""The table of all performed tracks together, for styles and families without their own."""

METRES = ("bar", "half", "beat", "offbeat", "between")
"""Where in the bar a note begins: at its start, in its middle, on another beat, halfway between
two beats, elsewhere."""

SINCE_EDGES = (0.01, 1.0, 2.0, 4.0)
TO_EDGES = (0.01, 1.0, 2.0, 4.0)
"""Quarters since a breath and to the next one, at which the classes of the phrase's arc end."""

VELOCITY_FEATURES = (
    *METRES, "pitch", "step", "length",
    *(f"since{i}" for i in range(len(SINCE_EDGES) + 1)),
    *(f"to{i}" for i in range(len(TO_EDGES) + 1)),
)  # fmt: skip
"""What a velocity depends on: :func:`streamer.expression.expression.velocity_features`."""

LENGTH_EDGES = (0.3, 0.6, 1.2, 2.5)
"""Quarters to the next onset at which the classes of articulation end."""

LEVELS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
"""Quantile levels of articulation."""

BEAT_TICKS = (0, 3, 4, 6, 8, 9)
"""Twelfths of a beat that have a timing class each; all others share the last."""

MEAN_BPM, BPM_STEP = 150.0, 100.0
"""Timing is linear in the tempo about this one, a step of this many beats a minute."""


@dataclass(frozen=True)
class StyleTable:
    """How one style is played.

    Attributes:
        velocity_mean: The velocity that all else is about, 1..127.
        velocity_effects: Steps of velocity for each of :data:`VELOCITY_FEATURES`.
        velocity_offset: What the effects sum to on average; taken away.
        velocity_sd: Standard deviation of what they leave unexplained.
        velocity_rho: How much of that goes on from note to note, 0..1.
        articulation: Quantiles of sounding time over time to the next onset, a row for each class
            of length, a column for each of :data:`LEVELS`, ``(5, 7)``.
        articulation_rho: How much of it goes on from note to note, 0..1.
        timing_level: Quarters late for each class of place in the beat, at :data:`MEAN_BPM`,
            ``(7,)``.
        timing_slope: The same for each :data:`BPM_STEP` faster.
        timing_sd: Standard deviation of what that leaves, ms.
        timing_rho: How much of that goes on from note to note, 0..1.
    """

    velocity_mean: float
    velocity_effects: NDArray[np.float64]
    velocity_offset: float
    velocity_sd: float
    velocity_rho: float
    articulation: NDArray[np.float64]
    articulation_rho: float
    timing_level: NDArray[np.float64]
    timing_slope: NDArray[np.float64]
    timing_sd: float
    timing_rho: float

    def __post_init__(self) -> None:
        shapes = {
            "velocity_effects": (len(VELOCITY_FEATURES),),
            "articulation": (len(LENGTH_EDGES) + 1, len(LEVELS)),
            "timing_level": (len(BEAT_TICKS) + 1,),
            "timing_slope": (len(BEAT_TICKS) + 1,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape or not np.isfinite(value).all():
                raise ValueError(f"{name} must be numbers of shape {shape}")
        for name in ("velocity_rho", "articulation_rho", "timing_rho"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in range 0..1, not {getattr(self, name)}")
        if not (0 <= self.velocity_sd < 128 and 0 <= self.timing_sd < 1000):
            raise ValueError("velocity_sd and timing_sd must be 0 or more")
        if not (1 <= self.velocity_mean <= 127 and math.isfinite(self.velocity_offset)):
            raise ValueError(f"velocity_mean must be in range 1..127, not {self.velocity_mean}")
        if (self.articulation < 0).any() or (self.articulation > 2).any():
            raise ValueError("articulation must be in range 0..2")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, rounded to five digits."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            found[field.name] = np.round(value, 5).tolist()
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StyleTable:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: A number is missing, of the wrong shape or out of range.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in data:
                raise ValueError(f"{field.name} is missing")
            array = np.asarray(data[field.name], dtype=np.float64)
            values[field.name] = array if array.ndim else float(array)
        return cls(**values)


def mix(tables: Sequence[StyleTable], weights: Sequence[float]) -> StyleTable:
    """Return the weighted mean of tables.

    Raises:
        ValueError: The weights are below 0 or sum to 0, or are not as many as the tables.
    """
    total = float(sum(weights))
    if len(tables) != len(weights) or min(weights, default=-1.0) < 0 or not total > 0:
        raise ValueError("weights must be 0 or more, one a table, and sum to more than 0")
    values = {
        field.name: sum(
            weight / total * getattr(table, field.name)
            for table, weight in zip(tables, weights, strict=True)
        )
        for field in fields(StyleTable)
    }
    return StyleTable(**values)


def read_tables(data: Mapping[str, Any], bundle: str) -> dict[str, StyleTable]:
    """Read a manifest's ``expression``; style name to table, :data:`DEFAULT` among them.

    Args:
        data: The manifest's; empty gives an empty dictionary.
        bundle: Its name, for messages.

    Raises:
        BundleError: It is of another version, or a table cannot be used.
    """
    if not data:
        return {}
    if data.get("version") != VERSION:
        raise BundleError(
            f"bundle {bundle}: its expression tables are of version {data.get('version')}, this"
            f" perpetuo reads {VERSION}; export it again"
        )
    found: dict[str, StyleTable] = {}
    try:
        for name, table in data["styles"].items():
            found[name] = StyleTable.from_dict(table)
        if DEFAULT not in found:
            raise ValueError(f"the style {DEFAULT} is missing")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(
            f"bundle {bundle}: its expression tables cannot be used ({error}); export it again"
        ) from error
    return found

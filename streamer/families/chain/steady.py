"""Holding each phrase near the density that is asked for: bounds of the filters, by a control.

In: the bounds that hold anyway, the corpus's own density, the controls. Out: bounds. Homing steers
the mean of many phrases; these hold each of them, so that no minute is empty or full. Moods are
held back in the same measure (:mod:`streamer.families.chain.homing`).
"""

from __future__ import annotations

import math
from dataclasses import replace

from streamer.families.chain.controls import ChainControls
from streamer.selection.filters import Limits
from streamer.settings.controls import Controls

FACTOR = 1.5
"""At a steadiness of 1, how far a phrase may be from the density that is asked for, either way."""

GAPS = 7.0
"""At a steadiness of 1, the longest rest, in mean times from one note to the next."""


def steadied(limits: Limits, density: float, controls: Controls) -> Limits:
    """Return the bounds of the filters where steadiness is asked for.

    Args:
        limits: Those that hold anyway; nothing is allowed that they forbid.
        density: Of the corpus, notes a second, above 0.
        controls: Steadiness, and the density that is asked for.
    """
    steadiness = controls.of(ChainControls).steadiness
    if not steadiness:
        return limits
    factor = math.exp(math.log(FACTOR) / steadiness)
    low, high = limits.density
    rest_ms = 1000.0 * GAPS / steadiness / (density * controls.density)
    return replace(
        limits,
        density=(max(low, density / factor), min(high, density * factor)),
        longest_rest_ms=min(limits.longest_rest_ms, rest_ms),
    )

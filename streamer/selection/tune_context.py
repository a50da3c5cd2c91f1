"""What the filters of tunes may look at: the tune as it would be with the candidate.

Made by the tune generator, one for each candidate; read by the panels in
:mod:`streamer.selection.classifier`. Filters of other families see the :class:`Context` in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.selection.filters import Context
from streamer.tunes import TUNE_DTYPE, TuneArray


def _no_notes() -> TuneArray:
    return np.zeros(0, dtype=TUNE_DTYPE)


def _no_style() -> NDArray[Any]:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TuneContext(Context):
    """A context with its tune.

    Attributes:
        tune: Notes of the tune so far and after them the candidate's; at least the last 128 of
            them. Where the candidate ends the tune, up to its end.
        fresh: How many of them are the candidate's, the last ones.
        style: Weights of the bundle's styles, ``(styles,)``, >= 0, in the manifest's order.
    """

    tune: TuneArray = field(default_factory=_no_notes)
    fresh: int = 0
    style: NDArray[Any] = field(default_factory=_no_style)

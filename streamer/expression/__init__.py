"""The performance layer: velocities, lengths and timing for music that a model wrote without them.

In: notes on a grid of beats, and tables fitted to how a corpus was played
(:func:`read_tables`). Out: the same notes as a player would give them (:class:`Expression`).
Deterministic for a seed; used by one thread, the generator's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.expression.expression import (
        Expression,
        Place,
        breaths,
        metre_classes,
        timing_classes,
        velocity_features,
    )
    from streamer.expression.tables import BEAT_TICKS, METRES, StyleTable, read_tables
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        expression="Expression Place breaths metre_classes timing_classes velocity_features",
        tables="BEAT_TICKS METRES StyleTable read_tables",
    )

__all__ = [
    "BEAT_TICKS", "METRES", "Expression", "Place", "StyleTable", "breaths", "metre_classes",
    "read_tables", "timing_classes", "velocity_features",
]  # fmt: skip

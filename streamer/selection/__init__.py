"""Selection: which candidate phrases may be heard, and in which order the rest are preferred.

In: candidate phrases with their entropies, and a :class:`Context`. Out: reasons to drop some
(:data:`FILTERS`, and judges from :func:`make_judges`), and an order of the others
(:data:`RANKINGS`). A filter is a function that returns a short reason, or None to keep. Which
bounds hold comes from the bundle and the person (:func:`limits_for`). Pure functions; they run in
the generator's thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.selection.filters import (
        FILTERS,
        LOOP_TAIL_NOTES,
        RELAX_ORDER,
        Context,
        Filter,
        Limits,
        Panel,
    )
    from streamer.selection.judges import JUDGE_NAMES, Judge, JudgeReference, make_judges
    from streamer.selection.limits import limits_for
    from streamer.selection.ranking import RANKINGS, Order, mean_score, regulated_score
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        filters="FILTERS LOOP_TAIL_NOTES RELAX_ORDER Context Filter Limits Panel",
        judges="JUDGE_NAMES Judge JudgeReference make_judges",
        limits="limits_for",
        ranking="RANKINGS Order mean_score regulated_score",
    )

__all__ = [
    "FILTERS", "JUDGE_NAMES", "LOOP_TAIL_NOTES", "RANKINGS", "RELAX_ORDER", "Context", "Filter",
    "Judge", "JudgeReference", "Limits", "Order", "Panel", "limits_for", "make_judges",
    "mean_score", "regulated_score",
]  # fmt: skip

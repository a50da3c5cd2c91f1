"""Sections of a piano roll: DRAW and the query VAE.

In: scores (:func:`read_scores`), or the score file made of them (:class:`ScoreSet`). Out: a
trained :class:`Draw` or :class:`Query` through its task.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.families.windows.draw import Draw, DrawConfig
    from training.families.windows.draw_task import DrawData, DrawTask
    from training.families.windows.query import Query, QueryConfig
    from training.families.windows.query_task import QueryData, QueryTask
    from training.families.windows.reader import ScoreOptions, read_scores
    from training.families.windows.scoreset import ScoreInfo, ScoreSet
    from training.families.windows.sections import Sections, bars, chunks
    from training.families.windows.steps import corpus_likeness, usual_step
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        draw="Draw DrawConfig",
        draw_task="DrawData DrawTask",
        query="Query QueryConfig",
        query_task="QueryData QueryTask",
        reader="ScoreOptions read_scores",
        scoreset="ScoreInfo ScoreSet",
        sections="Sections bars chunks",
        steps="corpus_likeness usual_step",
    )

__all__ = [
    "Draw", "DrawConfig", "DrawData", "DrawTask", "Query", "QueryConfig", "QueryData",
    "QueryTask", "ScoreInfo", "ScoreOptions", "ScoreSet", "Sections", "bars", "chunks",
    "corpus_likeness", "read_scores", "usual_step",
]  # fmt: skip

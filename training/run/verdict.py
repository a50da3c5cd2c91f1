"""How ``perpetuo search`` judges a model after its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.run.task import Task


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a model.

    Attributes:
        score: The lower the better.
        category: Where the score lies; empty where scores have no categories.
        figures: What else was measured.
    """

    score: float
    category: str
    figures: dict[str, float]


Judge = Callable[[Task, Any], Verdict]
"""Task of a trained model, and the corpus of its family."""


def judge_held_out(task: Task, corpus: Any) -> Verdict:
    """Judge by the task's own held-out total, in its own unit."""
    del corpus
    figures = task.evaluate()
    return Verdict(figures["total"], "", figures)

"""Counters of a generator: what was drawn, kept, dropped and why, and what it is writing now.

In: counts from the generator (one thread writes). Out: plain data for the display, the log, the
render report and metrics. Readers in other threads take :meth:`GenerationStats.to_dict`, and may
see figures of two successive phrases side by side, never broken ones.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import ARGUMENTS, Phrase
from streamer.system.marks import Marked

SET_ASIDE = "astray"
"""The reason for which sound candidates are left, by design: no fault of theirs. The stream as a
whole is led back to its corpus, or others are more to a person's taste."""

COUNTED = (
    "candidates", "kept", "dropped", "redraws", "relaxed", "phrases", "notes", "recalls_tried",
    "recalls", "moods", "reprimes", "clamped", "inference_s",
)  # fmt: skip
"""Figures of :meth:`GenerationStats.to_dict` that only grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """What a person may know of what is being written; the family says how it is shown.

    Attributes:
        kind: What it is, ``tune`` for example: its label in the live view, and its key in reports.
        line: For a line of a log, with what it is: ``tune 3 (bach)``.
        text: For the live view, beside the label.
        data: The same as plain data, for reports.
        totals: What is counted of its kind, for reports, by name.
    """

    kind: str
    line: str
    text: str
    data: Mapping[str, Any]
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class GenerationStats(Marked):
    """Running figures of one generator.

    A mark keeps what is said of the stream: what was drawn for phrases that were forgotten stays
    counted as drawn.

    Attributes:
        arguments: What the entropies of a note are of, in order.
        candidates: Phrases drawn.
        kept: Candidates that passed every filter.
        dropped: Candidates dropped, by reason.
        redraws: Times that all candidates were dropped and drawn again.
        relaxed: Phrases committed with filters given up, by the reasons no longer asked.
        phrases: Phrases committed.
        notes: Notes committed.
        entropy_sum: Sum over committed notes of the entropy of each argument, nats.
        recalls_tried: Draws in which earlier figures were put forward (ours, figure recall).
        recalls: Phrases committed that bring a figure back in full.
        moods: Moods taken on (ours).
        reprimes: Times that the state was built anew from the recent past.
        clamped: Cell values that the drift bound held back.
        inference_s: Time inside the engine, seconds.
        playing: What is being written; None in music that has no such parts, and before the first.
        ghosts: The last phrases that were dropped, each with its reason, for whoever shows them and
            takes them out; None keeps none.
    """

    marked: ClassVar = (
        "phrases", "notes", "entropy_sum", "recalls", "moods", "playing",
    )  # fmt: skip

    arguments: tuple[str, ...] = ARGUMENTS
    candidates: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    redraws: int = 0
    relaxed: Counter[str] = field(default_factory=Counter)
    phrases: int = 0
    notes: int = 0
    entropy_sum: NDArray[np.float64] = field(init=False)
    recalls_tried: int = 0
    recalls: int = 0
    moods: int = 0
    reprimes: int = 0
    clamped: int = 0
    inference_s: float = 0.0
    playing: Playing | None = None
    ghosts: deque[tuple[str, Phrase]] | None = None

    def __post_init__(self) -> None:
        self.entropy_sum = np.zeros(len(self.arguments))

    def count_drawn(self, reasons: list[str | None]) -> None:
        """Count one draw: a reason or None for each candidate."""
        self.candidates += len(reasons)
        self.kept += reasons.count(None)
        # A fresh counter each time: a reader that iterates never meets one that grows.
        self.dropped = self.dropped + Counter(reason for reason in reasons if reason is not None)

    def count_committed(self, phrase: Phrase) -> None:
        """Count a phrase that goes on to the buffer."""
        self.phrases += 1
        self.notes += len(phrase.notes)
        self.entropy_sum = self.entropy_sum + phrase.entropies.sum(axis=0, dtype=np.float64)

    def entropy_means(self) -> dict[str, float]:
        """Return the mean entropy of each argument over what was committed, nats."""
        means = self.entropy_sum / max(self.notes, 1)
        return dict(zip(self.arguments, map(float, means), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        figures = {
            "candidates": self.candidates,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "redraws": self.redraws,
            "relaxed": dict(sorted(self.relaxed.items())),
            "phrases": self.phrases,
            "notes": self.notes,
            "entropy": self.entropy_means(),
            "recalls_tried": self.recalls_tried,
            "recalls": self.recalls,
            "moods": self.moods,
            "reprimes": self.reprimes,
            "clamped": self.clamped,
            "inference_s": round(self.inference_s, 3),
        }
        playing = self.playing
        if playing is None:
            return figures
        return {**figures, **playing.totals, playing.kind: dict(playing.data)}


def added(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures of one source with the counts of those before it added.

    Args:
        before: :meth:`GenerationStats.to_dict`, added up; empty where there was none.
        now: Of the source that is heard.
    """
    found = dict(now)
    for name, value in before.items():
        if name not in COUNTED:
            continue
        if isinstance(value, Mapping):
            counts = Counter(value) + Counter(now[name])
            found[name] = dict(sorted(counts.items()))
        else:
            found[name] = round(value + now[name], 3)
    return found

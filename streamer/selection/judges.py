"""Judges: is this phrase like the corpus, as far as numbers tell?

A filter with a memory of the corpus: a phrase, with the notes before it, gives a vector, and a
phrase whose vector lies farther from the corpus's than nearly all of the corpus's own is dropped.
``signature`` looks at the piece signature ([Sabathe2017]), ``entropy`` at the entropies of the
notes ([Yamshchikov2020]). References and limits come from the bundle; ``perpetuo play --judge``
asks for them.

Asked after the hard filters, one phrase after the other; one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.measures.note_entropy import WHOLE_FEATURES, column_entropies
from streamer.measures.signature import FEATURES, roll_of_columns, signature
from streamer.music.notes import Note, NoteArray, Phrase
from streamer.selection.filters import Context, Filter

JUDGED_NOTES = 64
"""Notes that a judge looks at: the phrase, and before it what was played. Vectors compare only
between excerpts of as many notes."""

JUDGE_NAMES: tuple[Literal["signature", "entropy"], ...] = ("signature", "entropy")
"""The judges there are; each name is also the reason for which it drops."""


Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
"""Onset and duration in ms, and pitch, of the notes of an excerpt."""


def _signature_vector(notes: Columns) -> NDArray[np.float64]:
    return signature(roll_of_columns(*notes))


def _entropy_vector(notes: Columns) -> NDArray[np.float64]:
    return column_entropies(notes[1], notes[2])


VECTORS: dict[str, tuple[Callable[[Columns], NDArray[np.float64]], tuple[str, ...]]] = {
    "signature": (_signature_vector, FEATURES),
    "entropy": (_entropy_vector, WHOLE_FEATURES),
}
"""Judge to the function that describes an excerpt, and the names of its figures."""


def describe(name: str, notes: NoteArray) -> NDArray[np.float64]:
    """Return the vector by which a judge knows an excerpt, at least one note."""
    pitch = notes["pitch"].astype(np.int64)
    return VECTORS[name][0]((notes["onset_ms"], notes["duration_ms"], pitch))


@dataclass(frozen=True)
class JudgeReference:
    """What a judge holds a phrase against.

    Attributes:
        mean: ``(features,)`` of the corpus's excerpts.
        precision: ``(features, features)``, inverse of their shrunk covariance.
        limit: Distance beyond which a phrase is dropped, above 0.
        notes: Notes of every excerpt.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    limit: float
    notes: int = JUDGED_NOTES

    def __post_init__(self) -> None:
        size = len(self.mean)
        if self.precision.shape != (size, size):
            raise ValueError(f"precision must be {(size, size)}, not {self.precision.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.precision).all()):
            raise ValueError("mean and precision must be finite")
        if not self.limit > 0:
            raise ValueError(f"limit must be above 0, not {self.limit}")
        if self.notes < 8:
            raise ValueError(f"notes must be at least 8, not {self.notes}")

    def distance(self, vector: NDArray[np.float64]) -> float:
        """Return the Mahalanobis distance of one vector."""
        away = vector - self.mean
        squared = float(away @ self.precision @ away)
        return math.sqrt(max(squared, 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest; :meth:`from_dict` reads it."""
        return {
            "mean": self.mean.tolist(),
            "precision": self.precision.tolist(),
            "limit": self.limit,
            "notes": self.notes,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JudgeReference:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: Shapes do not fit, or a figure is out of range.
        """
        mean = np.asarray(data["mean"], dtype=np.float64)
        precision = np.asarray(data["precision"], dtype=np.float64)
        return cls(mean, precision, float(data["limit"]), int(data["notes"]))


class _Window:
    """The notes that judges look at, put together once for all judges of a phrase."""

    def __init__(self) -> None:
        self._recent: tuple[Note, ...] = ()
        self._notes: Sequence[Note] = ()
        self._wanted = 0
        self._before = _to_columns(())
        self._columns = self._before

    def columns(self, notes: Sequence[Note], recent: tuple[Note, ...], wanted: int) -> Columns:
        """Return the last ``wanted`` of the notes before a phrase and its own."""
        if recent is not self._recent or wanted != self._wanted:
            # The notes before are the same for all candidates of a draw.
            self._recent, self._wanted, self._notes = recent, wanted, ()
            self._before = _to_columns(recent[-wanted:])
        if notes is not self._notes:
            own = _to_columns(notes[-wanted:])
            if len(notes) < wanted:
                keep = len(notes) - wanted
                own = tuple(  # type: ignore[assignment]  # three columns, as both have
                    np.concatenate([b[keep:], o]) for b, o in zip(self._before, own, strict=True)
                )
            self._notes, self._columns = notes, own
        return self._columns


class Judge:
    """One judge as a :data:`streamer.selection.filters.Filter`.

    Args:
        name: ``signature`` or ``entropy``.
        reference: What the bundle says of its corpus.
        window: Shared by judges that are asked about the same phrases one after another.

    Raises:
        ValueError: An unknown name, or a reference of another number of figures.
    """

    def __init__(self, name: str, reference: JudgeReference, window: _Window | None = None) -> None:
        if name not in VECTORS:
            raise ValueError(f"judge must be one of {', '.join(VECTORS)}, not {name}")
        self._describe, features = VECTORS[name]
        if len(reference.mean) != len(features):
            raise ValueError(
                f"judge {name} needs {len(features)} figures, not {len(reference.mean)}"
            )
        self.name = name
        self.reference = reference
        self._window = window or _Window()

    def __call__(self, phrase: Phrase, context: Context) -> str | None:
        """Return the judge's name to drop the phrase, None to keep it.

        At the start of a stream, before there are enough notes, everything is kept.
        """
        distance = self.distance(phrase.notes, context.recent)
        return self.name if distance is not None and distance > self.reference.limit else None

    def distance(self, notes: Sequence[Note], recent: tuple[Note, ...]) -> float | None:
        """Return how far the last notes lie from the corpus, None while there are too few.

        Args:
            notes: Of the phrase, in order of onset.
            recent: Those before it, oldest first.
        """
        wanted = self.reference.notes
        if len(notes) + len(recent) < wanted:
            return None
        return self.reference.distance(self._describe(self._window.columns(notes, recent, wanted)))


def _to_columns(notes: Sequence[Note]) -> Columns:
    """Return the notes in the order given, without velocity and pedal: no judge asks."""
    return (
        np.array([n.onset_ms for n in notes], dtype=np.float64),
        np.array([n.duration_ms for n in notes], dtype=np.float64),
        np.array([n.pitch for n in notes], dtype=np.int64),
    )


def make_judges(which: str, references: Mapping[str, Mapping[str, Any]]) -> tuple[Filter, ...]:
    """Return the filters that ``--judge`` asks for.

    Args:
        which: ``none``, ``signature``, ``entropy`` or ``both``.
        references: From the bundle: judge to :meth:`JudgeReference.to_dict`'s form.

    Raises:
        ValueError: An unknown name, a judge for which the bundle has no reference, or a damaged
            reference; the caller names the bundle and the remedy.
    """
    choices: dict[str, tuple[str, ...]] = {
        "none": (),
        "both": JUDGE_NAMES,
        **{name: (name,) for name in JUDGE_NAMES},
    }
    if which not in choices:
        raise ValueError(f"judge must be one of {', '.join(choices)}, not {which}")
    judges, window = [], _Window()
    for name in choices[which]:
        if name not in references:
            raise ValueError(f"there is no reference for the judge {name}")
        judges.append(Judge(name, JudgeReference.from_dict(references[name]), window))
    return tuple(judges)

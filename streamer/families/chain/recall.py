"""Figure recall: figures of the last minutes come back (ours; no paper has it).

Pianists repeat themselves: some 6 % of all runs of eight pitches were heard within the five minutes
before. A recurrent model never says the same thing twice. So, in a share of phrases, each candidate
is offered a different figure that was played lately: the pitches of its notes get a bonus in the
noise, while rhythm, touch and pedal stay the model's own. Selection then takes the candidate whose
figure the model is least confused by, and drops those that it finds less likely than chance.

In: committed phrases. Out: figures to bring back, and how much of a phrase has been heard before.
Thread: the generator's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.settings import RecallSettings
from streamer.measures.repetition import FIGURE_NOTES
from streamer.music.notes import PIANO_LOW, Note, Phrase
from streamer.system.marks import Marked

OCTAVE = 12
LEAST_AGE_NOTES = 24
"""A figure that has only just ended would be an echo, not a return."""

STARTS_TRIED = 4
"""Places looked at for each figure; it begins at the one after the longest wait, where a figure
begins in music."""

LEAST_LOG_PROBABILITY = -math.log(PITCH_CLASSES)
"""Mean log-probability of a figure's pitches below which it is dropped: less likely than chance."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Pitches to bring back.

    Attributes:
        step: Note of the phrase at which they begin.
        classes: Pitch classes of the codec, ``(notes,)`` int64.
    """

    step: int
    classes: NDArray[np.int64]

    @property
    def steps(self) -> slice:
        """The notes of the phrase that it covers."""
        return slice(self.step, self.step + len(self.classes))

    def push(self, noise: NDArray[np.float32], strength: float) -> None:
        """Add ``strength`` nats to its pitches in one candidate's noise ``(notes, classes)``."""
        steps = np.arange(self.step, self.step + len(self.classes))
        noise[steps, self.classes] += np.float32(strength)

    def returned(self, pitches: NDArray[np.int64]) -> bool:
        """Whether a candidate's pitch classes ``(notes,)`` bring it back in full."""
        return bool((pitches[self.steps] == self.classes).all())


class FigureMemory(Marked):
    """The pitches of the last minutes; one thread."""

    marked = ("_onsets", "_pitches", "_first", "_seen")
    rebuilt = ("_seen",)

    def __init__(self, settings: RecallSettings) -> None:
        self._settings = settings
        self._onsets: deque[float] = deque()
        self._pitches: deque[int] = deque()
        self._first = 0  # how many notes were forgotten: index of the first that is remembered
        self._seen: dict[tuple[int, ...], int] = {}  # figure -> index of its last start

    def __len__(self) -> int:
        return len(self._pitches)

    def add(self, notes: Iterable[Note]) -> None:
        """Remember notes that were committed, in their order, and forget those of long ago."""
        for note in notes:
            self._onsets.append(note.onset_ms)
            self._pitches.append(note.pitch)
            if len(self._pitches) >= FIGURE_NOTES:
                figure = tuple(self._pitches[i] for i in range(-FIGURE_NOTES, 0))
                start = self._first + len(self._pitches) - FIGURE_NOTES
                self._seen[figure] = start
        if not self._onsets:
            return
        horizon_ms = self._onsets[-1] - self._settings.memory_seconds * 1000.0
        while self._onsets[0] < horizon_ms:
            self._onsets.popleft()
            self._pitches.popleft()
            self._first += 1
        if len(self._seen) > 2 * len(self._pitches) + 1024:
            self._seen = {f: at for f, at in self._seen.items() if at >= self._first}

    def rebuild(self) -> None:
        """Find the last start of each figure in what is remembered."""
        pitches = tuple(self._pitches)
        self._seen = {
            pitches[start : start + FIGURE_NOTES]: self._first + start
            for start in range(len(pitches) - FIGURE_NOTES + 1)
        }

    def returned_share(self, phrase: Phrase) -> float:
        """Return the share, 0..1, of the phrase's figures of eight that were heard in memory."""
        tail = [self._pitches[i] for i in range(-min(FIGURE_NOTES - 1, len(self)), 0)]
        pitches = [*tail, *(note.pitch for note in phrase.notes)]
        figures = len(pitches) - FIGURE_NOTES + 1
        if figures < 1:
            return 0.0
        position = self._first + len(self) - len(tail)
        heard = 0
        for i in range(figures):
            start = self._seen.get(tuple(pitches[i : i + FIGURE_NOTES]), -1)
            if self._first <= start <= position + i - FIGURE_NOTES:
                heard += 1
        return heard / figures

    def draw(
        self, rng: np.random.Generator, phrase_notes: int, allowed: NDArray[np.bool_]
    ) -> Figure | None:
        """Choose a figure to bring back, and where in the next phrase.

        Args:
            rng: Decides; the same state gives the same figure.
            phrase_notes: Length of the phrase.
            allowed: Which of the 88 pitches may sound, ``(88,)``.

        Returns:
            None when too little is remembered, the phrase is too short, or the figure that was
            drawn has pitches that may not sound.
        """
        settings = self._settings
        most = min(settings.most_notes, phrase_notes)
        if most < settings.least_notes:
            return None
        length = int(rng.integers(settings.least_notes, most + 1))
        starts = len(self) - LEAST_AGE_NOTES - length
        if starts < 1:
            return None
        tried = [int(i) for i in rng.integers(1, starts + 1, STARTS_TRIED)]
        start = max(tried, key=lambda i: self._onsets[i] - self._onsets[i - 1])
        step = int(rng.integers(0, phrase_notes - length + 1))
        shift = 0
        if rng.random() < settings.octave_share:
            shift = OCTAVE if rng.random() < 0.5 else -OCTAVE
        pitches = [self._pitches[i] - PIANO_LOW + shift for i in range(start, start + length)]
        classes = np.array(pitches, dtype=np.int64)
        if classes.min() < 0 or classes.max() >= PITCH_CLASSES or not allowed[classes].all():
            return None
        return Figure(step, classes)

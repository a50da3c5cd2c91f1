"""From the model's stream to the one that is played: phrases laid one after the other from 0.

In: phrases in the time in which the model goes on. Out: phrases for the buffer, and where their
beats lie. Key, velocity and speed are changed later, as notes leave
(:mod:`streamer.live.sendtime`). Thread: the generator's.
"""

from __future__ import annotations

import math
from dataclasses import replace

from streamer.music.notes import Grid, Phrase


class Performer:
    """Lays one phrase after the other; one thread only. Time and beats run on between them."""

    def __init__(self) -> None:
        self._end_ms = 0.0
        self._beat: float | None = None
        self._opens: tuple[float, int] | None = None

    def begin(self, place_ms: float, number: int) -> None:
        """Lay the next phrase here: what other sources have written lies before it.

        Args:
            place_ms: In ms of the stream.
            number: Of this beginning in the stream (:attr:`streamer.music.notes.Phrase.opens`).
        """
        self._end_ms, self._beat, self._opens = place_ms, None, (place_ms, number)

    def perform(self, phrase: Phrase, beat_ms: float | None = None) -> Phrase:
        """Return the phrase at its place in the stream; phrases must come in order.

        Args:
            phrase: As the model goes on with it.
            beat_ms: Length of a quarter in the model's own time, ms; None in free time.

        Raises:
            ValueError: ``beat_ms`` is not above 0.
        """
        if beat_ms is not None and not 0 < beat_ms < math.inf:
            raise ValueError(f"beat_ms must be above 0, not {beat_ms}")
        start_ms = self._end_ms
        self._end_ms = start_ms + (phrase.end_ms - phrase.start_ms)

        def moved(at_ms: float) -> float:
            return start_ms + (at_ms - phrase.start_ms)

        notes = tuple(replace(note, onset_ms=moved(note.onset_ms)) for note in phrase.notes)
        grid = None if beat_ms is None else self._grid(phrase, beat_ms)
        programs = tuple(replace(one, onset_ms=moved(one.onset_ms)) for one in phrase.programs)
        opens = self._opens[1] if self._opens and self._opens[0] == start_ms else None
        return replace(
            phrase, notes=notes, start_ms=start_ms, end_ms=self._end_ms, grid=grid,
            programs=programs, opens=opens,
        )  # fmt: skip

    def mark(self) -> tuple[float, float | None]:
        """Return where the next phrase is laid, to go back to."""
        return self._end_ms, self._beat

    def go_back(self, mark: tuple[float, float | None]) -> None:
        """Lay the next phrase where it would have been laid at a mark."""
        self._end_ms, self._beat = mark

    def rest(self, place_ms: float) -> None:
        """Lay the next phrase no sooner than at a place, in ms of the stream, and on a beat."""
        self._end_ms = max(self._end_ms, place_ms)
        self._beat = None if self._beat is None else float(math.ceil(self._beat))

    def put_off(self, phrase: Phrase, later_ms: float) -> Phrase:
        """Return the phrase that was laid last, laid later; the next one follows on it.

        Args:
            phrase: As it was laid.
            later_ms: By how much, 0 or more.
        """
        self._end_ms += later_ms
        return replace(
            phrase,
            notes=tuple(replace(n, onset_ms=n.onset_ms + later_ms) for n in phrase.notes),
            start_ms=phrase.start_ms + later_ms,
            end_ms=phrase.end_ms + later_ms,
            programs=tuple(
                replace(one, onset_ms=one.onset_ms + later_ms) for one in phrase.programs
            ),
        )

    def cut(self, phrase: Phrase, kept_ms: float) -> None:
        """Lay the next phrase where one that was laid is cut.

        Args:
            phrase: As it was laid.
            kept_ms: What of it stays, ms from its start.
        """
        self._end_ms = phrase.start_ms + kept_ms
        grid = phrase.grid
        self._beat = None if grid is None else grid.beat + kept_ms / grid.beat_ms

    def _grid(self, phrase: Phrase, beat_ms: float) -> Grid:
        beat = phrase.start_ms / beat_ms if self._beat is None else self._beat
        self._beat = beat + (phrase.end_ms - phrase.start_ms) / beat_ms
        return Grid(beat, beat_ms)

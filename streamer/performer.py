"""From the model's stream to what sounds: tempo, transposition and velocity of committed phrases.

In: phrases in the time and key in which the model goes on. Out: phrases for the buffer. The model
never sees these changes, so that they can be turned back without a trace. Called by the generator
thread of the daemon and by render.
"""

from __future__ import annotations

from dataclasses import replace

from streamer.controls import OCTAVE, Controls
from streamer.notes import Grid, Note, Phrase


def fold(pitch: int, low: int, high: int) -> int:
    """Return the pitch moved by octaves into low..high, which spans at least an octave."""
    if pitch < low:
        return pitch + OCTAVE * -((pitch - low) // OCTAVE)
    if pitch > high:
        return pitch - OCTAVE * -((high - pitch) // OCTAVE)
    return pitch


class Performer:
    """Applies the controls to one phrase after the other; one thread only.

    Time runs on from phrase to phrase, and so do beats, so that a change of tempo never jumps.
    """

    def __init__(self) -> None:
        self._end_ms = 0.0
        self._beat: float | None = None

    def perform(self, phrase: Phrase, controls: Controls, beat_ms: float | None = None) -> Phrase:
        """Return the phrase as it is to sound; phrases must come in order.

        Args:
            phrase: As the model goes on with it.
            controls: Live.
            beat_ms: Length of a quarter in the model's own time, ms; None in free time.
        """
        stretch = 1.0 / controls.tempo_scale
        start_ms = self._end_ms
        self._end_ms = start_ms + (phrase.end_ms - phrase.start_ms) * stretch

        def moved(at_ms: float) -> float:
            return start_ms + (at_ms - phrase.start_ms) * stretch

        def sounding(note: Note) -> Note:
            pitch = note.pitch
            if not note.unpitched:
                pitch = fold(pitch + controls.transpose, controls.low, controls.high)
            velocity = round(note.velocity * controls.velocity_scale)
            return replace(
                note,
                pitch=pitch,
                onset_ms=moved(note.onset_ms),
                duration_ms=note.duration_ms * stretch,
                velocity=min(max(velocity, 1), 127),
            )

        notes = tuple(sounding(note) for note in phrase.notes)
        grid = None if beat_ms is None else self._grid(phrase, beat_ms, stretch)
        programs = tuple(replace(one, onset_ms=moved(one.onset_ms)) for one in phrase.programs)
        return Phrase(notes, phrase.entropies, start_ms, self._end_ms, grid, programs)

    def _grid(self, phrase: Phrase, beat_ms: float, stretch: float) -> Grid:
        beat = phrase.start_ms / beat_ms if self._beat is None else self._beat
        self._beat = beat + (phrase.end_ms - phrase.start_ms) / beat_ms
        return Grid(beat, beat_ms * stretch)

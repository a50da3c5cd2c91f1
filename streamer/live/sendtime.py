"""What the controls make of a note at the moment it leaves: key, velocity and speed.

In: notes as they were written, and a snapshot of the controls. Out: notes as they are sent. What is
drawn never knows of it, so that a change is heard in the next note, and is turned back without a
trace. Fitting to the synth (:func:`streamer.live.synth.fit_note`) comes after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamer.live.synth import fit_note
from streamer.music.notes import Note, Phrase
from streamer.music.scales import OCTAVE, SCALE_STEPS, Scale, fold
from streamer.settings.controls import Controls
from streamer.settings.midi import SynthSettings

NEAREST = (-1, 1, -2, 2)
"""Where a note off the scale looks for one on it, semitones, in this order; no scale that there is
has a wider gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTime:
    """The controls that are obeyed as notes leave.

    Attributes:
        transpose: Semitones that are added to a pitch.
        scale: What pitches are quantised to; ``off`` where the lock does not forbid, which is a
            matter of drawing.
        root: First note of the scale, semitones above C.
        low: Lowest pitch; notes below come up by octaves.
        high: Highest pitch, 11 or more above ``low``.
        velocity_scale: Times every velocity.
        tempo_scale: How many times as fast the music runs where no other machine's clock does it.
        level: Times every velocity too, 0..1: what a fade has left of it.
    """

    transpose: int = 0
    scale: Scale = "off"
    root: int = 0
    low: int = 0
    high: int = 127
    velocity_scale: float = 1.0
    tempo_scale: float = 1.0
    level: float = 1.0

    @classmethod
    def of(cls, controls: Controls) -> SendTime:
        """Read them from a snapshot."""
        forbids = controls.scale != "off" and controls.scale_lock == 1
        return cls(
            transpose=controls.transpose,
            scale=controls.scale if forbids else "off",
            root=controls.root if forbids else 0,
            low=controls.low,
            high=controls.high,
            velocity_scale=controls.velocity_scale,
            tempo_scale=controls.tempo_scale,
        )

    def dimmed(self, level: float) -> SendTime:
        """Return the same at a level, 0..1; 0, at which nothing begins, changes no note."""
        return self if level in (0, self.level) else replace(self, level=level)

    def note(self, note: Note) -> Note:
        """Return a note with the key and the velocity that it is sent with; drums keep theirs."""
        pitch = note.pitch
        if not note.unpitched:
            pitch = fold(self._on_scale(pitch + self.transpose), self.low, self.high)
        velocity = min(max(round(note.velocity * self.velocity_scale * self.level), 1), 127)
        if (pitch, velocity) == (note.pitch, note.velocity):
            return note
        return replace(note, pitch=pitch, velocity=velocity)

    def fitted(self, note: Note, synth: SynthSettings) -> Note | None:
        """Return a note as the synth is to play it; None where it cannot.

        Lengths stay in ms of music as it is written; the synth's bounds are in ms as it is heard.
        """
        note = self.note(note)
        return note if synth == _PLAIN else fit_note(note, synth, self.tempo_scale)

    def phrase(self, phrase: Phrase, synth: SynthSettings) -> Phrase:
        """Return a phrase as it is heard, its times too, while the controls stay as they are."""
        fitted = [self.fitted(note, synth) for note in phrase.notes]
        kept = [index for index, note in enumerate(fitted) if note is not None]
        speed = self.tempo_scale
        notes = (
            note
            if speed == 1
            else replace(note, onset_ms=note.onset_ms / speed, duration_ms=note.duration_ms / speed)
            for note in fitted
            if note is not None
        )
        return replace(
            phrase,
            notes=tuple(notes),
            entropies=phrase.entropies[kept],
            start_ms=phrase.start_ms / speed,
            end_ms=phrase.end_ms / speed,
        )

    def _on_scale(self, pitch: int) -> int:
        if self.scale == "off":
            return pitch
        steps = SCALE_STEPS[self.scale]
        for move in (0, *NEAREST):
            if (pitch + move - self.root) % OCTAVE in steps:
                return pitch + move
        return pitch


_PLAIN = SynthSettings()

"""Care for the synth at the other end: what it can play, how it likes it, how many keys at once.

In: notes as the model meant them, and :class:`~streamer.settings.midi.SynthSettings`. Out: notes
that fit the synth (:func:`fit_note`), early releases where keys are too many or struck again
(:class:`Voices`, used by :class:`streamer.live.events.EventMaker`), and what a synth is told before
the first note (:func:`synth_greeting`). Thread: the scheduler's.

Nothing here can leave a note sounding: a release that comes early names the note by its serial,
and the scheduler lets each note be released once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from streamer.midi.messages import BANK_LSB, BANK_MSB, control, program_change
from streamer.music.notes import Note
from streamer.music.scales import OCTAVE
from streamer.settings.midi import SynthSettings

Key = tuple[int, int]
"""MIDI channel 0..15 and pitch 0..127."""


def synth_greeting(settings: SynthSettings, channel: int = 0) -> tuple[bytes, ...]:
    """Return what a synth is told at the start and when it comes back: bank, then program.

    Args:
        settings: Which of them are set.
        channel: 0..15.
    """
    messages = []
    for number, value in ((BANK_MSB, settings.bank_msb), (BANK_LSB, settings.bank_lsb)):
        if value is not None:
            messages.append(control(channel, number, value))
    if settings.program is not None:
        messages.append(program_change(channel, settings.program - 1))
    return tuple(messages)


def fit_note(note: Note, settings: SynthSettings, speed: float = 1.0) -> Note | None:
    """Return one note as the synth is to play it, or None when it cannot.

    Args:
        note: As it is written, but for what the controls make of it.
        settings: Of the synth.
        speed: How many times as fast as written it is heard: bounds of lengths are those of what is
            heard.
    """
    pitch: int | None = note.pitch
    if not note.unpitched:
        pitch = _fit_pitch(note.pitch + settings.transpose, settings)
    if pitch is None:
        return None
    velocity = round(127 * (note.velocity / 127) ** settings.velocity_curve)
    return replace(
        note,
        pitch=pitch,
        velocity=min(max(velocity, settings.velocity_low), settings.velocity_high),
        duration_ms=min(
            max(note.duration_ms, settings.shortest_ms * speed), settings.longest_ms * speed
        ),
        pedal=note.pedal and settings.sustain,
    )


def _fit_pitch(pitch: int, settings: SynthSettings) -> int | None:
    low, high = settings.lowest, settings.highest
    if settings.outside == "fold":
        if pitch < low:
            pitch += OCTAVE * -((pitch - low) // OCTAVE)
        elif pitch > high:
            pitch -= OCTAVE * -((high - pitch) // OCTAVE)
    return pitch if low <= pitch <= high else None


class Voice(NamedTuple):
    """A key that is down.

    Attributes:
        serial: Number of its note in the stream.
        onset_ms: When it was struck.
        end_ms: When it is to be released.
    """

    serial: int
    onset_ms: float
    end_ms: float


class Release(NamedTuple):
    """A note that ends before its time.

    Attributes:
        at_ms: When; after its onset and not after its end.
        serial: Number of the note in the stream.
        key: Its channel and pitch.
    """

    at_ms: float
    serial: int
    key: Key


class Voices:
    """Keeps count of the keys that are down, and says which are to be released early. One thread.

    Args:
        polyphony: Most keys down at once, 1 or more; None sets no end.
        repeat_gap_ms: A key that is struck again is released so long before, or halfway from its
            last strike where that is later. 0 leaves it to the scheduler, which releases it then.
    """

    def __init__(self, polyphony: int | None = None, repeat_gap_ms: float = 0.0) -> None:
        if polyphony is not None and polyphony < 1:
            raise ValueError(f"polyphony must be 1 or more, not {polyphony}")
        if repeat_gap_ms < 0:
            raise ValueError(f"repeat_gap_ms must be 0 or more, not {repeat_gap_ms}")
        self._polyphony, self._own_gap_ms = polyphony, repeat_gap_ms
        self._gap_ms = repeat_gap_ms
        self._down: dict[Key, Voice] = {}

    def run_at(self, speed: float) -> None:
        """Take the gap as ms of what is heard, ``speed`` times as fast as what is written."""
        self._gap_ms = self._own_gap_ms * speed

    def mark(self) -> Mapping[Key, Voice]:
        """Return which keys are down, to go back to; the marks of all notes cost little."""
        return dict(self._down)

    def go_back(self, down: Mapping[Key, Voice]) -> None:
        """Count as it was at a mark."""
        self._down = dict(down)

    def lift(self, place_ms: float) -> list[Release]:
        """Return the end of all that was struck before a place and sounds over it.

        Args:
            place_ms: Not before the note of the last :meth:`strike`.
        """
        over = {
            key: voice
            for key, voice in self._down.items()
            if voice.onset_ms < place_ms < voice.end_ms
        }
        self._down.update({key: one._replace(end_ms=place_ms) for key, one in over.items()})
        return [Release(place_ms, voice.serial, key) for key, voice in over.items()]

    def thin(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Yield the notes with chords of too many keys made smaller.

        The lowest and the highest note stay first, then the loudest.

        Args:
            notes: Sorted by onset, no key twice at one onset.
        """
        for _, struck in groupby(notes, key=lambda note: note.onset_ms):
            chord = list(struck)
            yield from chord if self._polyphony is None else _outline(chord, self._polyphony)

    def strike(self, serial: int, note: Note, onset_ms: float) -> list[Release] | None:
        """Enter a note and return which others end early for it, or None to leave it out.

        Args:
            serial: Its number in the stream.
            note: Channel, pitch and duration are looked at.
            onset_ms: When it begins, not before the note of the last call.
        """
        self._forget(onset_ms - self._gap_ms)
        releases: list[Release] = []
        key = (note.channel, note.pitch)
        again = self._down.pop(key, None)
        if again is not None and self._gap_ms:
            at_ms = max(onset_ms - self._gap_ms, (again.onset_ms + onset_ms) / 2)
            if at_ms < again.end_ms:
                releases.append(Release(at_ms, again.serial, key))
        down = [(key, voice) for key, voice in self._down.items() if voice.end_ms > onset_ms]
        if self._polyphony is not None and len(down) >= self._polyphony:
            stolen, voice = down[0]
            if voice.onset_ms >= onset_ms:
                # All keys that are down were struck this moment: none may be released yet.
                return None
            del self._down[stolen]
            releases.append(Release(onset_ms, voice.serial, stolen))
        self._down[key] = Voice(serial, onset_ms, onset_ms + note.duration_ms)
        return releases

    def _forget(self, before_ms: float) -> None:
        """Take out the keys that were released so long ago that nothing can clash with them."""
        over = [key for key, voice in self._down.items() if voice.end_ms <= before_ms]
        for key in over:
            del self._down[key]


def _outline(chord: list[Note], most: int) -> list[Note]:
    """Return as many notes of a chord as may sound, in their order."""
    if len(chord) <= most:
        return chord
    by_pitch = sorted(range(len(chord)), key=lambda index: chord[index].pitch)
    inner = sorted(by_pitch[1:-1], key=lambda index: -chord[index].velocity)
    kept = sorted([by_pitch[-1], by_pitch[0], *inner][:most])
    return [chord[index] for index in kept]

"""From notes to the messages that leave: note-on, note-off and sustain pedal, each with its time.

In: the notes of one phrase, and how the pedal stood before it. Out: events that the scheduler puts
into its queue. The order of events at one time is that of their kind: what ends comes before what
begins, so that a key struck again is released first.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from streamer.notes import Note, ProgramChange
from streamer.synth import Voices

CONTROL_PEDAL = 64
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123
FIRST_MODE_MESSAGE = 120
"""Controllers from here on are commands to the channel."""


class Kind(IntEnum):
    """What an event does; events at one time are sent in this order."""

    NOTE_OFF = 0
    PEDAL_UP = 1
    PEDAL_DOWN = 2
    PROGRAM = 3
    NOTE_ON = 4


class Event(NamedTuple):
    """One message and its time; events sort in the order in which they are to be sent.

    Attributes:
        deadline_ms: When, in ms of played music.
        kind: What it does.
        serial: The number of its note in the stream: a note-off belongs to the note-on with the
            same number. Events of a later note come later at one time.
        message: The MIDI bytes.
        pedal: For a note-on, whether the pedal is down under it.
    """

    deadline_ms: float
    kind: Kind
    serial: int
    message: bytes
    pedal: bool = False

    @property
    def channel(self) -> int:
        """MIDI channel, 0..15."""
        return self.message[0] & 0x0F

    @property
    def pitch(self) -> int:
        """MIDI note number of a note event, 0..127."""
        return self.message[1]


def note_on(channel: int, pitch: int, velocity: int) -> bytes:
    """Return the message that strikes a key."""
    return bytes((0x90 | channel, pitch, velocity))


def note_off(channel: int, pitch: int) -> bytes:
    """Return the message that releases a key."""
    return bytes((0x80 | channel, pitch, 0))


def control(channel: int, number: int, value: int) -> bytes:
    """Return a control change."""
    return bytes((0xB0 | channel, number, value))


def program_change(channel: int, program: int) -> bytes:
    """Return the message that gives a channel another sound."""
    return bytes((0xC0 | channel, program))


def check_message(message: bytes) -> None:
    """Refuse what is not one MIDI message with a status byte.

    Raises:
        ValueError: With the legal lengths and bytes.
    """
    if not 1 <= len(message) <= 3:
        raise ValueError(f"a message must have 1 to 3 bytes, not {len(message)}")
    if message[0] < 0x80 or any(byte > 0x7F for byte in message[1:]):
        raise ValueError(
            f"a message must be status 80..FF, then data 00..7F, not {message.hex(' ')}"
        )


class EventMaker:
    """Turns phrase after phrase into events; it remembers the pedal between them. One thread.

    A pedal change falls halfway between the onset before it and its own (specs 000-chain), per
    channel, as :func:`streamer.midifile.write_midi` puts it.

    Args:
        voices: Which notes end early for the synth's sake; None lets all be.
    """

    def __init__(self, voices: Voices | None = None) -> None:
        self._voices = voices or Voices()
        self._serial = 0
        self._pedal: dict[int, bool] = {}
        self._onset_ms: dict[int, float] = {}

    def make(self, notes: Iterable[Note], later_ms: float = 0.0) -> list[Event]:
        """Return the events of some notes, in no special order.

        Args:
            notes: Sorted by onset, none before those of the last call.
            later_ms: Added to all times: how far the music has been put off by now.

        Returns:
            A note-on and a note-off for each note, and the pedal changes between them. Notes of one
            key struck at once are one, the longest and loudest. A note that ends early has one more
            note-off of its serial: the first one counts.
        """
        events: list[Event] = []
        for note in self._voices.thin(_one_strike_a_key(notes)):
            onset_ms, channel = note.onset_ms + later_ms, note.channel
            early = self._voices.strike(self._serial, note, onset_ms)
            if early is None:
                continue
            for at_ms, serial, key in early:
                events.append(Event(at_ms, Kind.NOTE_OFF, serial, note_off(*key)))
            before_ms = min(self._onset_ms.get(channel, onset_ms), onset_ms)
            if note.pedal != self._pedal.get(channel, False):
                kind = Kind.PEDAL_DOWN if note.pedal else Kind.PEDAL_UP
                message = control(channel, CONTROL_PEDAL, 127 if note.pedal else 0)
                halfway_ms = (before_ms + onset_ms) / 2.0
                events.append(Event(halfway_ms, kind, self._serial, message))
            self._pedal[channel], self._onset_ms[channel] = note.pedal, onset_ms
            strike = note_on(channel, note.pitch, note.velocity)
            events.append(Event(onset_ms, Kind.NOTE_ON, self._serial, strike, note.pedal))
            release = note_off(channel, note.pitch)
            end_ms = onset_ms + note.duration_ms
            events.append(Event(end_ms, Kind.NOTE_OFF, self._serial, release))
            self._serial += 1
        return events

    def programs(self, changes: Iterable[ProgramChange], later_ms: float = 0.0) -> list[Event]:
        """Return the events of changes of sound; arguments as of :meth:`make`."""
        return [
            Event(
                change.onset_ms + later_ms,
                Kind.PROGRAM,
                self._serial,
                program_change(change.channel, change.program),
            )
            for change in changes
        ]


def notes_to_events(notes: Iterable[Note]) -> list[Event]:
    """Return the events of a whole piece in playing order; what is down at its end is lifted."""
    notes = list(notes)
    events = EventMaker().make(notes)
    end_ms = max((event.deadline_ms for event in events), default=0.0)
    down = {note.channel: note.pedal for note in notes}
    for channel in (channel for channel, pedal in down.items() if pedal):
        lift = control(channel, CONTROL_PEDAL, 0)
        events.append(Event(end_ms, Kind.PEDAL_UP, len(notes), lift))
    return sorted(events)


def _one_strike_a_key(notes: Iterable[Note]) -> Iterable[Note]:
    """Yield the notes with those of one key and onset made one."""
    chord: dict[tuple[int, int], Note] = {}
    onset_ms = -1.0
    for note in notes:
        if note.onset_ms != onset_ms:
            yield from chord.values()
            chord, onset_ms = {}, note.onset_ms
        key = (note.channel, note.pitch)
        twin = chord.get(key)
        if twin is not None:
            note = Note(
                note.pitch,
                note.onset_ms,
                max(note.duration_ms, twin.duration_ms),
                max(note.velocity, twin.velocity),
                note.pedal,
                note.channel,
            )
        chord[key] = note
    yield from chord.values()

"""From notes to the messages that leave: note-on, note-off and sustain pedal, each with its time.

In: the notes of one phrase as they are written, how the pedal stood before it, and the controls
that are obeyed as notes leave. Out: events that the scheduler puts into its queue. The order of
events at one time is that of their kind: what ends comes before what begins, so that a key struck
again is released first.

When those controls change, what has not been struck yet is made anew; what sounds keeps its key and
its end, and a pedal change stays where it was put. When the rest of a phrase is cut off, what has
begun before the cut keeps its end, and the pedal stays as it was put until there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

from streamer.live.sendtime import SendTime
from streamer.live.synth import Key, Voice, Voices
from streamer.midi.messages import (
    CONTROL_PEDAL,
    channel_of,
    control,
    note_off,
    note_on,
    program_change,
)
from streamer.music.notes import Note, ProgramChange
from streamer.settings.midi import SynthSettings

KEPT_MS = 120_000.0
"""Notes that lie so long before the one that is made now are struck by then, and forgotten."""


RINGING_MS = 2000.0
"""So long the pedal stays down at most when somebody else is to be heard."""


class Kind(IntEnum):
    """What an event does; events at one time are sent in this order."""

    NOTE_OFF = 0
    PEDAL_UP = 1
    PEDAL_DOWN = 2
    OPENING = 3
    PROGRAM = 4
    NOTE_ON = 5


class Event(NamedTuple):
    """One message and its time; events sort in the order in which they are to be sent.

    Attributes:
        deadline_ms: When, in ms of played music.
        kind: What it does.
        serial: The number of its note in the stream: a note-off belongs to the note-on with the
            same number. Events of a later note come later at one time.
        message: The MIDI bytes; empty for an opening.
        pedal: For a note-on, whether the pedal is down under it.
        early: For a note-off, whether it is there for the sake of another note.
        opens: For an opening, its number (:attr:`streamer.music.notes.Phrase.opens`).
    """

    deadline_ms: float
    kind: Kind
    serial: int
    message: bytes
    pedal: bool = False
    early: bool = False
    opens: int = 0

    @property
    def channel(self) -> int:
        """MIDI channel, 0..15."""
        return channel_of(self.message)

    @property
    def pitch(self) -> int:
        """MIDI note number of a note event, 0..127."""
        return self.message[1]


class _Made(NamedTuple):
    """A written note, and what was made of it.

    Attributes:
        note: As it is written.
        onset_ms: When it begins, in ms of played music.
        serial: Of the note-on that it became, alone or with another note of its key; None for one
            that was left out.
        next_serial: What the counter of notes stood at before it.
        down: Which keys were down before it.
    """

    note: Note
    onset_ms: float
    serial: int | None
    next_serial: int
    down: Mapping[Key, Voice]


class EventMaker:
    """Turns phrase after phrase into events; it remembers the pedal between them. One thread.

    A pedal change falls halfway between the onset before it and its own, per
    channel (docs/design/chain.md).

    Args:
        voices: Which notes end early for the synth's sake; None lets all be.
        synth: What notes are fitted to; None changes none.

    Attributes:
        send: The controls that everything was made under that is still to come.
    """

    def __init__(self, voices: Voices | None = None, synth: SynthSettings | None = None) -> None:
        self._voices = voices or Voices()
        self._synth = synth or SynthSettings()
        self._serial = 0
        self._pedal: dict[int, bool] = {}
        self._onset_ms: dict[int, float] = {}
        self._made: deque[_Made] = deque()
        self.send = SendTime()

    def make(self, notes: Iterable[Note], later_ms: float = 0.0) -> list[Event]:
        """Return the events of some notes, in no special order.

        Args:
            notes: As they are written, sorted by onset, none before those of the last call.
            later_ms: Added to all times: how far the music has been put off by now.

        Returns:
            A note-on and a note-off for each note, and the pedal changes between them. Notes of one
            key struck at once are one, the longest and loudest. A note that ends early has one more
            note-off of its serial: the first one counts.
        """
        events: list[Event] = []
        for onset_ms, chord in groupby(notes, key=lambda note: note.onset_ms):
            self._forget(onset_ms + later_ms - KEPT_MS)
            events += self._strike(list(chord), onset_ms + later_ms, pedals=True)
        return events

    def remake(self, queue: Sequence[Event], send: SendTime, now_ms: float) -> list[Event]:
        """Return a queue whose notes that are not struck yet obey other controls.

        Args:
            queue: What is to be sent, all of it made here; it is not changed.
            send: What is obeyed from now on.
            now_ms: The present in ms of played music; a note that was left out and is past by now
                is not taken back.
        """
        self.send = send
        self._voices.run_at(send.tempo_scale)
        first = min((e.serial for e in queue if e.kind is Kind.NOTE_ON), default=self._serial)

        def over(made: _Made) -> bool:
            return made.onset_ms < now_ms if made.serial is None else made.serial < first

        while self._made and over(self._made[0]):
            self._made.popleft()
        if not self._made:
            return list(queue)
        coming, self._made = self._made, deque()
        self._serial = coming[0].next_serial
        self._voices.go_back(coming[0].down)
        events = [
            event
            for event in queue
            if event.kind not in (Kind.NOTE_ON, Kind.NOTE_OFF)
            or (event.serial < self._serial and not event.early)
        ]
        for onset_ms, chord in groupby(coming, key=lambda made: made.onset_ms):
            events += self._strike([made.note for made in chord], onset_ms, pedals=False)
        return events

    def cut(self, queue: Sequence[Event], place_ms: float) -> list[Event]:
        """Return a queue without the notes that begin at a place or after it, sorted.

        What is made next begins there.

        Args:
            queue: What is to be sent, all of it made here; it is not changed.
            place_ms: In ms of played music, not before the present.
        """
        later = [event for event in queue if event.deadline_ms >= place_ms]
        gone = {event.serial for event in later if event.kind is Kind.NOTE_ON}
        kept = [event for event in queue if event.deadline_ms < place_ms]
        kept += (
            event
            for event in later
            if event.kind is Kind.NOTE_OFF and not event.early and event.serial not in gone
        )
        first = None
        while self._made and self._made[-1].onset_ms >= place_ms:
            first = self._made.pop()
        if first is not None:
            self._voices.go_back(first.down)
        for event in sorted(later, reverse=True):
            if event.kind in (Kind.PEDAL_UP, Kind.PEDAL_DOWN):
                self._pedal[event.channel] = event.kind is Kind.PEDAL_UP
        self._put_back_onsets(kept, place_ms)
        return sorted(kept)

    def leave(self, queue: Sequence[Event], now_ms: float) -> list[Event]:
        """Return a queue without the notes that have not been struck, sorted; nothing follows.

        What sounds ends when it was to end, and on each channel the pedal comes up with the last of
        it, after :data:`RINGING_MS` at the latest.

        Args:
            queue: What is to be sent, all of it made here; it is not changed.
            now_ms: The present, in ms of played music.
        """
        strikes = (event.deadline_ms for event in queue if event.kind is Kind.NOTE_ON)
        kept = self.cut(queue, min(now_ms, min(strikes, default=now_ms)))
        for channel in [channel for channel, down in self._pedal.items() if down]:
            ends = (event.deadline_ms for event in kept if event.channel == channel)
            up_ms = min(max(ends, default=now_ms), now_ms + RINGING_MS)
            kept.append(
                Event(up_ms, Kind.PEDAL_UP, self._serial, control(channel, CONTROL_PEDAL, 0))
            )
            self._pedal[channel], self._onset_ms[channel] = False, up_ms
        return sorted(kept)

    def _put_back_onsets(self, kept: Iterable[Event], place_ms: float) -> None:
        """Let pedal changes to come lie behind what was struck, and put, before a cut."""
        for channel, onset_ms in self._onset_ms.items():
            if onset_ms >= place_ms:
                mine = (one.onset_ms for one in self._made if one.note.channel == channel)
                self._onset_ms[channel] = max(mine, default=place_ms)
        for event in kept:
            if event.kind in (Kind.PEDAL_UP, Kind.PEDAL_DOWN):
                last_ms = max(self._onset_ms[event.channel], event.deadline_ms)
                self._onset_ms[event.channel] = last_ms

    def lift(self, place_ms: float) -> list[Event]:
        """Return what ends all that sounds at a place, where the next note lies there or later."""
        return [
            Event(at_ms, Kind.NOTE_OFF, serial, note_off(*key))
            for at_ms, serial, key in self._voices.lift(place_ms)
        ]

    def opening(self, place_ms: float, number: int) -> list[Event]:
        """Return what comes before the first note of another bundle: no pedal stays down.

        Args:
            place_ms: Where its first phrase starts, in ms of played music; what is made next lies
                there or later.
            number: Of the opening.
        """
        events = [Event(place_ms, Kind.OPENING, self._serial, b"", opens=number)]
        for channel, down in self._pedal.items():
            self._onset_ms[channel] = place_ms
            if down:
                self._pedal[channel] = False
                up = control(channel, CONTROL_PEDAL, 0)
                events.append(Event(place_ms, Kind.PEDAL_UP, self._serial, up))
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

    def _strike(self, written: list[Note], onset_ms: float, *, pedals: bool) -> list[Event]:
        """Return the events of notes that are struck at once.

        Args:
            written: The notes.
            onset_ms: When, in ms of played music.
            pedals: Whether the pedal is to follow them; it has done so already when they are made
                anew.
        """
        fitted = [(self.send.fitted(note, self._synth), note) for note in written]
        struck = _one_strike_a_key(one for one, _ in fitted if one is not None)
        events: list[Event] = []
        made: dict[Key, tuple[int, Mapping[Key, Voice]]] = {}
        for note in self._voices.thin(struck):
            key, serial, down = (note.channel, note.pitch), self._serial, self._voices.mark()
            early = self._voices.strike(serial, note, onset_ms)
            if early is None:
                continue
            made[key] = serial, down
            self._serial += 1
            for at_ms, other, released in early:
                events.append(Event(at_ms, Kind.NOTE_OFF, other, note_off(*released), early=True))
            if pedals:
                events += self._pedals(note, onset_ms, serial)
            strike = note_on(*key, note.velocity)
            events.append(Event(onset_ms, Kind.NOTE_ON, serial, strike, note.pedal))
            end_ms = onset_ms + note.duration_ms
            events.append(Event(end_ms, Kind.NOTE_OFF, serial, note_off(*key)))
        for key, (serial, down) in made.items():
            for one, note in fitted:
                if one is not None and (one.channel, one.pitch) == key:
                    self._made.append(_Made(note, onset_ms, serial, serial, down))
        down = self._voices.mark()
        for one, note in fitted:
            if one is None or (one.channel, one.pitch) not in made:
                self._made.append(_Made(note, onset_ms, None, self._serial, down))
        return events

    def _pedals(self, note: Note, onset_ms: float, serial: int) -> list[Event]:
        """Return the change of the pedal before a note, if there is one, and take note of it."""
        channel = note.channel
        before_ms = min(self._onset_ms.get(channel, onset_ms), onset_ms)
        changes = note.pedal != self._pedal.get(channel, False)
        self._pedal[channel], self._onset_ms[channel] = note.pedal, onset_ms
        if not changes:
            return []
        kind = Kind.PEDAL_DOWN if note.pedal else Kind.PEDAL_UP
        message = control(channel, CONTROL_PEDAL, 127 if note.pedal else 0)
        return [Event((before_ms + onset_ms) / 2.0, kind, serial, message)]

    def _forget(self, before_ms: float) -> None:
        """Let go of notes that were struck long ago."""
        while self._made and self._made[0].onset_ms < before_ms:
            self._made.popleft()


def _one_strike_a_key(notes: Iterable[Note]) -> Iterable[Note]:
    """Return notes of one onset with those of one key made one."""
    chord: dict[Key, Note] = {}
    for note in notes:
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
    return chord.values()

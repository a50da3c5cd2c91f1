"""From notes to messages in playing order."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.live.events import Event, EventMaker, Kind
from streamer.midi.messages import CONTROL_PEDAL, control
from streamer.midi.midifile import read_midi
from streamer.music.notes import Note
from streamer.ports.recorder import MidiFileSink

ON, OFF, UP, DOWN = Kind.NOTE_ON, Kind.NOTE_OFF, Kind.PEDAL_UP, Kind.PEDAL_DOWN


def notes_to_events(notes):
    """Return the events of a whole piece in playing order; what is down at its end is lifted."""
    notes = list(notes)
    events = EventMaker().make(notes)
    end_ms = max((event.deadline_ms for event in events), default=0.0)
    down = {note.channel: note.pedal for note in notes}
    for channel in (channel for channel, pedal in down.items() if pedal):
        lift = control(channel, CONTROL_PEDAL, 0)
        events.append(Event(end_ms, Kind.PEDAL_UP, len(notes), lift))
    return sorted(events)


def listed(events):
    return [(event.deadline_ms, event.kind, event.message.hex(" ")) for event in events]


def test_a_note_becomes_a_note_on_and_a_note_off():
    assert listed(notes_to_events([Note(60, 100.0, 50.0, 64, channel=2)])) == [
        (100.0, ON, "92 3c 40"),
        (150.0, OFF, "82 3c 00"),
    ]


def test_the_pedal_changes_halfway_between_two_onsets_and_is_lifted_at_the_end():
    notes = [
        Note(60, 0.0, 90.0, 64),
        Note(62, 100.0, 90.0, 64, pedal=True),
        Note(64, 200.0, 90.0, 64, pedal=True),
    ]
    assert [event for event in listed(notes_to_events(notes)) if event[1] in (UP, DOWN)] == [
        (50.0, DOWN, "b0 40 7f"),
        (290.0, UP, "b0 40 00"),
    ]


def test_each_channel_has_its_own_pedal():
    notes = [Note(60, 0.0, 10.0, 64, pedal=True, channel=1), Note(60, 0.0, 10.0, 64, channel=2)]
    pedals = [event for event in listed(notes_to_events(notes)) if event[1] in (UP, DOWN)]
    assert pedals == [(0.0, DOWN, "b1 40 7f"), (10.0, UP, "b1 40 00")]


def test_a_key_struck_again_at_its_release_is_released_first():
    notes = [Note(60, 0.0, 100.0, 64), Note(60, 100.0, 100.0, 65)]
    assert [event[2] for event in listed(notes_to_events(notes))] == [
        "90 3c 40",
        "80 3c 00",
        "90 3c 41",
        "80 3c 00",
    ]


def test_notes_of_one_key_struck_at_once_are_one_the_longest_and_loudest():
    notes = [Note(60, 0.0, 200.0, 30), Note(60, 0.0, 100.0, 90)]
    assert listed(notes_to_events(notes)) == [(0.0, ON, "90 3c 5a"), (200.0, OFF, "80 3c 00")]


def test_the_pedal_and_the_numbers_run_on_from_phrase_to_phrase():
    maker = EventMaker()
    first = maker.make([Note(60, 0.0, 10.0, 64, pedal=True)])
    second = maker.make([Note(62, 100.0, 10.0, 64)], later_ms=1000.0)
    assert [event.serial for event in first + second] == [0, 0, 0, 1, 1, 1]
    assert listed(second)[0] == (550.0, UP, "b0 40 00")


notes = st.builds(
    Note,
    pitch=st.integers(21, 108),
    onset_ms=st.integers(0, 5000).map(lambda ticks: ticks * 0.25),
    duration_ms=st.integers(1, 4000).map(lambda ticks: ticks * 0.25),
    velocity=st.integers(1, 127),
    pedal=st.booleans(),
)


@given(st.lists(notes, min_size=1, max_size=40))
def test_the_events_of_a_piece_written_down_are_read_as_its_onsets(tmp_path_factory, piece):
    piece = sorted(piece, key=lambda note: (note.onset_ms, note.pitch))
    path = tmp_path_factory.mktemp("events") / "piece.mid"
    sink = MidiFileSink(path)
    for event in notes_to_events(piece):
        sink.send(event.message, event.deadline_ms)
    sink.close()
    found = {(note["onset_ms"], note["pitch"]) for note in read_midi(path)}
    assert found == {(note.onset_ms, note.pitch) for note in piece}

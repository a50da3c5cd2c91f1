"""The one writer of MIDI files: what it writes, mido reads."""

from __future__ import annotations

import io

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.midi import writer
from streamer.midi.messages import note_off, note_on


def read_by_mido(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data), charset="utf-8")


def test_a_file_of_one_track_is_format_0_and_of_several_format_1() -> None:
    one = writer.track([(0, writer.track_name("One"))])
    for tracks, kind in (([one], 0), ([one, one, one], 1)):
        file = read_by_mido(writer.midi_file(tracks, 960))
        assert (file.type, file.ticks_per_beat, len(file.tracks)) == (kind, 960, len(tracks))


def test_meta_events_say_what_they_were_made_of() -> None:
    events = [
        (0, writer.track_name("Flöte 笛")),
        (0, writer.time_signature(6, 8)),
        (0, writer.tempo(300_000)),
        (480, writer.marker("middle")),
    ]
    file = read_by_mido(writer.midi_file([writer.track(events, 960)], 480))
    assert list(file.tracks[0]) == [
        mido.MetaMessage("track_name", name="Flöte 笛"),
        mido.MetaMessage("time_signature", numerator=6, denominator=8),
        mido.MetaMessage("set_tempo", tempo=300_000),
        mido.MetaMessage("marker", text="middle", time=480),
        mido.MetaMessage("end_of_track", time=480),
    ]


@given(
    st.lists(
        st.one_of(
            st.integers(0, 300), st.sampled_from([127, 128, 16383, 16384, 2097152, 2**28 - 1])
        )
    )
)
def test_messages_stand_where_they_were_put(deltas: list[int]) -> None:
    tick, events = 0, []
    for place, delta in enumerate(deltas):
        tick += delta
        message = note_off(1, 60) if place % 2 else note_on(1, 60, 1 + place % 127)
        events.append((tick, message))
    found = read_by_mido(writer.midi_file([writer.track(events)])).tracks[0]
    assert [message.time for message in found[:-1]] == deltas
    assert [bytes(message.bytes()) for message in found[:-1]] == [data for _, data in events]


def test_a_rest_too_long_for_a_file_is_cut_to_the_longest() -> None:
    data = writer.midi_file([writer.track([(2**30, note_on(0, 60, 64))])])
    assert read_by_mido(data).tracks[0][0].time == writer.LONGEST_DELTA == 2**28 - 1


def test_a_tempo_that_no_file_can_say_is_refused() -> None:
    with pytest.raises(OverflowError):
        writer.tempo(1 << 24)

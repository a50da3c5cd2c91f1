"""Reading MIDI files of every kind and condition, and writing them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import MidiFileError
from streamer.midi import writer
from streamer.midi.midifile import MidiPiece, parse_midi, read_midi
from streamer.midi.ticks import NO_LIMITS, MidiLimits, TempoMap, strikes
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray, to_array
from tests.midifiles import write_midi

ROUND_TRIP_MS = 0.5
"""What the product promises; a tick is 0.25 ms, so 0.125 ms is measured (onset and release)."""

OUTSIDE_READER_MS = 1e-6
"""pretty_midi computes the same times in another order of float64 operations; 5e-9 measured."""

Message = mido.Message
Meta = mido.MetaMessage


def midi(*tracks: list[mido.Message], ticks: int = 500, kind: int = 1) -> bytes:
    """The bytes of a file; at the default 120 bpm and 500 ticks, one tick is one ms."""
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def on(time: int, pitch: int, velocity: int = 64, channel: int = 0) -> mido.Message:
    return Message("note_on", note=pitch, velocity=velocity, time=time, channel=channel)


def off(time: int, pitch: int, channel: int = 0) -> mido.Message:
    return Message("note_off", note=pitch, time=time, channel=channel)


def control(time: int, value: int, channel: int = 0, number: int = 64) -> mido.Message:
    return Message("control_change", control=number, value=value, time=time, channel=channel)


def tempo(time: int, microseconds: int) -> mido.Message:
    return Meta("set_tempo", tempo=microseconds, time=time)


def parse(data: bytes) -> MidiPiece:
    return parse_midi(data, "test.mid")


def rows(data: bytes) -> list[tuple[float, float, int, int]]:
    """Onset, duration, pitch and velocity of each note."""
    names = ["onset_ms", "duration_ms", "pitch", "velocity"]
    return [tuple(row) for row in parse(data).notes[names].tolist()]


def reason(data: bytes, limits: MidiLimits = NO_LIMITS) -> str:
    with pytest.raises(MidiFileError) as caught:
        parse_midi(data, "test.mid", limits)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("test.mid: ")
    return caught.value.reason


SCALE = [on(0, 60), off(100, 60), on(0, 62), off(100, 62), on(0, 64), off(100, 64)]


# Time


def test_times_are_in_milliseconds_from_the_start_of_the_file() -> None:
    assert rows(midi([on(250, 60, 70), off(100, 60)])) == [(250.0, 100.0, 60, 70)]


def test_tempo_changes_of_every_track_count_for_all_notes() -> None:
    # 500 ticks a quarter: 1 ms a tick, then 2 ms from tick 100, then 0.5 ms from tick 200.
    data = midi(
        [tempo(100, 1_000_000)],
        [on(50, 60), off(100, 60), on(100, 62), off(50, 62)],
        [tempo(200, 250_000)],
    )
    assert rows(data) == [(50.0, 150.0, 60, 64), (325.0, 25.0, 62, 64)]


def test_of_two_tempos_at_one_tick_the_last_holds() -> None:
    data = midi([tempo(0, 1_000_000), tempo(0, 250_000), on(100, 60), off(100, 60)])
    assert rows(data) == [(50.0, 50.0, 60, 64)]


def test_a_tempo_of_zero_is_not_obeyed() -> None:
    assert rows(midi([tempo(0, 0), *SCALE]))[1][0] == 100.0


def test_a_thousand_tempo_changes_do_not_drift() -> None:
    changes = [tempo(1, 500_000 + 997 * (i % 11)) for i in range(1000)]
    expected = sum(1 if i == 0 else (500_000 + 997 * ((i - 1) % 11)) / 500_000 for i in range(1000))
    data = midi(changes, [on(1000, 60), off(10, 60)])
    assert rows(data)[0][0] == pytest.approx(expected, abs=1e-9)


def test_smpte_time_is_read_in_frames() -> None:
    data = bytearray(midi([tempo(0, 123_456), on(100, 60), off(1000, 60)]))
    data[12:14] = bytes([256 - 25, 40])  # 25 frames of 40 ticks: one tick is one millisecond
    assert rows(bytes(data)) == [(100.0, 1000.0, 60, 64)]


# Notes


def test_a_note_on_of_velocity_zero_is_a_note_off() -> None:
    assert rows(midi([on(0, 60, 80), on(100, 60, 0)])) == [(0.0, 100.0, 60, 80)]


def test_a_key_struck_again_ends_the_note_it_held() -> None:
    data = midi([on(0, 60, 10), on(100, 60, 20), off(50, 60), off(50, 60)])
    assert rows(data) == [(0.0, 100.0, 60, 10), (100.0, 100.0, 60, 20)]


def test_a_key_struck_twice_at_once_is_one_note_the_longest_and_loudest() -> None:
    data = midi([on(0, 60, 90), on(0, 60, 20), off(50, 60), off(50, 60)])
    assert rows(data) == [(0.0, 100.0, 60, 90)]


def test_one_key_held_in_two_tracks_is_two_notes() -> None:
    data = midi([on(0, 60, 10), off(300, 60)], [on(100, 60, 20), off(100, 60)])
    assert rows(data) == [(0.0, 300.0, 60, 10), (100.0, 100.0, 60, 20)]


def test_a_note_never_released_ends_with_the_file() -> None:
    data = midi([on(0, 60), on(100, 62), off(100, 62)], [control(500, 0)])
    assert rows(data) == [(0.0, 500.0, 60, 64), (100.0, 100.0, 62, 64)]


def test_a_note_without_length_is_dropped() -> None:
    assert rows(midi([on(0, 60), off(0, 60), on(10, 62), off(10, 62)])) == [(10.0, 10.0, 62, 64)]


def test_a_note_off_without_a_note_is_ignored() -> None:
    assert rows(midi([off(0, 60), on(10, 60), off(10, 60)])) == [(10.0, 10.0, 60, 64)]


def test_notes_are_sorted_by_onset_and_then_pitch_over_all_tracks() -> None:
    data = midi([on(5, 70), off(9, 70)], [on(5, 40), off(9, 40)], [on(0, 99), off(9, 99)])
    assert parse(data).notes["pitch"].tolist() == [99, 40, 70]


def test_channels_tracks_and_programs_are_kept() -> None:
    program = Message("program_change", program=32, channel=3, time=50)
    bass = [on(0, 40, 64, 3), off(60, 40, 3), on(0, 41, 65, 3), off(9, 41, 3)]
    piece = parse(
        midi(
            [Meta("track_name", name="Conductor"), program],
            [Meta("track_name", name=" Bass "), *bass],
        )
    )
    assert piece.track_names == ("Conductor", "Bass")
    assert piece.tracks.tolist() == [1, 1]
    assert piece.notes["channel"].tolist() == [3, 3]
    assert piece.programs.tolist() == [0, 32]


def test_drums_are_dropped_and_counted() -> None:
    piece = parse(midi([on(0, 36, 64, 9), off(10, 36, 9), on(0, 60), off(10, 60)]))
    assert piece.notes["pitch"].tolist() == [60]
    assert piece.drum_notes == 1


# Pedal


@pytest.mark.parametrize(("value", "down"), [(0, False), (63, False), (64, True), (127, True)])
def test_the_pedal_is_down_from_64_on(value: int, down: bool) -> None:
    data = midi([control(0, value), on(10, 60), off(10, 60)])
    assert parse(data).notes["pedal"].tolist() == [down]


def test_a_pedal_change_at_the_tick_of_the_onset_counts_whatever_comes_first() -> None:
    before = midi([control(10, 127), on(0, 60), off(10, 60)])
    after = midi([on(10, 60), control(0, 127), off(10, 60)])
    assert parse(before).notes["pedal"].tolist() == parse(after).notes["pedal"].tolist() == [True]


def test_pedal_in_a_track_of_its_own_holds_for_its_channel_alone() -> None:
    notes = [on(100, 60), off(10, 60), on(90, 62), off(10, 62), on(90, 64), off(10, 64)]
    other = [on(200, 40, 64, 1), off(10, 40, 1)]
    data = midi(notes, other, [control(150, 127), control(100, 0)])
    played = parse(data).notes
    assert played[played["channel"] == 0]["pedal"].tolist() == [False, True, False]
    assert played[played["channel"] == 1]["pedal"].tolist() == [False]


def test_resetting_all_controllers_lifts_the_pedal() -> None:
    data = midi([control(0, 127), control(5, 0, number=121), on(5, 60), off(10, 60)])
    assert parse(data).notes["pedal"].tolist() == [False]


# Bytes


def test_running_status_survives_meta_and_system_exclusive_events() -> None:
    body = bytes.fromhex("00903c400af0030102030aff01036162630a3c0000ff2f00")
    data = b"MThd" + bytes.fromhex("000000060000000101f4") + b"MTrk"
    data += len(body).to_bytes(4, "big") + body
    assert rows(data) == [(0.0, 30.0, 60, 64)]


def test_chunks_of_other_kinds_are_skipped() -> None:
    data = midi(SCALE)
    assert rows(data[:14] + b"XFIH\0\0\0\3abc" + data[14:]) == rows(data)


def test_a_file_in_a_riff_wrapper_is_read() -> None:
    data = midi(SCALE)
    size = len(data).to_bytes(4, "little")
    assert rows(b"RIFF" + size + b"RMIDdata" + size + data) == rows(data)


def test_bytes_behind_the_end_of_track_are_not_played() -> None:
    data = bytearray(midi(SCALE))
    tail = bytes.fromhex("009040400a804000")
    data[18:22] = (int.from_bytes(data[18:22], "big") + len(tail)).to_bytes(4, "big")
    assert rows(bytes(data) + tail) == rows(midi(SCALE))


# Broken files


def test_a_file_that_breaks_off_is_kept_up_to_the_break() -> None:
    data = midi(SCALE)
    piece = parse(data[: -4 - 4 - 2])  # without end of track, note-off, and half of a note-on
    assert piece.notes["pitch"].tolist() == [60, 62]
    assert "early" in piece.notices[0]


def test_a_later_track_that_breaks_off_leaves_the_first_whole() -> None:
    data = midi(SCALE, [on(0, 40), off(300, 40)])
    assert {60, 62, 64} <= set(parse(data[:-6]).notes["pitch"].tolist())


def test_nonsense_in_one_track_leaves_the_others_whole() -> None:
    data = bytearray(midi([on(0, 50), off(100, 50), on(0, 51), off(9, 51)], SCALE))
    data[data.index(51)] = 0xFD
    piece = parse(bytes(data))
    assert piece.notes["pitch"].tolist() == [50, 60, 62, 64]
    assert "track 1" in piece.notices[0]


def test_a_broken_file_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "torn.mid"
    path.write_bytes(midi(SCALE)[:-6])
    assert len(read_midi(path)) == 2
    assert "torn.mid" in caplog.text


REASONS = {"unreadable", "not-midi", "broken", "empty", "drums-only", "too-large"}


def test_every_file_torn_anywhere_is_read_or_refused_with_a_reason() -> None:
    whole = midi([tempo(0, 400_000), control(5, 127), *SCALE], [on(0, 40), off(77, 40)])
    expected = {tuple(row) for row in parse(whole).notes[["onset_ms", "pitch"]].tolist()}
    for length in range(len(whole)):
        try:
            notes = parse(whole[:length]).notes
        except MidiFileError as error:
            assert error.reason in REASONS  # noqa: PT017
        else:
            assert {tuple(row) for row in notes[["onset_ms", "pitch"]].tolist()} <= expected


@given(
    junk=st.binary(max_size=300),
    division=st.binary(min_size=2, max_size=2),
    claimed=st.integers(0, 400),
)
@example(junk=b"\xff" * 40, division=b"\0\1", claimed=40)
@example(junk=b"\0\x90", division=b"\x80\0", claimed=2)
def test_any_bytes_are_read_or_refused_with_a_reason(
    junk: bytes, division: bytes, claimed: int
) -> None:
    data = b"MThd" + bytes.fromhex("0000000600010001") + division
    data += b"MTrk" + claimed.to_bytes(4, "big") + junk
    try:
        notes = parse_midi(data, "junk").notes
    except MidiFileError as error:
        assert error.reason in REASONS  # noqa: PT017
    else:
        assert len(notes) > 0
        assert (notes["duration_ms"] > 0).all()
        assert np.isfinite(notes["onset_ms"]).all()
        assert (np.diff(notes["onset_ms"]) >= 0).all()


def test_reasons_are_told_apart() -> None:
    drums = [on(0, 36, 64, 9), off(10, 36, 9)]
    assert reason(b"") == "empty"
    assert reason(b"\x89PNG\r\n") == "not-midi"
    assert reason(b"RIFF\0\0\0\0RMIDdata") == "not-midi"
    assert reason(b"MThd") == "broken"
    assert reason(midi(SCALE)[:12] + b"\0\0" + midi(SCALE)[14:]) == "broken"
    assert reason(midi(SCALE)[:24]) == "broken"
    assert reason(midi([])) == "empty"
    assert reason(midi([control(0, 127)])) == "empty"
    assert reason(midi(drums)) == "drums-only"


def test_a_gigantic_file_is_refused_by_size_notes_or_hours() -> None:
    data = midi(SCALE)
    assert reason(data, MidiLimits(file_bytes=len(data) - 1)) == "too-large"
    assert reason(data, MidiLimits(notes=2)) == "too-large"
    assert reason(midi([on(0, 60), off(3_600_001, 60)]), MidiLimits(hours=1)) == "too-large"
    parse_midi(data, "fits", MidiLimits(file_bytes=len(data), notes=3, hours=1))


def test_a_gigantic_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.mid"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MidiFileError, match="at most") as caught:
        read_midi(path)
    assert caught.value.reason == "too-large"


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(MidiFileError, match="No such file") as caught:
        read_midi(tmp_path / "none.mid")
    assert caught.value.reason == "unreadable"


# Strikes


def test_strikes_of_different_keys_do_not_touch_each_other() -> None:
    start, end = np.array([0, 5, 10]), np.array([20, 30, 15])
    kept, ends, loudest = strikes(start, end, np.array([1, 2, 3]), np.array([60, 61, 60]))
    assert kept.tolist() == [0, 1, 2]
    assert ends.tolist() == [10, 30, 15]
    assert loudest.tolist() == [1, 2, 3]


def test_no_notes_give_no_strikes() -> None:
    none = np.empty(0, dtype=np.int64)
    assert [len(part) for part in strikes(none, none, none, none)] == [0, 0, 0]


# Writing


@st.composite
def playable(draw: st.DrawFn) -> NoteArray:
    """Notes as one can play them: no key struck while held; one pedal state at one onset."""
    notes: list[Note] = []
    free = dict.fromkeys(((c, p) for c in (0, 3) for p in (21, 60, 108)), 0.0)
    onset, pedal = 0.0, dict.fromkeys((0, 3), False)
    gap = st.one_of(st.just(0.0), st.floats(1.0, 5000.0), st.integers(1, 100_000).map(float))
    for _ in range(draw(st.integers(1, 25))):
        step = draw(gap)
        onset += step
        if step:
            pedal = {channel: draw(st.booleans()) for channel in pedal}
        channel, pitch = draw(st.sampled_from(sorted(free)))
        if free[channel, pitch] > onset:
            continue
        duration = draw(st.floats(1.0, 40_000.0))
        free[channel, pitch] = onset + duration + 1.0
        velocity = draw(st.integers(1, 127))
        notes.append(Note(pitch, onset, duration, velocity, pedal[channel], channel))
    return to_array(notes)


@given(notes=playable())
def test_what_is_written_is_read_back_to_under_half_a_millisecond(
    notes: NoteArray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("written") / "x.mid"
    write_midi(path, notes)
    again = read_midi(path)
    assert len(again) == len(notes)
    # Onsets closer than a tick may change places: compare channel by channel, key by key.
    keys = ("onset_ms", "pitch", "channel")
    ours = notes[np.lexsort([notes[k] for k in keys])]
    theirs = again[np.lexsort([again[k] for k in keys])]
    for name in ("pitch", "velocity", "channel", "pedal"):
        assert theirs[name].tolist() == ours[name].tolist()
    for name in ("onset_ms", "duration_ms"):
        assert np.abs(theirs[name] - ours[name]).max() < ROUND_TRIP_MS


def test_the_messages_of_a_written_file_are_exactly_these(tmp_path: Path) -> None:
    notes = to_array(
        [
            Note(60, 0.0, 100.0, 70),
            Note(62, 100.0, 100.0, 71, pedal=True),
            Note(62, 150.0, 50.0, 72, pedal=True),
        ]
    )
    write_midi(tmp_path / "x.mid", notes, program=0, name="A name")
    clock, seen = 0.0, []
    for message in mido.MidiFile(tmp_path / "x.mid").tracks[0]:
        clock += message.time * writer.TICK_MS
        seen.append((clock, message.bytes()))
    assert seen[0] == (0.0, [0xFF, 0x03, 6, *b"A name"])
    assert seen[2:] == [
        (0.0, [0xC0, 0]),
        (0.0, [0x90, 60, 70]),
        (50.0, [0xB0, 64, 127]),
        (100.0, [0x80, 60, 0]),
        (100.0, [0x90, 62, 71]),
        (150.0, [0x80, 62, 0]),
        (150.0, [0x90, 62, 72]),
        (200.0, [0x80, 62, 0]),
        (200.0, [0xB0, 64, 0]),
        (200.0, [0xFF, 0x2F, 0]),
    ]


def test_a_pedal_down_on_the_first_note_is_written_before_it(tmp_path: Path) -> None:
    write_midi(tmp_path / "x.mid", to_array([Note(60, 0.0, 100.0, 70, pedal=True)]))
    assert read_midi(tmp_path / "x.mid")["pedal"].tolist() == [True]


def test_no_notes_are_written_as_an_empty_file(tmp_path: Path) -> None:
    write_midi(tmp_path / "x.mid", np.empty(0, NOTE_DTYPE))
    with pytest.raises(MidiFileError, match="no notes"):
        read_midi(tmp_path / "x.mid")


# Outside readers


@st.composite
def tracks(draw: st.DrawFn) -> bytes:
    """Files of several tracks with tempo changes, in which no key is struck while it is held."""
    found = []
    for channel in range(draw(st.integers(1, 3))):
        events: list[mido.Message] = []
        for _ in range(draw(st.integers(1, 8))):
            if draw(st.booleans()):
                events.append(tempo(draw(st.integers(0, 300)), draw(st.integers(1000, 2_000_000))))
            if draw(st.booleans()):
                events.append(
                    control(draw(st.integers(0, 300)), draw(st.integers(0, 127)), channel)
                )
            pitches = draw(st.lists(st.integers(0, 127), min_size=1, max_size=4, unique=True))
            events += [
                on(draw(st.integers(0, 300)), p, draw(st.integers(1, 127)), channel)
                for p in pitches
            ]
            events += [off(draw(st.integers(1, 3000)), p, channel) for p in pitches]
        found.append(events)
    return midi(*found, ticks=draw(st.sampled_from([96, 480, 32767])))


def as_read_here(data: bytes) -> list[tuple[float, int, int, float]]:
    """Onset, pitch, velocity and release of each note, sorted."""
    names = ["onset_ms", "pitch", "velocity", "duration_ms"]
    table = parse(data).notes[names].tolist()
    return sorted((start, pitch, loud, start + length) for start, pitch, loud, length in table)


@given(data=tracks())
def test_pretty_midi_reads_the_same_notes(data: bytes) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it wants all tempos in the first track
        outside = pretty_midi.PrettyMIDI(first_track_tempos(data))
    theirs = sorted(
        (note.start * 1000, note.pitch, note.velocity, note.end * 1000)
        for instrument in outside.instruments
        for note in instrument.notes
    )
    np.testing.assert_allclose(as_read_here(data), theirs, rtol=0, atol=OUTSIDE_READER_MS)


def first_track_tempos(data: bytes) -> io.BytesIO:
    """The file with its tempo changes moved to a first track, the only place pretty_midi looks."""
    file = mido.MidiFile(file=io.BytesIO(data))
    changes: list[tuple[int, mido.MetaMessage]] = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message))
    first, before = mido.MidiTrack(), 0
    for tick, message in sorted(changes, key=lambda change: change[0]):
        first.append(message.copy(time=tick - before))
        before = tick
    file.tracks.insert(0, first)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return io.BytesIO(buffer.getvalue())


@given(data=tracks())
def test_symusic_reads_the_same_notes(data: bytes) -> None:
    symusic = pytest.importorskip("symusic")
    score = symusic.Score.from_midi(data)
    division = score.ticks_per_quarter
    clock = TempoMap([(change.time, change.mspq) for change in score.tempos], division)
    theirs = sorted(
        (*clock.to_ms(np.array([note.time])), note.pitch, note.velocity,
         *clock.to_ms(np.array([note.time + note.duration])))
        for track in score.tracks if not track.is_drum
        for note in track.notes
    )  # fmt: skip
    np.testing.assert_allclose(as_read_here(data), theirs, rtol=0, atol=OUTSIDE_READER_MS)


@given(data=tracks())
def test_the_pedal_is_what_a_slow_walk_through_midos_messages_finds(data: bytes) -> None:
    struck: list[tuple[int, int, int]] = []
    pedals: list[tuple[int, int, int]] = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on":
                struck.append((tick, message.note, message.channel))
            elif message.type == "control_change":
                pedals.append((tick, message.channel, message.value))
    expected = []
    for tick, _, channel in sorted(struck):
        values = [value for at, mine, value in pedals if mine == channel and at <= tick]
        expected.append(bool(values) and values[-1] >= 64)
    assert parse(data).notes["pedal"].tolist() == expected

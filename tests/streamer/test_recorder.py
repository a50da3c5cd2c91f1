"""Recordings: what was sent, readable at any moment, and never lost to a full disk."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamer
from streamer.errors import MidiFileError, RecordingError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.midifile import read_midi, read_piece
from streamer.music.notes import Note, to_array
from streamer.ports.recorder import MidiFileSink
from streamer.ports.sinks import FanOutPort
from streamer.settings.settings import SchedulerSettings
from streamer.system.descriptors import write_at
from streamer.testing import FakeGenerator, FakePort, ManualClock
from tests.midifiles import write_midi


def strike(sink, pitch, at_ms, duration_ms=50.0):
    sink.send(bytes((0x90, pitch, 64)), at_ms)
    sink.send(bytes((0x80, pitch, 0)), at_ms + duration_ms)


class SmallDisk:
    """``write_at`` on a disk that holds a limited number of bytes of a file."""

    def __init__(self, limit):
        self.limit = limit
        self.calls = 0

    def __call__(self, file, data, at):
        self.calls += 1
        room = self.limit - at
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_at(file, data[:room], at)


class PowerCut(Exception):
    """The machine is off."""


class CutAfter:
    """``write_at`` that writes ``writes`` times, and then never again."""

    def __init__(self, writes):
        self.writes = writes

    def __call__(self, file, data, at):
        if self.writes == 0:
            raise PowerCut
        self.writes -= 1
        return write_at(file, data, at)


def pitches(path):
    return read_midi(path)["pitch"].tolist()


def test_what_was_sent_is_read_back_with_its_times(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    strike(sink, 60, 0.0)
    sink.send(b"\xb0\x40\x7f", 75.0)
    strike(sink, 62, 100.25, 200.5)
    sink.close()
    notes = read_midi(tmp_path / "take.mid")
    assert notes[["onset_ms", "duration_ms", "pitch", "pedal"]].tolist() == [
        (0.0, 50.0, 60, False),
        (100.25, 200.5, 62, True),
    ]


def test_the_file_is_whole_from_its_first_note_and_after_each_flush(tmp_path):
    path = tmp_path / "take.mid"
    sink = MidiFileSink(path)
    for i in range(5):
        strike(sink, 60 + i, i * 100.0)
        sink.flush()
        track = mido.MidiFile(path).tracks[0]
        assert [m.type for m in track].count("note_on") == i + 1
        assert track[-1].type == "end_of_track"
    sink.close()


def test_nothing_is_written_while_nothing_is_sent(tmp_path):
    disk = SmallDisk(1000)
    sink = MidiFileSink(tmp_path / "take.mid", pwrite=disk)
    calls = disk.calls
    sink.flush()
    assert disk.calls == calls
    sink.close()


def test_messages_that_only_make_sure_of_silence_are_left_out(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    for text in ("80 3c 00", "b0 40 00", "b0 7b 00", "b0 79 00"):
        sink.send(bytes.fromhex(text), 0.0)
    strike(sink, 60, 10.0)
    sink.close()
    kinds = [m.type for m in mido.MidiFile(tmp_path / "take.mid").tracks[0] if not m.is_meta]
    assert kinds == ["note_on", "note_off"]


@given(st.integers(0, 2**32))
def test_a_recording_and_a_rendering_of_the_same_notes_agree(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("agree")
    generator = FakeGenerator(seed)
    phrases = [generator.next_phrase() for _ in range(4)]
    write_midi(folder / "rendered.mid", to_array(n for p in phrases for n in p.notes))
    clock, buffer = ManualClock(), RollingBuffer(50, 100)
    sink = MidiFileSink(folder / "recorded.mid")
    port = FanOutPort([FakePort(clock)], [sink])
    for phrase in phrases:
        buffer.put(phrase)
    buffer.close()
    Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0)).run()
    port.close()
    rendered, recorded = read_midi(folder / "rendered.mid"), read_midi(folder / "recorded.mid")
    assert rendered.tolist() == recorded.tolist()


@given(st.integers(0, 12), st.integers(1, 3))
def test_cut_off_between_any_two_writes_all_earlier_flushes_are_read(
    tmp_path_factory, writes, notes_a_flush
):
    path = tmp_path_factory.mktemp("cut") / "take.mid"
    sink = MidiFileSink(path)
    sink._pwrite = CutAfter(writes)
    flushed = []
    try:
        for i in range(5):
            batch = [36 + i * notes_a_flush + k for k in range(notes_a_flush)]
            for k, pitch in enumerate(batch):
                strike(sink, pitch, i * 1000.0 + k * 100.0)
            sink.flush()
            flushed.extend(batch)
    except PowerCut:
        pass
    if not path.exists():
        assert not flushed
    elif flushed:
        piece = read_piece(path)
        assert not piece.notices
        assert piece.notes["pitch"].tolist() == flushed
        assert len(mido.MidiFile(path).tracks) == 1
    else:
        with pytest.raises(MidiFileError) as caught:
            read_midi(path)
        assert caught.value.reason == "empty"


def test_a_process_that_is_killed_leaves_all_but_the_last_second(tmp_path):
    path = tmp_path / "take.mid"
    script = f"""
        import os, signal
        from streamer.ports.recorder import MidiFileSink
        sink = MidiFileSink({str(path)!r})
        for i in range(20):
            sink.send(bytes((0x90, 60 + i, 64)), i * 100.0)
            sink.send(bytes((0x80, 60 + i, 0)), i * 100.0 + 50.0)
            if i == 14:
                sink.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert pitches(path) == list(range(60, 75))
    assert mido.MidiFile(path).tracks[0][-1].type == "end_of_track"


def test_the_recorder_writes_by_itself_and_closing_waits_for_it(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid").start()
    strike(sink, 60, 0.0)
    sink.close()
    assert pitches(tmp_path / "take.mid") == [60]


def test_an_earlier_recording_is_kept_under_a_numbered_name(tmp_path):
    path = tmp_path / "take.mid"
    for pitch in (60, 62, 64):
        sink = MidiFileSink(path)
        strike(sink, pitch, 0.0)
        sink.close()
    names = ("take.mid", "take-2.mid", "take-1.mid")
    assert [pitches(tmp_path / name) for name in names] == [[64], [62], [60]]


def test_a_full_disk_keeps_the_file_whole_and_what_is_unsaved_for_later(tmp_path):
    path, disk = tmp_path / "take.mid", SmallDisk(150)
    sink = MidiFileSink(path, pwrite=disk)
    strike(sink, 60, 0.0)
    sink.flush()
    saved = pitches(path)
    assert saved == [60]
    for i in range(40):
        strike(sink, 61 + i % 20, 100.0 + i * 100.0)
    sink.flush()
    assert isinstance(sink.error, RecordingError)
    assert "No space left" in str(sink.error)
    assert pitches(path) == [60], "the file holds what it held"
    disk.limit = 10_000
    strike(sink, 60, 9000.0)
    sink.flush()
    assert sink.error is None
    sink.close()
    assert len(pitches(path)) == 42


def test_a_disk_that_stays_full_is_one_line_when_the_recording_is_closed(tmp_path):
    path = tmp_path / "take.mid"
    sink = MidiFileSink(path, pwrite=SmallDisk(150))
    for i in range(60):
        strike(sink, 36 + i, i * 100.0)
        if i == 3:
            sink.flush()
    with pytest.raises(RecordingError, match=r"No space left on device; \d+ bytes") as caught:
        sink.close()
    assert "\n" not in str(caught.value)
    assert pitches(path) == [36, 37, 38, 39]


def test_a_full_disk_does_not_stop_the_stream(tmp_path):
    clock, buffer, generator = ManualClock(), RollingBuffer(4, 10), FakeGenerator(3)
    sink = MidiFileSink(tmp_path / "take.mid", pwrite=SmallDisk(300))
    live = FakePort(clock)
    port = FanOutPort([live], [sink])
    scheduler = Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0))
    clock.every(0.5, sink.flush)
    clock.every(1.0, lambda: generator.top_up(buffer))
    clock.at(clock.now() + 60.0, scheduler.stop)
    scheduler.run()
    assert scheduler.notes_sent > 200
    assert live.receiver.is_silent
    with pytest.raises(RecordingError):
        port.close()
    assert live.closed == 1
    assert len(pitches(tmp_path / "take.mid")) > 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_device_without_room_is_refused_at_once():
    with pytest.raises(RecordingError, match="No space left"):
        MidiFileSink("/dev/full")


def test_a_path_that_cannot_be_written_is_refused_with_a_remedy(tmp_path):
    for path in (tmp_path / "no" / "take.mid", tmp_path):
        with pytest.raises(RecordingError, match="name a file in") as caught:
            MidiFileSink(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_times_that_run_back_are_written_where_the_last_one_was(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    sink.send(b"\x90\x3c\x40", 100.0)
    sink.send(b"\x80\x3c\x00", 200.0)
    strike(sink, 62, 150.0, 100.0)
    sink.close()
    assert read_midi(tmp_path / "take.mid")["onset_ms"].tolist() == [100.0, 200.0]


def test_what_is_no_message_is_refused(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    for bad in (b"", b"\x40\x40", b"\x90\x80\x40", b"\x90\x40\x40\x40"):
        with pytest.raises(ValueError, match="must"):
            sink.send(bad, 0.0)
    sink.close()
    sink.send(b"\x90\x3c\x40", 0.0)
    sink.close()


def test_an_endless_rest_is_written_within_what_the_format_can_say(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    strike(sink, 60, 0.0)
    strike(sink, 61, 20 * 3600_000.0)
    sink.close()
    assert len(mido.MidiFile(tmp_path / "take.mid").tracks[0]) > 0


def test_a_note_keeps_its_channel(tmp_path):
    sink = MidiFileSink(tmp_path / "take.mid")
    sink.send(b"\x95\x3c\x40", 0.0)
    sink.send(b"\x85\x3c\x00", 10.0)
    sink.close()
    assert read_midi(tmp_path / "take.mid")["channel"].tolist() == [5]
    assert Note(60, 0.0, 10.0, 64, channel=5).channel == 5

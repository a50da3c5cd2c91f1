"""Endless recording: whole files one after another, no note cut, the oldest removed."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamer.errors import RecordingError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import control
from streamer.midi.midifile import read_midi
from streamer.ports.recorder import MidiFileSink
from streamer.ports.rotation import NAME, RotatingSink
from streamer.ports.sinks import FanOutPort
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock

PLENTY = 10**9


class Stamps:
    """A date that is one second later each time it is asked."""

    def __init__(self):
        self.count = itertools.count()

    def __call__(self):
        return f"20260101-{next(self.count):06d}"


def make(folder, seconds=10.0, limit=PLENTY):
    return RotatingSink(folder, seconds, limit, Stamps())


def strike(sink, pitch, at_ms, duration_ms=50.0):
    sink.send(bytes((0x90, pitch, 64)), at_ms)
    sink.send(bytes((0x80, pitch, 0)), at_ms + duration_ms)


def takes(folder):
    """Onset in ms and pitch of every note, by file."""
    return [
        [(round(float(note["onset_ms"])), int(note["pitch"])) for note in read_midi(path)]
        for path in sorted(folder.glob("*.mid"))
    ]


def test_a_file_ends_at_the_first_silence_after_its_time_and_the_next_begins_at_zero(tmp_path):
    sink = make(tmp_path)
    for second in range(25):
        strike(sink, 60 + second, second * 1000.0)
        sink.flush()
    sink.close()
    assert [
        [(second * 1000, 60 + second) for second in range(10)],
        [(second * 1000, 70 + second) for second in range(10)],
        [(second * 1000, 80 + second) for second in range(5)],
    ] == takes(tmp_path)


def test_times_count_from_the_first_message_and_never_run_back(tmp_path):
    sink = make(tmp_path)
    strike(sink, 60, 5000.0)
    strike(sink, 61, 4000.0, 1100.0)
    sink.close()
    assert [[(0, 60), (50, 61)]] == takes(tmp_path)


def test_a_note_that_sounds_when_the_time_is_over_is_not_cut(tmp_path):
    sink = make(tmp_path)
    strike(sink, 60, 0.0, 10.0)
    sink.send(bytes((0x90, 61, 64)), 9_900.0)
    strike(sink, 62, 10_100.0, 100.0)
    sink.send(bytes((0x80, 61, 0)), 10_300.0)
    strike(sink, 63, 10_400.0)
    sink.close()
    assert [[(0, 60), (9_900, 61), (10_100, 62)], [(0, 63)]] == takes(tmp_path)


def test_without_a_silence_what_sounds_ends_with_its_file_and_the_pedal_goes_on(tmp_path):
    sink = make(tmp_path)
    sink.send(control(0, 64, 127), 0.0)
    sink.send(bytes((0x90, 60, 64)), 0.0)
    strike(sink, 61, 10_500.0)
    strike(sink, 62, 11_000.0)
    sink.send(bytes((0x80, 60, 0)), 12_000.0)
    sink.close()
    first, second = sorted(tmp_path.glob("*.mid"))
    notes = read_midi(first)
    assert [60, 61] == notes["pitch"].tolist()
    assert 11_000.0 == pytest.approx(float(notes["duration_ms"][0]), abs=1.0)
    assert [62] == read_midi(second)["pitch"].tolist()
    assert [True] == read_midi(second)["pedal"].tolist()


def test_every_file_is_whole_at_any_moment(tmp_path):
    sink = make(tmp_path, seconds=2.0)
    for second in range(7):
        strike(sink, 60, second * 1000.0)
        sink.flush()
        assert second + 1 == sum(map(len, takes(tmp_path)))
    sink.close()


def test_the_oldest_are_removed_at_the_limit_and_nothing_else_is(tmp_path):
    others = [tmp_path / name for name in ("mine.mid", "perpetuo-take.mid", "perpetuo-1.txt")]
    for other in others:
        other.write_bytes(bytes(5000))
    for age, name in enumerate(("perpetuo-20250101-000003.mid", "perpetuo-20250101-000001.mid")):
        (tmp_path / name).write_bytes(bytes(400))
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    sink = make(tmp_path, limit=500)
    ours = sorted(path.name for path in tmp_path.iterdir() if NAME.fullmatch(path.name))
    assert ["perpetuo-20250101-000001.mid"] == ours
    assert all(other.exists() for other in others)
    sink.close()


def test_what_is_being_written_is_never_removed(tmp_path):
    sink = make(tmp_path, seconds=1.0, limit=1)
    for second in range(5):
        strike(sink, 60 + second, second * 1000.0)
    sink.flush()
    assert [sink.path] == [*tmp_path.glob("*.mid")]
    sink.close()
    assert [[(0, 64)]] == takes(tmp_path)


def test_where_no_next_file_can_be_made_the_recording_goes_on_in_this_one(tmp_path, monkeypatch):
    sink = make(tmp_path, seconds=1.0)
    strike(sink, 60, 0.0)
    sink.flush()

    def refuse(path):
        raise RecordingError(f"{path}: no")

    monkeypatch.setattr("streamer.ports.rotation.MidiFileSink", refuse)
    strike(sink, 61, 5_000.0)
    strike(sink, 62, 30_000.0)
    sink.flush()
    monkeypatch.setattr("streamer.ports.rotation.MidiFileSink", MidiFileSink)
    strike(sink, 63, 64_000.0)
    strike(sink, 64, 66_000.0)
    sink.close()
    assert [[(0, 60), (5_000, 61), (30_000, 62), (64_000, 63)], [(0, 64)]] == takes(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line_with_the_remedy(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RecordingError, match="name a folder that can be written"):
        make(blocked / "recordings")


def test_a_length_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="above 0"):
        make(tmp_path, seconds=0.0)


def test_closing_a_recording_that_writes_by_itself_leaves_all_of_it(tmp_path):
    sink = make(tmp_path).start()
    strike(sink, 60, 0.0)
    sink.close()
    assert [[(0, 60)]] == takes(tmp_path)


def test_a_life_without_a_note_leaves_no_file(tmp_path):
    """A service whose start fails is started again every three seconds."""
    sink = make(tmp_path).start()
    sink.send(b"\xb0\x40\x00", 0.0)
    sink.close()
    sink.close()
    assert [] == [*tmp_path.iterdir()]


@hypothesis_settings(max_examples=10)
@given(seed=st.integers(0, 1000), seconds=st.floats(0.5, 20.0))
def test_all_files_together_hold_every_note_that_was_played(tmp_path_factory, seed, seconds):
    folder = Path(tmp_path_factory.mktemp("recordings"))
    clock, buffer = ManualClock(), RollingBuffer(1.0, 30.0)
    sink, whole = make(folder, seconds), MidiFileSink(folder / "whole.take")
    FakeGenerator(seed).top_up(buffer)
    buffer.close()
    port = FanOutPort([FakePort(clock)], [sink, whole])
    Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0)).run()
    sink.close()
    whole.close()
    expected = read_midi(folder / "whole.take")["pitch"].tolist()
    found = [pitch for take in takes(folder) for _, pitch in take]
    assert sorted(expected) == sorted(found)

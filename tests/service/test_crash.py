"""After SIGKILL, and after a power cut, the next start silences what was left sounding."""

import multiprocessing
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import control, note_off
from streamer.midi.sounding import SoundingTable
from streamer.service.crash import MAGIC, SIZE, LastingTable, open_table
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock

ON, PEDAL_DOWN = bytes((0x90, 60, 80)), control(0, 64, 127)


def send(table, *messages, now=0.0):
    for message in messages:
        table.before(message)
        table.after(message, now)


def reopened(table, path, **places):
    """What the next process finds when this one ends without a word."""
    table.close()
    return LastingTable(path, **places)


def test_what_sounds_is_found_by_the_next_start(tmp_path, caplog):
    path = tmp_path / "sounding"
    table = LastingTable(path)
    send(table, ON, bytes((0x93, 61, 1)), PEDAL_DOWN)
    after = reopened(table, path)
    assert (((0, 60), (3, 61)), frozenset({0}), 3) == (
        after.keys,
        after.pedals,
        after.left_sounding,
    )
    assert "may have left keys down" in caplog.text


def test_what_was_ended_is_not_found(tmp_path):
    path = tmp_path / "sounding"
    table = LastingTable(path)
    send(table, ON, PEDAL_DOWN, note_off(0, 60), control(0, 64, 0))
    assert 0 == reopened(table, path).left_sounding


def test_a_note_off_that_was_not_sent_ends_nothing(tmp_path):
    path = tmp_path / "sounding"
    table = LastingTable(path)
    send(table, ON)
    table.before(note_off(0, 60))
    assert ((0, 60),) == reopened(table, path).keys


def test_what_is_left_stays_until_it_was_truly_silenced(tmp_path):
    """Crash, start with no port, crash again: it still sounds."""
    path = tmp_path / "sounding"
    table = LastingTable(path)
    send(table, ON)
    for _ in range(3):
        table = reopened(table, path)
        assert ((0, 60),) == table.keys
    send(table, *table.silence())
    assert () == reopened(table, path).keys


def test_keys_in_doubt_are_kept_in_the_file_too(tmp_path):
    path = tmp_path / "sounding"
    table = LastingTable(path)
    send(table, ON, note_off(0, 60), now=10.0)
    table.doubt(9.0)
    assert ((0, 60),) == reopened(table, path).keys


@given(data=st.binary(max_size=SIZE + 8))
def test_any_file_can_be_begun_over(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("table") / "sounding"
    path.write_bytes(data)
    table = LastingTable(path)
    send(table, *table.silence())
    assert ((), frozenset()) == (table.keys, table.pedals)
    assert 0 == reopened(table, path).left_sounding


def test_a_damaged_file_could_have_said_anything_so_every_key_is_released(tmp_path):
    path = tmp_path / "sounding"
    path.write_bytes(b"x" * SIZE)
    assert [*range(128)] == [pitch for _, pitch in LastingTable(path).keys]


def test_a_new_file_says_nothing(tmp_path):
    path = tmp_path / "folder" / "sounding"
    assert 0 == LastingTable(path).left_sounding
    assert MAGIC == path.read_bytes()[: len(MAGIC)]
    assert SIZE == path.stat().st_size


def test_two_that_play_to_one_port_do_not_share_the_file(tmp_path):
    first = open_table(tmp_path, "Piano")
    second = open_table(tmp_path, "Piano")
    other = open_table(tmp_path, "Organ")
    assert [LastingTable, SoundingTable, LastingTable] == [*map(type, (first, second, other))]


def test_where_no_file_can_be_had_the_stream_plays_on_without(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert SoundingTable is type(open_table(blocked, "Piano"))
    assert "a crash would leave notes on" in caplog.text


def test_a_link_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    path = tmp_path / "sounding"
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        LastingTable(path)
    assert b"precious" == target.read_bytes()


def test_after_a_power_cut_every_key_is_released(tmp_path):
    """The folder in memory is gone, the mark in the state folder is not."""
    mark = tmp_path / "state" / "playing"
    LastingTable(tmp_path / "boot-1", mark)
    after = LastingTable(tmp_path / "boot-2", mark)
    assert (128, frozenset({0})) == (len(after.keys), after.pedals)
    assert [note_off(0, pitch) for pitch in range(128)] == after.silence()[:128]


def test_after_a_clean_end_there_is_no_mark(tmp_path):
    mark = tmp_path / "state" / "playing"
    table = LastingTable(tmp_path / "boot-1", mark)
    send(table, ON, note_off(0, 60))
    assert mark.exists()
    table.close()
    table.close()
    assert not mark.exists()
    assert 0 == LastingTable(tmp_path / "boot-2", mark).left_sounding


def test_an_end_that_could_not_silence_leaves_the_mark(tmp_path):
    mark = tmp_path / "state" / "playing"
    table = LastingTable(tmp_path / "boot-1", mark)
    table.before(ON)
    table.close()
    assert mark.exists()


def play_until_killed(path, sends):
    """Play in a process of its own, which kills itself in the middle of a send."""
    clock = ManualClock()
    port = FakePort(clock)
    buffer = RollingBuffer(1.0, 20.0)
    FakeGenerator(seed=sends).top_up(buffer)
    plain = port.send
    counted = [0]

    def send_and_die(message, at_ms=None):
        plain(message, at_ms)
        counted[0] += 1
        if counted[0] == sends:
            os.kill(os.getpid(), signal.SIGKILL)

    port.send = send_and_die
    Scheduler(buffer, port, clock, table=LastingTable(path)).run()


def sounding_in(path):
    data = path.read_bytes()
    return {index for index in range(128) if data[len(MAGIC) + index]}


@pytest.mark.parametrize("sends", [6, 9, 17, 40, 83])
def test_sigkill_in_the_middle_of_playing_is_silenced_by_the_next_start(tmp_path, sends):
    path = tmp_path / "sounding"
    process = multiprocessing.get_context("fork").Process(
        target=play_until_killed, args=(path, sends)
    )
    process.start()
    process.join(30)
    assert -signal.SIGKILL == process.exitcode
    left = sounding_in(path)
    assert left

    clock = ManualClock()
    port = FakePort(clock)
    for pitch in left:
        port.receiver.hear(bytes((0x90, pitch, 80)))
    buffer = RollingBuffer(1.0, 20.0)
    scheduler = Scheduler(
        buffer, port, clock, SchedulerSettings(realtime_priority=0), table=LastingTable(path)
    )
    silent_at = []
    clock.at(clock.now() + 0.1, lambda: silent_at.append(port.receiver.is_silent))
    clock.at(clock.now() + 0.2, scheduler.stop)
    scheduler.run()
    assert [True] == silent_at
    assert set() == sounding_in(path)

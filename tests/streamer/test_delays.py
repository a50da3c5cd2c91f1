"""Offsets of outputs: each is as much later or sooner as it was told, and none is left sounding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import ConfigError, PortError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.channels import moved_by, split_channels, split_offset
from streamer.midi.clock import Followed
from streamer.midi.messages import note_off, note_on
from streamer.ports import open_outputs
from streamer.ports.delays import Delays
from streamer.ports.outputs import Outputs
from streamer.service.crash import open_table, read_table
from streamer.settings.midi import PortSettings
from streamer.settings.reading import parse_setting
from streamer.testing import FakePort, ManualClock
from tests.streamer.test_beatline import SETTINGS, START, tune
from tests.streamer.test_ports import DRUMS, OFF, ON, SYNTH, Bench


class Band:
    """A tune to several outputs, each with an offset in ms."""

    def __init__(self, *offsets_ms: float, beats: int = 24, **more) -> None:
        self.clock = ManualClock(START)
        self.delays = Delays(self.clock)
        self.delays.early_seconds = max(0.0, -min(offsets_ms) / 1000.0)
        self.ports = [FakePort(self.clock) for _ in offsets_ms]
        lines = [
            self.delays.line(port, offset / 1000.0)
            for port, offset in zip(self.ports, offsets_ms, strict=True)
        ]
        self.port = Outputs(lines, self.clock)
        buffer = RollingBuffer(4.0, 10.0)
        buffer.put(tune(beats=beats))
        buffer.close()
        self.scheduler = Scheduler(
            buffer, self.port, self.clock, SETTINGS,
            tend=self.port.tend, delays=self.delays, **more,
        )  # fmt: skip

    def run(self) -> None:
        self.scheduler.run()
        self.port.close()

    def times(self, number: int, status: int = 0x90) -> list[float]:
        log = self.ports[number].log
        return [at for at, message in log if message[0] == status]


def later(one: list[float], other: list[float]) -> set[float]:
    """Return by how many ms the messages of one come after those of another."""
    return {round((a - b) * 1000.0, 6) for a, b in zip(one, other, strict=True)}


def test_each_output_is_as_much_later_as_it_was_told():
    band = Band(0.0, 35.0, -20.0, 200.0)
    band.run()
    assert 25 == len(band.times(0))
    for number, ms in ((1, 35.0), (2, -20.0), (3, 200.0)):
        assert {ms} == later(band.times(number), band.times(0))
        assert {ms} == later(band.times(number, 0x80)[:-1], band.times(0, 0x80)[:-1])
    assert all(port.receiver.is_silent for port in band.ports)


def test_the_clock_that_is_sent_goes_with_the_output():
    band = Band(0.0, 30.0, send_bpm=96.0)
    band.run()
    clocks = band.times(1, 0xF8)
    assert {30.0} == later(clocks[:100], band.times(0, 0xF8)[:100])
    first = band.times(1, 0x90)[0]
    assert min(abs(first - at) for at in clocks) < 1e-6


def test_an_output_without_an_offset_lies_on_a_beat_that_is_followed():
    band = Band(0.0, -50.0)
    followed = Followed(external=True, locked=True, tempo_bpm=120.0, beat=0.0, at=START - 0.1)
    band.scheduler.beat(followed)
    band.scheduler.follow(1.0, halted=False)
    band.run()
    off = [(at - START + 0.1) / 0.5 for at in band.times(0)]
    assert {0.0} == {round(abs(beat - round(beat)), 6) for beat in off}
    assert {-50.0} == later(band.times(1), band.times(0))


def test_what_silences_is_obeyed_at_once_and_what_waits_never_begins():
    band = Band(0.0, 200.0)
    at = START + 0.3 + 4 * 0.625 + 0.1  # between a note here and the same note there
    band.clock.at(at, band.scheduler.panic)
    band.run()
    assert 25 == len(band.times(0))
    assert 24 == len(band.times(1))
    heard = [message for when, message in band.ports[1].log if when == pytest.approx(at)]
    assert b"\xb0\x78\x00" in heard


ACTIONS = ("panic", "pause", "resume", "stop", "lose 0", "find 0", "lose 1", "find 1", "mute")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 8.9), st.sampled_from(ACTIONS)), max_size=8),
    st.tuples(st.floats(-50.0, 200.0), st.floats(-50.0, 200.0)),
)
def test_nothing_is_left_sounding_whatever_happens(plans, offsets):
    band = Band(*offsets, beats=16)

    def do(action: str) -> None:
        word, _, number = action.partition(" ")
        if word == "lose":
            band.ports[int(number)].vanish()
        elif word == "find":
            band.ports[int(number)].come_back()
        elif word == "mute":
            band.scheduler.mute(frozenset({0}))
        else:
            getattr(band.scheduler, word)()

    for when, action in plans:
        band.clock.at(START + when, lambda action=action: do(action))
    for port in band.ports:
        band.clock.at(START + 9.0, port.come_back)
    band.clock.at(START + 9.0, band.scheduler.resume)
    band.run()
    # One that is gone when the stream stops cannot be told.
    assert all(port.receiver.is_silent for port in band.ports if port.epoch)


@pytest.mark.parametrize(
    ("spec", "name", "channels", "offset_ms"),
    [
        ("Juno", "Juno", None, 0.0),
        ("Juno@5", "Juno", moved_by(4), 0.0),
        ("Juno@+35ms", "Juno", None, 35.0),
        ("Juno@-12.5ms", "Juno", None, -12.5),
        ("Juno@40ms", "Juno", None, 40.0),
        ("Juno@5,-20ms", "Juno", moved_by(4), -20.0),
        ("TR-8S@1=10,*=off,+200ms", "TR-8S", (9, *[None] * 15), 200.0),
        ("a@b,c", "a@b,c", None, 0.0),
        ("Synth 100ms", "Synth 100ms", None, 0.0),
        ("file:/music/take,-3", "file:/music/take,-3", None, 0.0),
        ("file:/music/take@+3", "file:/music/take@+3", None, 0.0),
    ],
)
def test_an_offset_stands_behind_a_name_and_its_channels(spec, name, channels, offset_ms):
    assert (name, channels) == split_channels(spec)
    assert offset_ms == split_offset(spec)[1]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("Juno@-51ms", "an offset must be in range -50..200 ms, not -51"),
        ("Juno@5,+201ms", "an offset must be in range -50..200 ms, not 201"),
        ("Juno@+35", r"an offset must have its unit, as in \+35ms, not \+35"),
        ("Juno@1.2.3ms", r"an offset must be written as in \+35ms, not 1.2.3ms"),
        ("null@+5ms", r"null has no offset, .*leave \+5ms out"),
        ("file:take.mid@-5ms", "file has no offset, .*leave -5ms out"),
    ],
)
def test_an_offset_that_cannot_be_is_told_in_a_line(spec, said):
    with pytest.raises(ValueError, match=said) as found:
        PortSettings(port=("Juno", spec))
    assert "\n" not in str(found.value)


def test_an_offset_that_cannot_be_is_refused_on_the_command_line():
    with pytest.raises((ConfigError, ValueError), match=r"in range -50\.\.200 ms"):
        PortSettings(port=parse_setting("port.port", "Juno@-99ms"))


def test_ports_are_opened_with_their_offsets():
    bench, clock = Bench(SYNTH, DRUMS), ManualClock()
    delays = Delays(clock)
    wanted = PortSettings(port=("juno@-20ms", "TR-8S@10,+10ms"))
    port, _ = open_outputs(wanted, clock, owner=bench.owner, delays=delays)
    assert (0.02, pytest.approx(0.03)) == (delays.early_seconds, wanted.lag_seconds)
    port.send(ON)
    assert [(SYNTH, ON)] == bench.system.sent
    clock.jump(0.0301)
    delays.turn(clock.now())
    assert (DRUMS, b"\x99\x3c\x40") == bench.system.sent[-1]
    port.send(OFF)
    port.close()
    assert (DRUMS, b"\x89\x3c\x00") == bench.system.sent[-1]
    assert [] == bench.system.targets


class Broken:
    """A port that cannot be used any more."""

    name, epoch = "broken", 1

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        raise PortError("FluidSynth has ended")

    def close(self) -> None:
        pass


def test_a_port_that_failed_while_a_message_waited_says_so_at_the_next():
    clock = ManualClock()
    delays = Delays(clock)
    line = delays.line(Broken(), 0.1)
    line.send(ON)
    clock.jump(0.2)
    delays.turn(clock.now())
    with pytest.raises(PortError, match="FluidSynth has ended"):
        line.send(OFF)


def test_a_kill_while_a_note_off_is_on_its_way_is_silenced_at_the_next_start(tmp_path):
    def left() -> tuple[tuple[int, int], ...]:
        return read_table(tmp_path, "Juno").keys  # what a process finds that comes after a kill

    table = open_table(tmp_path, "Juno", lag_seconds=0.2)
    for message, now in ((note_on(0, 60, 64), 1.0), (note_off(0, 60), 2.0)):
        table.before(message)
        table.after(message, now)
    assert () == table.keys
    assert ((0, 60),) == left()
    for message, now in ((note_on(0, 60, 64), 2.1), (note_on(0, 62, 64), 2.3)):
        table.before(message)
        table.after(message, now)
    assert ((0, 60), (0, 62)) == left()  # struck again meanwhile
    for message, now in ((note_off(0, 60), 2.4), (note_off(0, 62), 2.61)):
        table.before(message)
        table.after(message, now)
    assert ((0, 62),) == left()
    table.close()
    assert () == left()

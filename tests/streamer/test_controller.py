"""The input's port and thread: found, lost and found again, and obeyed while the stream lasts."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import replace

import pytest

from streamer.control.controller import controller, input_owner, wants_input
from streamer.errors import ConfigError, PortError
from streamer.midi.messages import note_on
from streamer.ports.clients import Listener
from streamer.ports.listening import open_input
from streamer.ports.owner import MidiOwner
from streamer.settings.controls import LiveControls
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.settings.settings import PortSettings, Settings
from streamer.system.clock import MonotonicClock
from tests.waiting import comes

PATIENCE_SECONDS = 20.0
KNOBS = "nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0"


class FakeSource:
    """An open input of the fake system."""

    def __init__(self, system, address) -> None:
        self.system, self.address = system, address
        self.queue: deque[bytes] = deque()
        system.open.append(self)

    def heard(self, data: bytes) -> None:
        """Let a message come in."""
        self.queue.append(data)

    def get_message(self):
        return (list(self.queue.popleft()), 0.0) if self.queue else None

    def delete(self) -> None:
        self.system.open.remove(self)


class FakeSystem:
    """A MIDI system with inputs that come and go; no outputs."""

    system = "alsa"

    def __init__(self, *inputs: str, trouble: str | None = None) -> None:
        self.inputs, self.trouble = list(inputs), trouble
        self.open: list[FakeSource] = []
        self.refusal: str | None = None
        self.closed, self.threaded = False, True

    def problem(self):
        return self.trouble

    def names(self, direction):
        return list(self.inputs) if direction == "input" and not self.trouble else []

    def linked(self, direction):
        return None

    def stands_still(self):
        return False

    def alive(self):
        return self.trouble is None

    def listen(self, address, heard):
        if self.refusal:
            raise PortError(self.refusal)
        source = FakeSource(self, address)
        return Listener(source, heard, threaded=self.threaded)

    def close(self):
        self.closed = True

    @property
    def heard_from(self):
        return [source.address for source in self.open]


class Room:
    """An owner without a thread on a fake system, and what came in."""

    def __init__(self, *inputs: str, trouble: str | None = None) -> None:
        self.system = FakeSystem(*inputs, trouble=trouble)
        self.owner = MidiOwner([self.system], threaded=False)
        self.came: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def open(self, wanted, **more):
        def heard(data, at):
            self.came.put(data)

        return open_input(wanted, "Perpetuo", self.owner, heard, **more)


class FakeStage:
    """Knows when it was told to be silent."""

    def __init__(self) -> None:
        self.silenced = threading.Event()

    def panic(self) -> None:
        self.silenced.set()

    def beat(self, followed) -> None:
        self.followed = followed

    def follow(self, rate: float, *, halted: bool) -> None:
        pass


def test_an_input_is_found_by_a_part_of_its_name_and_heard():
    room = Room(KNOBS)
    port = room.open("nano")
    room.system.open[0].heard(b"\xb0\x01\x02")
    assert (b"\xb0\x01\x02", True) == (room.came.get(timeout=PATIENCE_SECONDS), port.hears)
    assert "nanoKONTROL2:nanoKONTROL2 MIDI 1" == port.name
    port.close()


def test_auto_hears_hardware_and_else_a_port_of_our_own_until_some_comes():
    room = Room()
    port = room.open("auto")
    assert [None] == room.system.heard_from
    assert "Perpetuo in" == port.name
    room.system.inputs.append(KNOBS)
    room.owner.look_now()
    assert [KNOBS] == room.system.heard_from


def test_an_input_that_is_unplugged_is_let_go_and_heard_again_under_another_number():
    room = Room(KNOBS)
    port = room.open("nano")
    room.system.inputs.clear()
    room.owner.look_now()
    assert ([], False, "nano") == (room.system.open, port.hears, port.name)
    again = KNOBS.replace("20:0", "28:0")
    room.system.inputs.append(again)
    room.owner.look_now()
    assert [again] == room.system.heard_from


def test_an_input_that_is_not_there_is_waited_for(caplog):
    room = Room()
    port = room.open("nano")
    assert not port.hears
    assert "waiting for it" in caplog.text


def test_an_input_that_is_busy_is_tried_again_and_complained_of_once(caplog):
    room = Room(KNOBS)
    room.system.refusal = "port is busy"
    port = room.open("nano")
    room.owner.look_now()
    assert 1 == caplog.text.count("port is busy")
    room.system.refusal = None
    room.owner.look_now()
    assert port.hears


def test_a_closed_input_hears_nothing_more_and_is_not_opened_again():
    room = Room(KNOBS)
    port = room.open("nano")
    port.close()
    port.close()
    room.owner.look_now()
    assert [] == room.system.open


def test_without_a_midi_system_auto_is_content_and_a_name_is_not():
    room = Room(trouble="there is no ALSA sequencer")
    assert None is room.open("auto")
    with pytest.raises(PortError, match=r"no ALSA sequencer.*input.port"):
        room.open("nano")
    assert None is not room.open("nano", wait=True)


@pytest.mark.parametrize(
    ("port", "wanted", "mode", "expected"),
    [
        ("auto", "auto", "internal", True),
        ("null", "auto", "internal", False),
        ("file:x.mid", "auto", "internal", False),
        ("null", "auto", "follow", True),
        ("null", "nano", "internal", True),
        ("auto", "off", "internal", False),
    ],
)
def test_an_input_is_wanted_where_somebody_plays(port, wanted, mode, expected):
    assert expected is wants_input(settings(port, wanted, mode))


def settings(port="auto", wanted="auto", mode="internal", **more) -> Settings:
    return Settings(
        port=PortSettings(port=port),
        input=InputSettings(port=wanted, **more),
        clock=ClockSettings(mode=mode),
    )


def test_without_python_rtmidi_a_stream_to_a_synth_has_no_controller(monkeypatch):
    def refuse(settings):
        raise PortError("python-rtmidi is not installed")

    monkeypatch.setattr("streamer.control.controller.make_owner", refuse)
    assert None is input_owner(settings("synth"))
    assert None is input_owner(settings("null"))
    with pytest.raises(PortError, match="not installed"):
        input_owner(settings("synth", "nano"))
    with pytest.raises(PortError, match="not installed"):
        input_owner(settings("synth", mode="follow"))


def test_while_it_lasts_knobs_are_obeyed_and_what_was_learnt_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    room, live, stage = Room(KNOBS), LiveControls(), FakeStage()
    moved = threading.Event()
    live.listen(lambda controls: controls.transpose == 24 and moved.set())
    with controller(
        settings(), live, stage, MonotonicClock(), room.owner, learn="transpose"
    ) as control:
        room.system.open[0].heard(b"\xb0\x2f\x7e")
        room.system.open[0].heard(b"\xb0\x2f\x7f")
        assert moved.wait(PATIENCE_SECONDS)
        room.system.open[0].heard(b"\xb0\x78\x00")
        assert stage.silenced.wait(PATIENCE_SECONDS)
        assert "transpose" == control.bindings.bound[0x2F]
    assert [] == room.system.open
    with controller(settings(), live, stage, MonotonicClock(), room.owner) as control:
        assert "transpose" == control.bindings.bound[0x2F]


def test_keys_that_were_down_when_a_cable_was_pulled_are_none_of_the_next_chord():
    room, live = Room(KNOBS), LiveControls()
    live.update(chords_from="hand")
    with controller(settings(), live, FakeStage(), MonotonicClock(), room.owner):
        for key in (48, 52, 55):
            room.system.open[0].heard(note_on(0, key, 80))
        assert comes(lambda: live.snapshot().value("chords") == "C")
        room.system.inputs.clear()
        room.owner.look_now()
        room.system.inputs.append(KNOBS)
        room.owner.look_now()
        for key in (45, 48, 52):
            room.system.open[0].heard(note_on(0, key, 80))
        assert comes(lambda: live.snapshot().value("chords") != "C")
        assert "Am" == live.snapshot().value("chords")


def test_a_clock_to_follow_needs_a_midi_system():
    room = Room(trouble="there is no ALSA sequencer")
    wanted = settings("null", mode="follow")
    with (
        pytest.raises(PortError, match=r"no MIDI clock to follow.*--clock internal"),
        controller(wanted, LiveControls(), FakeStage(), MonotonicClock(), room.owner),
    ):
        pass
    with controller(
        replace(wanted, clock=ClockSettings()),
        LiveControls(),
        FakeStage(),
        MonotonicClock(),
        room.owner,
    ) as control:
        assert control is None


def test_presets_that_are_wrong_are_told_before_anything_sounds(tmp_path):
    wrong = settings(presets=tmp_path / "none.toml")
    room = Room(KNOBS)
    with (
        pytest.raises(ConfigError, match="cannot be read"),
        controller(wrong, LiveControls(), FakeStage(), MonotonicClock(), room.owner),
    ):
        pass
    assert [] == room.system.open

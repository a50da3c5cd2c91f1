"""MIDI in: knobs, presets, transport, clock; echoes, floods and nonsense."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bindings import DEFAULTS, Bindings, value_of
from streamer.controls import Controls, LiveControls, control_types
from streamer.echo import EchoFilter, EchoPort
from streamer.errors import ConfigError
from streamer.inputs import MOST_WAITING, MidiControl, normalised
from streamer.midisettings import ClockSettings, InputSettings
from streamer.presets import BUILT_IN, load_presets
from streamer.testing import FakePort, ManualClock

FUZZ_MESSAGES = int(os.environ.get("PERPETUO_FUZZ", "5000"))
"""Messages of the fuzz test; docs/results/reliability.md has the figures of a long run."""

LIKELY = (0x80, 0x90, 0xB0, 0xB0, 0xB5, 0xC0, 0xE0, 0xF0, 0xF2, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE)


class FakeStage:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.panics = 0
        self.told: list[tuple[float, bool]] = []

    def panic(self) -> None:
        self.panics += 1

    def beat(self, followed) -> None:
        self.followed = followed

    def follow(self, rate: float, *, halted: bool) -> None:
        self.told.append((rate, halted))


class Desk:
    """A controller, and everything that it moves."""

    def __init__(self, settings=None, clock_settings=None, **more) -> None:
        self.clock = ManualClock()
        self.live = LiveControls()
        self.stage = FakeStage()
        self.control = MidiControl(
            settings or InputSettings(),
            clock_settings or ClockSettings(),
            self.live,
            self.stage,
            self.clock,
            **more,
        )

    def send(self, *messages: bytes) -> Controls:
        for message in messages:
            self.control.inbox.put(message)
        self.control.turn()
        return self.live.snapshot()


def test_the_usual_knobs_move_temperature_velocity_and_density():
    controls = Desk().send(b"\xb0\x01\x7f", b"\xb0\x07\x00", b"\xb0\x4a\x40")
    assert (3.0, 0.1, 1.0) == (controls.temperature, controls.velocity_scale, controls.density)


def test_the_middle_of_a_knob_changes_nothing_and_its_ends_are_those_of_the_range():
    for name in ("temperature", "density", "velocity_scale", "tempo_scale", "transpose", "recall"):
        assert pytest.approx(getattr(Controls(), name)) == value_of(name, 64)
    assert (0.25, 4.0) == (value_of("density", 0), value_of("density", 127))
    assert (-24, 24) == (value_of("transpose", 0), value_of("transpose", 127))
    assert (1, 64) == (value_of("candidates", 0), value_of("candidates", 127))
    assert ("off", "octatonic") == (value_of("scale", 0), value_of("scale", 127))
    assert (False, True) == (value_of("pause", 63), value_of("pause", 64))
    assert 60 == value_of("low", 60)


@given(st.sampled_from(sorted(control_types())), st.integers(0, 127))
def test_every_position_of_every_knob_is_a_legal_value_and_turning_up_never_goes_down(name, data):
    value = value_of(name, data)
    if not ((name == "low" and value > 116) or (name == "high" and value < 11)):
        assert value == getattr(Controls().with_changes({name: value}), name)
    if isinstance(value, int | float) and data:
        assert value_of(name, data - 1) <= value


@pytest.mark.parametrize(("name", "data"), [("loudness", 3), ("density", 128), ("density", -1)])
def test_a_knob_that_cannot_be_is_refused(name, data):
    with pytest.raises(ValueError, match=r"known are|in range"):
        value_of(name, data)


def test_of_a_turn_only_the_last_position_is_applied():
    desk = Desk()
    seen = []
    desk.live.listen(seen.append)
    desk.send(*(bytes((0xB0, 1, data)) for data in range(128)))
    assert [3.0] == [controls.temperature for controls in seen]


def test_lowest_and_highest_that_clash_leave_what_is_there():
    desk = Desk(bindings=bound(20, "low"))
    desk.control.bindings.learn("high")
    desk.send(b"\xb0\x15\x20")
    controls = desk.send(b"\xb0\x14\x1e", b"\xb0\x4a\x7f")
    assert (0, 32, 4.0) == (controls.low, controls.high, controls.density)


def bound(number: int, control: str, path=None) -> Bindings:
    bindings = Bindings(path)
    bindings.learn(control)
    assert control == bindings.moved(number)
    return bindings


def test_the_next_knob_that_is_moved_is_learnt_and_moves_at_once():
    desk = Desk()
    desk.control.bindings.learn("transpose")
    assert "transpose" == desk.control.bindings.learning
    assert 24 == desk.send(b"\xb0\x17\x7f").transpose
    assert None is desk.control.bindings.learning
    assert -24 == desk.send(b"\xb0\x17\x00", b"\xb0\x18\x7f").transpose


def test_a_control_that_is_learnt_anew_leaves_its_old_knob():
    bindings = bound(30, "temperature")
    assert {7: "velocity_scale", 74: "density", 30: "temperature"} == bindings.bound
    bindings.forget("density")
    assert {7: "velocity_scale", 30: "temperature"} == bindings.bound


def test_a_mode_message_is_no_knob_and_learning_waits_for_one():
    bindings = Bindings()
    bindings.learn("density")
    assert None is bindings.moved(123)
    assert "density" == bindings.learning
    bindings.learn(None)
    assert None is bindings.moved(30)


def test_what_does_not_exist_cannot_be_learnt():
    with pytest.raises(ValueError, match="known are temperature"):
        Bindings().learn("loudness")


def test_what_was_learnt_is_kept(tmp_path):
    path = tmp_path / "state" / "bindings.json"
    bound(21, "tempo_scale", path)
    assert {**DEFAULTS, 21: "tempo_scale"} == Bindings(path).bound


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": 9, "cc": {}}', '{"schema": 1}', '{"schema": 1, "cc": 3}',
     '{"schema": 1, "cc": {"x": "density"}}', "[" * 9999],
)  # fmt: skip
def test_a_damaged_file_of_bindings_is_no_reason_not_to_play(tmp_path, text):
    path = tmp_path / "bindings.json"
    path.write_text(text)
    assert dict(DEFAULTS) == Bindings(path).bound


def test_bindings_of_another_version_keep_what_is_known(tmp_path):
    path = tmp_path / "bindings.json"
    cc = {"5": "density", "6": "sparkle", "300": "density"}
    path.write_text(json.dumps({"schema": 1, "cc": cc}))
    assert {5: "density"} == Bindings(path).bound


def test_what_was_learnt_works_though_it_cannot_be_kept(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert "density" == bound(9, "density", tmp_path / "file" / "bindings.json").bound[9]
    assert "cannot be kept" in caplog.text


def test_all_sound_off_and_all_notes_off_silence_once_and_a_loop_does_not_silence_for_ever():
    desk = Desk()
    desk.send(b"\xb0\x78\x00", b"\xb0\x7b\x00", b"\xb0\x7b\x00")
    assert 1 == desk.stage.panics
    desk.clock.jump(1.0)
    desk.send(b"\xb5\x7b\x00")
    assert 2 == desk.stage.panics


def test_a_program_change_chooses_a_preset_and_leaves_the_pause():
    desk = Desk()
    desk.live.update(transpose=7, pause=True)
    controls = desk.send(b"\xc0\x01")
    assert BUILT_IN[1].apply(Controls(), Controls(pause=True)) == controls
    assert (0, True) == (controls.transpose, controls.pause)
    assert Controls(pause=True) == desk.send(b"\xc0\x00")


def test_a_program_without_a_preset_changes_nothing():
    assert Controls() == Desk().send(b"\xc0\x7f")


def test_presets_go_back_to_what_was_configured_last():
    desk = Desk(configured=lambda: Controls(transpose=5))
    assert 5 == desk.send(b"\xc0\x01").transpose


def test_programs_and_transport_can_be_turned_off():
    desk = Desk(InputSettings(programs=False, transport=False))
    assert Controls() == desk.send(b"\xc0\x01", b"\xfc")


def test_another_channel_is_not_heard_but_its_transport_is():
    desk = Desk(InputSettings(channel=2))
    assert 1.0 == desk.send(b"\xb0\x01\x7f").temperature
    assert 3.0 == desk.send(b"\xb1\x01\x7f").temperature
    assert desk.send(b"\xfc").pause


def test_stop_holds_the_music_and_start_and_continue_let_it_go_on():
    desk = Desk()
    assert desk.send(b"\xfc").pause
    assert not desk.send(b"\xfb").pause
    assert desk.send(b"\xfa", b"\xfc").pause
    assert [] == desk.stage.told


def clocks(desk: Desk, count: int, tempo_bpm: float) -> None:
    for _ in range(count):
        desk.clock.jump(60.0 / (tempo_bpm * 24))
        desk.control.inbox.put(b"\xf8")
        desk.control.turn()


def test_a_followed_clock_sets_the_rate_stop_halts_and_silence_gives_it_back():
    desk = Desk(clock_settings=ClockSettings(mode="follow"))
    clocks(desk, 60, 60.0)
    rate, halted = desk.stage.told[-1]
    assert (pytest.approx(0.5, rel=0.01), False) == (rate, halted)
    desk.send(b"\xfc")
    clocks(desk, 60, 60.0)
    assert desk.stage.told[-1][1]
    desk.send(b"\xfb")
    clocks(desk, 1, 60.0)
    assert not desk.stage.told[-1][1]
    assert not desk.live.snapshot().pause
    desk.clock.jump(3.0)
    desk.control.turn()
    assert (1.0, False) == desk.stage.told[-1]


def test_a_steady_clock_is_not_passed_on_with_every_tick():
    desk = Desk(clock_settings=ClockSettings(mode="follow"))
    clocks(desk, 240, 100.0)
    assert len(desk.stage.told) < 10


def test_our_own_messages_that_come_back_are_not_obeyed():
    echo = EchoFilter(0.25)
    desk = Desk(echo=echo)
    echo.sent(b"\xb0\x7b\x00", desk.clock.now())
    echo.sent(b"\xb0\x01\x7f", desk.clock.now())
    desk.send(b"\xb3\x7b\x00", b"\xb0\x01\x7f")
    assert (0, 1.0, 2) == (
        desk.stage.panics,
        desk.live.snapshot().temperature,
        desk.control.echoes,
    )
    assert 3.0 == desk.send(b"\xb0\x01\x7f").temperature


def test_an_echo_is_one_for_a_moment_only():
    echo = EchoFilter(0.25)
    echo.sent(b"\xb0\x01\x7f", 10.0)
    assert not echo.is_echo(b"\xb0\x01\x7f", 10.5)
    assert not EchoFilter(0.0).is_echo(b"\xfc", 0.0)


def test_a_note_off_comes_back_in_another_form_and_is_still_known():
    echo = EchoFilter(0.25)
    echo.sent(b"\x80\x3c\x00", 0.0)
    echo.sent(b"\x80\x3d\x00", 0.0)
    assert echo.is_echo(b"\x92\x3c\x00", 0.1)
    assert echo.is_echo(b"\x80\x3d\x40", 0.1)
    assert not echo.is_echo(b"\x80\x3d\x40", 0.1)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.floats(0.0, 0.3)), max_size=60))
def test_each_message_sent_excuses_one_that_comes_within_the_window(plan):
    echo, now, waiting = EchoFilter(0.25), 0.0, []
    for message, wait in plan:
        if message[0] == 0xF8 or message[0] & 0xF0 in (0x80, 0x90):
            continue
        now += wait
        echo.sent(message, now)
        waiting.append((now, message))
    for at, message in waiting:
        if now - at <= 0.25:
            assert echo.is_echo(message, now)
    for _, message in waiting:
        assert not echo.is_echo(message, now + 1.0)


def test_the_port_tells_the_filter_what_leaves():
    clock, echo = ManualClock(), EchoFilter(0.25)
    port = FakePort(clock)
    telling = EchoPort(port, echo, clock)
    telling.send(b"\xfc")
    assert echo.is_echo(b"\xfc", clock.now())
    assert ([b"\xfc"], port.name, port.epoch) == (port.messages, telling.name, telling.epoch)
    telling.close()
    assert 1 == port.closed


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x90\x3c\x00", b"\x80\x3c\x00"),
        (b"\x9f\x3c\x01", b"\x9f\x3c\x01"),
        (b"\xfe", None),
        (b"\xff", None),
        (b"\xf0\x01\xf7", None),
        (b"", None),
        (b"\x40\x40", None),
        (b"\xb0\x01", None),
        (b"\xb0\x01\x80", None),
        (b"\xc0\x01\x05", b"\xc0\x01"),
        (b"\xf2\x01\x02", b"\xf2\x01\x02"),
    ],
)
def test_bytes_become_a_message_or_nothing(data, expected):
    assert expected == normalised(data)


def test_notes_and_active_sensing_change_nothing():
    desk = Desk()
    assert Controls() == desk.send(b"\x90\x3c\x40", b"\x90\x3c\x00", b"\xfe", b"\xe0\x00\x40")
    assert 3 == desk.control.heard


def test_a_flood_is_drained_at_once_and_what_came_last_counts():
    desk = Desk()
    for number in range(5_000):
        desk.control.inbox.put(bytes((0xB0, 1, number % 128)))
    desk.control.inbox.put(b"\xb0\x01\x40")
    assert 1.0 == desk.send().temperature
    for _ in range(2 * MOST_WAITING):
        desk.control.inbox.put(b"\xb0\x01\x7f")
    assert 3.0 == desk.send().temperature
    assert MOST_WAITING + 5_001 == desk.control.heard


def likely(random: np.random.Generator) -> bytes:
    """Return bytes that are often a message, sometimes cut short, sometimes nonsense."""
    data = random.integers(0, 128 if random.random() < 0.9 else 256, random.integers(0, 5))
    status = random.choice(LIKELY) if random.random() < 0.9 else random.integers(0, 256)
    return bytes((int(status), *(int(byte) for byte in data)))


def test_fuzz_of_many_messages_ends_and_leaves_every_control_legal():
    random = np.random.default_rng(7)
    for mode in ("internal", "follow"):
        desk = Desk(clock_settings=ClockSettings(mode=mode))
        for _ in range(FUZZ_MESSAGES // 200):
            desk.clock.jump(float(random.exponential(0.2)))
            controls = desk.send(*(likely(random) for _ in range(100)))
            assert controls == Controls().with_changes(asdict(controls))


@given(st.lists(st.binary(max_size=5), max_size=50), st.sampled_from(("internal", "follow")))
def test_no_bytes_upset_it_and_every_control_stays_legal(messages, mode):
    desk = Desk(clock_settings=ClockSettings(mode=mode))
    controls = desk.send(*messages)
    assert controls == Controls().with_changes(asdict(controls))
    assert all(0.25 <= rate <= 4.0 for rate, _ in desk.stage.told)


def test_it_ends_when_it_is_told_to():
    desk = Desk()
    desk.clock.at(1001.0, desk.control.stop)
    desk.control.run()
    assert desk.clock.now() <= 1001.2


def test_every_built_in_preset_goes_with_the_defaults():
    names = [preset.name for preset in load_presets(None, Controls())]
    assert len(names) == len(set(names))
    for preset in BUILT_IN:
        preset.apply(Controls(), Controls())


def test_presets_of_ones_own_are_numbered_as_they_stand(tmp_path):
    path = tmp_path / "presets.toml"
    path.write_text('[[preset]]\nname = "one"\n[[preset]]\nname = "two"\ntranspose = 3\n')
    presets = load_presets(path, Controls(density=2.0))
    assert ["one", "two"] == [preset.name for preset in presets]
    assert Controls(density=2.0, transpose=3) == presets[1].apply(Controls(density=2.0), Controls())


def test_every_mistake_in_presets_is_named(tmp_path):
    path = tmp_path / "presets.toml"
    path.write_text('[[preset]]\nname = "a"\ndensty = 1\n[[preset]]\ndensity = 1.0\n')
    with pytest.raises(ConfigError) as caught:
        load_presets(path, Controls())
    assert [
        f"{path}: preset 1: no control is called 'densty'; did you mean density?",
        f"{path}: preset 2: name must be a text that is not empty",
    ] == caught.value.problems


@pytest.mark.parametrize("text", ["x", "", "a = 1", "preset = 3", "preset = [1]"])
def test_a_file_that_holds_no_presets_is_refused_with_one_line(tmp_path, text):
    path = tmp_path / "presets.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_presets(path, Controls())
    with pytest.raises(ConfigError, match="cannot be read"):
        load_presets(tmp_path / "none.toml", Controls())

"""MIDI in: knobs, scenes, transport, clock; echoes, floods and nonsense."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.control.bindings import DEFAULTS, Bindings, value_of
from streamer.control.inputs import MOST_WAITING, MidiControl, normalised
from streamer.control.knobs import NRPN, PAIR, knob_named, name_of
from streamer.control.scenes import load_programs
from streamer.errors import ConfigError
from streamer.ports.echo import LATE_SECONDS, EchoFilter
from streamer.settings.controls import Controls, LiveControls, control_specs
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.testing import ManualClock

FUZZ_MESSAGES = int(os.environ.get("PERPETUO_FUZZ", "5000"))
"""Messages of the fuzz test; docs/results/reliability.md has the figures of a long run."""

SHIPPED = load_programs(None, Path("/nonexistent"), Controls())

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
            **{"programs": SHIPPED, **more},
        )

    def send(self, *messages: bytes) -> Controls:
        for message in messages:
            self.control.inbox.put(message)
        self.control.turn()
        return self.live.snapshot()


def test_the_usual_knob_moves_density():
    desk = Desk()
    for data in (90, 110, 127):
        desk.send(bytes((0xB0, 74, data)))
    assert 4.0 == desk.live.snapshot().density


def test_the_middle_of_a_knob_changes_nothing_and_its_ends_are_those_of_the_range():
    for name in ("temperature", "density", "velocity_scale", "tempo_scale", "transpose", "recall"):
        assert pytest.approx(Controls().value(name)) == value_of(name, 64)
    assert (0.25, 4.0) == (value_of("density", 0), value_of("density", 127))
    assert (-24, 24) == (value_of("transpose", 0), value_of("transpose", 127))
    assert (1, 64) == (value_of("candidates", 0), value_of("candidates", 127))
    assert ("off", "octatonic") == (value_of("scale", 0), value_of("scale", 127))
    assert (False, True) == (value_of("pause", 63), value_of("pause", 64))
    assert 60 == value_of("low", 60)


@given(st.sampled_from(sorted(control_specs())), st.integers(0, 127))
def test_every_position_of_every_knob_is_a_legal_value_and_turning_up_never_goes_down(name, data):
    value = value_of(name, data)
    if not ((name == "low" and value > 116) or (name == "high" and value < 11)):
        assert value == Controls().with_changes({name: value}).value(name)
    if isinstance(value, int | float) and data:
        assert value_of(name, data - 1) <= value


@pytest.mark.parametrize(("name", "data"), [("wetness", 3), ("density", 128), ("density", -1)])
def test_a_knob_that_cannot_be_is_refused(name, data):
    with pytest.raises(ValueError, match=r"known are|in range"):
        value_of(name, data)


def test_of_a_turn_only_the_last_position_is_applied():
    desk = Desk(bindings=bound(1, "temperature"))
    seen = []
    desk.live.listen(seen.append)
    desk.send(*(bytes((0xB0, 1, data)) for data in range(128)))
    assert [3.0] == [controls.temperature for controls in seen]


@pytest.mark.parametrize(
    ("positions", "presses"),
    [
        ((127, 0), 1),  # a pad, let go of at once
        ((127, 0, 127, 0), 1),  # twice in a hundredth of a second
        ((0, 30, 64, 80, 100, 127, 90, 3), 1),  # a knob that is turned
        ((63, 0), 0),
    ],
)
def test_what_is_pressed_and_let_go_between_two_turns_is_pressed(positions, presses):
    desk = Desk(bindings=bound(20, "keep"))
    seen = []
    desk.live.listen(seen.append)
    desk.send(*(bytes((0xB0, 20, data)) for data in positions))
    assert presses == [controls.keep for controls in seen].count(True)


def test_a_knob_presses_once_each_time_it_passes_its_middle_and_a_pad_each_time_it_is_struck():
    for positions, presses in (((64, 80, 127), 1), ((100, 20, 100), 2), ((127, 127, 127), 3)):
        desk, seen = Desk(bindings=bound(20, "keep")), []
        for data in positions:
            seen.append(desk.send(bytes((0xB0, 20, data))).keep)
            desk.live.update(keep=False)
        assert presses == seen.count(True)


def test_putting_knobs_back_takes_back_no_press():
    desk, seen = Desk(bindings=bound(20, "keep")), []
    desk.live.listen(seen.append)
    desk.send(b"\xb0\x14\x7f", b"\xb0\x79\x00")
    assert [True] == [controls.keep for controls in seen]


def test_lowest_and_highest_that_clash_leave_what_is_there():
    desk = Desk(bindings=bound(20, "low"))
    desk.control.bindings.learn("high")
    desk.send(b"\xb0\x15\x21", b"\xb0\x15\x20")
    controls = desk.send(b"\xb0\x14\x1e", b"\xb0\x4a\x60", b"\xb0\x4a\x7f")
    assert (0, 32, 4.0) == (controls.low, controls.high, controls.density)


def bound(number: int, control: str, path=None) -> Bindings:
    bindings = Bindings(path)
    bindings.learn(control)
    assert bindings.moved(number, 63.0) != control
    assert control == bindings.moved(number, 64.0)
    return bindings


def test_the_next_knob_that_is_moved_is_learnt_and_moves_at_once():
    desk = Desk()
    desk.control.bindings.learn("transpose")
    assert "transpose" == desk.control.bindings.learning
    assert 24 == desk.send(b"\xb0\x17\x7e", b"\xb0\x17\x7f").transpose
    assert None is desk.control.bindings.learning
    assert -24 == desk.send(b"\xb0\x17\x00", b"\xb0\x18\x7f").transpose


def test_a_control_that_is_learnt_anew_leaves_its_old_knob():
    bindings = bound(30, "temperature")
    bindings.learn("temperature")
    bindings.moved(31, 1.0)
    assert "temperature" == bindings.moved(31, 2.0)
    assert {74: "density", 31: "temperature"} == bindings.bound
    bindings.forget("density")
    assert {31: "temperature"} == bindings.bound


def test_a_mode_message_is_no_knob_and_learning_waits_for_one():
    bindings = Bindings()
    bindings.learn("density")
    assert (None, None) == (bindings.moved(123, 1.0), bindings.moved(123, 2.0))
    assert "density" == bindings.learning
    bindings.learn(None)
    assert (None, None) == (bindings.moved(30, 1.0), bindings.moved(30, 2.0))


def test_what_does_not_exist_cannot_be_learnt():
    with pytest.raises(ValueError, match="known are temperature"):
        Bindings().learn("wetness")


def test_what_was_learnt_is_kept(tmp_path):
    path = tmp_path / "state" / "bindings.json"
    bound(21, "tempo_scale", path)
    assert {**DEFAULTS, 21: "tempo_scale"} == Bindings(path).bound


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": 9, "cc": {}}', '{"schema": 1}', '{"schema": 1, "cc": 3}',
     '{"schema": 1, "cc": {"x": "density"}}', '{"schema": 1, "cc": {}, "learnt": 3}',
     '{"schema": 1, "cc": {}, "learnt": ["x"]}', "[" * 9999],
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


def test_all_sound_off_silences_once_and_a_loop_does_not_silence_for_ever():
    desk = Desk()
    desk.send(b"\xb0\x78\x00", b"\xb0\x78\x00", b"\xb0\x78\x00")
    assert 1 == desk.stage.panics
    desk.clock.jump(1.0)
    desk.send(b"\xb5\x78\x00")
    assert 2 == desk.stage.panics


def test_all_notes_off_of_a_keyboard_at_its_last_key_up_leaves_the_music_alone():
    desk = Desk()
    desk.send(b"\xb0\x7b\x00")
    assert 0 == desk.stage.panics


@pytest.mark.parametrize("number", [1, 7, 11, 64, 74, 91])
def test_what_machines_send_unasked_changes_nothing(number):
    desk = Desk()
    before = desk.live.snapshot()
    for data in (0, 100, 0, 127) if number != 74 else (0, 64, 0):
        desk.send(bytes((0xB0, number, data)))
    assert before == desk.live.snapshot()


def test_a_knob_that_leapt_away_is_obeyed_again_from_where_it_was_left():
    desk = Desk()
    desk.send(b"\xb0\x4a\x00")
    assert 1.0 == desk.live.snapshot().density
    for data in range(1, 128):
        desk.send(bytes((0xB0, 74, data)))
    assert 4.0 == desk.live.snapshot().density


@pytest.mark.parametrize("how", ["learnt", "named", "kept"])
def test_a_usual_knob_that_was_learnt_is_obeyed_when_it_leaps(how, tmp_path):
    path = tmp_path / "bindings.json"
    desk = Desk(bindings=Bindings(path))
    if how == "named":
        desk.control.bindings.bind("density", 74)
    else:
        desk.control.bindings.learn("density")
        desk.send(b"\xb0\x4a\x40", b"\xb0\x4a\x41")
    if how == "kept":
        desk = Desk(bindings=Bindings(path))
    assert 0.25 == desk.send(b"\xb0\x4a\x00").density
    assert 4.0 == desk.send(b"\xb0\x4a\x7f").density
    desk.control.bindings.learn("transpose")
    desk.send(b"\xb0\x14\x40", b"\xb0\x14\x41")
    assert 0.25 == Desk(bindings=Bindings(path)).send(b"\xb0\x4a\x00").density


def test_a_usual_knob_that_nobody_learnt_is_not_made_ones_own_by_another(tmp_path):
    path = tmp_path / "bindings.json"
    Bindings(path).bind("transpose", 20)
    assert {"schema": 1, "cc": {"20": "transpose", "74": "density"}} == json.loads(path.read_text())
    assert 1.0 == Desk(bindings=Bindings(path)).send(b"\xb0\x4a\x00").density


def test_reset_of_all_controllers_puts_learnt_controls_back():
    desk = Desk(bindings=bound(20, "transpose"))
    assert 24 == desk.send(b"\xb0\x14\x7f").transpose
    assert 0 == desk.send(b"\xb0\x79\x00").transpose


@pytest.mark.parametrize("number", [0, 32, 6, 38, 64, 66, 69, 96, 98, 99, 100, 101])
def test_what_is_no_knob_is_not_learnt(number):
    desk = Desk()
    desk.control.bindings.learn("transpose")
    desk.send(bytes((0xB0, number, 1)), bytes((0xB0, number, 99)))
    assert "transpose" == desk.control.bindings.learning


def test_a_controller_that_only_repeats_itself_is_not_learnt():
    desk = Desk()
    desk.control.bindings.learn("transpose")
    desk.send(b"\xb0\x07\x64", b"\xb0\x07\x64", b"\xb0\x15\x10", b"\xb0\x15\x11")
    assert "transpose" == desk.control.bindings.bound[21]


def fourteen(desk, number, value):
    """Turn a knob of fourteen bits: both halves come, a millisecond apart."""
    desk.send(bytes((0xB0, number, value >> 7)))
    desk.clock.jump(0.001)
    return desk.send(bytes((0xB0, number + 32, value & 127)))


def test_a_knob_of_fourteen_bits_is_learnt_as_a_pair_and_kept(tmp_path):
    path = tmp_path / "bindings.json"
    desk = Desk(bindings=Bindings(path))
    desk.control.bindings.learn("temperature")
    for value in (9000, 9001, 9300):
        fourteen(desk, 16, value)
    assert {74: "density", PAIR + 16: "temperature"} == Bindings(path).bound
    low, high = (fourteen(desk, 16, value).temperature for value in (9000, 9001))
    assert 0 < high - low < 0.001
    assert 3.0 == fourteen(desk, 16, (1 << 14) - 1).temperature
    again = Desk(bindings=Bindings(path))
    assert low == fourteen(again, 16, 9000).temperature
    finer = again.send(bytes((0xB0, 48, 41))).temperature  # of a slow turn only the fine half comes
    assert high == finer


@pytest.mark.parametrize("first", [16, 48])
def test_a_half_that_was_learnt_first_gives_way_to_the_pair(first):
    desk = Desk()
    desk.control.bindings.learn("temperature")
    desk.send(bytes((0xB0, first, 3)))
    desk.clock.jump(1.0)
    desk.send(bytes((0xB0, first, 4)))
    assert "temperature" == desk.control.bindings.bound[first]
    fourteen(desk, 16, 9000)
    assert {74: "density", PAIR + 16: "temperature"} == desk.control.bindings.bound


def test_two_knobs_whose_numbers_are_32_apart_are_two_when_a_hand_moves_them():
    desk = Desk(bindings=bound(16, "transpose"))
    desk.control.bindings.learn("root")
    for number, data in ((16, 127), (48, 1), (16, 127), (48, 2), (48, 127)):
        desk.clock.jump(0.2)
        desk.send(bytes((0xB0, number, data)))
    now = desk.live.snapshot()
    assert (24, 11) == (now.transpose, now.root)
    assert {16: "transpose", 48: "root", 74: "density"} == desk.control.bindings.bound


def test_a_pedal_that_is_named_is_bound_and_kept(tmp_path):
    desk = Desk(bindings=Bindings(tmp_path / "bindings.json"))
    desk.control.bindings.bind("pause", knob_named("CC64"))
    assert desk.send(b"\xb0\x40\x7f").pause
    assert not desk.send(b"\xb0\x40\x00").pause
    assert "pause" == Bindings(tmp_path / "bindings.json").bound[64]


@pytest.mark.parametrize(
    ("text", "knob"),
    [
        ("CC64", 64), ("cc 1", 1), ("CC16+48", PAIR + 16), ("NRPN300", NRPN + 300),
        ("nrpn 0", NRPN),
    ],
)  # fmt: skip
def test_a_knob_is_named_as_it_is_told(text, knob):
    assert knob == knob_named(text) == knob_named(name_of(knob))


@pytest.mark.parametrize("text", ["", "64", "CC120", "CC99", "CC16+49", "CC40+72", "NRPN16384"])
def test_a_knob_that_is_none_is_refused_with_those_that_are(text):
    with pytest.raises(ValueError, match=r"CC0 to CC119 .*not '"):
        knob_named(text)


def nrpn(number, value):
    return [
        bytes((0xB0, controller, data))
        for controller, data in (
            (99, number >> 7), (98, number & 127), (6, value >> 7), (38, value & 127),
        )
    ]  # fmt: skip


def test_a_knob_that_sends_an_nrpn_is_learnt_as_one_with_fourteen_bits(tmp_path):
    path = tmp_path / "bindings.json"
    desk = Desk(bindings=Bindings(path))
    desk.control.bindings.learn("temperature")
    desk.send(*nrpn(300, 100), *nrpn(300, 9000))
    assert {74: "density", 128 + 300: "temperature"} == Bindings(path).bound
    low, high = (desk.send(*nrpn(300, value)).temperature for value in (9000, 9001))
    assert 0 < high - low < 0.001
    assert desk.send(*nrpn(301, 0)).temperature == high


def test_a_control_that_a_message_moved_to_an_end_is_told_once_with_its_number(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk(bindings=bound(1, "temperature"))
    for _ in range(50):
        desk.send(b"\xb0\x01\x00", b"\xb0\x01\x40")
    assert 1 == caplog.text.count("CC1 moved temperature to 0.10")
    desk.control.stop()
    desk.control.run()
    assert "CC1 moved temperature to 0.10 (50 times in all)" in caplog.text


def test_a_scene_that_a_machine_chooses_again_and_again_is_told_once(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk()
    for _ in range(30):
        desk.send(b"\xc0\x01", b"\xc0\x02")
    assert 1 == caplog.text.count("scene calm")
    desk.control.stop()
    desk.control.run()
    assert "scene calm (30 times in all)" in caplog.text


def test_a_program_change_chooses_a_scene_and_leaves_the_pause():
    desk = Desk()
    desk.live.update(transpose=7, pause=True)
    controls = desk.send(b"\xc0\x01")
    assert SHIPPED[1].apply(Controls(), Controls(pause=True)) == controls
    assert (0, True) == (controls.transpose, controls.pause)
    assert Controls(pause=True) == desk.send(b"\xc0\x00")


def test_a_program_without_a_scene_changes_nothing():
    assert Controls() == Desk().send(b"\xc0\x7f")


def test_scenes_go_back_to_what_was_configured_last():
    desk = Desk(configured=lambda: Controls(transpose=5))
    assert 5 == desk.send(b"\xc0\x01").transpose


def test_programs_and_transport_can_be_turned_off():
    desk = Desk(InputSettings(programs=False, transport=False))
    assert Controls() == desk.send(b"\xc0\x01", b"\xfc")


def test_another_channel_is_not_heard_but_its_transport_is():
    desk = Desk(InputSettings(channel=2), bindings=bound(1, "temperature"))
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
    desk = Desk(echo=echo, bindings=bound(1, "temperature"))
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
    echo.sent(b"\x90\x3c\x40", 10.0)
    assert not echo.is_echo(b"\x90\x3c\x40", 10.5)
    echo.sent(b"\xb0\x01\x7f", 20.0)
    assert not echo.is_echo(b"\xb0\x01\x7f", 20.5)
    deaf = EchoFilter(0.0)
    deaf.sent(b"\xfc", 0.0)
    assert not deaf.is_echo(b"\xfc", 0.0)


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
        if message[0] < 0x80 or message[0] == 0xF8 or message[0] & 0xF0 in (0x80, 0x90):
            continue
        now += wait
        echo.sent(message, now)
        waiting.append((now, message))
    for at, message in waiting:
        if now - at <= 0.25:
            assert echo.is_echo(message, now)
    for _, message in waiting:
        assert not echo.is_echo(message, now + LATE_SECONDS + 0.1)


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
    desk = Desk(bindings=bound(1, "temperature"))
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
            assert controls == Controls().with_changes(controls.values())


@given(st.lists(st.binary(max_size=5), max_size=50), st.sampled_from(("internal", "follow")))
def test_no_bytes_upset_it_and_every_control_stays_legal(messages, mode):
    desk = Desk(clock_settings=ClockSettings(mode=mode))
    controls = desk.send(*messages)
    assert controls == Controls().with_changes(controls.values())
    assert all(0.25 <= rate <= 4.0 for rate, _ in desk.stage.told)


def test_it_ends_when_it_is_told_to():
    desk = Desk()
    desk.clock.at(1001.0, desk.control.stop)
    desk.control.run()
    assert desk.clock.now() <= 1001.2


def test_the_scenes_that_ship_have_the_programs_that_their_presets_had():
    names = [
        "as-configured",
        "calm",
        "sparse",
        "dense",
        "night",
        "bells",
        "deep",
        "wild",
        "ambient",
    ]
    assert names == [SHIPPED[program].name for program in range(9)]
    for scene in SHIPPED.values():
        scene.apply(Controls(), Controls())


def test_presets_of_ones_own_are_numbered_as_they_stand(tmp_path):
    path = tmp_path / "presets.toml"
    path.write_text('[[preset]]\nname = "one"\n[[preset]]\nname = "two"\ntranspose = 3\n')
    presets = load_programs(path, tmp_path, Controls(density=2.0))
    assert ["one", "two"] == [presets[program].name for program in range(2)]
    assert Controls(density=2.0, transpose=3) == presets[1].apply(Controls(density=2.0), Controls())


def test_every_mistake_in_presets_is_named(tmp_path):
    path = tmp_path / "presets.toml"
    path.write_text('[[preset]]\nname = "a"\ndensty = 1\n[[preset]]\ndensity = 1.0\n')
    with pytest.raises(ConfigError) as caught:
        load_programs(path, tmp_path, Controls())
    assert [
        f"{path}: preset 1: no control is called 'densty'; did you mean density?",
        f"{path}: preset 2: name must be a text that is not empty",
    ] == caught.value.problems


@pytest.mark.parametrize("text", ["x", "", "a = 1", "preset = 3", "preset = [1]"])
def test_a_file_that_holds_no_presets_is_refused_with_one_line(tmp_path, text):
    path = tmp_path / "presets.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_programs(path, tmp_path, Controls())
    with pytest.raises(ConfigError, match="cannot be read"):
        load_programs(tmp_path / "none.toml", tmp_path, Controls())

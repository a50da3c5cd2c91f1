"""Whose turn it is in a duet, and what of a person's playing is taken in, on given times."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.control.duet import KNOWN_SECONDS, LONGEST_SECONDS, MOST_WAITING, Duet, Phase
from streamer.control.inputs import MidiControl
from streamer.midi.messages import control, ends_note, key_of, note_off, note_on, starts_note
from streamer.ports.echo import LOOP_NOTES, UNISON_SECONDS, EchoFilter
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.testing import ManualClock

FUZZ_NOTES = int(os.environ.get("PERPETUO_DUET_FUZZ", "10000"))
"""Notes of the fuzz test; docs/results/live.md has the figures of a long run."""

AFTER = 2.0
PEDAL, SOUND_OFF, NOTES_OFF = 64, 120, 123


class Table:
    """A duet, and what it has asked of the machine."""

    def __init__(self, **controls):
        self.controls = Controls.from_values({"duet": "continue", "duet_after": AFTER, **controls})
        self.let_go = []
        self.duet = Duet(self.controls, lambda turn, cut: self.let_go.append((turn, cut)))

    def set(self, **changes):
        self.controls = self.controls.with_changes(changes)
        self.duet.obey(self.controls)

    def press(self):
        self.set(duet_now=True)
        self.set(duet_now=False)

    def play(self, at, pitch=60, seconds=0.2, velocity=64):
        self.duet.hear(note_on(0, pitch, velocity), at)
        self.duet.hear(note_off(0, pitch), at + seconds)

    def phase(self, at, **more):
        return self.duet.look(at, **more)[0]

    def takes_over(self, at):
        """Let the machine begin to play at a time by which it may."""
        phase, turn = self.duet.look(at)
        assert phase is Phase.THINKING
        self.duet.begun(turn)

    def yields(self):
        phase, turn = self.duet.look(0.0)
        assert phase is Phase.YIELDING
        self.duet.yielded(turn)


def test_the_machine_takes_over_when_the_person_has_been_silent_for_so_long():
    table = Table()
    table.play(10.0, seconds=0.5)
    assert Phase.LISTENING is table.phase(10.5 + AFTER - 0.01)
    assert 1 == len(table.duet.take(10.5))
    assert 10.5 + AFTER == pytest.approx(table.duet.due())
    assert Phase.THINKING is table.phase(10.5 + AFTER)


def test_nobody_takes_over_from_nobody():
    table = Table()
    assert Phase.LISTENING is table.phase(1e6)
    assert float("inf") == table.duet.due()


def test_a_key_that_is_held_is_no_silence():
    table = Table()
    table.duet.hear(note_on(0, 60, 64), 1.0)
    assert Phase.LISTENING is table.phase(30.0)
    table.duet.hear(note_off(0, 60), 31.0)
    assert Phase.LISTENING is table.phase(32.9)
    assert Phase.THINKING is table.phase(33.0)


def test_a_key_under_the_pedal_sounds_until_it_is_lifted():
    table = Table()
    table.duet.hear(control(0, PEDAL, 127), 0.5)
    table.play(1.0)
    assert {(0, 60)} == table.duet.sounding
    assert Phase.LISTENING is table.phase(20.0)
    table.duet.hear(control(0, PEDAL, 63), 21.0)
    assert frozenset() == table.duet.sounding
    assert Phase.LISTENING is table.phase(22.9)
    assert Phase.THINKING is table.phase(23.0)


def test_a_pedal_of_another_channel_sustains_nothing_here():
    table = Table()
    table.duet.hear(control(1, PEDAL, 127), 0.5)
    table.play(1.0)
    assert Phase.THINKING is table.phase(1.2 + AFTER)


@pytest.mark.parametrize("number", [NOTES_OFF, SOUND_OFF])
def test_all_notes_off_ends_the_persons_keys_those_under_the_pedal_too(number):
    table = Table()
    table.duet.hear(control(0, PEDAL, 127), 0.5)
    table.play(1.0)
    table.duet.hear(note_on(0, 62, 64), 1.1)
    table.duet.hear(control(0, number, 0), 5.0)
    assert frozenset() == table.duet.sounding
    assert [0.2, 3.9] == pytest.approx([one.seconds(9.0) for one in table.duet.take(9.0)])
    assert Phase.THINKING is table.phase(7.0)


def test_a_key_whose_end_is_lost_keeps_nobody_waiting_for_ever():
    table = Table()
    table.duet.hear(note_on(0, 60, 64), 1.0)
    assert Phase.LISTENING is table.phase(1.0 + LONGEST_SECONDS)
    table.phase(1.1 + LONGEST_SECONDS)
    assert frozenset() == table.duet.sounding
    assert Phase.THINKING is table.phase(1.1 + LONGEST_SECONDS + AFTER)


def test_a_note_is_taken_in_when_it_ends_or_is_known_and_never_out_of_order():
    table = Table()
    table.duet.hear(note_on(0, 60, 50), 1.0)
    table.play(1.1, 64, 0.05, velocity=70)
    assert [] == table.duet.take(1.0 + KNOWN_SECONDS - 0.01)
    assert 1.0 + KNOWN_SECONDS == table.duet.due()
    taken = table.duet.take(1.0 + KNOWN_SECONDS)
    assert [(60, 50), (64, 70)] == [(one.key[1], one.velocity) for one in taken]
    assert [None, pytest.approx(1.15)] == [one.until for one in taken]
    table.duet.hear(note_off(0, 60), 3.0)
    assert 2.0 == taken[0].seconds(9.0)


def test_a_strike_while_the_machine_plays_lets_it_go_at_once():
    table = Table()
    table.play(1.0)
    table.takes_over(4.0)
    assert Phase.PLAYING is table.phase(5.0)
    table.duet.hear(note_on(0, 72, 64), 6.0)
    assert [(1, False)] == table.let_go
    table.yields()
    assert Phase.LISTENING is table.phase(6.1)


def test_a_strike_while_the_machine_thinks_is_the_persons_turn():
    table = Table(duet_yield="cut")
    table.play(1.0)
    phase, turn = table.duet.look(4.0)
    table.duet.hear(note_on(0, 72, 64), 4.01)
    table.duet.begun(turn)
    assert (Phase.THINKING, Phase.YIELDING) == (phase, table.duet.phase)
    assert [(1, True)] == table.let_go


@pytest.mark.parametrize("message", [note_off(0, 60), control(0, PEDAL, 127), note_on(9, 40, 90)])
def test_what_is_no_strike_of_a_key_interrupts_nobody(message):
    table = Table()
    table.play(1.0)
    table.takes_over(4.0)
    table.duet.hear(message, 5.0)
    assert ([], Phase.PLAYING) == (table.let_go, table.phase(5.1))


def test_a_button_takes_over_at_once_and_hands_back():
    table = Table()
    table.duet.hear(note_on(0, 60, 64), 1.0)
    table.press()
    table.takes_over(1.1)
    table.press()
    assert Phase.YIELDING is table.phase(2.0)
    table.yields()
    assert Phase.LISTENING is table.phase(100.0), "nobody has played since"


def test_nothing_is_taken_over_while_the_music_is_held():
    table = Table()
    table.play(1.0)
    assert Phase.LISTENING is table.phase(9.0, held=True)
    assert Phase.THINKING is table.phase(9.1)


def test_a_trade_ends_by_itself_and_listens():
    table = Table(duet="trade")
    table.play(1.0, seconds=3.0)
    phase, turn = table.duet.look(6.0)
    assert (Phase.THINKING, 3.0) == (phase, table.duet.call_seconds)
    table.duet.begun(turn)
    table.duet.over(turn)
    assert Phase.LISTENING is table.phase(1e6)


def test_a_duet_that_is_switched_off_plays_on_and_one_that_is_switched_on_begins():
    table = Table()
    table.set(duet="off")
    phase, turn = table.duet.look(1.0)
    assert Phase.THINKING is phase
    table.duet.begun(turn)
    assert Phase.OFF is table.phase(2.0)
    table.play(3.0)
    assert ([], Phase.OFF) == (table.let_go, table.phase(9.0))
    table.set(duet="continue")
    assert Phase.PLAYING is table.phase(9.1)
    table.set(duet="off")
    table.set(duet="trade")
    assert [(1, False)] == table.let_go
    table.yields()
    assert Phase.LISTENING is table.phase(9.2)


def test_of_a_flood_the_oldest_notes_are_left_out_and_counted():
    table = Table()
    for number in range(MOST_WAITING + 5):
        table.play(1.0 + number * 0.001, 20 + number % 80, 0.0005)
    assert (MOST_WAITING, 5) == (len(table.duet.take(1e6)), table.duet.left_out)


LEGAL = {
    Phase.OFF: {Phase.PLAYING, Phase.YIELDING, Phase.ALONG},
    Phase.ALONG: {Phase.PLAYING, Phase.YIELDING, Phase.OFF},
    Phase.LISTENING: {Phase.THINKING, Phase.YIELDING},
    Phase.THINKING: {Phase.PLAYING, Phase.YIELDING, Phase.OFF, Phase.ALONG},
    Phase.PLAYING: {Phase.YIELDING, Phase.LISTENING, Phase.OFF, Phase.ALONG},
    Phase.YIELDING: {Phase.LISTENING, Phase.THINKING, Phase.YIELDING},
}
"""Where each phase may lead in one step."""

MODES = ("off", "trade", "continue", "accompany", "shadow")

STEPS = st.one_of(
    st.tuples(st.just("key"), st.integers(58, 62), st.integers(0, 127)),
    st.tuples(st.just("pedal"), st.integers(0, 127)),
    st.tuples(st.just("wait"), st.floats(0.0, 5.0)),
    st.tuples(st.just("mode"), st.sampled_from(MODES)),
    st.tuples(st.just("now")),
    st.tuples(st.just("machine")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_whatever_comes_each_note_is_taken_once_in_order_and_every_step_is_legal(steps):
    table, now, before = Table(), 100.0, Phase.LISTENING
    struck, taken = [], []
    for kind, *values in steps:
        if kind == "wait":
            now += values[0]
        elif kind == "mode":
            table.set(duet=values[0])
        elif kind == "now":
            table.press()
        elif kind == "pedal":
            table.duet.hear(control(0, PEDAL, values[0]), now)
        elif kind == "machine":
            phase, turn = table.duet.look(now)
            assert phase is before or phase in LEGAL[before]
            before = phase
            ended = {
                Phase.THINKING: table.duet.begun,
                Phase.PLAYING: table.duet.over,
                Phase.YIELDING: table.duet.yielded,
            }.get(phase)
            if ended is not None:
                ended(turn)
        else:
            pitch, velocity = values
            message = note_on(0, pitch, velocity) if velocity else note_off(0, pitch)
            if starts_note(message) and table.duet.phase is not Phase.OFF:
                struck.append((now, pitch))
            table.duet.hear(message, now)
        after = table.duet.phase
        assert after is before or after in LEGAL[before]
        before = after
        taken += [(one.at, one.key[1]) for one in table.duet.take(now)]
    table.duet.hear(control(0, NOTES_OFF, 0), now)
    taken += [(one.at, one.key[1]) for one in table.duet.take(now)]
    assert struck == taken
    assert frozenset() == table.duet.sounding


def test_random_playing_loses_nothing_and_leaves_nothing_down():
    rng, table, now = np.random.default_rng(1), Table(), 0.0
    struck, taken, down, turns = [], [], set(), 0
    draws = rng.random((FUZZ_NOTES * 2, 4))
    while len(struck) < FUZZ_NOTES:
        kind, which, wait, loud = draws[(len(struck) + turns) % len(draws)].tolist()
        now += 3.0 * wait if kind < 0.01 else 0.1 * wait
        turns += 1
        pitch = 36 + int(which * 48)
        if kind < 0.02:
            table.duet.hear(control(0, PEDAL, int(loud * 128)), now)
        elif kind < 0.022:
            table.duet.hear(control(0, NOTES_OFF, 0), now)
            down.clear()
        elif pitch in down:
            table.duet.hear(note_off(0, pitch), now)
            down.discard(pitch)
        else:
            table.duet.hear(note_on(0, pitch, 1 + int(loud * 127)), now)
            struck.append((now, pitch))
            down.add(pitch)
        phase, turn = table.duet.look(now)
        if phase is Phase.YIELDING:
            table.duet.yielded(turn)
        elif phase is Phase.THINKING:
            table.duet.begun(turn)
        taken += [(one.at, one.key[1]) for one in table.duet.take(now)]
        assert {key[1] for key in table.duet.sounding} >= down
    table.duet.hear(control(0, NOTES_OFF, 0), now)
    taken += [(one.at, one.key[1]) for one in table.duet.take(now)]
    assert struck == taken
    assert (frozenset(), 0) == (table.duet.sounding, table.duet.left_out)


class Stage:
    """A scheduler as the input sees it."""

    def __init__(self):
        self.panics = 0

    def panic(self):
        self.panics += 1

    def beat(self, followed):
        pass

    def follow(self, rate, *, halted):
        pass


class Input:
    """A controller's thread whose notes are taken in by a duet, and what it took in."""

    def __init__(self):
        self.clock, self.stage, self.taken = ManualClock(), Stage(), []
        self.echo, self.live = EchoFilter(0.25), LiveControls()
        self.control = MidiControl(
            InputSettings(), ClockSettings(), self.live, self.stage, self.clock, echo=self.echo,
            duet=lambda message, at: self.taken.append(message),
        )  # fmt: skip

    def send(self, *messages):
        for message in messages:
            self.control.inbox.put(message)
        self.control.turn()
        return self.taken


def test_notes_pedal_and_silences_reach_the_duet_and_cc120_alone_the_machine():
    desk = Input()
    messages = [note_on(2, 60, 64), note_off(2, 60), control(2, PEDAL, 127)]
    assert messages == desk.send(*messages)
    assert control(0, NOTES_OFF, 0) == desk.send(control(2, NOTES_OFF, 0))[-1]
    assert 0 == desk.stage.panics
    assert control(0, SOUND_OFF, 0) == desk.send(control(2, SOUND_OFF, 0))[-1]
    assert 1 == desk.stage.panics


def test_a_pedal_that_is_learnt_is_a_button_and_sustains_nothing():
    desk = Input()
    desk.control.bindings.bind("duet_now", PEDAL)
    assert [] == desk.send(control(0, PEDAL, 127))
    assert desk.live.snapshot().value("duet_now")


def test_our_own_notes_that_come_back_are_left_out_whatever_their_velocity_and_channel():
    desk = Input()
    desk.echo.sent(note_on(0, 60, 64), desk.clock.now())
    desk.clock.jump(0.03)
    assert [] == desk.send(note_on(4, 60, 99))
    desk.echo.sent(note_off(0, 60), desk.clock.now())
    assert [] == desk.send(note_off(4, 60))
    assert 2 == desk.control.echoes


def test_a_key_of_the_persons_is_heard_beside_the_same_key_of_ours():
    desk = Input()
    desk.echo.sent(note_on(0, 60, 64), desk.clock.now())
    desk.clock.jump(UNISON_SECONDS + 0.001)
    desk.send(note_on(0, 60, 64))
    desk.echo.sent(note_off(0, 60), desk.clock.now())
    assert [note_on(0, 60, 64), note_off(0, 60)] == desk.send(note_off(0, 60))


def test_of_a_unison_one_strike_and_one_release_are_the_persons():
    desk, now = Input(), 1000.0
    desk.echo.sent(note_on(0, 60, 64), now)
    desk.send(note_on(0, 60, 64), note_on(0, 60, 50))
    desk.echo.sent(note_off(0, 60), now)
    assert [note_on(0, 60, 50), note_off(0, 60)] == desk.send(note_off(0, 60), note_off(0, 60))


def test_a_loop_that_is_slow_is_known_after_some_notes():
    desk = Input()
    for number in range(3 * LOOP_NOTES):
        for message in (note_on(0, 40 + number, 64), note_off(0, 40 + number)):
            desk.echo.sent(message, desk.clock.now())
            desk.clock.jump(0.1)
            desk.send(message)
    assert LOOP_NOTES > len([message for message in desk.taken if starts_note(message)])
    assert {key_of(m) for m in desk.taken if ends_note(m)} <= {
        key_of(m) for m in desk.taken if starts_note(m)
    }


@pytest.mark.parametrize("before", ["trade", "continue"])
def test_a_shadow_that_is_asked_for_while_the_machine_thinks_lets_it_say_nothing(before):
    table = Table(duet=before)
    table.play(1.0)
    phase, turn = table.duet.look(4.0)
    table.set(duet="shadow")
    table.duet.begun(turn)
    assert (Phase.THINKING, Phase.YIELDING) == (phase, table.duet.phase)
    table.yields()
    table.play(5.0)
    assert ([(1, False)], Phase.LISTENING) == (table.let_go, table.phase(1e6))


@pytest.mark.parametrize(("before", "after"), [("trade", "continue"), ("continue", "trade")])
def test_another_way_of_taking_turns_lets_the_machine_go_on_that_thinks(before, after):
    table = Table(duet=before)
    table.play(1.0)
    _, turn = table.duet.look(4.0)
    table.set(duet=after)
    table.duet.begun(turn)
    assert ([], Phase.PLAYING) == (table.let_go, table.duet.phase)


def test_a_key_that_was_down_before_the_duet_began_is_no_silence():
    table = Table(duet="off")
    table.duet.hear(note_on(0, 48, 64), 0.5)
    table.set(duet="trade")
    table.yields()
    table.play(1.0)
    assert Phase.LISTENING is table.phase(9.0)
    table.duet.hear(note_off(0, 48), 10.0)
    assert Phase.THINKING is table.phase(10.0 + AFTER)

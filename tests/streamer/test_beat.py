"""The scheduler and the beat: its own clock, and another machine's that it follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock, make_phrase

SETTINGS = SchedulerSettings(lead_seconds=0.3, realtime_priority=0)
CLOCK_SECONDS = 60.0 / (120.0 * 24)

STEADY_SECONDS = 1e-6
"""On the manual clock only rounding is left (measured below 1e-9)."""


class Stage:
    """A scheduler with a phrase of notes every 100 ms on the manual clock, and all that left."""

    def __init__(self, phrases=None, **more) -> None:
        self.clock = ManualClock()
        self.port = FakePort(self.clock)
        self.buffer = RollingBuffer(4.0, 10.0)
        notes = [Note(60 + i % 12, i * 100.0, 50.0, 64) for i in range(60)]
        for phrase in phrases or [make_phrase(notes)]:
            self.buffer.put(phrase)
        self.buffer.close()
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, SETTINGS, **more)

    def after(self, seconds, action) -> None:
        self.clock.at(1000.0 + seconds, action)

    def run(self) -> Stage:
        self.scheduler.run()
        assert self.port.receiver.is_silent
        return self

    def times(self, status) -> list[float]:
        return [at for at, message in self.port.log if message[0] & 0xF0 == status]

    def times_of(self, wanted) -> list[float]:
        return [at for at, message in self.port.log if message == wanted]


def test_the_first_note_falls_on_the_first_clock_after_start():
    stage = Stage(send_bpm=120.0).run()
    (start,) = stage.times_of(b"\xfa")
    first_clock = next(at for at in stage.times_of(b"\xf8") if at > start)
    assert pytest.approx(first_clock, abs=STEADY_SECONDS) == stage.times(0x90)[0]
    assert pytest.approx(CLOCK_SECONDS / 2) == first_clock - start


def test_notes_keep_their_distances_beside_the_clock():
    alone, beside = Stage().run().times(0x90), Stage(send_bpm=133.0).run().times(0x90)
    moved = beside[0] - alone[0]
    assert 0.0 <= moved < 60.0 / (133.0 * 24)
    assert [pytest.approx(at + moved) for at in alone] == beside


def test_the_song_ends_with_stop_after_the_last_note_off():
    stage = Stage(send_bpm=120.0).run()
    assert b"\xfc" == stage.port.messages[-1]
    assert 1 == stage.port.messages.count(b"\xfc")


def test_a_pause_stops_others_and_the_clock_goes_on_steadily():
    stage = Stage(send_bpm=120.0)
    stage.after(2.0, stage.scheduler.pause)
    stage.after(5.0, stage.scheduler.resume)
    stage.run()
    transport = [m[0] for m in stage.port.messages if m[0] in (0xFA, 0xFB, 0xFC, 0xF2)]
    assert [0xFA, 0xFC, 0xF2, 0xFB, 0xFC] == transport
    clocks = stage.times_of(b"\xf8")
    gaps = [late - early for early, late in zip(clocks, clocks[1:], strict=False)]
    assert [pytest.approx(CLOCK_SECONDS, abs=STEADY_SECONDS)] * len(gaps) == gaps


def test_a_port_that_comes_back_is_told_where_the_song_is():
    stage = Stage(send_bpm=120.0)
    stage.after(2.0, stage.port.vanish)
    stage.after(3.0, stage.port.come_back)
    stage.run()
    back = [m[0] for at, m in stage.port.log if at >= 1003.0 and m[0] in (0xF2, 0xFA, 0xFB)]
    assert [0xF2, 0xFB] == back


def test_no_clock_is_sent_unless_it_is_asked_for():
    assert not any(message[0] >= 0xF0 for message in Stage().run().port.messages)


def test_a_followed_tempo_changes_the_distances_at_once():
    stage = Stage()
    stage.after(2.3, lambda: stage.scheduler.follow(2.0, halted=False))
    struck = stage.run().times(0x90)
    assert pytest.approx(0.1) == struck[11] - struck[10]
    assert pytest.approx(0.05) == struck[31] - struck[30]


def test_a_stop_of_the_other_machine_silences_and_holds_until_it_plays():
    stage = Stage()
    stage.after(2.0, lambda: stage.scheduler.follow(1.0, halted=True))
    stage.after(2.1, lambda: check.append((stage.scheduler.halted, stage.port.receiver.is_silent)))
    stage.after(9.0, lambda: stage.scheduler.follow(1.0, halted=False))
    check: list[tuple[bool, bool]] = []
    struck = stage.run().times(0x90)
    assert [(True, True)] == check
    assert not [at for at in struck if 1002.0 < at < 1009.0]
    assert 60 == len(struck)


def test_a_pause_by_hand_and_a_stop_are_two_things():
    stage = Stage()
    scheduler = stage.scheduler
    stage.after(1.0, scheduler.pause)
    stage.after(2.0, lambda: scheduler.follow(1.0, halted=True))
    stage.after(3.0, scheduler.resume)
    stage.after(4.0, lambda: scheduler.follow(1.0, halted=False))
    struck = stage.run().times(0x90)
    assert not [at for at in struck if 1001.0 < at < 1004.0]


def test_a_rate_must_be_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        Stage().scheduler.follow(0.0, halted=False)


@given(
    st.integers(0, 1000),
    st.lists(
        st.tuples(
            st.floats(0.0, 12.0),
            st.sampled_from(("pause", "resume", "halt", "go", "vanish", "return", "panic")),
            st.floats(0.25, 4.0),
        ),
        max_size=12,
    ),
    st.sampled_from((None, 60.0, 141.0)),
)
def test_whatever_the_clocks_do_nothing_is_left_sounding_and_every_note_on_has_its_off(
    seed, plan, send_bpm
):
    generator = FakeGenerator(seed)
    stage = Stage([generator.next_phrase() for _ in range(3)], send_bpm=send_bpm)
    scheduler, port = stage.scheduler, stage.port
    actions = {
        "pause": lambda _: scheduler.pause(),
        "resume": lambda _: scheduler.resume(),
        "halt": lambda rate: scheduler.follow(rate, halted=True),
        "go": lambda rate: scheduler.follow(rate, halted=False),
        "vanish": lambda _: port.vanish(),
        "return": lambda _: port.come_back(),
        "panic": lambda _: scheduler.panic(),
    }
    for seconds, name, rate in plan:
        stage.after(seconds, lambda name=name, rate=rate: actions[name](rate))
    for end in ("resume", "go", "return"):
        stage.after(13.0, lambda end=end: actions[end](1.0))
    stage.run()
    down = set()
    for message in port.messages:
        if message[0] == 0x90:
            assert message[1] not in down
            down.add(message[1])
        elif message[0] == 0x80:
            down.discard(message[1])
    assert not down

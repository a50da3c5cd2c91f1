"""The scheduler on a clock that is moved by hand: exact times, exact messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.lateness import LatenessHistogram
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note
from streamer.ports.base import PortLost
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock, make_phrase

START = 1000.0
SETTINGS = SchedulerSettings(lead_seconds=0.5, late_note_on_ms=100.0, realtime_priority=0)

ROUNDING_MS = 1e-6
"""Seconds of a clock at 1000 s, as doubles, hold a ten-thousandth of a microsecond."""


class Stage:
    """A scheduler with everything around it."""

    def __init__(self, *phrases, spacing_ms=0.0, closed=True):
        self.clock = ManualClock(START)
        self.buffer = RollingBuffer(4, 10)
        self.port = FakePort(self.clock)
        self.scheduler = Scheduler(
            self.buffer, self.port, self.clock, SETTINGS, message_spacing_ms=spacing_ms
        )
        for phrase in phrases:
            self.buffer.put(phrase)
        if closed:
            self.buffer.close()

    def play(self):
        """Play to the end; return (ms from the first note's deadline, message)."""
        self.scheduler.run()
        return self.heard()

    def everything(self):
        """What arrived, the silences at the ends included."""
        log = [(1000.0 * (at - START - 0.5), message.hex(" ")) for at, message in self.port.log]
        return [(pytest.approx(at, abs=ROUNDING_MS), message) for at, message in log]

    def heard(self):
        """What arrived after the silence at the start and before that at the end."""
        log = self.everything()
        while log and log[0][1] in SILENCE:
            log.pop(0)
        while log and log[-1][1] in SILENCE:
            log.pop()
        return log


SILENCE = ("b0 40 00", "b0 7b 00", "b0 79 00")


def test_notes_leave_at_their_deadlines_after_the_lead():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(64, 250.0, 500.0, 65)]))
    assert stage.play() == [
        (0.0, "90 3c 40"),
        (100.0, "80 3c 00"),
        (250.0, "90 40 41"),
        (750.0, "80 40 00"),
    ]


def test_the_first_note_does_not_wait_for_a_rest_at_the_start_of_the_stream():
    stage = Stage(make_phrase([Note(60, 9000.0, 100.0, 64)]))
    assert stage.play() == [(0.0, "90 3c 40"), (100.0, "80 3c 00")]


def test_a_start_silences_the_channel_before_anything_sounds():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64)]))
    stage.scheduler.run()
    assert [message.hex(" ") for message in stage.port.messages[:3]] == list(SILENCE)


def test_a_key_struck_while_it_sounds_is_released_first_and_its_old_release_is_forgotten():
    stage = Stage(make_phrase([Note(60, 0.0, 300.0, 64), Note(60, 100.0, 400.0, 65)]))
    assert stage.play() == [
        (0.0, "90 3c 40"),
        (100.0, "80 3c 00"),
        (100.0, "90 3c 41"),
        (500.0, "80 3c 00"),
    ]


def test_a_key_struck_again_by_the_next_phrase_is_released_first():
    first = make_phrase([Note(60, 0.0, 5000.0, 64), Note(62, 2000.0, 100.0, 64)])
    second = make_phrase([Note(60, 2500.0, 100.0, 65)], start_ms=2000.0)
    assert Stage(first, second).play() == [
        (0.0, "90 3c 40"),
        (2000.0, "90 3e 40"),
        (2100.0, "80 3e 00"),
        (2500.0, "80 3c 00"),
        (2500.0, "90 3c 41"),
        (2600.0, "80 3c 00"),
    ]


def test_pedal_changes_are_sent_between_the_notes():
    notes = [Note(60, 0.0, 300.0, 64, pedal=True), Note(62, 100.0, 400.0, 65)]
    assert Stage(make_phrase(notes)).play() == [
        (0.0, "b0 40 7f"),
        (0.0, "90 3c 40"),
        (50.0, "b0 40 00"),
        (100.0, "90 3e 41"),
        (300.0, "80 3c 00"),
        (500.0, "80 3e 00"),
    ]


def test_music_that_comes_too_late_lengthens_a_rest_and_keeps_its_rhythm():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64)]), closed=False)
    late = make_phrase([Note(62, 500.0, 50.0, 64), Note(64, 600.0, 50.0, 64)])

    def arrive():
        stage.buffer.put(late)
        stage.buffer.close()

    stage.clock.at(START + 3.5, arrive)
    assert stage.play() == [
        (0.0, "90 3c 40"),
        (100.0, "80 3c 00"),
        (3500.0, "90 3e 40"),
        (3550.0, "80 3e 00"),
        (3600.0, "90 40 40"),
        (3650.0, "80 40 00"),
    ]
    assert stage.buffer.underruns == 1
    assert stage.scheduler.stalls == 0


def test_a_note_that_rings_into_an_underrun_ends_when_it_should():
    stage = Stage(make_phrase([Note(60, 0.0, 2000.0, 64)]), closed=False)

    def arrive():
        stage.buffer.put(make_phrase([Note(62, 100.0, 50.0, 64, pedal=True)]))
        stage.buffer.close()

    stage.clock.at(START + 1.5, arrive)
    assert stage.play() == [
        (0.0, "90 3c 40"),
        (1000.0, "b0 40 7f"),
        (1500.0, "90 3e 40"),
        (1550.0, "80 3e 00"),
        (2000.0, "80 3c 00"),
    ]
    assert stage.scheduler.lateness.max_seconds < 1e-9


def test_a_process_that_stood_still_for_an_hour_goes_on_without_bunching():
    notes = [Note(60 + i, 200.0 * i, 100.0, 64) for i in range(4)]
    stage = Stage(make_phrase(notes))
    stage.clock.at(START + 0.75, lambda: stage.clock.jump(3600.0))
    heard = stage.play()
    # The leap lies inside the wait for 300 ms, so that all later times move by what was too much.
    moved = 3600_000.0 - 50.0
    assert heard == [
        (0.0, "90 3c 40"),
        (100.0, "80 3c 00"),
        (200.0, "90 3d 40"),
        (300.0 + moved, "80 3d 00"),
        (400.0 + moved, "90 3e 40"),
        (500.0 + moved, "80 3e 00"),
        (600.0 + moved, "90 3f 40"),
        (700.0 + moved, "80 3f 00"),
    ]
    assert stage.scheduler.stalls == 1
    assert stage.buffer.underruns == 0


def test_late_note_ons_are_dropped_with_their_note_offs():
    notes = [Note(60, 0.0, 100.0, 64), Note(62, 50.0, 400.0, 64), Note(64, 300.0, 100.0, 64)]
    stage = Stage(make_phrase(notes))
    stage.clock.at(START + 0.52, lambda: stage.clock.jump(0.2))
    assert stage.play() == [
        (0.0, "90 3c 40"),
        (220.0, "80 3c 00"),
        (300.0, "90 40 40"),
        (400.0, "80 40 00"),
    ]
    assert stage.scheduler.late_dropped == 1


def test_late_note_off_and_late_pedal_up_are_still_sent():
    notes = [Note(60, 0.0, 100.0, 64, pedal=True), Note(62, 240.0, 100.0, 64)]
    stage = Stage(make_phrase(notes))
    stage.clock.at(START + 0.51, lambda: stage.clock.jump(0.4))
    assert stage.play() == [
        (0.0, "b0 40 7f"),
        (0.0, "90 3c 40"),
        (410.0, "80 3c 00"),
    ]
    assert (410.0, "b0 40 00") in stage.everything()


def test_a_note_that_is_a_little_late_is_played():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(62, 50.0, 100.0, 64)]))
    stage.clock.at(START + 0.52, lambda: stage.clock.jump(0.09))
    assert (110.0, "90 3e 40") in stage.play()
    assert stage.scheduler.late_dropped == 0


def test_messages_keep_their_distance_on_a_slow_cable():
    stage = Stage(make_phrase([Note(60 + i, 0.0, 100.0, 64) for i in range(4)]), spacing_ms=1.0)
    heard = stage.play()
    assert heard[:4] == [
        (0.0, "90 3c 40"),
        (1.0, "90 3d 40"),
        (2.0, "90 3e 40"),
        (3.0, "90 3f 40"),
    ]


def test_a_lost_port_holds_the_music_and_its_return_goes_on_from_there():
    notes = [Note(60 + i, 500.0 * i, 400.0, 64) for i in range(3)]
    stage = Stage(make_phrase(notes))
    stage.clock.at(START + 0.6, stage.port.vanish)
    stage.clock.at(START + 10.0, stage.port.come_back)
    heard = stage.play()
    ons = [(at, message) for at, message in heard if message.startswith("90")]
    assert [message for _, message in ons] == ["90 3c 40", "90 3d 40", "90 3e 40"]
    log = [(at, message) for at, message in stage.port.log if message[0] == 0x90]
    assert log[1][0] > START + 10.0
    assert log[2][0] - log[1][0] == pytest.approx(0.5)
    assert stage.scheduler.port_losses == 1


def test_what_sounded_when_a_port_was_lost_is_silenced_before_anything_else_on_its_return():
    stage = Stage(make_phrase([Note(60, 0.0, 400.0, 64, pedal=True), Note(62, 900.0, 9.0, 64)]))
    stage.clock.at(START + 0.6, stage.port.vanish)
    stage.clock.at(START + 10.0, stage.port.come_back)
    stage.scheduler.run()
    after = [message.hex(" ") for at, message in stage.port.log if at >= START + 10.0]
    assert after[:4] == ["80 3c 00", *SILENCE]


def test_a_note_whose_release_went_into_the_void_is_released_when_the_port_is_back():
    stage = Stage(make_phrase([Note(60, 0.0, 400.0, 64), Note(62, 5000.0, 9.0, 64)]))
    stage.clock.at(START + 0.6, stage.port.vanish_unnoticed)
    stage.clock.at(START + 1.5, stage.port.vanish)
    stage.clock.at(START + 9.0, stage.port.come_back)
    stage.scheduler.run()
    assert stage.port.receiver.is_silent
    assert (0, 60) not in stage.port.receiver.struck


def test_a_release_into_the_void_is_made_up_for_when_the_stop_comes_before_the_next_look():
    stage = Stage(make_phrase([Note(60, 0.0, 400.0, 64), Note(62, 9000.0, 9.0, 64)]))
    stage.clock.at(START + 0.6, stage.port.vanish_unnoticed)
    stage.clock.at(START + 0.95, stage.port.come_back)
    stage.clock.at(START + 0.96, stage.scheduler.stop)
    stage.scheduler.run()
    assert stage.port.receiver.is_silent


def test_a_stream_that_starts_without_a_port_waits_for_it():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64)]))
    stage.port.vanish()
    stage.clock.at(START + 60.0, stage.port.come_back)
    stage.scheduler.run()
    ons = [at for at, message in stage.port.log if message[0] == 0x90]
    assert len(ons) == 1
    assert START + 60.0 < ons[0] < START + 61.0


def test_pause_silences_and_resume_goes_on_with_the_pedal_as_it_was():
    notes = [Note(60, 0.0, 5000.0, 64, pedal=True), Note(62, 600.0, 100.0, 64, pedal=True)]
    stage = Stage(make_phrase(notes))
    stage.clock.at(START + 1.0, stage.scheduler.pause)
    stage.clock.at(START + 1.1, lambda: silent.append(stage.port.receiver.is_silent))
    stage.clock.at(START + 21.0, stage.scheduler.resume)
    silent = []
    heard = stage.play()
    assert silent == [True]
    assert heard[-3:] == [
        (20_600.0, "b0 40 7f"),
        (20_600.0, "90 3e 40"),
        (20_700.0, "80 3e 00"),
    ]


def test_panic_cuts_the_sound_and_the_music_goes_on():
    stage = Stage(make_phrase([Note(60, 0.0, 5000.0, 64), Note(62, 600.0, 100.0, 64)]))
    stage.clock.at(START + 1.0, stage.scheduler.panic)
    heard = stage.play()
    assert (500.0, "b0 78 00") in heard
    assert heard[-2:] == [(600.0, "90 3e 40"), (700.0, "80 3e 00")]


def test_a_machine_that_slept_is_silenced_when_it_wakes():
    stage = Stage(make_phrase([Note(60, 0.0, 5000.0, 64), Note(62, 900.0, 100.0, 64)]))
    stage.clock.at(START + 1.0, lambda: stage.clock.suspend(7200.0))
    heard = stage.play()
    released = next(at for at, message in heard if message == "80 3c 00")
    assert 500.0 <= released.expected <= 751.0
    assert heard[-2:] == [(900.0, "90 3e 40"), (1000.0, "80 3e 00")]


def test_the_heartbeat_goes_on_in_the_longest_rest():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(62, 30_000.0, 100.0, 64)]))
    ages = []
    stage.clock.every(1.0, lambda: ages.append(stage.clock.now() - stage.scheduler.last_advance))
    stage.scheduler.run()
    assert len(ages) >= 30
    assert max(ages) <= 0.25


def test_a_port_that_raises_ends_the_run_with_its_error():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64)]))
    stage.port.fail_at = 3
    with pytest.raises(type(stage.port.error), match="as it was told"):
        stage.scheduler.run()


def test_a_loss_met_by_a_send_is_no_error():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(62, 300.0, 100.0, 64)]))
    stage.port.fail_at = 3
    stage.port.error = PortLost("gone")
    stage.scheduler.run()
    assert stage.port.receiver.is_silent


def test_a_release_that_is_refused_once_is_made_up_for_at_once():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(62, 2000.0, 100.0, 64)]))
    stage.port.fail_at = 4  # three of the silence at the start, the note-on, the note-off
    stage.port.error = PortLost("gone for one message")
    heard = stage.play()
    assert heard[:2] == [(0.0, "90 3c 40"), (100.0, "80 3c 00")]


def test_places_in_the_music_go_along_with_the_messages_and_no_pause_is_in_them():
    stage = Stage(make_phrase([Note(60, 0.0, 100.0, 64), Note(62, 600.0, 100.0, 64)]))
    stage.clock.at(START + 0.7, stage.scheduler.pause)
    stage.clock.at(START + 60.0, stage.scheduler.resume)
    stage.scheduler.run()
    places = [
        place
        for place, message in zip(stage.port.places, stage.port.messages, strict=True)
        if message[0] in (0x80, 0x90)
    ]
    assert places == [0.0, 100.0, 600.0, 700.0]


@given(st.integers(0, 2**32), st.floats(1.0, 40.0))
def test_every_note_is_struck_and_released_once_in_the_order_of_time(seed, notes_per_second):
    generator = FakeGenerator(seed, notes_per_second=notes_per_second)
    stage = Stage(*(generator.next_phrase() for _ in range(6)))
    stage.scheduler.run()
    times = [at for at, _ in stage.port.log]
    assert times == sorted(times)
    ons = [message for message in stage.port.messages if message[0] == 0x90]
    offs = [message for message in stage.port.messages if message[0] == 0x80]
    assert len(ons) == len(offs) == stage.scheduler.notes_sent
    down = set()
    for message in stage.port.messages:
        if message[0] == 0x90:
            assert message[1] not in down, "a sounding key was struck without a release"
            down.add(message[1])
        elif message[0] == 0x80:
            down.remove(message[1])
    assert not down
    assert stage.scheduler.lateness.max_seconds < 1e-9


@given(
    st.lists(st.lists(st.floats(1.0, 2000.0), min_size=1, max_size=8), min_size=1, max_size=8),
    st.lists(st.floats(0.0, 20.0), min_size=8, max_size=8),
)
def test_no_two_onsets_are_closer_than_they_were_written_however_late_phrases_come(gaps, waits):
    stage = Stage(closed=False)
    written, now_ms, when = [], 0.0, START
    for phrase_gaps, wait in zip(gaps, waits, strict=False):
        start_ms, notes = now_ms, []
        for gap_ms in phrase_gaps:
            now_ms += gap_ms
            notes.append(Note(60, now_ms, 10.0, 64))
        written.extend(note.onset_ms for note in notes)
        when += wait
        phrase = make_phrase(notes, start_ms)
        stage.clock.at(when, lambda phrase=phrase: stage.buffer.put(phrase))
    stage.clock.at(when, stage.buffer.close)
    stage.scheduler.run()
    played = [1000.0 * at for at, message in stage.port.log if message[0] == 0x90]
    assert len(played) == len(written)
    for i in range(1, len(played)):
        assert played[i] - played[i - 1] >= written[i] - written[i - 1] - ROUNDING_MS


def test_a_thousand_hours_on_the_manual_clock_would_take_minutes_and_one_hour_loses_nothing():
    stage, generator = Stage(closed=False), FakeGenerator(7)
    generator.top_up(stage.buffer)
    stage.clock.every(1.0, lambda: generator.top_up(stage.buffer))
    stage.clock.at(START + 3600.0, stage.scheduler.stop)
    stage.scheduler.run()
    assert stage.buffer.underruns == 0
    assert stage.scheduler.late_dropped == 0
    assert stage.scheduler.notes_sent > 10_000
    assert stage.port.receiver.is_silent


def test_lateness_quantiles_are_within_a_step_of_the_histogram():
    histogram = LatenessHistogram()
    for k in range(1, 1001):
        histogram.add(k / 1e6)
    assert histogram.quantile(0.5) == pytest.approx(500e-6, rel=0.05)
    assert histogram.quantile(0.99) == pytest.approx(990e-6, rel=0.05)
    assert histogram.to_dict()["max"] == 1.0
    assert LatenessHistogram().quantile(0.5) == 0.0
    with pytest.raises(ValueError, match=r"0\.\.1"):
        histogram.quantile(2.0)

"""Care for the synth: notes fit, keys are never too many, and nothing is left sounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.events import EventMaker, Kind
from streamer.live.scheduler import Scheduler
from streamer.live.sendtime import SendTime
from streamer.live.synth import Release, Voices, fit_note, synth_greeting
from streamer.music.notes import Note
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock, make_phrase

GAP_SLACK_SECONDS = 1e-9
"""Places in the music become seconds of the clock; only rounding is between them."""


def note(pitch=60, onset_ms=0.0, duration_ms=500.0, velocity=64, pedal=False):
    return Note(pitch, onset_ms, duration_ms, velocity, pedal)


def strikes(voices, *notes):
    """Return what each note asks to be released early."""
    return [voices.strike(serial, one, one.onset_ms) for serial, one in enumerate(notes)]


def play(settings: SynthSettings, phrases) -> FakePort:
    """Play phrases through the whole scheduler to a receiver."""
    clock, buffer = ManualClock(), RollingBuffer(4.0, 10.0)
    port = FakePort(clock)
    for phrase in phrases:
        buffer.put(phrase)
    buffer.close()
    Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0), synth=settings).run()
    return port


synths = st.builds(
    SynthSettings,
    program=st.none() | st.integers(1, 128),
    bank_msb=st.none() | st.integers(0, 127),
    bank_lsb=st.none() | st.integers(0, 127),
    transpose=st.integers(-48, 48),
    lowest=st.integers(0, 60),
    highest=st.integers(60, 127),
    outside=st.sampled_from(("fold", "drop")),
    velocity_curve=st.floats(0.2, 5.0),
    velocity_low=st.integers(1, 60),
    velocity_high=st.integers(60, 127),
    polyphony=st.none() | st.integers(1, 12),
    sustain=st.booleans(),
    shortest_ms=st.floats(0.0, 500.0),
    longest_ms=st.floats(500.0, 5000.0),
    repeat_gap_ms=st.floats(0.0, 200.0),
    wire=st.sampled_from(("fast", "din", "din-running-status")),
)


def test_bank_goes_before_program_and_only_what_is_set_is_sent():
    assert () == synth_greeting(SynthSettings())
    everything = SynthSettings(program=5, bank_msb=1, bank_lsb=2)
    assert (b"\xb3\x00\x01", b"\xb3\x20\x02", b"\xc3\x04") == synth_greeting(everything, channel=3)


@pytest.mark.parametrize(
    ("settings", "pitch", "expected"),
    [
        (SynthSettings(transpose=-12), 60, 48),
        (SynthSettings(lowest=48, highest=72), 36, 48),
        (SynthSettings(lowest=48, highest=72), 85, 61),
        (SynthSettings(lowest=48, highest=72, outside="drop"), 36, None),
        (SynthSettings(lowest=60, highest=62), 51, None),
        (SynthSettings(lowest=60, highest=62), 49, 61),
        (SynthSettings(transpose=48), 127, 127),
    ],
)
def test_pitches_are_moved_into_the_keys_of_the_synth(settings, pitch, expected):
    fitted = fit_note(note(pitch), settings)
    assert expected == (fitted and fitted.pitch)


def test_a_curve_of_one_changes_no_velocity_and_the_ends_of_any_curve_stay():
    for velocity in range(1, 128):
        assert velocity == fit_note(note(velocity=velocity), SynthSettings()).velocity
    for curve in (0.2, 0.5, 2.0, 5.0):
        assert 127 == fit_note(note(velocity=127), SynthSettings(velocity_curve=curve)).velocity
    assert 90 == fit_note(note(velocity=64), SynthSettings(velocity_curve=0.5)).velocity


def test_velocity_length_and_pedal_keep_to_their_limits():
    settings = SynthSettings(
        velocity_low=30, velocity_high=90, shortest_ms=50.0, longest_ms=800.0, sustain=False
    )
    quiet = fit_note(note(velocity=3, duration_ms=10.0, pedal=True), settings)
    loud = fit_note(note(velocity=120, duration_ms=9000.0), settings)
    assert (30, 50.0, False) == (quiet.velocity, quiet.duration_ms, quiet.pedal)
    assert (90, 800.0) == (loud.velocity, loud.duration_ms)


def test_notes_that_are_left_out_take_their_entropies_along():
    phrase = make_phrase([note(40), note(60, 10.0), note(90, 20.0)])
    fitted = SendTime().phrase(phrase, SynthSettings(lowest=50, highest=70, outside="drop"))
    assert [60] == [one.pitch for one in fitted.notes]
    assert (1, 5) == fitted.entropies.shape
    assert (phrase.start_ms, phrase.end_ms) == (fitted.start_ms, fitted.end_ms)


def test_controls_that_change_nothing_leave_the_very_notes():
    one = note()
    assert one is SendTime().fitted(one, SynthSettings())


def test_settings_that_contradict_each_other_are_refused_together():
    with pytest.raises(ValueError, match=r"lowest \(70\).*velocity_low \(90\)"):
        SynthSettings(lowest=70, highest=60, velocity_low=90, velocity_high=80)


def test_the_oldest_key_is_released_when_there_are_too_many():
    first, second, third = note(60, 0.0), note(64, 10.0), note(67, 20.0)
    assert [[], [], [Release(20.0, 0, (0, 60))]] == strikes(Voices(2), first, second, third)


def test_a_key_that_has_ended_is_not_counted():
    first, second = note(60, 0.0, 100.0), note(64, 100.0)
    assert [[], []] == strikes(Voices(1), first, second)


def test_a_chord_that_is_too_large_keeps_its_outline_and_its_loudest():
    chord = [note(p, velocity=v) for p, v in ((48, 20), (55, 90), (60, 30), (64, 50), (72, 20))]
    assert [48, 55, 72] == [one.pitch for one in Voices(3).thin(chord)]
    assert [72] == [one.pitch for one in Voices(1).thin(chord)]


def test_a_chord_over_two_phrases_leaves_out_what_is_too_much():
    voices = Voices(1)
    assert [] == voices.strike(0, note(60, 5.0), 5.0)
    assert voices.strike(1, note(64, 5.0), 5.0) is None


def test_a_key_struck_again_is_released_a_gap_before():
    twice = note(60, 0.0, 100.0), note(60, 100.0)
    assert [[], [Release(80.0, 0, (0, 60))]] == strikes(Voices(repeat_gap_ms=20.0), *twice)


def test_a_note_that_ends_before_the_gap_is_left_alone():
    twice = note(60, 0.0, 70.0), note(60, 100.0)
    assert [[], []] == strikes(Voices(repeat_gap_ms=20.0), *twice)


def test_a_note_too_short_for_the_gap_keeps_half_of_its_time():
    twice = note(60, 0.0, 30.0), note(60, 30.0)
    assert [[], [Release(15.0, 0, (0, 60))]] == strikes(Voices(repeat_gap_ms=200.0), *twice)


def test_the_gap_is_kept_though_other_keys_were_struck_meanwhile():
    three = note(60, 0.0, 100.0), note(72, 101.0), note(60, 105.0)
    assert Release(85.0, 0, (0, 60)) in strikes(Voices(repeat_gap_ms=20.0), *three)[2]


@pytest.mark.parametrize("wrong", [{"polyphony": 0}, {"repeat_gap_ms": -1.0}])
def test_limits_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        Voices(**wrong)


def test_an_early_release_names_the_note_that_it_ends():
    maker = EventMaker(Voices(polyphony=1))
    events = sorted(maker.make([note(60, 0.0), note(64, 100.0)]))
    off = [(event.deadline_ms, event.serial) for event in events if event.kind is Kind.NOTE_OFF]
    assert [(100.0, 0), (500.0, 0), (600.0, 1)] == off


@given(synths, st.integers(0, 1000), st.integers(1, 6))
def test_whatever_the_settings_every_note_is_released_once_and_limits_hold(settings, seed, count):
    generator = FakeGenerator(seed)
    port = play(settings, [generator.next_phrase() for _ in range(count)])
    assert port.receiver.is_silent
    down: dict[int, float] = {}
    for at, message in port.log:
        kind = message[0] & 0xF0
        if kind == 0x90:
            pitch, velocity = message[1], message[2]
            assert pitch not in down, "a key is released before it is struck again"
            assert settings.lowest <= pitch <= settings.highest
            assert settings.velocity_low <= velocity <= settings.velocity_high
            down[pitch] = at
            if settings.polyphony is not None:
                assert len(down) <= settings.polyphony
        elif kind == 0x80:
            assert message[1] in down, "no note-off is sent twice"
            del down[message[1]]
        elif kind == 0xB0 and message[1] == 64:
            assert settings.sustain or not message[2]
    assert not down


@given(st.integers(0, 1000), st.floats(1.0, 100.0))
def test_the_gap_before_a_repeated_note_is_heard_by_the_synth(seed, gap_ms):
    generator = FakeGenerator(seed, notes_per_second=4.0)
    port = play(SynthSettings(repeat_gap_ms=gap_ms), [generator.next_phrase() for _ in range(4)])
    struck: dict[int, float] = {}
    released: dict[int, float] = {}
    for at, message in port.log:
        kind, pitch = message[0] & 0xF0, message[1]
        if kind == 0x80:
            released[pitch] = at
        elif kind == 0x90:
            if pitch in released:
                least = min(gap_ms / 1000.0, (at - struck[pitch]) / 2)
                assert at - released[pitch] >= least - GAP_SLACK_SECONDS
            struck[pitch] = at


def test_the_synth_is_greeted_at_the_start_and_when_it_comes_back():
    clock, buffer = ManualClock(), RollingBuffer(4.0, 10.0)
    port = FakePort(clock)
    generator = FakeGenerator()
    for _ in range(8):
        buffer.put(generator.next_phrase())
    buffer.close()
    clock.at(1001.0, port.vanish)
    clock.at(1002.0, port.come_back)
    settings = SynthSettings(program=12, bank_msb=3)
    Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0), synth=settings).run()
    programs = [at for at, message in port.log if message == b"\xc0\x0b"]
    banks = [at for at, message in port.log if message == b"\xb0\x00\x03"]
    first_note = next(at for at, message in port.log if message[0] == 0x90)
    assert 2 == len(programs) == len(banks)
    assert programs[0] <= first_note
    assert programs[1] >= 1002.0


def test_entropies_of_no_note_at_all_are_an_empty_table():
    fitted = SendTime().phrase(make_phrase([note(20)]), SynthSettings(lowest=50, outside="drop"))
    assert (0, 5) == fitted.entropies.shape
    assert np.float32 == fitted.entropies.dtype

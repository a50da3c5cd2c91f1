"""The rolling buffer between its two marks."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.music.notes import Note
from streamer.testing import FakeGenerator, make_phrase


def phrase(start_ms, end_ms):
    return make_phrase([Note(60, end_ms, 100.0, 64)], start_ms)


def test_phrases_come_out_in_the_order_in_which_they_went_in():
    buffer, phrases = RollingBuffer(4, 10), [phrase(0, 1000), phrase(1000, 2000)]
    for one in phrases:
        buffer.put(one)
    assert [buffer.take(), buffer.take(), buffer.take()] == [*phrases, None]


def test_what_lies_ahead_is_counted_in_seconds_from_the_present():
    buffer = RollingBuffer(4, 10)
    buffer.put(phrase(0, 5000))
    assert buffer.seconds_ahead() == 5.0
    buffer.played(1500.0)
    assert buffer.seconds_ahead() == 3.5
    assert buffer.seconds_ahead(4000.0) == 1.0
    assert buffer.seconds_ahead(9000.0) == 0.0


def test_music_taken_but_not_yet_played_still_counts():
    buffer = RollingBuffer(4, 10)
    buffer.put(phrase(0, 5000))
    buffer.take()
    assert buffer.seconds_ahead() == 5.0


def test_there_is_space_below_the_high_mark_and_a_hurry_below_the_low_one():
    buffer = RollingBuffer(4, 10)
    assert (buffer.wait_for_space(0.0), buffer.is_low) == (True, True)
    buffer.put(phrase(0, 10_000))
    assert (buffer.wait_for_space(0.0), buffer.is_low) == (False, False)
    buffer.played(6500.0)
    assert (buffer.wait_for_space(0.0), buffer.is_low) == (True, True)


def test_playing_wakes_a_generator_that_waits_for_space():
    buffer, answers = RollingBuffer(4, 10), []
    buffer.put(phrase(0, 10_000))
    waiting = threading.Thread(target=lambda: answers.append(buffer.wait_for_space()))
    waiting.start()
    buffer.played(1.0)
    waiting.join(10.0)
    assert answers == [True]


def test_closing_ends_a_wait_for_space_without_giving_any():
    buffer, answers = RollingBuffer(4, 10), []
    buffer.put(phrase(0, 10_000))
    waiting = threading.Thread(target=lambda: answers.append(buffer.wait_for_space()))
    waiting.start()
    buffer.close()
    waiting.join(10.0)
    assert answers == [False]


def test_a_closed_buffer_gives_what_it_has_and_takes_no_more():
    buffer = RollingBuffer(4, 10)
    buffer.put(phrase(0, 1000))
    buffer.close()
    with pytest.raises(RuntimeError, match="closed"):
        buffer.put(phrase(1000, 2000))
    assert buffer.take() is not None
    assert buffer.filled.is_set()


def test_a_phrase_that_starts_in_the_past_of_the_one_before_is_refused():
    buffer = RollingBuffer(4, 10)
    buffer.put(phrase(0, 1000))
    with pytest.raises(ValueError, match="before 1000 ms"):
        buffer.put(phrase(0, 999))


def test_marks_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="low_seconds"):
        RollingBuffer(10, 4)


def test_clearing_forgets_what_was_not_taken():
    buffer = RollingBuffer(4, 10)
    buffer.put(phrase(0, 1000))
    buffer.put(phrase(1000, 3000))
    buffer.take()
    assert buffer.clear() == 1
    assert buffer.seconds_ahead() == 1.0
    buffer.put(phrase(1000, 2000))


@given(st.integers(0, 2**32), st.lists(st.floats(0, 5000), max_size=30))
def test_a_generator_that_asks_for_space_stays_between_the_marks(seed, steps):
    buffer, generator, now_ms = RollingBuffer(4, 10), FakeGenerator(seed), 0.0
    longest = 0.0
    for step_ms in steps:
        while buffer.wait_for_space(0.0):
            made = generator.next_phrase()
            longest = max(longest, made.seconds)
            buffer.put(made)
        assert 10.0 <= buffer.seconds_ahead() <= 10.0 + longest
        now_ms += step_ms
        buffer.played(now_ms)

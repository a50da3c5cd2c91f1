"""What is drawn again is heard soon: a piano waits for no pause of its own, a tune for no held note
and no rest, and neither becomes denser for it."""

from dataclasses import replace

import numpy as np
import pytest

from streamer.families.chain.soon import (
    ALIKE_MS,
    HASTE_NATS,
    SOON_MS,
    freely_drawn,
    hasten,
    soonest,
)
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note
from streamer.pipeline import open_source
from streamer.service.margin import HASTE, SLACK_SECONDS, Margin
from streamer.settings.controls import LiveControls
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import FakePort, ManualClock, make_phrase
from tests.steering import steer


def open_bundle(name, controls=None, **more):
    model = ModelSettings(model=name, seed=5, **more)
    return open_source(settings=Settings(model=model), controls=controls or LiveControls())


def rest_of(wait_ms, long_ms, start_ms=1000.0):
    notes = [Note(60, start_ms + wait_ms, 50.0, 64), Note(62, start_ms + long_ms, 50.0, 64)]
    return replace(make_phrase(notes), start_ms=start_ms, end_ms=start_ms + long_ms)


def test_what_begins_soon_is_preferred_and_lasts_as_long_as_what_does_not():
    phrases = [rest_of(*one) for one in ((900, 2000), (50, 500), (800, 2100), (100, 1900))]
    assert [3] == soonest(phrases, range(4), freely_drawn(4, range(4))), (
        "as long as those that were drawn freely"
    )
    assert [1] == soonest(phrases, [0, 1, 2], [0, 2])


def test_where_nothing_begins_soon_the_first_to_begin_is_preferred():
    first = SOON_MS + 100.0
    waits = (first + 900, first, first + ALIKE_MS / 2, first + 800)
    phrases = [rest_of(wait, 3000 + wait) for wait in waits]
    assert [2] == soonest(phrases, range(4), [0, 2])
    assert [0] == soonest(phrases, [0], [0]), "one is always left"


def test_every_other_candidate_leans_towards_a_first_note_that_comes_soon():
    codec = open_bundle("piano").bundle.codec
    noise = np.zeros((5, codec.sizes[1]), dtype=np.float32)
    hasten(noise, codec, 200.0)
    late = np.asarray(codec.shift.edges[:-1]) > 200.0 + SOON_MS
    assert not noise[::2].any(), "half of them, and one alone, are drawn freely"
    assert not noise[:, ~late].any()
    assert [-HASTE_NATS[0], -HASTE_NATS[1]] == noise[1::2, late][:, -1].tolist()


def waits_after_cuts(name, cuts, candidates=8):
    """Return how long after each cut the first note comes, ms."""
    source, chance, waits = open_bundle(name), np.random.default_rng(2), []
    for _ in range(cuts):
        source.generator.set_candidates(2)
        old = source.next_phrase()
        place_ms = old.start_ms + float(chance.uniform(0.1, 0.9)) * (old.end_ms - old.start_ms)
        assert source.cut(source.trail, old, place_ms)
        source.generator.set_candidates(candidates)
        rest = source.next_phrase(8)
        waits.append(rest.notes[0].onset_ms - place_ms)
    return np.array(waits)


def test_a_piano_that_is_cut_goes_on_soon():
    waits = waits_after_cuts("piano", 40)
    assert waits.min() >= 0.0
    assert np.quantile(waits, 0.9) <= 250.0, "350 ms where nothing is preferred"


def beats_to_wait(cuts):
    """Return how many quarters after a place in a tune the next phrase begins, and on which."""
    source, chance, found = open_bundle("tunes", candidates=2), np.random.default_rng(3), []
    for _ in range(cuts):
        old = source.next_phrase()
        trail, grid = source.trail, old.grid
        place_ms = old.start_ms + float(chance.uniform(0.05, 0.95)) * (old.end_ms - old.start_ms)
        if not source.cut(trail, old, place_ms):
            continue
        tune = source.generator._tune
        rest = source.next_phrase(8)
        found.append(((rest.start_ms - place_ms) / grid.beat_ms, rest.grid.beat, tune.ended))
        onsets = [note.onset_ms for note in rest.notes]
        assert onsets == sorted(onsets)
        assert rest.start_ms <= onsets[0]
    return found


def test_a_tune_goes_on_within_a_beat_though_a_note_is_held_and_in_the_rest_after_it():
    found = beats_to_wait(90)
    waits = np.array([wait for wait, _, _ in found])
    assert np.quantile(waits, 0.95) <= 1.0
    assert waits.max() <= 2.0, "a closing note is heard for a beat"
    lines = [beat for _, beat, ended in found if ended]
    assert lines, "some were cut behind their last note"
    assert lines == pytest.approx([round(beat) for beat in lines], abs=0.01)


@pytest.mark.parametrize(("lifts", "end_ms"), [(True, 500.0), (False, 2000.0)])
def test_a_held_note_ends_where_music_of_one_line_goes_on(lifts, end_ms):
    clock, buffer = ManualClock(), RollingBuffer(1.0, 5.0)
    port = FakePort(clock)
    scheduler = Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0))
    held = replace(make_phrase([Note(60, 0.0, 2000.0, 64)]), end_ms=2100.0)
    fresh = replace(make_phrase([Note(62, 510.0, 200.0, 64)], 500.0), end_ms=900.0, lifts=lifts)
    buffer.put(held)
    began = []

    def change():
        assert buffer.replace([(fresh, None)], 0.0)

    def look():
        if scheduler.notes_sent and not began:
            began.append(clock.now())
            clock.at(clock.now() + 0.2, change)
            clock.at(clock.now() + 3.0, scheduler.stop)

    clock.every(0.01, look)
    scheduler.run()
    times = {message: 1000.0 * at for at, message in port.log}
    assert end_ms == pytest.approx(times[b"\x80\x3c\x00"] - times[b"\x90\x3c\x40"], abs=1.0)


@pytest.mark.parametrize("name", ["piano", "tunes"])
def test_a_bookmark_of_what_was_drawn_again_in_haste_goes_on_with_it(name):
    settings = Settings(model=ModelSettings(model=name, seed=5, candidates=4))
    source = open_source(settings=settings, shelved=True)
    for share in (0.2, 0.5, 0.8):
        old = source.next_phrase()
        if not source.cut(source.trail, old, old.start_ms + share * (old.end_ms - old.start_ms)):
            continue
        place = source.place(source.look())
        rest = source.next_phrase(8)
        source.shelve(rest, place)
        again = open_source(settings=settings, resume=source.shelf.at(rest.start_ms + 1.0))
        assert shown(rest) == shown(again.next_phrase(8))


def shown(phrase):
    return [(n.pitch, n.velocity, round(n.onset_ms - phrase.start_ms, 3)) for n in phrase.notes]


@pytest.mark.parametrize("name", ["piano", "tunes"])
def test_changes_that_never_cease_leave_nothing_down_and_nothing_struck_twice(name):
    end = steer(80, 1, per_second=8.0, opened=lambda live: open_bundle(name, live, candidates=2))
    assert not end.port.down
    assert not any(end.port.pedals.values())
    assert (0, 0, 0) == (end.port.astray, end.port.twice, end.buffer.underruns)
    assert end.writing.redraws > 10


def test_one_long_draw_puts_off_no_other_change_and_one_that_came_too_late_its_own():
    margin = Margin(0.02)
    assert HASTE * 0.02 + SLACK_SECONDS == pytest.approx(margin.seconds())
    for _ in range(5):
        margin.took(0.02)
    margin.took(0.4)
    assert HASTE * 0.4 + SLACK_SECONDS == pytest.approx(margin.seconds(again=True))
    margin.took(0.03)
    assert HASTE * 0.03 + SLACK_SECONDS == pytest.approx(margin.seconds())
    margin.took(0.4)
    assert HASTE * 0.4 + SLACK_SECONDS == pytest.approx(margin.seconds()), "twice is no exception"

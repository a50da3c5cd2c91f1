"""Taste: what is liked is heard more of, and the stream never starves of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from streamer.generators.choosing import Candidates, Chooser
from streamer.generators.stats import GenerationStats
from streamer.live.buffer import RollingBuffer
from streamer.music.notes import Note, Phrase
from streamer.pipeline import open_source
from streamer.selection.filters import Context
from streamer.selection.taste import (
    FEATURES,
    MOST_MARKS,
    SCALE,
    Taste,
    describe,
    fitted,
    mode_of,
)
from streamer.service.marking import Marking
from streamer.service.writing import Writing
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from streamer.testing import ManualClock
from tests.bundles import write_tiny_bundle
from tests.everybundle import MAKERS
from tests.steering import Dense, source_of
from tests.taste_figures import LISTENERS, listened, plainly


def phrase(velocity=64, count=8, gap=200.0, pitches=(60, 64, 67), pedal=False):
    notes = tuple(
        Note(pitches[i % len(pitches)], i * gap, gap * 0.9, velocity, pedal) for i in range(count)
    )
    return Phrase(notes, np.zeros((count, 5), np.float32), 0.0, count * gap)


def live(strength=1.0):
    return LiveControls(Controls.from_values({"taste": strength}))


def loud_taste(controls=None, path=None):
    taste = Taste(controls or live(), path)
    for velocity in (30, 40, 50, 80, 90, 100):
        assert taste.mark(phrase(velocity), liked=velocity > 64)
    return taste


def test_a_figure_of_a_phrase_says_what_its_name_says():
    def of(name, one):
        return describe(one)[FEATURES.index(name)]

    plain = phrase()
    for name, more in {
        "density": phrase(gap=100.0),
        "loudness": phrase(90),
        "register": phrase(pitches=(72, 76, 79)),
        "register_spread": phrase(pitches=(40, 64, 90)),
        "mode": phrase(pitches=(60, 64, 67, 72)),
        "length": phrase(gap=400.0),
        "pedal": phrase(pedal=True),
    }.items():
        least = phrase(pitches=(60, 63, 67)) if name == "mode" else plain
        assert of(name, more) > of(name, least), name
    chord = replace(plain, notes=tuple(replace(n, duration_ms=900.0) for n in plain.notes))
    assert of("polyphony", chord) > of("polyphony", plain)
    uneven = replace(plain, notes=plain.notes[:3] + plain.notes[6:])
    assert of("regularity", uneven) < of("regularity", plain)
    assert (len(FEATURES),) == SCALE.shape == describe(plain).shape
    assert describe(phrase(count=1)) is None


def test_major_is_above_0_and_minor_below_in_every_key():
    for key in range(12):
        scale = np.array([0, 2, 4, 5, 7, 9, 11, 0, 4, 7, 0])
        assert mode_of(60 + key + scale) > 0 > mode_of(60 + key + scale - (scale % 12 == 4))


def test_the_regression_finds_what_made_the_marks():
    rng = np.random.default_rng(1)
    marks = rng.standard_normal((400, len(FEATURES)))
    weights = fitted(marks, marks[:, 2] - marks[:, 5] + 0.3 * rng.standard_normal(400) > 0)[1:]
    assert weights[2] > 2 > -2 > weights[5]
    others = np.delete(weights, [2, 5])
    assert np.abs(others).max() < 0.8


def test_what_is_liked_is_favoured_by_as_much_as_is_asked():
    candidates = [phrase(velocity) for velocity in (30, 100, 60, 90, 50, 110, 40, 70)]
    everything = [*range(8)]
    for strength, left in ((0.0, 8), (0.5, 3), (1.0, 1)):
        favoured = loud_taste(live(strength)).favoured(candidates, everything)
        assert left == len(favoured)
        assert {5} <= {*favoured}
    assert [0, 2] == loud_taste(live(0.0)).favoured(candidates, [0, 2])
    assert [2] == loud_taste().favoured(candidates, [0, 2])


def test_marks_of_one_kind_say_nothing_and_a_forgotten_taste_neither():
    candidates = [phrase(30), phrase(100)]
    taste = Taste(live())
    taste.mark(phrase(100), liked=True)
    assert (None, [0, 1]) == (taste.logits(candidates), taste.favoured(candidates, [0, 1]))
    taste = loud_taste()
    assert [1] == taste.favoured(candidates, [0, 1])
    taste.forget()
    assert ((0, 0), {}, [0, 1]) == (
        taste.counts, taste.weights, taste.favoured(candidates, [0, 1]),
    )  # fmt: skip


def test_the_filters_stay_the_law_and_the_stream_is_never_starved():
    def too_loud(one, context):
        return "loud" if one.notes[0].velocity > 80 else None

    stats = GenerationStats()
    chooser = Chooser(
        stats,
        (too_loud, loud_taste()),
        redraws=1,
        ranking="any",
        corpus=None,
        relax_order=("loud",),
    )

    def draw(velocities):
        phrases = [phrase(velocity) for velocity in velocities]
        return lambda before: Candidates(phrases, [Context()] * len(phrases), [None] * len(phrases))

    assert 70 == chooser.choose(draw((30, 110, 70, 90))).phrase.notes[0].velocity
    assert 110 == chooser.choose(draw((90, 110, 100))).phrase.notes[0].velocity, "all are dropped"
    assert {"loud": 1} == dict(stats.relaxed)


def test_what_leads_home_chooses_among_what_is_liked():
    stats, seen = GenerationStats(), []
    chooser = Chooser(stats, (loud_taste(live(0.5)),), redraws=0, ranking="any", corpus=None)

    def set_aside(reasons):
        seen.append([k for k, reason in enumerate(reasons) if reason is None])
        reasons[seen[0][0]] = "astray"

    phrases = [phrase(velocity) for velocity in (30, 110, 70, 90)]
    drawn = Candidates(phrases, [Context()] * 4, [None] * 4, set_aside=set_aside)
    assert 90 == chooser.choose(lambda before: drawn).phrase.notes[0].velocity
    assert ([[1, 3]], {"astray": 3}) == (seen, dict(stats.dropped))


def test_only_the_last_marks_count(monkeypatch):
    taste = loud_taste()
    monkeypatch.setattr(taste, "_fit", lambda: None)
    for _ in range(MOST_MARKS):
        taste.mark(phrase(50), liked=False)
    assert (0, MOST_MARKS) == taste.counts


def test_marks_outlive_a_start_and_a_broken_file_costs_one_line(tmp_path, caplog):
    path = tmp_path / "state" / "taste.json"
    taste = loud_taste(path=path)
    taste.save()
    again = Taste(live(), path)
    assert ((3, 3), taste.weights) == (again.counts, pytest.approx(again.weights, abs=0.01))
    good = json.loads(path.read_text())
    for wrong in (
        b"", b"{", b"[]", b"\xff", json.dumps({**good, "schema": 9}).encode(),
        json.dumps({**good, "marks": [[1, *[0.0] * 10]]}).encode(),
        json.dumps({**good, "marks": [[True, *[1e9] * 10]]}).encode(),
        json.dumps({**good, "marks": [[True, 1.0]]}).encode(),
        json.dumps({**good, "marks": [[True, 10**400, *[0.0] * 9]]}).encode(),
    ):  # fmt: skip
        caplog.clear()
        path.write_bytes(wrong)
        assert (0, 0) == Taste(live(), path).counts
        assert 1 == len(caplog.messages), wrong


def test_a_disk_that_refuses_ends_nothing_and_is_told_of_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    taste = loud_taste(path=tmp_path / "file" / "taste.json")
    taste.save()
    taste.mark(phrase(), liked=True)
    taste.save()
    assert 1 == caplog.text.count("the marks are not kept")
    assert (4, 3) == taste.counts


@pytest.mark.parametrize("name", MAKERS)
def test_every_family_chooses_by_it(name, tmp_path):
    bundle = MAKERS[name](tmp_path)
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=3, candidates=6))

    def chosen(strength):
        controls = live(strength)
        taste = Taste(controls)
        for pitch in (40, 45, 50, 66, 72, 80):
            taste.mark(phrase(pitches=(pitch, pitch + 4, pitch + 7)), liked=pitch > 60)
        source = open_source(settings=settings, controls=controls, filters=(taste,))
        phrases = [source.next_phrase() for _ in range(8)]
        return [n.pitch for p in phrases for n in p.notes if not n.unpitched]

    plain, high = chosen(0.0), chosen(1.0)
    assert np.mean(high) > np.mean(plain) + 0.5


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A tiny bundle, and what it plays by itself."""
    path = str(write_tiny_bundle(tmp_path_factory.mktemp("bundle")).path)
    return path, plainly(path, 40, 40, phrase_notes=12, candidates=8)


@pytest.mark.parametrize("listener", LISTENERS)
def test_after_30_marks_a_listener_is_understood_and_the_stream_moves(listener, plain):
    bundle, phrases = plain
    found = listened(bundle, listener, phrases, phrase_notes=12, candidates=8)
    assert found["auc"] >= 0.7
    assert found["moved_sd"] > 0.2
    assert found["variety"][1] > found["variety"][0] - 0.3


class Stage:
    """A writer, and marks of what lies where the stream stands."""

    def __init__(self):
        self.live, self.clock = live(), ManualClock()
        self.taste = Taste(self.live)
        self.buffer = RollingBuffer(2.0, 5.0)
        self.writing = Writing(source_of(Dense(self.live), self.live), self.buffer, self.clock)
        self.marked = []
        self.marking = Marking(self.taste, lambda: [phrase()], self.live)
        self.live.listen(self.marking.obey)
        self.live.listen(self.writing.change)
        while self.buffer.has_space:
            self.writing.write()
        self.buffer.played(0.0, 1.0, self.clock.now())


def test_each_press_is_one_mark_and_is_let_go_of():
    stage = Stage()
    for pressed, counts in (("like", (1, 0)), ("dislike", (1, 1)), ("dislike", (1, 2))):
        stage.live.update(**{pressed: True})
        stage.live.update(density=1.0 + stage.taste.counts[0] / 10)  # held a while
        assert counts == stage.taste.counts
        stage.marking.let_go()
        assert not stage.live.snapshot().value(pressed)
    stage.live.update(forget_taste=True)
    assert (0, 0) == stage.taste.counts


def test_what_is_disliked_is_drawn_again_and_what_is_liked_plays_on():
    stage = Stage()
    stage.live.update(like=True)
    assert stage.writing.seconds_left() is None
    stage.live.update(dislike=True)
    assert 0.0 == stage.writing.seconds_left()
    stage.writing.write()
    assert 1 == stage.writing.redraws
    assert stage.writing.seconds_left() is None


def test_a_press_in_a_rest_or_on_one_note_means_what_was_heard_before():
    controls, buffer = live(), RollingBuffer(2.0, 5.0)
    taste, told = Taste(controls), phrase()
    controls.listen(Marking(taste, lambda: buffer.heard(told.end_ms + 600.0), controls).obey)
    buffer.put(told)
    for starts, ends in ((0.0, 500.0), (700.0, 1700.0)):
        note = replace(told.notes[0], onset_ms=told.end_ms + starts)
        buffer.put(replace(told, notes=(note,), start_ms=note.onset_ms, end_ms=told.end_ms + ends))
    buffer.take(), buffer.take()
    buffer.played(told.end_ms + 600.0)
    controls.update(like=True)
    assert (1, 0) == taste.counts


def test_what_sounded_when_a_person_took_over_can_still_be_liked():
    told = phrase()
    buffer = RollingBuffer(2.0, 5.0)
    buffer.put(told)
    buffer.take()
    buffer.played(700.0, 1.0, 0.0)
    buffer.forget(0.0, 1)
    (heard,) = buffer.heard(700.0)
    assert 0 < len(heard.notes) < len(told.notes)


def test_where_nothing_sounds_nothing_is_marked(caplog):
    caplog.set_level("INFO")
    controls = live()
    taste = Taste(controls)
    controls.listen(Marking(taste, list, controls).obey)
    controls.update(like=True)
    assert (0, 0) == taste.counts
    assert "nothing sounds that could be liked" in caplog.text

"""The selection that all families share: draw, filter, redraw, relax, rank, count."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from streamer.generators.choosing import Candidates, Chooser
from streamer.generators.stats import GenerationStats
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import Context, Filter, Panel


def phrase(pitch: int, nats: float, notes: int = 4) -> Phrase:
    """Notes of one pitch, and how unsure the model was of each."""
    played = tuple(Note(pitch, 100.0 * i, 50.0, 64) for i in range(notes))
    return Phrase(played, np.full((notes, 3), nats, np.float32), 0.0, 100.0 * notes)


def drawer(*phrases: Phrase, unfit: tuple[str | None, ...] = ()) -> Callable[[int], Candidates]:
    """The same candidates at each draw."""
    reasons = list(unfit) or [None] * len(phrases)
    return lambda before: Candidates(list(phrases), [Context()] * len(phrases), list(reasons))


def chooser(
    *filters: Filter, panels: tuple[Panel, ...] = (), redraws: int = 2, **more: object
) -> tuple[Chooser, GenerationStats]:
    stats = GenerationStats(arguments=("a", "b", "c"))
    made = Chooser(
        stats, filters, panels=panels, redraws=redraws, ranking="mean", corpus=None, **more
    )  # type: ignore[arg-type]
    return made, stats


def no(pitch: int, reason: str) -> Filter:
    return lambda phrase, context: reason if phrase.notes[0].pitch == pitch else None


def test_surest_of_what_the_filters_keep_is_chosen() -> None:
    made, stats = chooser(no(60, "stuck"))
    choice = made.choose(drawer(phrase(60, 0.1), phrase(61, 2.0), phrase(62, 1.0)))
    assert (2, ()) == (choice.best, choice.given_up)
    assert choice.phrase.notes[0].pitch == 62
    assert (3, 2, {"stuck": 1}) == (stats.candidates, stats.kept, dict(stats.dropped))
    assert (1, 4, 0) == (stats.phrases, stats.notes, stats.redraws)


def test_candidates_of_different_length_are_ranked_by_their_own_notes() -> None:
    made, _ = chooser()
    choice = made.choose(drawer(phrase(60, 1.0, 16), phrase(61, 0.5, 1), phrase(62, 0.4, 7)))
    assert choice.best == 2


def test_equally_long_candidates_rank_the_same_from_one_array_or_from_their_own() -> None:
    rng = np.random.default_rng(0)
    block = rng.random((8, 5, 3)).astype(np.float32)
    phrases = [Phrase((Note(60, 0.0, 1.0, 1),) * 8, block[:, k], 0.0, 1.0) for k in range(5)]
    each = Candidates(phrases, [Context()] * 5, [None] * 5)
    whole = Candidates(phrases, [Context()] * 5, [None] * 5, block)
    assert np.allclose(each.statistics([0, 3, 4]), whole.statistics([0, 3, 4]))


def test_family_may_rank_what_is_kept_by_its_own_measure() -> None:
    """Of three that are kept the least sure is wanted here."""
    made, _ = chooser(no(63, "stuck"))
    phrases = [phrase(60, 0.1), phrase(63, 9.0), phrase(61, 2.0), phrase(62, 1.0)]
    asked = Candidates(
        phrases, [Context()] * 4, [None] * 4, rank=lambda s: np.argsort(-s[0].mean(axis=-1))
    )
    assert 61 == made.choose(lambda before: asked).phrase.notes[0].pitch


def test_draws_are_told_how_many_came_before() -> None:
    told: list[int] = []

    def draw(before: int) -> Candidates:
        told.append(before)
        return drawer(phrase(60, 1.0))(before)

    made, stats = chooser(no(60, "loop"), redraws=3)
    made.choose(draw)
    assert [0, 1, 2, 3] == told
    assert (3, 4, 0) == (stats.redraws, stats.candidates, stats.kept)


def test_filter_that_drops_everything_is_given_up_in_the_stated_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the stream says so."""
    caplog.set_level(logging.INFO)
    made, stats = chooser(
        no(60, "taste"), no(61, "broken"), redraws=1, relax_order=("taste", "broken")
    )
    choice = made.choose(drawer(phrase(61, 0.1), phrase(60, 2.0)))
    assert (1, ("taste",)) == (choice.best, choice.given_up)
    assert {"taste": 1} == dict(stats.relaxed)
    assert "no phrase passed the filters; gave up: taste" in caplog.text


def test_panel_is_asked_once_a_draw_about_what_the_filters_kept() -> None:
    asked: list[list[int]] = []

    def panel(pairs: list[tuple[Phrase, Context]]) -> list[str | None]:
        asked.append([p.notes[0].pitch for p, _ in pairs])
        return ["classifier" if p.notes[0].pitch == 61 else None for p, _ in pairs]

    made, stats = chooser(no(60, "stuck"), panels=(panel,))  # type: ignore[arg-type]
    choice = made.choose(drawer(phrase(60, 0.1), phrase(61, 0.2), phrase(62, 3.0)))
    assert [[61, 62]] == asked
    assert choice.best == 2
    assert {"classifier": 1, "stuck": 1} == dict(stats.dropped)


def test_panel_that_drops_everything_is_given_up_too() -> None:
    made, stats = chooser(panels=(lambda pairs: ["classifier"] * len(pairs),), redraws=0)
    assert made.choose(drawer(phrase(60, 0.1), phrase(61, 0.2))).best == 0
    assert 1 == sum(stats.relaxed.values())


def test_what_the_family_drops_is_not_asked_about_and_not_given_up_for() -> None:
    """When only its own objections are left, the last draw is played without giving up a filter."""
    made, stats = chooser(no(60, "stuck"), redraws=0)
    draw = drawer(phrase(61, 1.0), phrase(60, 0.1), unfit=("figure", "figure"))
    choice = made.choose(draw)
    assert (0, ()) == (choice.best, choice.given_up)
    assert {"figure": 2} == dict(stats.dropped)
    assert not stats.relaxed


def test_a_family_may_drop_more_after_the_filters_and_that_is_counted() -> None:
    def drop_first(reasons: list[str | None]) -> None:
        assert [None, "stuck", None] == reasons
        reasons[0] = "astray"

    made, stats = chooser(no(61, "stuck"))
    phrases = [phrase(60, 0.1), phrase(61, 0.1), phrase(62, 2.0)]
    three = Candidates(phrases, [Context()] * 3, [None] * 3, also_drop=drop_first)
    choice = made.choose(lambda before: three)
    assert choice.best == 2
    assert {"astray": 1, "stuck": 1} == dict(stats.dropped)

"""The ear: what it is told of notes, what it picks, and that a stream with it never starves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.ear import EAR_FILTERS, Ear, EarSpec, Heard
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.hands import MOST_KEYS, too_many_keys
from streamer.families.chain.hearing import FEATURES, LOOKBACK, describe, padded
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray
from streamer.pipeline import open_source
from streamer.selection.filters import FILTERS, Context
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from streamer.testing import make_phrase
from tests.bundles import write_tiny_bundle

HIDDEN = 3
ROUNDING = 1e-4
"""Times are float32 from the last note of a row back; measured 1.5e-5."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny bundle, without an ear."""
    return write_tiny_bundle(tmp_path_factory.mktemp("ears"), hands=True)


def music(notes: int, seed: int = 0) -> NoteArray:
    """Notes by chance, with chords and keys that come again."""
    rng = np.random.default_rng(seed)
    piece = np.zeros(notes, dtype=NOTE_DTYPE)
    piece["onset_ms"] = np.cumsum(rng.choice([0, 5, 130, 260, 700], notes))
    piece["duration_ms"] = rng.integers(20, 900, notes)
    piece["pitch"] = rng.choice([48, 52, 55, 60, 62, 64, 67, 71], notes)
    piece["velocity"] = rng.integers(40, 90, notes)
    piece["pedal"] = rng.integers(0, 2, notes)
    return piece


class Listener:
    """A graph whose logit is what ``say`` makes of the last notes' features."""

    def __init__(self, say: Any) -> None:
        self._say, self.asked = say, 0

    def __call__(self, **given: Any) -> Mapping[str, Any]:
        notes, state = given["notes"], given["state"]
        assert notes.shape[1:] == (len(state), FEATURES)
        self.asked += 1
        return {
            "logit": np.asarray(self._say(notes), dtype=np.float32),
            "state_out": state + notes.sum(axis=(0, 2))[:, None],
        }


def ear_of(say: Any, floor: float = -100.0) -> Ear:
    spec = EarSpec(graph="ear", hidden=HIDDEN, features=FEATURES, context=LOOKBACK, floor=floor)
    return Ear(spec, Listener(say))


def make(bundle: Bundle, ear: Ear | None, seed: int = 1, **more: Any) -> StepGenerator:
    """A generator of six candidates a phrase of sixteen notes."""
    settings = StepSettings(**{"candidates": 6, "phrase_notes": 16, "ranking": "ear", **more})
    rng = np.random.Generator(np.random.SFC64(seed))
    controls = LiveControls(Controls(recall=0.0))
    filters = (*FILTERS, *EAR_FILTERS)
    return StepGenerator(Engine(bundle), settings, rng, controls, filters, lambda: 0.0, ear)


# What it is told


def test_a_piece_is_heard_the_same_at_once_and_phrase_by_phrase() -> None:
    """So that training, which sees pieces, and a stream, which sees phrases, agree."""
    piece = padded(music(160))
    whole = describe(piece[None])[0]
    parts = [describe(piece[None, s : s + LOOKBACK + 32])[0] for s in range(0, 160, 32)]
    assert whole.shape == (160, FEATURES)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=ROUNDING)


def test_what_lies_further_back_than_the_look_back_changes_nothing() -> None:
    piece, other = music(LOOKBACK + 70), music(LOOKBACK + 70)
    other["pitch"][:5] = 90
    other["velocity"][:5] = 1
    a, b = describe(piece[None])[0], describe(other[None])[0]
    assert not np.array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[5:], b[5:])


def test_another_key_is_told_by_the_pitch_alone() -> None:
    """A fifth higher, all else is heard as before: harmony and figures are relative."""
    piece = music(LOOKBACK + 40)
    higher = piece.copy()
    higher["pitch"] += 7
    a, b = describe(piece[None])[0], describe(higher[None])[0]
    changed = np.flatnonzero(np.abs(a - b).max(axis=0) > ROUNDING)
    assert len(changed) == 1
    np.testing.assert_allclose((b - a)[:, changed[0]], 7 / 16, atol=ROUNDING)


def test_too_few_notes_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 64"):
        describe(music(LOOKBACK)[None])


# What it picks


def test_candidates_are_picked_in_proportion_to_how_real_they_sound() -> None:
    heard = Heard(np.log(np.array([1.0, 9.0, 3.0, 6.0], np.float32)), np.zeros((4, 1, 1)))
    rng = np.random.default_rng(4)
    picks = [heard.pick([0, 2, 3], rng) for _ in range(4000)]
    shares = np.bincount(picks, minlength=4) / len(picks)
    np.testing.assert_allclose(shares, [0.1, 0.0, 0.3, 0.6], atol=0.03)


def test_an_ear_goes_on_from_what_was_committed_as_if_it_had_begun_there() -> None:
    """Phrase by phrase, or all at once from a file that a stream goes on from: the same logits."""
    piece, ahead = music(128), music(16, 5)
    ahead["onset_ms"] += piece["onset_ms"][-1]
    begun, followed = (ear_of(lambda notes: notes.sum(axis=(0, 2))) for _ in range(2))
    begun.begin(piece)
    for start in range(0, 128, 32):
        part = piece[start : start + 32]
        heard = followed.hear([part])
        followed.commit(part, heard.features[0])
    np.testing.assert_allclose(
        begun.hear([ahead, ahead]).logits, followed.hear([ahead, ahead]).logits, rtol=1e-4
    )


def test_the_stream_follows_its_ear(bundle: Bundle) -> None:
    """An ear for one thing, high notes, makes a higher stream than one for low notes."""
    pitch = describe(music(LOOKBACK + 1)[None])[0, 0]
    column = int(np.argmin(np.abs(pitch - (music(LOOKBACK + 1)["pitch"][-1] - 64.0) / 16.0)))

    def mean_pitch(liking: float) -> float:
        ear = ear_of(lambda notes: liking * notes[:, :, column].mean(axis=0))
        generator = make(bundle, ear)
        notes = [note for _ in range(6) for note in generator.next_phrase().notes]
        return sum(note.pitch for note in notes) / len(notes)

    assert mean_pitch(50.0) > mean_pitch(-50.0) + 3


def test_the_same_seed_gives_the_same_notes_with_an_ear(bundle: Bundle) -> None:
    ears = [ear_of(lambda notes: notes[:, :, 8].mean(axis=0)) for _ in range(2)]
    first, second = (make(bundle, ear) for ear in ears)
    for _ in range(4):
        assert first.next_phrase().notes == second.next_phrase().notes


def test_a_stream_with_an_ear_goes_back_to_where_it_was(bundle: Bundle) -> None:
    """The phrase that is drawn again is the one that followed the mark."""
    generator = make(bundle, ear_of(lambda notes: notes[:, :, 8].mean(axis=0)))
    generator.next_phrase()
    mark = generator.mark()
    wanted = [generator.next_phrase().notes for _ in range(3)]
    generator.go_back(mark)
    assert [generator.next_phrase().notes for _ in range(3)] == wanted


def test_an_ear_that_drops_everything_is_given_up_first_and_counted(bundle: Bundle) -> None:
    """And before it is, the stream draws again, as for any filter."""
    generator = make(bundle, ear_of(lambda notes: np.full(notes.shape[1], -5.0), floor=0.0))
    for _ in range(3):
        assert len(generator.next_phrase().notes) == 16
    assert generator.stats.relaxed == {"ear": 3}
    assert generator.stats.redraws == 3 * StepSettings().redraws
    assert generator.stats.dropped["ear"] > 0


def test_what_lies_below_the_floor_is_dropped_where_something_else_does_not(
    bundle: Bundle,
) -> None:
    def first_alone(notes: Any) -> Any:
        return np.where(np.arange(notes.shape[1]) == 0, 1.0, -1.0)

    generator = make(bundle, ear_of(first_alone, floor=0.0))
    generator.next_phrase()
    assert not generator.stats.relaxed
    assert generator.stats.dropped["ear"] == generator.stats.candidates - generator.stats.kept


# Where there is none


def test_a_bundle_without_an_ear_plays_any_and_says_so_where_one_is_asked_for(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def notes(ranking: Any) -> list[Any]:
        model = ModelSettings(model=str(bundle.path), seed=3, ranking=ranking)
        source = open_source(settings=replace(Settings(), model=model))
        return [source.next_phrase().notes for _ in range(2)]

    with caplog.at_level(logging.WARNING):
        plain = notes(None)
        assert not caplog.records
        assert notes("ear") == plain == notes("any")
    assert sum("no ear" in record.message for record in caplog.records) == 1


def test_a_chord_of_more_keys_than_fingers_is_dropped() -> None:
    def chord(keys: int) -> str | None:
        notes = [Note(40 + 2 * i, 2.0 * i, 100.0, 60) for i in range(keys)]
        return too_many_keys(make_phrase(notes), Context())

    assert chord(MOST_KEYS) is None
    assert chord(MOST_KEYS + 1) == "hands"


def test_keys_that_were_struck_before_the_phrase_count_in_its_first_chord() -> None:
    recent = tuple(Note(40 + i, 0.0, 100.0, 60) for i in range(MOST_KEYS))
    phrase = make_phrase([Note(80, 10.0, 100.0, 60)])
    assert too_many_keys(phrase, Context(recent=recent)) == "hands"
    assert too_many_keys(phrase, Context(recent=recent[1:])) is None


def test_a_manifest_whose_ear_has_no_graph_is_refused(tmp_path: Path) -> None:
    from streamer.errors import BundleError

    spec = EarSpec(graph="ear", hidden=3, features=FEATURES, context=64, floor=0.0)
    with pytest.raises(BundleError, match="the ear wants the graph ear"):
        write_tiny_bundle(tmp_path, hearing=spec)

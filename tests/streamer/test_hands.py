"""The law of two hands: what no candidate may play, whatever is asked of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine
from streamer.engine.noise import force_classes, gumbel_noise
from streamer.families.chain.codec import published_codec
from streamer.families.chain.continuity import feed
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.hands import (
    AGAIN_INPUT,
    HAND_SEMITONES,
    HELD_SHARE,
    KEYS_STATE,
    RESTRIKE_MS,
    SHORTEST_MS,
    second_noise,
)
from streamer.music.notes import CHORD_MS, NOTE_DTYPE, NoteArray, to_array
from streamer.settings.controls import Controls, LiveControls
from tests.bundles import write_tiny_bundle

CODEC = published_codec()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny bundle whose graph keeps the law."""
    return write_tiny_bundle(tmp_path_factory.mktemp("hands"), hands=True)


def broken(classes: np.ndarray) -> int:
    """Count notes of one sequence of classes that break the law, by the edges of the classes."""
    floors = np.asarray(CODEC.shift.edges)[classes[:, 1]].astype(float)
    holds = np.maximum(HELD_SHARE * np.asarray(CODEC.duration.edges)[classes[:, 2]], RESTRIKE_MS)
    now, ready, count = 0.0, np.zeros(88), 0
    chord: dict[int, float] = {}
    for (key, _, _, _, _), floor, hold in zip(classes, floors, holds, strict=True):
        now += floor
        chord = {k: t for k, t in chord.items() if now - t < CHORD_MS} | {int(key): now}
        keys = sorted(chord)
        left, right = keys[0] + HAND_SEMITONES, keys[-1] - HAND_SEMITONES
        apart = any(left < k < right for k in keys)
        count += now < ready[key] - 1e-3 or apart
        ready[key] = now + hold
    return count


def test_nothing_that_is_drawn_breaks_the_law(bundle: Bundle) -> None:
    """Thirty-two streams of a wild model, over calls of 64 notes with the state handed on."""
    engine, rng = Engine(bundle), np.random.default_rng(3)
    state, rows = engine.initial_state(32), []
    for _ in range(4):
        noise = gumbel_noise(rng, (64, 32, CODEC.offsets[-1]), 1.0, CODEC)
        # Fast music at the middle of the keyboard, where keys meet.
        noise[:, :, 30:50] += 4.0
        noise[:, :, CODEC.offsets[1] : CODEC.offsets[1] + 8] += 5.0
        again = second_noise(rng, (64, 32), 1.0, np.zeros(105))
        block = engine.next_block(state, noise, {AGAIN_INPUT: again})
        state = block.state
        rows.append(block.classes)
    played = np.concatenate(rows)
    assert 0 == sum(broken(played[:, k]) for k in range(32))


def test_where_every_key_is_taken_the_time_shift_waits(bundle: Bundle) -> None:
    """Only one key is allowed: it sounds again and again, each time when it can."""
    engine, rng = Engine(bundle), np.random.default_rng(4)
    noise = gumbel_noise(rng, (64, 1, CODEC.offsets[-1]), 1.0, CODEC)
    noise[:, :, :88] -= 1e6
    noise[:, :, 40] += 1e6
    classes = engine.next_block(engine.initial_state(1), noise).classes[:, 0]
    assert {40} == set(classes[:, 0].tolist())
    assert 0 == broken(classes)


def test_what_is_forced_is_played_even_against_the_law(bundle: Bundle) -> None:
    """A stream can be primed with any file."""
    engine = Engine(bundle)
    wanted = np.tile([[40, 0, 60, 20, 1]], (8, 1))
    noise = force_classes(np.zeros((8, 1, CODEC.offsets[-1]), np.float32), wanted, CODEC)
    block = engine.next_block(engine.initial_state(1), noise)
    assert wanted.tolist() == block.classes[:, 0].tolist()


def test_unknown_further_inputs_are_refused(bundle: Bundle) -> None:
    """A graph says what it takes."""
    engine = Engine(bundle)
    noise = np.zeros((2, 1, CODEC.offsets[-1]), np.float32)
    assert {AGAIN_INPUT: ("notes", "batch", 105)} == engine.further_inputs
    with pytest.raises(ValueError, match="takes \\['again'\\], not \\['more'\\]"):
        engine.next_block(engine.initial_state(1), noise, {"more": np.zeros((2, 1, 3))})
    with pytest.raises(ValueError, match=r"again must be \(2, 1, 105\), not \(2, 1, 3\)"):
        engine.next_block(engine.initial_state(1), noise, {AGAIN_INPUT: np.zeros((2, 1, 3))})


def piece() -> NoteArray:
    """A scale whose last note is held for long."""
    rows = [(200.0 * i, 150.0, 50 + i, 60, False, 0) for i in range(12)]
    rows[-1] = (*rows[-1][:1], 4000.0, *rows[-1][2:])
    return np.array(rows, dtype=NOTE_DTYPE)


def generator(bundle: Bundle, **more: object) -> StepGenerator:
    """Eight candidates a phrase, no filters."""
    return StepGenerator(
        Engine(bundle),
        StepSettings(candidates=8, phrase_notes=16, **more),  # type: ignore[arg-type]
        np.random.Generator(np.random.SFC64(5)),
        LiveControls(Controls(recall=0.5)),
        (),
        lambda: 0.0,
    )


def test_a_stream_strikes_no_key_that_is_down_or_was_just_struck(bundle: Bundle) -> None:
    """Exact times, over the seams of phrases and of states built anew; no note is too short."""
    stream = generator(bundle, anew_notes=64)
    stream.prime(piece())
    start = piece()[-1]
    notes = to_array(n for _ in range(40) for n in stream.next_phrase().notes)
    for key in range(21, 109):
        own = notes[notes["pitch"] == key]
        strikes, ends = own["onset_ms"], own["onset_ms"] + own["duration_ms"]
        assert (np.diff(strikes) >= RESTRIKE_MS - 1e-3).all()
        assert (strikes[1:] >= ends[:-1] - 1e-2).all()
    assert notes["duration_ms"].min() >= SHORTEST_MS
    first = notes[notes["pitch"] == start["pitch"]]["onset_ms"]
    assert not len(first) or first[0] >= start["onset_ms"] + start["duration_ms"] - 1e-2


def test_a_bundle_without_the_law_plays_as_before(tmp_path: Path) -> None:
    """Its graph has neither the state nor the second noise."""
    old = write_tiny_bundle(tmp_path)
    engine = Engine(old)
    assert {} == engine.further_inputs
    assert KEYS_STATE not in engine.initial_state(1).arrays
    assert 16 == len(generator(old).next_phrase().notes)
    feed(engine, CODEC, piece())

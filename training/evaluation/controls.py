"""Music that should fail: controls to hold every measure against.

Real pieces come in; sets of random, shuffled and Markov-chain music go out. A measure that cannot
tell these from real music says nothing about a model.
"""

from __future__ import annotations

import numpy as np

from streamer.families.chain.codec import published_codec
from streamer.measures.signature import STEP_MS
from streamer.music.notes import NOTE_DTYPE, PIANO_HIGH, PIANO_LOW, NoteArray
from training.evaluation.markov import ORDER_3, MarkovModel
from training.evaluation.musicset import MusicSet
from training.evaluation.signature import random_roll
from training.evaluation.two_sample import shuffled

CONTROL_PIECES = 12
CONTROL_NOTES = 2000
LOW, HIGH = 20, 100
"""Pitches of the paper's "sensible" random music."""


def shuffled_set(real: MusicSet, rng: np.random.Generator) -> MusicSet:
    """Return real pieces with their notes in another order."""
    own = MusicSet("shuffled", "control")
    for piece, work, file in zip(real.pieces, real.works, real.files, strict=True):
        own.add(shuffled(piece, rng), work, file)
    return own


def random_set(
    rng: np.random.Generator, low: int = LOW, high: int = HIGH, pieces: int = CONTROL_PIECES
) -> MusicSet:
    """Return binary chance on the paper's grid, with velocities and pedal by chance too."""
    own = MusicSet(f"random {low}..{high}", "control")
    for i in range(pieces):
        roll = random_roll(rng, low, high, steps=4000)
        notes = np.zeros(len(roll.start), dtype=NOTE_DTYPE)
        notes["onset_ms"] = roll.start * STEP_MS
        notes["duration_ms"] = roll.length * STEP_MS
        notes["pitch"] = roll.pitch
        notes["velocity"] = rng.integers(20, 121, len(notes))
        notes["pedal"] = rng.random(len(notes)) < 0.5
        own.add(notes, f"random {i}", f"random {i}")
    return own


def markov_set(train: MusicSet, rng: np.random.Generator, pieces: int = CONTROL_PIECES) -> MusicSet:
    """Return pieces of an order-3 Markov chain for each argument, learned on the training pieces.

    Args:
        train: The training corpus.
        rng: Draws classes, and notes inside them.
        pieces: How many, of :data:`CONTROL_NOTES` notes each.
    """
    codec = published_codec()
    model = MarkovModel(
        [codec.encode(_on_piano(p)) for p in train.pieces], codec.sizes, ORDER_3, train.works
    )
    own = MusicSet("markov", "control")
    for i in range(pieces):
        notes = codec.decode(model.sample(CONTROL_NOTES, rng), rng)
        own.add(notes, f"markov {i}", f"markov {i}")
    return own


def _on_piano(piece: NoteArray) -> NoteArray:
    return piece[(piece["pitch"] >= PIANO_LOW) & (piece["pitch"] <= PIANO_HIGH)]

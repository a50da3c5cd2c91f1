"""The law of two hands as nodes of the chained step's body.

The same as :mod:`training.families.chain.hands`, whose docstrings say what it means; constants and
their reasons: :mod:`streamer.families.chain.hands`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.nodes import FLOAT, INT, Graph, Nodes
from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.hands import HAND_SEMITONES, WITHHELD
from streamer.music.notes import CHORD_MS

KEYS_STATES = ("busy", "recent")
FAR = 1024.0
"""Farther than any two keys lie apart, and exact in float32."""


def add_hands(graph: Graph, floors: NDArray[Any], holds: NDArray[Any]) -> None:
    """Add the body's constants.

    Args:
        graph: Gets them.
        floors: Least time of each time shift class, ``(105,)`` ms.
        holds: How long a key cannot be struck after each duration class, ``(120,)`` ms.
    """
    keys = np.arange(PITCH_CLASSES, dtype=np.float32)
    mirrored = np.stack([keys, -keys])[:, None]
    graph.inner("mirrored_far", mirrored + FAR)
    graph.inner("mirrored_spanned", mirrored - HAND_SEMITONES)
    graph.inner("mirrored_spanned_less", mirrored - HAND_SEMITONES - FAR)
    graph.inner("far", FAR)
    graph.inner("key_classes", np.arange(PITCH_CLASSES)[None], np.int64)
    graph.inner("floors", floors)
    graph.inner("holds", holds)
    graph.inner("number_zero", 0.0)
    graph.inner("number_one", 1.0)
    graph.inner("chord_time", CHORD_MS)
    graph.inner("both", np.ones((2, 1, 1)))
    graph.inner("second_withheld", [[[0.0]], [[WITHHELD]]])
    graph.inner("first_of_both", 0, np.int64)
    graph.inner("pair_axis", [0], np.int64)
    graph.inner("pair_shape", [2, -1, len(floors)], np.int64)
    graph.inner("key_axis", [2], np.int64)


def keys_waiting(n: Nodes) -> str:
    """Return how long each key is not ready, ``(batch, 88)``, 0 or more.

    The keyboard lies there twice, ``(2, batch, 88)``: as it is, and mirrored (numbers negative), so
    that what is above the chord and what is below it are one computation. A key that does not
    count is moved away by :data:`FAR`. All numbers are whole: Clip to 0..1 says which are above 0.
    (Where takes four times what an operator of arithmetic does, for one candidate as for sixteen.)
    """
    inside = n("Sign", [n("Relu", ["recent"])])
    chord = n("Sub", ["mirrored_far", n("Mul", [inside, "far"])])
    # Beyond the reach of a hand that holds the lowest key, and the same from the highest.
    beyond = n("Sub", ["mirrored_spanned", n("ReduceMin", [chord, "key_axis"])])
    counted = n("Mul", [n("Clip", [beyond, "number_zero", "number_one"]), "far"])
    # Of the keys that the other hand must hold the nearest; what lies beyond its reach from there.
    nearest = n("ReduceMin", [n("Sub", [chord, counted]), "key_axis"])
    outside = n(
        "ReduceMax", [n("Sub", ["mirrored_spanned_less", nearest]), "pair_axis"], keepdims=0
    )
    between = n("ReduceMin", [beyond, "pair_axis"], keepdims=0)
    apart = n("Clip", [n("Max", [outside, between]), "number_zero", "number_one"])
    return n("Max", ["busy", n("Mul", [apart, "chord_time"])])


def pitches_of_both(n: Nodes, wait: str, noised: str) -> str:
    """Draw the pitch, and the one among the keys that are ready: ``(2, batch, 1)``.

    Args:
        n: The body's nodes.
        wait: Of :func:`keys_waiting`.
        noised: Logits of pitch with their noise, ``(batch, 88)``.
    """
    held = n("Mul", [n("Sign", [wait]), "second_withheld"])
    return n("ArgMax", [n("Add", [noised, held])], axis=2, keepdims=1)


def shifts_of_both(n: Nodes, wait: str, pitches: str, noised: str) -> tuple[str, str]:
    """Draw the time shift of each pitch, and say which of both is kept.

    Args:
        n: The body's nodes.
        wait: Of :func:`keys_waiting`.
        pitches: Of :func:`pitches_of_both`.
        noised: Logits of both time shifts with their noise, ``(2, batch, 105)``.

    Returns:
        The time shifts, ``(2, batch, 1)``, of which the second is late enough for its key; and
        where what is kept lies in anything of ``(2, batch, ..)``, ``(batch, 2)``: the second where
        the first pitch's key is not ready at the time shift it got.
    """
    waits = n("GatherElements", [n("Mul", [wait, "both"]), pitches], axis=2)
    early = n("Cast", [n("Less", ["floors", waits])], to=FLOAT)
    ready = n("Add", [noised, n("Mul", [early, "second_withheld"])])
    shifts = n("ArgMax", [ready], axis=2, keepdims=1)
    missed = n("Less", [n("Gather", ["floors", shifts]), waits])
    second = n("Cast", [n("Gather", [missed, "first_of_both"], axis=0)], to=INT)
    return shifts, n("Concat", [second, "candidates"], axis=1)


def keys_after(n: Nodes, pitch: str, shift: str, duration: str) -> None:
    """Write the state of the keys after a note, whose classes are ``(batch, 1)`` each."""
    passed, hold = n("Gather", ["floors", shift]), n("Gather", ["holds", duration])
    struck = n("Equal", ["key_classes", pitch])
    for name, fresh in zip(KEYS_STATES, (hold, "chord_time"), strict=True):
        n("Where", [struck, fresh, n("Sub", [name, passed])], out=f"{name}_next")

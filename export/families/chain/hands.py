"""The law of two hands as nodes of the chained step's body.

The same as :mod:`training.families.chain.hands`, whose docstrings say what it means; constants and
their reasons: :mod:`streamer.families.chain.hands`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.nodes import Graph, Nodes
from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.hands import AGAIN_INPUT, HAND_SEMITONES, WITHHELD
from streamer.music.notes import CHORD_MS

KEYS_STATES = ("busy", "recent")
NO_KEY = 200.0


def add_hands(graph: Graph, floors: NDArray[Any], holds: NDArray[Any]) -> None:
    """Add the body's constants.

    Args:
        graph: Gets them.
        floors: Least time of each time shift class, ``(105,)`` ms.
        holds: How long a key cannot be struck after each duration class, ``(120,)`` ms.
    """
    numbers = np.arange(PITCH_CLASSES, dtype=np.float32)[None]
    graph.inner("key_numbers", numbers)
    graph.inner("key_classes", np.arange(PITCH_CLASSES)[None], np.int64)
    graph.inner("floors", floors)
    graph.inner("floors_row", floors[None])
    graph.inner("holds", holds)
    graph.inner("no_time", 0.0)
    graph.inner("chord_time", CHORD_MS)
    graph.inner("withheld", WITHHELD)
    graph.inner("span", HAND_SEMITONES)
    graph.inner("above_all", NO_KEY)
    graph.inner("below_all", -NO_KEY)
    graph.inner("last_axis", [1], np.int64)


def keys_waiting(n: Nodes) -> str:
    """Return how long each key is not ready, ``(batch, 88)``."""

    def least(mask: str) -> str:
        return n("ReduceMin", [n("Where", [mask, "key_numbers", "above_all"]), "last_axis"])

    def greatest(mask: str) -> str:
        return n("ReduceMax", [n("Where", [mask, "key_numbers", "below_all"]), "last_axis"])

    inside = n("Greater", ["recent", "no_time"])
    left = n("Add", [least(inside), "span"])
    right = n("Sub", [greatest(inside), "span"])
    before, beyond = n("Less", ["key_numbers", right]), n("Greater", ["key_numbers", left])
    lowest = n("Sub", [greatest(n("And", [inside, before])), "span"])
    highest = n("Add", [least(n("And", [inside, beyond])), "span"])
    outside = n("Or", [n("Less", ["key_numbers", lowest]), n("Greater", ["key_numbers", highest])])
    apart = n("Or", [outside, n("And", [before, beyond])])
    return n("Max", ["busy", n("Where", [apart, "chord_time", "no_time"])])


def second_draw(n: Nodes, wait: str, first: tuple[str, str], trial: str) -> tuple[str, str, str]:
    """Draw the pitch anew where its key is not ready at the time shift it got.

    Args:
        n: The body's nodes.
        wait: Of :func:`keys_waiting`.
        first: Logits of pitch with their noise, and the pitch.
        trial: Logits of the time shift with their noise.

    Returns:
        The pitch, ``(batch, 1)``; the noise of its time shift; and what withholds time shifts at
        which its key is not ready.
    """
    passed = n("Gather", ["floors", n("ArgMax", [trial], axis=1, keepdims=1)])
    early = n("Less", [passed, n("GatherElements", [wait, first[1]], axis=1)])
    held = n("Where", [n("Greater", [wait, "no_time"]), "withheld", "no_time"])
    ready = n("ArgMax", [n("Add", [first[0], held])], axis=1, keepdims=1)
    pitch = n("Where", [early, ready, first[1]])
    noise = n("Where", [early, AGAIN_INPUT, "noise_1"])
    late = n("Less", ["floors_row", n("GatherElements", [wait, pitch], axis=1)])
    return pitch, noise, n("Where", [late, "withheld", "no_time"])


def keys_after(n: Nodes, pitch: str, shift: str, duration: str) -> None:
    """Write the state of the keys after a note, whose classes are ``(batch, 1)`` each."""
    passed, hold = n("Gather", ["floors", shift]), n("Gather", ["holds", duration])
    struck = n("Equal", ["key_classes", pitch])
    for name, fresh in zip(KEYS_STATES, (hold, "chord_time"), strict=True):
        n("Where", [struck, fresh, n("Sub", [name, passed])], out=f"{name}_next")

"""What a chain with a memory looks back on: sizes, and how a place in the music is described.

A memory is attention over the last notes: a note is likely to come as it came after a place like
this one. Places are described by the few notes before them, in intervals and in keys; alike places
are found by a product of their descriptions, and what came there is offered to the draw. The
definition is here, because training, the graph and tests must describe places alike; nothing of it
runs at the edge.
"""

from __future__ import annotations

from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec

PAST_STATE = "past"
"""The state that holds the last notes: ``(rows, notes, 5)`` int64 classes, -1 where none was. One
row may serve all candidates, which share their past."""

NEAREST = 6
"""Notes that describe a place."""

INTERVALS = 49
"""Intervals that are told apart, -24..24 semitones; greater ones count as these."""

HEADS = ("pitch", "interval", "shift", "duration", "velocity")
"""What is looked for, each with a search of its own: ``interval`` offers pitches as far from the
last one as they were there."""

OF_ARGUMENT = (0, 0, 1, 2, 3)
"""The argument that each of :data:`HEADS` speaks to."""

KEY_WIDTH = 32
"""Numbers by which one search compares places."""

PLACE_WIDTH = 64
"""Numbers that describe a place."""

LEAST_SHARE = 0.002
"""Attention that counts as none: what all of it adds to a class is ``log(1 + 1 / LEAST_SHARE)``
times a gate, nats."""

AGE_BINS = 11
"""Ages that are told apart, powers of two in notes: 1, 2..3, 4..7 and so on, the last without end.
Their number does not hang on how far a memory reaches, so that a run may begin with a short one."""

WIDEST = 2 * PITCH_CLASSES - 1
"""Intervals between any two keys."""


def slot_sizes(codec: ChainCodec) -> tuple[int, ...]:
    """Return the rows that each fact of one of the :data:`NEAREST` notes has.

    The facts are the interval to the note before, the key, the time shift and the duration; the
    last row of each stands for a note that is not there.
    """
    sizes = codec.sizes
    return (INTERVALS + 1, sizes[0] + 1, sizes[1] + 1, sizes[2] + 1)

"""How bands strike: accents by metre and instrument, in numbers fitted to a corpus (ours).

A band's model writes no dynamics and stands on a grid ([Valenti2020]). Plain data of the
performance layer of bands; measured by ``python -m training.studies.bands.band_touch`` on the
channels with played velocities of the archives multitrack-free and multitrack-mma-synthetic.
"""

from __future__ import annotations

INSTRUMENTS = ("kick", "snare", "closed hat", "open hat", "tom", "cymbal", "other")
"""Groups of a General MIDI drum kit that are struck alike."""

_OF_PITCH = {
    **dict.fromkeys((35, 36), 0),
    **dict.fromkeys((37, 38, 39, 40), 1),
    **dict.fromkeys((42, 44), 2),
    46: 3,
    **dict.fromkeys((41, 43, 45, 47, 48, 50), 4),
    **dict.fromkeys((49, 51, 52, 53, 55, 57, 59), 5),
}

DRUM_ACCENTS = (
    (9.0, 8.5, 7.2, 3.3, 3.3),
    (-2.4, -1.7, 1.9, -1.5, -7.8),
    (3.6, 2.5, 2.1, -3.8, -6.7),
    (1.3, -1.0, -3.7, -4.1, -8.1),
    (6.6, 4.2, -2.1, 0.4, -1.4),
    (4.1, 2.6, 0.7, -12.6, -9.0),
    (3.5, 3.3, 4.0, -0.9, -10.4),
)
"""Steps of velocity about the kit's mean: a row for each of :data:`INSTRUMENTS`, a column for each
place in the bar (:data:`streamer.expression.tables.METRES`)."""

ACCENTS = (
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (5.3, 0.2, 0.9, -1.6, -4.7),
    (2.6, 1.3, 0.2, -0.9, -3.8),
    (2.1, 1.2, 1.5, 1.2, -4.6),
)
"""The same for each track but the drums."""

MEAN_VELOCITY = 80.0
"""Of all tracks: how loud they are beside each other is a matter of their channel volumes."""

VELOCITY_SD, VELOCITY_RHO = (5.0, 5.0, 5.0, 6.0), (0.0, 0.0, 0.2, 0.2)
"""Drift of each track. Of the 14 to 20 steps that accents leave unexplained a third is drift here:
the rest is what a song intends, which nobody knows."""

LATE_MS, LATE_RHO = (4.0, 6.0, 8.0, 8.0), 0.5
"""Drift in time of each track, ms. Half of what is measured, and less for drums, which keep the
time; how much of it goes on from note to note is a choice."""

MOST_LATE_MS = 20.0


def instrument_of(pitch: int) -> int:
    """Return the index in :data:`INSTRUMENTS` of a drum."""
    return _OF_PITCH.get(pitch, len(INSTRUMENTS) - 1)

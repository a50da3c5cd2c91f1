"""Where the transport of a JACK server is: rolling or not, and its bar, beat and tempo.

In: libjack and a client of it (:class:`streamer.ports.jackwatch.JackWatch`). Out: a
:class:`Transport`. The struct is ``jack_position_t`` of jack/types.h, as far as it is read here.
Any thread.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

ROLLING = 1
"""``JackTransportRolling``; a server that is starting waits for slow clients, and does not roll."""

_HAS_BBT, _HAS_OFFSET = 0x10, 0x40

_LEAST_BAR, _MOST_BAR = 0.25, 64.0
"""Quarters of a bar that is believed; music waits for one to begin."""

_FARTHEST_BEAT = 1e9
"""Quarters from the beginning, of a place that is believed: five years at the fastest tempo."""


class _Position(ctypes.Structure):
    _fields_ = (
        ("unique_1", ctypes.c_uint64),
        ("usecs", ctypes.c_uint64),
        ("frame_rate", ctypes.c_uint32),
        ("frame", ctypes.c_uint32),
        ("valid", ctypes.c_uint32),
        ("bar", ctypes.c_int32),
        ("beat", ctypes.c_int32),
        ("tick", ctypes.c_int32),
        ("bar_start_tick", ctypes.c_double),
        ("beats_per_bar", ctypes.c_float),
        ("beat_type", ctypes.c_float),
        ("ticks_per_beat", ctypes.c_double),
        ("beats_per_minute", ctypes.c_double),
        ("frame_time", ctypes.c_double),
        ("next_time", ctypes.c_double),
        ("bbt_offset", ctypes.c_uint32),
        ("rest", ctypes.c_byte * 256),
    )


@dataclass(frozen=True, slots=True)
class Transport:
    """Where the transport is.

    Attributes:
        rolling: Whether it rolls.
        age_seconds: How long ago it was there.
        tempo_bpm: Quarters a minute; None where no program says bars and beats.
        beat: Quarters since the beginning.
        bar: Quarters of a bar.
    """

    rolling: bool
    age_seconds: float = 0.0
    tempo_bpm: float | None = None
    beat: float = 0.0
    bar: float = 4.0


def sign(jack: Any) -> None:
    """Give the functions of a libjack that are used here their signatures.

    Raises:
        AttributeError: It is no libjack.
    """
    jack.jack_transport_query.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    jack.jack_get_time.restype = ctypes.c_uint64


def transport_of(jack: Any, client: int) -> Transport:
    """Ask a server where its transport is."""
    found = _Position()
    state = jack.jack_transport_query(client, ctypes.byref(found))
    age = max(jack.jack_get_time() - found.usecs, 0) / 1e6
    rolling = state == ROLLING
    return _counted(found, rolling, age) or Transport(rolling, age)


def _counted(found: _Position, rolling: bool, age: float) -> Transport | None:
    """Return where it is in bars and beats; None where no program says, or none that can be."""
    if not found.valid & _HAS_BBT:
        return None
    said = (found.beats_per_bar, found.beat_type, found.ticks_per_beat, found.beats_per_minute)
    if not all(math.isfinite(value) and value > 0 for value in said):
        return None
    quarters = 4.0 / found.beat_type  # of one of its beats
    beat = (found.bar - 1) * found.beats_per_bar + found.beat - 1
    beat += found.tick / found.ticks_per_beat
    if found.valid & _HAS_OFFSET and found.frame_rate:
        beat += found.bbt_offset / found.frame_rate * found.beats_per_minute / 60.0
    place, bar = beat * quarters, found.beats_per_bar * quarters
    tempo_bpm = found.beats_per_minute * quarters
    if not (
        math.isfinite(tempo_bpm) and _LEAST_BAR <= bar <= _MOST_BAR and abs(place) <= _FARTHEST_BEAT
    ):
        return None
    return Transport(rolling, age, tempo_bpm=tempo_bpm, beat=place, bar=bar)

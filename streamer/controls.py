"""Live controls: what a musician may change while the stream plays, in one immutable snapshot.

In: changes by name from any source (config file, MIDI CC, keyboard, OSC, web page). Out: a
:class:`Controls` snapshot, which the generator reads once a phrase, and the bias that it adds to
the noise (specs/engine.md, "Noise is an input"). Called from any thread through :class:`LiveControls`.
"""

from __future__ import annotations

import difflib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from streamer.codec import PITCH_CLASSES, ChainCodec
from streamer.notes import PIANO_HIGH, PIANO_LOW

FORBID = -1e6
"""Bias that no class survives (specs/engine.md)."""

SCALES: dict[str, tuple[int, ...]] = {
    "off": tuple(range(12)),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
}
"""Scales that the stream can be locked to: semitones above the root."""

OCTAVE = 12
SOFT_LOCK_NATS = 8.0
"""How far a note off the scale is pushed down, in nats, as the lock comes near to 1."""

DENSITY_KNEE_MS = 60.0
"""Time shifts well below this belong to chords: density hardly tilts among them."""

DENSITY_TILT = 1 / 1.4
"""Nats of tilt for each nat of density and of time shift: one over the variance of the logarithm of
piano music's time shifts, which makes the tilted mean move by about the factor asked for."""


@dataclass(frozen=True, slots=True)
class ControlRange:
    """Legal values of one control.

    Attributes:
        name: As in :class:`Controls`.
        low: Least value.
        high: Greatest value.
        unit: What the number counts.
        about: What it does, for help texts and the web page.
        integer: Whether only whole numbers are meant.
    """

    name: str
    low: float
    high: float
    unit: str
    about: str
    integer: bool = False

    def check(self, value: object) -> float | int:
        """Return the value as a number of the control's kind.

        Raises:
            ValueError: It is no number, or outside low..high.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{self.name} must be a number, not {value!r}")
        if not self.low <= value <= self.high:  # NaN fails too
            raise ValueError(f"{self.name} must be in range {self.low:g}..{self.high:g}, not {value}")
        if self.integer and value != int(value):
            raise ValueError(f"{self.name} must be a whole number, not {value}")
        return int(value) if self.integer else float(value)


CONTROL_RANGES: dict[str, ControlRange] = {
    r.name: r
    for r in (
        ControlRange("temperature", 0.1, 3.0, "x", "how adventurous, times the model's own"),
        ControlRange("density", 0.25, 4.0, "x", "notes a second, times the model's own, about"),
        ControlRange("candidates", 1, 64, "phrases", "phrases drawn for each one played", True),
        ControlRange("low", 0, 127, "MIDI note", "lowest note that sounds", True),
        ControlRange("high", 0, 127, "MIDI note", "highest note that sounds", True),
        ControlRange("transpose", -24, 24, "semitones", "moves every note", True),
        ControlRange("root", 0, 11, "semitones above C", "first note of the scale", True),
        ControlRange("scale_lock", 0.0, 1.0, "share", "0 frees, 1 forbids notes off the scale"),
        ControlRange("velocity_scale", 0.1, 2.0, "x", "times every velocity"),
        ControlRange("tempo_scale", 0.25, 4.0, "x", "speed of playing"),
        ControlRange("recall", 0.0, 1.0, "share", "phrases in which an earlier figure comes back"),
    )
}
"""Numeric controls by name. Beside them: ``scale``, a name of :data:`SCALES`, and ``pause``."""


@dataclass(frozen=True, slots=True)
class Controls:
    """One moment's controls; see :data:`CONTROL_RANGES` for ranges and units.

    Raises:
        ValueError: A value is outside its range, or low..high spans less than an octave.
    """

    temperature: float = 1.0
    density: float = 1.0
    candidates: int = 16
    low: int = PIANO_LOW
    high: int = PIANO_HIGH
    transpose: int = 0
    scale: str = "off"
    root: int = 0
    scale_lock: float = 1.0
    velocity_scale: float = 1.0
    tempo_scale: float = 1.0
    recall: float = 0.3
    pause: bool = False

    def __post_init__(self) -> None:
        for name, legal in CONTROL_RANGES.items():
            object.__setattr__(self, name, legal.check(getattr(self, name)))
        if self.scale not in SCALES:
            near = difflib.get_close_matches(str(self.scale), SCALES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"scale must be one of {', '.join(SCALES)}, not {self.scale!r}{hint}")
        if not isinstance(self.pause, bool):
            raise ValueError(f"pause must be true or false, not {self.pause!r}")
        if self.high - self.low < OCTAVE - 1:
            raise ValueError(
                f"low..high must span an octave or more (11 semitones), not {self.low}..{self.high}"
            )

    def with_changes(self, changes: Mapping[str, object]) -> Controls:
        """Return a snapshot with some values changed.

        Raises:
            ValueError: A name is unknown or a value outside its range; nothing is changed.
        """
        names = [f.name for f in fields(self)]
        for name in changes:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"no control named {name!r}{hint}")
        return replace(self, **changes)  # type: ignore[arg-type]  # checked in __post_init__


class LiveControls:
    """Holds the present snapshot; every method may be called from any thread.

    Readers take one reference, so that no reader waits for a writer and none sees half a change.
    """

    def __init__(self, controls: Controls | None = None) -> None:
        self._present = controls or Controls()
        self._writing = threading.Lock()

    def snapshot(self) -> Controls:
        """Return the present controls."""
        return self._present

    def update(self, **changes: object) -> Controls:
        """Change some controls at once and return the new snapshot.

        Raises:
            ValueError: As :meth:`Controls.with_changes`; nothing is changed.
        """
        with self._writing:
            self._present = self._present.with_changes(changes)
            return self._present

    def put(self, controls: Controls) -> None:
        """Replace the whole snapshot (a preset, a reloaded configuration)."""
        with self._writing:
            self._present = controls


def allowed_pitches(controls: Controls) -> NDArray[np.bool_]:
    """Return which of the model's 88 pitches sound within range, transposition counted in.

    When less than an octave would be left, all are allowed, and the performer folds the notes into
    the range by octaves.
    """
    sounding = np.arange(PITCH_CLASSES) + PIANO_LOW + controls.transpose
    inside = (sounding >= controls.low) & (sounding <= controls.high)
    if inside.sum() < OCTAVE:
        return np.ones(PITCH_CLASSES, dtype=np.bool_)
    return np.asarray(inside, dtype=np.bool_)


def noise_bias(controls: Controls, codec: ChainCodec) -> NDArray[np.float32]:
    """Return what the controls add to the noise of every note.

    Args:
        controls: Range, transposition, scale and density are looked at.
        codec: Gives the classes.

    Returns:
        ``(362,)`` float32 in nats: 0 leaves a class alone, :data:`FORBID` takes it away.
    """
    offsets = codec.offsets
    bias = np.zeros(offsets[-1], dtype=np.float32)
    pitch = bias[: offsets[1]]
    pitch[~allowed_pitches(controls)] = FORBID
    if controls.scale != "off" and controls.scale_lock > 0:
        above = (np.arange(PITCH_CLASSES) + PIANO_LOW + controls.transpose - controls.root) % OCTAVE
        off = ~np.isin(above, SCALES[controls.scale])
        penalty = FORBID if controls.scale_lock == 1 else -SOFT_LOCK_NATS * controls.scale_lock
        pitch[off] = np.minimum(pitch[off], penalty)
    if controls.density != 1:
        length = np.log((codec.shift.centres + DENSITY_KNEE_MS) / DENSITY_KNEE_MS)
        tilt = -math.log(controls.density) * DENSITY_TILT * length
        bias[offsets[1] : offsets[2]] = tilt
    return bias

"""Live controls: what a musician may change while the stream plays, in one immutable snapshot.

In: changes by name from any source (the ``[controls]`` table of the configuration, MIDI CC,
keyboard, OSC, web page). Out: a :class:`Controls` snapshot, which the generator reads once a phrase
(:mod:`streamer.steering` turns it into noise) and the performer applies to what sounds. No numpy
here: the command line reads these ranges to answer ``--help``.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from streamer.schema import Range, Wrong, convert, shown

Scale = Literal[
    "off",
    "major",
    "minor",
    "harmonic-minor",
    "dorian",
    "phrygian",
    "lydian",
    "mixolydian",
    "pentatonic",
    "minor-pentatonic",
    "blues",
    "whole-tone",
    "octatonic",
]

Volume = Annotated[int, Range(0, 127)]

UNSET = ("lead", "candidates", "bits")
"""Controls that may be None: the setting of the model or the buffer, or no limit."""

OCTAVE = 12
LEAST_SPAN = OCTAVE - 1
"""How far ``high`` lies above ``low`` at least: any pitch can be folded in by octaves."""


@dataclass(frozen=True, slots=True)
class Controls:
    """One moment's controls. Numbers that multiply are 1 where nothing is changed.

    Attributes:
        temperature: How adventurous: times the model's own temperature.
        density: Times the notes a second that the model would play, about.
        lead: Seconds of music written ahead, after which what is moved here is heard; None takes
            ``buffer.high_seconds``.
        candidates: Most phrases drawn for each one played; None takes the model's setting.
        low: Lowest note that sounds, MIDI number.
        high: Highest note that sounds, MIDI number, 11 or more above ``low``.
        transpose: Moves every note, semitones.
        scale: The scale that notes are kept to.
        root: Its first note, semitones above C.
        scale_lock: 1 forbids notes off the scale, less only discourages them, 0 frees them.
        velocity_scale: Times every velocity.
        tempo_scale: Speed of playing.
        recall: Share of phrases in which a figure of the last minutes is put forward again; of
            tunes one of their phrases.
        style_mix: How much of the first style that was named has gone over to the second.
        walk: How far a model that composes a section at a time goes from one to the next; 0 stays
            where it is, 1 forgets where it was.
        refinement: How many of its passes such a model writes, as a share of all.
        bits: Of each bar of a query that reach the network; None lets all through.
        style_strength: How a band is held to its genres: 1 as their own songs are, 0 not at all, 2
            near to their middles.
        mute_drums: Whether the drums of a band are silent.
        mute_bass: Whether its bass is.
        mute_harmony: Whether its guitar or piano is.
        mute_strings: Whether its strings are.
        solo_drums: Where any track has its solo, only those that have one are heard.
        solo_bass: Likewise.
        solo_harmony: Likewise.
        solo_strings: Likewise.
        volume_drums: Channel volume (CC7) of the drums.
        volume_bass: Of the bass.
        volume_harmony: Of guitar or piano.
        volume_strings: Of the strings.
        pause: Whether the stream is held.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    temperature: Annotated[float, Range(0.1, 3.0, "x")] = 1.0
    density: Annotated[float, Range(0.25, 4.0, "x")] = 1.0
    lead: Annotated[float, Range(0.5, 30.0, "s")] | None = None
    candidates: Annotated[int, Range(1, 64, "phrases")] | None = None
    low: Annotated[int, Range(0, 127)] = 0
    high: Annotated[int, Range(0, 127)] = 127
    transpose: Annotated[int, Range(-24, 24, "semitones")] = 0
    scale: Scale = "off"
    root: Annotated[int, Range(0, 11, "semitones")] = 0
    scale_lock: Annotated[float, Range(0.0, 1.0)] = 1.0
    velocity_scale: Annotated[float, Range(0.1, 2.0, "x")] = 1.0
    tempo_scale: Annotated[float, Range(0.25, 4.0, "x")] = 1.0
    recall: Annotated[float, Range(0.0, 1.0)] = 0.4
    style_mix: Annotated[float, Range(0.0, 1.0)] = 0.0
    walk: Annotated[float, Range(0.0, 1.0)] = 0.35
    refinement: Annotated[float, Range(0.0, 1.0)] = 1.0
    bits: Annotated[int, Range(0, 1024, "bits")] | None = None
    style_strength: Annotated[float, Range(0.0, 2.0)] = 1.0
    mute_drums: bool = False
    mute_bass: bool = False
    mute_harmony: bool = False
    mute_strings: bool = False
    solo_drums: bool = False
    solo_bass: bool = False
    solo_harmony: bool = False
    solo_strings: bool = False
    volume_drums: Volume = 100
    volume_bass: Volume = 100
    volume_harmony: Volume = 90
    volume_strings: Volume = 80
    pause: bool = False

    def __post_init__(self) -> None:
        problems = []
        for name, annotation in control_types().items():
            value = getattr(self, name)
            try:
                if value is not None or name not in UNSET:
                    object.__setattr__(self, name, convert(annotation, value))
            except Wrong as wrong:
                problems.append(f"{name} must be {wrong}, not {shown(value)}")
        if not problems and self.high - self.low < LEAST_SPAN:
            problems.append(
                f"high must be {LEAST_SPAN} or more above low, not {self.low}..{self.high}"
            )
        if problems:
            raise ValueError("; ".join(problems))

    def with_changes(self, changes: Mapping[str, Any]) -> Controls:
        """Return a snapshot with some values changed.

        Raises:
            ValueError: A name is unknown or a value outside its range.
        """
        names = [f.name for f in fields(self)]
        for name in changes:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                raise ValueError(f"no control is called {name!r}; {hint}")
        return replace(self, **changes)


@cache
def control_types() -> dict[str, Any]:
    """Return the annotation of each control by name; numbers carry their range."""
    return get_type_hints(Controls, include_extras=True)


class LiveControls:
    """Holds the present snapshot; every method may be called from any thread.

    Readers take one reference, so that no reader waits for a writer and none sees half a change.

    Attributes:
        preset: Name of the preset that was chosen last, whatever was moved since; "" for none.
    """

    def __init__(self, controls: Controls | None = None) -> None:
        self._present = controls or Controls()
        self.preset = ""
        self._writing = threading.RLock()
        self._listeners: list[Callable[[Controls], object]] = []

    def listen(self, listener: Callable[[Controls], object]) -> None:
        """Call ``listener`` with every new snapshot, in the thread that made it; keep it short."""
        with self._writing:
            self._listeners.append(listener)

    def snapshot(self) -> Controls:
        """Return the present controls."""
        return self._present

    def update(self, **changes: Any) -> Controls:
        """Change some controls at once and return the new snapshot.

        Raises:
            ValueError: As :meth:`Controls.with_changes`; nothing is changed.
        """
        with self._writing:
            self.put(self._present.with_changes(changes))
            return self._present

    def put(self, controls: Controls, preset: str | None = None) -> None:
        """Replace the whole snapshot; ``preset`` is the name of the one that was chosen, if any."""
        with self._writing:
            self._present = controls
            self.preset = self.preset if preset is None else preset
            for listener in self._listeners:
                listener(controls)

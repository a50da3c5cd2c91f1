"""What a person can set about the MIDI around the notes: the synth, the clock, the controller.

Stages of :class:`streamer.settings.Settings`, parted from it because they belong together. Read by
:mod:`streamer.synth`, :mod:`streamer.pacing`, :mod:`streamer.clockout`, :mod:`streamer.midiclock`
and :mod:`streamer.inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from streamer.schema import Range

Data = Annotated[int, Range(0, 127)]
ClockMode = Literal["internal", "follow", "send"]
Outside = Literal["fold", "drop"]
Wire = Literal["fast", "din", "din-running-status"]


@dataclass(frozen=True, slots=True)
class SynthSettings:
    """What the synth at the other end needs; nothing is changed where nothing is set.

    Attributes:
        program: Program number as people count it, sent at the start and when the synth is back.
        bank_msb: Bank select (CC0), sent before the program.
        bank_lsb: Bank select, fine (CC32), sent before the program.
        transpose: Moves every note for this synth, semitones.
        lowest: Lowest key that the synth plays, MIDI number.
        highest: Highest key that the synth plays, not below ``lowest``.
        outside: Notes beyond these keys are moved by octaves (``fold``) or left out (``drop``); a
            note for which no octave fits is left out.
        velocity_curve: Exponent of the velocity: below 1 plays quiet notes louder, above 1 quieter.
        velocity_low: No note is quieter.
        velocity_high: No note is louder, not below ``velocity_low``.
        polyphony: Most keys down at once, for which the oldest is released early; None sets no end.
        sustain: Whether the pedal is played; without it every note ends with its key.
        shortest_ms: Shorter notes are held so long.
        longest_ms: Longer notes are released so early, not below ``shortest_ms``.
        repeat_gap_ms: A key that is struck again is released so long before.
        wire: ``din`` keeps the messages to what a DIN cable carries (31,250 baud), ``fast`` does
            not; ``din-running-status`` counts on an interface that sends no status byte twice.
    """

    program: Annotated[int, Range(1, 128)] | None = None
    bank_msb: Data | None = None
    bank_lsb: Data | None = None
    transpose: Annotated[int, Range(-48, 48, "semitones")] = 0
    lowest: Data = 0
    highest: Data = 127
    outside: Outside = "fold"
    velocity_curve: Annotated[float, Range(0.2, 5.0)] = 1.0
    velocity_low: Annotated[int, Range(1, 127)] = 1
    velocity_high: Annotated[int, Range(1, 127)] = 127
    polyphony: Annotated[int, Range(1, 128, "keys")] | None = None
    sustain: bool = True
    shortest_ms: Annotated[float, Range(0, 2000, "ms")] = 0.0
    longest_ms: Annotated[float, Range(10, 600_000, "ms")] = 60_000.0
    repeat_gap_ms: Annotated[float, Range(0, 200, "ms")] = 0.0
    wire: Wire = "fast"

    def __post_init__(self) -> None:
        pairs = (
            ("lowest", "highest"),
            ("velocity_low", "velocity_high"),
            ("shortest_ms", "longest_ms"),
        )
        wrong = [
            f"{low} ({getattr(self, low):g}) must not be above {high} ({getattr(self, high):g})"
            for low, high in pairs
            if getattr(self, low) > getattr(self, high)
        ]
        if wrong:
            raise ValueError("; ".join(wrong))


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """Whose beat it is.

    Attributes:
        mode: ``internal`` is alone, ``send`` gives MIDI clock to others, ``follow`` takes it.
        tempo_bpm: Tempo of the clock that is sent; and the tempo of a followed clock at which music
            in free time runs at its own speed.
        lost_seconds: So long without a clock, and the stream is its own master again.
        stop_holds: Whether a Stop holds the music even when the clock ceases after it.
    """

    mode: ClockMode = "internal"
    tempo_bpm: Annotated[float, Range(20, 400, "BPM")] = 120.0
    lost_seconds: Annotated[float, Range(0.2, 60, "s")] = 2.0
    stop_holds: bool = False


@dataclass(frozen=True, slots=True)
class InputSettings:
    """What is heard of a MIDI controller.

    Attributes:
        port: ``auto`` takes the first hardware input, or else a port of our own; ``off`` hears
            nothing; ``virtual`` is always a port of our own; or part of a port's name.
        channel: MIDI channel that is heard, 1..16; None hears all.
        transport: Whether Start, Continue and Stop let the music go on and hold it.
        programs: Whether program changes choose presets.
        presets: A TOML file of ``[[preset]]`` tables; None has the built-in ones.
        echo_seconds: What was sent and comes back within this is our own echo; 0 hears it.
    """

    port: str = "auto"
    channel: Annotated[int, Range(1, 16)] | None = None
    transport: bool = True
    programs: bool = True
    presets: Path | None = None
    echo_seconds: Annotated[float, Range(0, 5, "s")] = 0.25

"""What a person can set about the MIDI around the notes: ports, synth, clock, controller.

Stages of :class:`streamer.settings.settings.Settings`, parted from it because they belong together.
Read by :mod:`streamer.ports`, :mod:`streamer.live.synth`, :mod:`streamer.live.pacing`,
:mod:`streamer.live.clockout`, :mod:`streamer.midi.clock` and :mod:`streamer.control.inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from streamer.midi.channels import split_channels, split_offset
from streamer.settings.schema import Range

Data = Annotated[int, Range(0, 127)]
ClockMode = Literal["internal", "follow", "send", "link", "jack"]
Outside = Literal["fold", "drop"]
Wire = Literal["fast", "din", "din-running-status"]

LIVE_QUERY = Path("live")
"""As ``model.query``: what is played on the input, and no file."""

MOST_OUTPUTS = 16
"""The scheduler sends to one after the other."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Where the notes go.

    Attributes:
        port: ``auto``, ``virtual``, ``jack``, ``null``, ``synth``, ``file:PATH``, or part of a
            port's name, with its own channels and its offset in time behind it where it needs any
            (:mod:`streamer.midi.channels`); or several such, which all get the music.
        channel: MIDI channel as people count it, 1..16, of ports that name none.
        allow: ``auto`` takes no port but one whose name holds one of these; ``*`` and ``?`` stand
            for anything. Empty allows all.
        deny: ``auto`` never takes a port whose name holds one of these.
        client_name: How this program is called in other programs' lists.
        soundfont: The soundfont of ``synth``; None looks where distributions put theirs.
        reconnect_seconds: How often a port that is gone is looked for.
        message_spacing_ms: Least time between two messages, for slow DIN ports (1 ms a message).
    """

    port: str | tuple[str, ...] = "auto"
    channel: Annotated[int, Range(1, 16)] = 1
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    client_name: str = "Perpetuo"
    soundfont: Path | None = None
    reconnect_seconds: Annotated[float, Range(0.05, 60, "s")] = 0.5
    message_spacing_ms: Annotated[float, Range(0, 20, "ms")] = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.port, tuple) and len(self.port) == 1:
            object.__setattr__(self, "port", self.port[0])
        if not 1 <= len(self.specs) <= MOST_OUTPUTS:
            raise ValueError(f"port must be 1..{MOST_OUTPUTS} ports, not {len(self.specs)}")
        for spec in self.specs:
            try:
                name, offset_ms = split_channels(spec)[0], split_offset(spec)[1]
            except ValueError as error:
                raise ValueError(f"port {spec!r}: {error}") from error
            if offset_ms and (name == "null" or name.startswith("file:")):
                raise ValueError(
                    f"port {spec!r}: {name.partition(':')[0]} has no offset, which is for what is "
                    f"heard; leave {offset_ms:+g}ms out"
                )

    @property
    def specs(self) -> tuple[str, ...]:
        """The ports, each as a person wrote it."""
        return (self.port,) if isinstance(self.port, str) else self.port

    @property
    def names(self) -> tuple[str, ...]:
        """The ports without what is written of channels."""
        return tuple(split_channels(spec)[0] for spec in self.specs)

    @property
    def offsets(self) -> tuple[float, ...]:
        """How much later than it is meant each port is sent to, seconds; below 0 is sooner."""
        return tuple(split_offset(spec)[1] / 1000.0 for spec in self.specs)

    @property
    def early_seconds(self) -> float:
        """How much sooner than it is meant all is sent, so that one port can be sooner."""
        return max(0.0, -min(self.offsets))

    @property
    def lag_seconds(self) -> float:
        """How long a message may be on its way to a port that waits for it."""
        return max(self.offsets) + self.early_seconds


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
        mode: ``internal`` is alone, ``send`` gives MIDI clock to others, ``follow`` takes it,
            ``link`` joins a session of Ableton Link, ``jack`` follows the transport of JACK.
        tempo_bpm: Tempo of the clock that is sent; and the tempo of a followed clock at which music
            in free time runs at its own speed.
        lost_seconds: So long without a clock, and the stream is its own master again.
        stop_holds: Whether a Stop holds the music even when the clock ceases after it.
        link_quantum: Beats of the bar that is shared over Link, on which music with beats begins.
        link_start_stop: Whether the start and stop of the session's other programs are obeyed.
    """

    mode: ClockMode = "internal"
    tempo_bpm: Annotated[float, Range(20, 400, "BPM")] = 120.0
    lost_seconds: Annotated[float, Range(0.2, 60, "s")] = 2.0
    stop_holds: bool = False
    link_quantum: Annotated[int, Range(1, 16, "beats")] = 4
    link_start_stop: bool = False


@dataclass(frozen=True, slots=True)
class InputSettings:
    """What is heard of a MIDI controller.

    Attributes:
        port: ``auto`` takes the first hardware input, or else a port of our own; ``off`` hears
            nothing; ``virtual`` is always a port of our own; or part of a port's name.
        allow: As in :class:`PortSettings`, for ``auto``.
        deny: The same.
        channel: MIDI channel that is heard, 1..16; None hears all.
        transport: Whether Start, Continue and Stop let the music go on and hold it.
        programs: Whether program changes choose scenes.
        presets: A TOML file of ``[[preset]]`` tables, one for each program in turn; None has the
            scenes that have a program number.
        echo_seconds: What was sent and comes back within this is our own echo, and a run of it
            (a silence, a greeting) later still; 0 hears it.
        query_silent_bars: With ``model.query = "live"``: this many silent bars are answered, then
            the music plays on by itself until somebody plays.
    """

    port: str = "auto"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    channel: Annotated[int, Range(1, 16)] | None = None
    transport: bool = True
    programs: bool = True
    presets: Path | None = None
    echo_seconds: Annotated[float, Range(0, 5, "s")] = 0.25
    query_silent_bars: Annotated[int, Range(0, 1024, "bars")] = 2

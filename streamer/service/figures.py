"""What a stream is doing at one moment, for the display, the log and metrics.

In: figures of generator, buffer and scheduler. Out: one snapshot of them, read by any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamer.generators.stats import SET_ASIDE, Playing
from streamer.live.lateness import LatenessHistogram


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What a stream is doing at one moment, for the display, the log and metrics.

    Attributes:
        model: Name of the bundle.
        seed: Of the generator.
        port: Name of the port.
        waiting_for_port: Whether the music is held because there is no port.
        paused: Whether a person holds it.
        policy: Scheduling policy of the timing thread.
        notes_sent: Note-ons sent.
        late_dropped: Note-ons that came too late.
        sounding: Keys that are down, (channel, pitch).
        pedal: Whether a sustain pedal is down.
        buffer_seconds: Music ahead of the present, seconds.
        underruns: Rests that were lengthened because music came too late.
        candidates: K of the next phrase.
        lateness_ms: ``p50``, ``p99``, ``p999`` and ``max``, ms.
        generation: :meth:`streamer.generators.stats.GenerationStats.to_dict`.
        stalls: Times that the process stood still.
        port_losses: Times that the port went away.
        lateness: Every message that left; it goes on counting.
        scene: The scene that was chosen last; "" for none.
        playing: What is being written, where the music has such parts.
        duet: Whose turn it is, a word; "" where nobody plays with the machine.
        muted: Tracks that are silent, where the music has tracks.
        family: Of the bundle.
        clock: Whose beat it is: ``internal``, ``send``, ``follow``, ``link`` or ``jack``.
        clock_says: What a person is told of it; "" where the beat is the stream's own.
        bpm: Tempo of this moment; None in free time.
        beat: Quarters since the stream's beginning, in music that has a beat; None in free time.
    """

    model: str
    seed: int
    port: str
    waiting_for_port: bool
    paused: bool
    policy: str
    notes_sent: int
    late_dropped: int
    sounding: tuple[tuple[int, int], ...]
    pedal: bool
    buffer_seconds: float
    underruns: int
    candidates: int
    lateness_ms: dict[str, float]
    generation: dict[str, Any]
    stalls: int = 0
    port_losses: int = 0
    lateness: LatenessHistogram = field(default_factory=LatenessHistogram)
    scene: str = ""
    playing: Playing | None = None
    muted: tuple[str, ...] = ()
    family: str = ""
    clock: str = "internal"
    bpm: float | None = None
    beat: float | None = None
    duet: str = ""
    clock_says: str = ""

    def line(self) -> str:
        """Return the figures as one line of a log."""
        dropped = self.generation["dropped"]
        drops = ", ".join(f"{n} {reason}" for reason, n in dropped.items() if reason != SET_ASIDE)
        aside = f", {dropped[SET_ASIDE]} set aside" if SET_ASIDE in dropped else ""
        late = self.lateness_ms
        silent = f", without {' and '.join(self.muted)}" if self.muted else ""
        playing = "" if self.playing is None else f"{self.playing.line}{silent}, "
        return (
            f"{playing}{self.notes_sent} notes, {self.buffer_seconds:.1f} s ahead, "
            f"K {self.candidates}, "
            f"dropped {drops or 'none'}{aside}, {self.underruns} underruns, "
            f"late p50 {late['p50']:.2f} p99 {late['p99']:.2f} max {late['max']:.2f} ms"
        )

"""Counters of the stream: what was drawn, kept, dropped and why, and how long it took.

In: counts from the generator (one thread writes). Out: plain data for the display, the log, the
render report and metrics. Readers in other threads take :meth:`GenerationStats.to_dict`, and may
see figures of two successive phrases side by side, never broken ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.lateness import LatenessHistogram
from streamer.notes import ARGUMENTS, Phrase

SET_ASIDE = "astray"
"""The reason for which up to half of the sound candidates are left, by design: no fault of theirs,
the stream as a whole is led back to its corpus (:mod:`streamer.generators.homing`)."""


@dataclass(slots=True)
class GenerationStats:
    """Running figures of one generator.

    Attributes:
        arguments: What the entropies of a note are of, in order.
        candidates: Phrases drawn.
        kept: Candidates that passed every filter.
        dropped: Candidates dropped, by reason.
        redraws: Times that all candidates were dropped and drawn again.
        relaxed: Phrases committed with filters given up, by the reasons no longer asked.
        phrases: Phrases committed.
        notes: Notes committed.
        entropy_sum: Sum over committed notes of the entropy of each argument, nats.
        recalls_tried: Draws in which earlier figures were put forward (ours, figure recall).
        recalls: Phrases committed that bring a figure back in full.
        moods: Moods taken on (ours).
        reprimes: Times that the state was built anew from the recent past.
        clamped: Cell values that the drift bound held back.
        inference_s: Time inside the engine, seconds.
        tunes: Tunes begun, in music that has such.
        playing: What a person may know of the tune that is being written: ``style``, ``key``,
            ``tempo_bpm``, ``bars``; of a band ``genre`` and ``tempo_bpm``; else empty.
    """

    arguments: tuple[str, ...] = ARGUMENTS
    candidates: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    redraws: int = 0
    relaxed: Counter[str] = field(default_factory=Counter)
    phrases: int = 0
    notes: int = 0
    entropy_sum: NDArray[np.float64] = field(init=False)
    recalls_tried: int = 0
    recalls: int = 0
    moods: int = 0
    reprimes: int = 0
    clamped: int = 0
    inference_s: float = 0.0
    tunes: int = 0
    playing: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.entropy_sum = np.zeros(len(self.arguments))

    def count_drawn(self, reasons: list[str | None]) -> None:
        """Count one draw: a reason or None for each candidate."""
        self.candidates += len(reasons)
        self.kept += reasons.count(None)
        # A fresh counter each time: a reader that iterates never meets one that grows.
        self.dropped = self.dropped + Counter(reason for reason in reasons if reason is not None)

    def count_committed(self, phrase: Phrase) -> None:
        """Count a phrase that goes on to the buffer."""
        self.phrases += 1
        self.notes += len(phrase.notes)
        self.entropy_sum = self.entropy_sum + phrase.entropies.sum(axis=0, dtype=np.float64)

    def entropy_means(self) -> dict[str, float]:
        """Return the mean entropy of each argument over what was committed, nats."""
        means = self.entropy_sum / max(self.notes, 1)
        return dict(zip(self.arguments, map(float, means), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        figures = {
            "candidates": self.candidates,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "redraws": self.redraws,
            "relaxed": dict(sorted(self.relaxed.items())),
            "phrases": self.phrases,
            "notes": self.notes,
            "entropy": self.entropy_means(),
            "recalls_tried": self.recalls_tried,
            "recalls": self.recalls,
            "moods": self.moods,
            "reprimes": self.reprimes,
            "clamped": self.clamped,
            "inference_s": round(self.inference_s, 3),
        }
        if self.tunes:
            figures |= {"tunes": self.tunes, "tune": dict(self.playing)}
        elif self.playing:
            figures["band"] = dict(self.playing)
        return figures


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
        generation: :meth:`GenerationStats.to_dict`.
        stalls: Times that the process stood still.
        port_losses: Times that the port went away.
        lateness: Every message that left; it goes on counting.
        preset: The preset that was chosen last; "" for none.
        muted: Tracks of a band that are silent.
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
    preset: str = ""
    muted: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the figures as one line of a log."""
        dropped = self.generation["dropped"]
        drops = ", ".join(f"{n} {reason}" for reason, n in dropped.items() if reason != SET_ASIDE)
        aside = f", {dropped[SET_ASIDE]} set aside" if SET_ASIDE in dropped else ""
        late = self.lateness_ms
        tune = self.generation.get("tune")
        playing = f"tune {tune['number']} ({tune['style']}), " if tune else ""
        band = self.generation.get("band")
        if band:
            silent = f", without {' and '.join(self.muted)}" if self.muted else ""
            playing = f"{band['genre']}{silent}, "
        return (
            f"{playing}{self.notes_sent} notes, {self.buffer_seconds:.1f} s ahead, "
            f"K {self.candidates}, "
            f"dropped {drops or 'none'}{aside}, {self.underruns} underruns, "
            f"late p50 {late['p50']:.2f} p99 {late['p99']:.2f} max {late['max']:.2f} ms"
        )

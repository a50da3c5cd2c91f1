"""Windows of a band -> a four-channel MIDI file on its own grid, whole or not at all.

In: passages, a window each, with tempo and sounds. Out: notes as they are played, and a ``.mid``
file of a conductor's track and one for each track of the band, in 4/4, so that an editor of scores
shows bars where bars are. What sounds over the line between two passages is one note, by the same
rules as in the stream (:mod:`streamer.families.bands.section`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import STEPS_PER_BEAT, TRACKS, BandCodec, States
from streamer.families.bands.player import BandBars, BandPlayer
from streamer.families.bands.section import nothing, section_after, strikes_of
from streamer.midi import writer
from streamer.midi.messages import note_off, note_on, program_change
from streamer.music.notes import Note
from streamer.system.atomic import atomic_file

TICKS_PER_QUARTER = 960
BAR_BEATS = 4.0


@dataclass(frozen=True)
class Passage:
    """One window as it is to be played.

    Attributes:
        states: ``(steps, 4)``.
        entropies: Of them, nats, ``(steps, 4)`` float32.
        bpm: Quarter notes a minute.
        programs: Of each track, 0..127.
        weights: Of genres by name, for whoever plays.
        mark: Text at its beginning, or empty.
    """

    states: States
    entropies: NDArray[np.float32]
    bpm: float
    programs: tuple[int, ...]
    weights: dict[str, float]
    mark: str = ""


@dataclass(frozen=True)
class Score:
    """Passages as they are played.

    Attributes:
        passages: In order.
        starts_ms: Where each begins, and the end, ``(passages + 1,)``.
        starts_beats: The same in quarters.
        notes: Of all tracks, sorted by onset; times in ms from the start.
        channels: Of each track, 0..15.
    """

    passages: tuple[Passage, ...]
    starts_ms: NDArray[np.float64]
    starts_beats: NDArray[np.float64]
    notes: tuple[Note, ...]
    channels: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(self.starts_ms[-1]) / 1000.0

    def ticks(self, ms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return where in the file times lie."""
        beats = np.interp(ms, self.starts_ms, self.starts_beats)
        return np.rint(beats * TICKS_PER_QUARTER).astype(np.int64)


def play_passages(
    passages: Sequence[Passage],
    codec: BandCodec,
    longest: int,
    player: BandPlayer,
    channels: tuple[int, ...],
) -> Score:
    """Read passages as one piece, and let somebody play them.

    Args:
        passages: One or more, of whole windows.
        codec: What their states mean.
        longest: No note is longer, steps.
        player: Gives velocity and timing.
        channels: Of each track, 0..15.
    """
    sections = []
    before = nothing(codec.steps)
    for passage in passages:
        before = section_after(passage.states, passage.entropies, codec, before, longest)
        sections.append(before)
    sections.append(nothing(codec.steps))
    lengths = np.array([len(p.states) / STEPS_PER_BEAT for p in passages])
    beat_ms = [60_000.0 / passage.bpm for passage in passages]
    starts_beats = np.concatenate([[0.0], np.cumsum(lengths)])
    starts_ms = np.concatenate([[0.0], np.cumsum(lengths * np.array(beat_ms))])
    notes: list[Note] = []
    for place, (section, after) in enumerate(pairwise(sections)):
        joined = strikes_of(section, after, longest)
        rows = joined.notes
        bars = BandBars(
            track=rows["track"].astype(np.int64),
            pitch=rows["pitch"].astype(np.int64),
            onset=rows["onset"] / STEPS_PER_BEAT,
            length=rows["length"] / STEPS_PER_BEAT,
            more=joined.more / STEPS_PER_BEAT,
            start_beat=float(starts_beats[place]),
            start_ms=float(starts_ms[place]),
            bar_beats=BAR_BEATS,
            beat_ms=beat_ms[place],
            next_beat_ms=beat_ms[min(place + 1, len(beat_ms) - 1)],
            weights=passages[place].weights,
        )
        notes.extend(player.play_band(bars))
    notes.sort(key=lambda note: (note.onset_ms, note.channel, note.pitch))
    return Score(
        passages=tuple(passages),
        starts_ms=starts_ms,
        starts_beats=starts_beats,
        notes=tuple(notes),
        channels=channels,
    )


def write_score(path: Path, score: Score, name: str) -> None:
    """Write a score to a file, whole or not at all; the same score gives the same bytes.

    Raises:
        RecordingError: The file cannot be written.
    """
    tracks = [_conductor(score, name)]
    tracks += [_part(score, track, label) for track, label in enumerate(TRACKS)]
    with atomic_file(path) as target:
        target.write(writer.midi_file(tracks, TICKS_PER_QUARTER))


def _conductor(score: Score, name: str) -> bytes:
    """Return a track of title, metre, tempos and marks."""
    head = [(0, writer.track_name(name)), (0, writer.time_signature(4, 4))]
    tempo = None
    for start, passage in zip(score.starts_beats.tolist(), score.passages, strict=False):
        tick = round(start * TICKS_PER_QUARTER)
        if passage.mark:
            head.append((tick, writer.marker(passage.mark)))
        if (microseconds := round(60e6 / passage.bpm)) != tempo:
            tempo = microseconds
            head.append((tick, writer.tempo(tempo)))
    return writer.track(head, _end(score))


def _part(score: Score, track: int, label: str) -> bytes:
    """Return one track: its programmes and notes; at one tick offs, then programmes, then ons."""
    channel = score.channels[track]
    events: list[tuple[int, int, bytes]] = []
    program = None
    for start, passage in zip(score.starts_beats.tolist(), score.passages, strict=False):
        if passage.programs[track] != program:
            program = passage.programs[track]
            change = program_change(channel, program)
            events.append((round(start * TICKS_PER_QUARTER), 1, change))
    mine = [note for note in score.notes if note.channel == channel]
    starts = score.ticks(np.array([note.onset_ms for note in mine], dtype=np.float64))
    ends = score.ticks(np.array([note.end_ms for note in mine], dtype=np.float64))
    for note, start, end in zip(mine, starts.tolist(), ends.tolist(), strict=True):
        events.append((start, 2, note_on(channel, note.pitch, note.velocity)))
        events.append((max(end, start + 1), 0, note_off(channel, note.pitch)))
    events.sort(key=lambda event: event[:2])
    timed = [(tick, message) for tick, _, message in events]
    return writer.track([(0, writer.track_name(label)), *timed], _end(score))


def _end(score: Score) -> int:
    """Return the tick at which the last bar ends."""
    return round(float(score.starts_beats[-1]) * TICKS_PER_QUARTER)

"""A MIDI file as a band: which of its notes are drums, bass, harmony and strings (paper 004).

In: a piece in quarter notes (:mod:`streamer.beatfile`). Out: states of a whole song, step after
step, with the programmes of its tracks. Training reads its corpus with this and the edge a song
that it plays on, so that a song means the same to both.

The conditions are the paper's (section 4.1): one time signature, 4/4; at least one track of drums
(MIDI channel 10), of bass (General MIDI programmes 33 to 40 as people count them) and of guitar or
piano (1 to 32); whatever else plays is the strings, which must be there as well.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bands import BAR_STEPS, STEPS_PER_BEAT, TRACKS, BandCodec, States, song_states
from streamer.beatfile import BeatPiece, read_beats
from streamer.errors import MidiFileError

logger = logging.getLogger(__name__)

BASS_PROGRAMS, HARMONY_PROGRAMS = range(32, 40), range(32)
"""General MIDI programmes that make a track bass, and guitar or piano; counted from 0."""

LEAST_BARS = 2

REMEDIES = {
    "no-drums": "put its drums on MIDI channel 10",
    "no-bass": "give one of its tracks a program in range 33..40 (General MIDI basses)",
    "no-harmony": "give one of its tracks a program in range 1..32 (pianos and guitars)",
    "no-strings": "give one of its tracks any other program, such as 49 (strings)",
    "metre": "choose a song in 4/4",
    "metre-changes": "choose a song in 4/4 throughout",
    "too-short": "choose a longer song",
}
"""What a person can do, by the reason of a :class:`NoBandError`."""


class NoBandError(MidiFileError):
    """A piece does not meet the conditions; the text says which, without the file's name."""


@dataclass(frozen=True)
class Take:
    """One combination of a piece's tracks.

    Attributes:
        states: ``(steps, 4)``, whole bars, from the bar in which the piece begins.
        programs: General MIDI programme of each track, 0..127.
    """

    states: States
    programs: tuple[int, ...]


@dataclass(frozen=True)
class BandPiece:
    """A piece that is a band.

    Attributes:
        takes: The fullest first; as many as were asked for.
        combinations: Of its bass and harmony tracks there are.
        first_bar: Bars of silence before it begins; they are left out.
        bpm: Quarter notes a minute, the mean over the piece.
    """

    takes: tuple[Take, ...]
    combinations: int
    first_bar: int
    bpm: float

    @property
    def states(self) -> States:
        """Those of the fullest combination."""
        return self.takes[0].states

    @property
    def programs(self) -> tuple[int, ...]:
        """Likewise."""
        return self.takes[0].programs

    @property
    def bars(self) -> int:
        """From the one in which the piece begins."""
        return len(self.states) // BAR_STEPS


def read_band(path: Path) -> BandPiece:
    """Read a file as a band, in the fullest combination of its tracks.

    Of a file that breaks off, what came before is read, and the log says so.

    Raises:
        MidiFileError: As :func:`streamer.beatfile.read_beats`; or it does not meet the conditions.
            Said with the file's name and what to do.
    """
    piece = read_beats(path)
    try:
        band = band_of(piece)
    except NoBandError as error:
        broken = f" (the file is broken: {piece.damage})" if piece.damage else ""
        raise MidiFileError(
            f"{path}: {error}{broken}; {REMEDIES[error.reason]}", error.reason
        ) from error
    if piece.damage:
        logger.warning("%s: %s; %d bars before it are read", path, piece.damage, band.bars)
    return band


def band_of(piece: BeatPiece, most: int = 1) -> BandPiece:
    """Return a piece as a band.

    Args:
        piece: Of any kind.
        most: Of a piece with several bass or harmony tracks the paper takes every combination; here
            at most so many, the fullest first.

    Raises:
        NoBandError: It does not meet the conditions; ``reason`` is ``metre``, ``metre-changes``,
            ``no-ROLE`` or ``too-short``.
    """
    metre = piece.metres[0]
    if len(piece.metres) > 1:
        raise NoBandError(f"{len(piece.metres)} time signatures; one is wanted", "metre-changes")
    if (metre.beats, metre.unit) != (4, 4):
        raise NoBandError(f"it is in {metre.beats}/{metre.unit}; 4/4 is wanted", "metre")
    groups = track_roles(piece)
    for role in TRACKS:
        if not groups[role]:
            raise NoBandError(f"no track plays {role}", f"no-{role}")
    ends = (piece.notes["onset"] + piece.notes["length"]) * STEPS_PER_BEAT
    bars = int(np.ceil(float(ends.max()) / BAR_STEPS))
    first = int(float(piece.notes["onset"].min()) * STEPS_PER_BEAT + 0.5) // BAR_STEPS
    if bars - first < LEAST_BARS:
        raise NoBandError(f"{bars - first} bars; at least {LEAST_BARS}", "too-short")
    codec = BandCodec(STEPS_PER_BEAT)
    choices = list(itertools.product(*(groups[role] for role in TRACKS)))
    choices.sort(key=lambda chosen: -sum(len(notes) for _, notes in chosen))
    takes = []
    for chosen in choices[:most]:
        rows = []
        for _, notes in chosen:
            onset, length = codec.grid(notes["onset"], notes["length"])
            rows.append((onset, length, notes["pitch"]))
        states = song_states(rows, bars * BAR_STEPS)[first * BAR_STEPS :]
        takes.append(Take(states, tuple(program for program, _ in chosen)))
    return BandPiece(tuple(takes), len(choices), first, mean_tempo(piece))


def track_roles(piece: BeatPiece) -> dict[str, list[tuple[int, NDArray[Any]]]]:
    """Return programme and notes of the tracks that could play each role, the fullest first.

    A track is what has one channel and programme. All drums are one, and whatever is neither drums,
    bass, guitar nor piano is one as well: the strings.
    """
    found: dict[str, list[tuple[int, NDArray[Any]]]] = {role: [] for role in TRACKS}
    notes = piece.notes
    drums = piece.drums
    bass = ~drums & np.isin(notes["program"], BASS_PROGRAMS)
    harmony = ~drums & np.isin(notes["program"], HARMONY_PROGRAMS)
    for role, mask in (("bass", bass), ("harmony", harmony)):
        for channel, program in sorted(
            {(int(n["channel"]), int(n["program"])) for n in notes[mask]}
        ):
            mine = mask & (notes["channel"] == channel) & (notes["program"] == program)
            found[role].append((program, notes[mine]))
        found[role].sort(key=lambda entry: -len(entry[1]))
    for role, mask in (("drums", drums), ("strings", ~drums & ~bass & ~harmony)):
        if mask.any():
            programs = Counter(notes["program"][mask].tolist())
            found[role].append((programs.most_common(1)[0][0], notes[mask]))
    return found


def mean_tempo(piece: BeatPiece) -> float:
    """Return quarter notes a minute over the whole song."""
    end = float((piece.notes["onset"] + piece.notes["length"]).max())
    onsets = [onset for onset, _ in piece.tempos if onset < end]
    bounds = np.diff([*onsets, end])
    minutes = sum(span / bpm for span, (_, bpm) in zip(bounds, piece.tempos, strict=False))
    return round(end / float(minutes), 3) if minutes > 0 else piece.tempos[0][1]

"""A MIDI file as a band: which of its notes are drums, bass, harmony and strings ([Valenti2020]).

In: a piece in quarter notes (:mod:`streamer.midi.beatfile`). Out: states of a whole song, step
after step, with the programmes of its tracks. Training reads its corpus with this and the edge a
song that it plays on, so that a song means the same to both.

The conditions are the paper's (section 4.1): one time signature, 4/4; at least one track of drums
(MIDI channel 10), of bass (General MIDI programmes 33 to 40 as people count them) and of guitar or
piano (1 to 32); whatever else plays is the strings, which must be there as well.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError
from streamer.families.bands.codec import (
    BAR_STEPS,
    STEPS_PER_BEAT,
    TRACKS,
    BandCodec,
    States,
    song_states,
)
from streamer.midi.beatfile import BeatPiece, Metre, read_beats

logger = logging.getLogger(__name__)

BASS_PROGRAMS, HARMONY_PROGRAMS = range(32, 40), range(32)
"""General MIDI programmes that make a track bass, and guitar or piano; counted from 0."""

LEAST_BARS = 2

_BAR = 4.0
"""Quarter notes of the bars that a band plays."""

_DUST = 1e-6
"""Quarter notes by which sums of floats may be off."""

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
        first_bar: Bars of the file before it begins; they are left out.
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

    A song that is in 4/4 but for a pickup bar, an ending or a bar in between is read where it is in
    4/4 longest, and the log says so; a corpus takes songs in 4/4 throughout
    ([Valenti2020], section 4.1).

    Raises:
        MidiFileError: As :func:`streamer.midi.beatfile.read_beats`; or it does not meet the
            conditions. Said with the file's name and what to do.
    """
    piece, bars_before = _common_time(read_beats(path))
    try:
        band = band_of(piece)
    except NoBandError as error:
        raise MidiFileError(f"{path}: {error}; {REMEDIES[error.reason]}", error.reason) from error
    if bars_before is None:
        return band
    first = bars_before + band.first_bar
    logger.warning(
        "%s: only bars %d to %d are read, where it is in 4/4", path, first + 1, first + band.bars
    )
    return replace(band, first_bar=first)


def band_of(piece: BeatPiece, most: int = 1) -> BandPiece:
    """Return a piece as a band.

    Args:
        piece: Of any kind.
        most: Of a piece with several bass or harmony tracks the paper takes every combination; here
            at most this many, the fullest first.

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


def _common_time(piece: BeatPiece) -> tuple[BeatPiece, int | None]:
    """Return the longest passage of a piece in bars of four quarters, and how many lie before it.

    2/2 is heard as 4/4. A piece that is so from end to end is returned with None, and as it is
    where it is nowhere so for :data:`LEAST_BARS`.
    """
    onset = piece.notes["onset"]
    ends = onset + piece.notes["length"]
    spans = _spans(piece, float(ends.max()))
    common = [n for n, span in enumerate(spans) if span.bar == _BAR and span.bars >= LEAST_BARS]
    if not common:
        return piece, None
    chosen = max(common, key=lambda number: spans[number].bars)
    start, end = spans[chosen].start, spans[chosen].end
    inside = (onset >= start - _DUST) & (onset < end - _DUST)
    if not inside.any():
        return piece, None
    notes = piece.notes[inside]
    notes["length"] = np.minimum(ends[inside], end) - onset[inside]
    notes["onset"] = np.maximum(onset[inside] - start, 0.0)
    before = [bpm for at, bpm in piece.tempos if at <= start + _DUST]
    later = [(at - start, bpm) for at, bpm in piece.tempos if start + _DUST < at < end]
    passage = replace(
        piece,
        notes=notes,
        metres=(Metre(0.0, 4, 4),),
        tempos=((0.0, before[-1]), *later),
        drums=piece.drums[inside],
        addresses=piece.addresses[inside],
    )
    if len(spans) == 1:
        return passage, None
    return passage, sum(math.ceil(span.bars - _DUST) for span in spans[:chosen])


class _Span(NamedTuple):
    """A passage whose bars are equally long, in quarter notes."""

    start: float
    end: float
    bar: float

    @property
    def bars(self) -> float:
        return (self.end - self.start) / self.bar


def _spans(piece: BeatPiece, end: float) -> list[_Span]:
    """Return the passages of a piece that ends at ``end``."""
    spans: list[_Span] = []
    stops = [*(metre.onset for metre in piece.metres[1:]), end]
    for metre, stop in zip(piece.metres, stops, strict=True):
        stop = min(stop, end)
        if spans and spans[-1].bar == metre.bar:
            spans[-1] = spans[-1]._replace(end=stop)
        elif metre.onset < end:
            spans.append(_Span(metre.onset, stop, metre.bar))
    return spans


def track_roles(piece: BeatPiece) -> dict[str, list[tuple[int, NDArray[Any]]]]:
    """Return programme and notes of the tracks that could play each role, the fullest first.

    A track is what has one port, channel and programme. All drums are one, and whatever is neither
    drums, bass, guitar nor piano is one as well: the strings.
    """
    roles: dict[str, list[tuple[int, NDArray[Any]]]] = {role: [] for role in TRACKS}
    notes = piece.notes
    drums, addresses = piece.drums, piece.addresses
    bass = ~drums & np.isin(notes["program"], BASS_PROGRAMS)
    harmony = ~drums & np.isin(notes["program"], HARMONY_PROGRAMS)
    for role, mask in (("bass", bass), ("harmony", harmony)):
        sounds = zip(addresses[mask].tolist(), notes["program"][mask].tolist(), strict=True)
        for address, program in sorted(set(sounds)):
            mine = mask & (addresses == address) & (notes["program"] == program)
            roles[role].append((program, notes[mine]))
        roles[role].sort(key=lambda entry: -len(entry[1]))
    for role, mask in (("drums", drums), ("strings", ~drums & ~bass & ~harmony)):
        if mask.any():
            programs = Counter(notes["program"][mask].tolist())
            roles[role].append((programs.most_common(1)[0][0], notes[mask]))
    return roles


def mean_tempo(piece: BeatPiece) -> float:
    """Return quarter notes a minute over the whole song."""
    end = float((piece.notes["onset"] + piece.notes["length"]).max())
    onsets = [onset for onset, _ in piece.tempos if onset < end]
    bounds = np.diff([*onsets, end])
    minutes = sum(span / bpm for span, (_, bpm) in zip(bounds, piece.tempos, strict=False))
    return round(end / float(minutes), 3) if minutes > 0 else piece.tempos[0][1]

"""How bands strike: :mod:`streamer.families.bands.touch`, from corpora with played velocities.

``python -m training.studies.bands.band_touch CORPUS ... -o DIR`` writes ``band_touch.json``: for
each track of a band, over the channels of 4/4 songs whose velocities were a player's (a spread of
five steps, changing with at least two notes of five), the velocity about the channel's mean by the
place in the bar, for drums by the instrument too, what that leaves, and how much of it goes on from
note to note; and, over those that half lie off the grid of sixteenths, by how many ms.

It also counts, over lines between two bars at which a track has one pitch before and after, how
often that is one note, and how often the rule of the stream says so.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError, MidiFileError
from streamer.expression.expression import metre_classes
from streamer.expression.tables import METRES
from streamer.families.bands.codec import DRUMS, HOLD, PITCHES, TRACKS, sounding_pitches
from streamer.families.bands.section import is_held
from streamer.families.bands.touch import INSTRUMENTS, instrument_of
from streamer.midi.beatfile import BeatPiece, parse_beats
from streamer.midi.ticks import DEFAULT_LIMITS
from training.corpora.sources import find_jobs
from training.families.bands.bandset import BAR_STEPS, STEPS_PER_BEAT, BandSet
from training.families.bands.reader import track_roles

LEAST_TOUCHED = 48
LEAST_SPREAD, LEAST_CHANGES = 5.0, 0.4
ON_GRID_BEATS = 1 / 96
MOST_LATE_BEATS = 0.1


def band_touch(sources: Sequence[Path]) -> dict[str, Any]:
    """Measure; see the module's text.

    Raises:
        DataError: No channel of any file has played velocities.
    """
    rows: dict[str, list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]] = defaultdict(list)
    late: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for piece in _pieces(sources):
        bpm = piece.tempos[0][1]
        for role, groups in track_roles(piece).items():
            for _, notes in groups:
                _take(role, notes, bpm, rows, late)
    if not rows:
        raise DataError("no channel with played velocities in any of the files")
    return {
        "tracks": {role: _touch(role, rows[role]) for role in TRACKS if rows[role]},
        "late_ms": {role: _late(late[role]) for role in TRACKS if late[role]},
    }


def _pieces(sources: Sequence[Path]) -> Iterator[BeatPiece]:
    for source in sources:
        for job in find_jobs(source, DEFAULT_LIMITS.file_bytes, {}):
            try:
                data = job.data if job.data is not None else job.path.read_bytes()  # type: ignore[union-attr]  # one of the two is there
                piece = parse_beats(data, job.file)
            except (MidiFileError, OSError):
                continue
            metres = [(metre.beats, metre.unit) for metre in piece.metres]
            if metres == [(4, 4)] and len(piece.notes):
                yield piece


def _take(
    role: str,
    notes: NDArray[Any],
    bpm: float,
    rows: dict[str, list[Any]],
    late: dict[str, list[NDArray[np.float64]]],
) -> None:
    notes = notes[np.argsort(notes["onset"], kind="stable")]
    if len(notes) < LEAST_TOUCHED:
        return
    velocity = notes["velocity"].astype(np.float64)
    onset = notes["onset"]
    step = np.rint(onset * STEPS_PER_BEAT) / STEPS_PER_BEAT
    if velocity.std() >= LEAST_SPREAD and (np.diff(velocity) != 0).mean() >= LEAST_CHANGES:
        rows[role].append((notes["pitch"].astype(np.int64), step, velocity))
    away = onset - step
    if (np.abs(away) > ON_GRID_BEATS).mean() >= 0.5:
        near = away[np.abs(away) < MOST_LATE_BEATS]
        late[role].append(near * 60_000.0 / bpm)


def _touch(role: str, found: list[Any]) -> dict[str, Any]:
    """Return effects and drift of one track."""
    drums = role == TRACKS[DRUMS]
    sums: dict[tuple[int, int], list[NDArray[np.float64]]] = defaultdict(list)
    centred, levels = [], []
    for pitch, step, velocity in found:
        kinds = np.array([instrument_of(p) for p in pitch.tolist()]) if drums else pitch * 0
        classes = metre_classes(step, 4.0)
        away = velocity - velocity.mean()
        levels.append(float(velocity.mean()))
        centred.append((kinds, classes, away))
        for kind, metre in {*zip(kinds.tolist(), classes.tolist(), strict=True)}:
            sums[kind, metre].append(away[(kinds == kind) & (classes == metre)])
    effects = {key: float(np.concatenate(values).mean()) for key, values in sums.items()}
    left = [
        away - np.array([effects[k, m] for k, m in zip(kinds, classes, strict=True)])
        for kinds, classes, away in centred
    ]
    every = np.concatenate(left)
    before = np.concatenate([one[:-1] for one in left])
    after = np.concatenate([one[1:] for one in left])
    names = INSTRUMENTS if drums else (role,)
    return {
        "channels": len(found),
        "notes": len(every),
        "level": round(float(np.median(levels)), 1),
        "sd": round(float(every.std()), 2),
        "rho": round(float((before * after).mean() / (every**2).mean()), 3),
        "explained": round(1 - float((every**2).mean() / _square(centred)), 3),
        "effects": {
            name: [round(effects.get((kind, metre), 0.0), 1) for metre in range(len(METRES))]
            for kind, name in enumerate(names)
        },
        "counts": {
            name: [sum(map(len, sums.get((kind, metre), []))) for metre in range(len(METRES))]
            for kind, name in enumerate(names)
        },
    }


def _square(centred: list[Any]) -> float:
    return float(np.mean(np.concatenate([away for _, _, away in centred]) ** 2))


def _late(found: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Return how far notes come off the grid, beyond what a channel does as a whole."""
    spread = [float(one.std()) for one in found if len(one)]
    middle = [float(np.median(one)) for one in found if len(one)]
    return {
        "channels": len(found),
        "sd_ms": round(float(np.median(spread)), 1),
        "median_ms": round(float(np.median(middle)), 1),
    }


def held_lines(bands: BandSet, bars: int = 2) -> dict[str, Any]:
    """Count one pitch on both sides of lines between sections: one note or two, and by the rule."""
    found: dict[str, list[tuple[bool, bool]]] = {track: [] for track in TRACKS}
    for index in bands.indices("train"):
        if bands.pieces[index].take:
            continue
        states = bands.song(index)
        keys = sounding_pitches(states)
        steps = bars * BAR_STEPS
        for track, name in enumerate(TRACKS):
            begun = np.flatnonzero(states[:, track] != HOLD)
            for line in range(steps, len(states) - steps, steps):
                pitch, state = keys[line - 1, track], states[line, track]
                if pitch >= PITCHES or state not in (HOLD, pitch):
                    continue
                last = int(begun[np.searchsorted(begun, line - 1, side="right") - 1])
                later = begun[begun > line]
                left = int(later[0]) - line if len(later) else steps
                said = is_held(track, min(line - last, steps), min(left, steps))
                found[name].append((bool(state == HOLD), said))
    return {
        name: {
            "lines": len(rows),
            "held": round(float(np.mean([held for held, _ in rows])), 3),
            "rule_right": round(float(np.mean([held == said for held, said in rows])), 3),
        }
        for name, rows in found.items()
        if rows
    }


def main(words: Sequence[str] | None = None) -> None:
    """Write ``band_touch.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--tensors", type=Path, help="a band file, for the lines")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args(words)
    told = band_touch(args.sources)
    if args.tensors is not None:
        told["lines"] = held_lines(BandSet.load(args.tensors))
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "band_touch.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

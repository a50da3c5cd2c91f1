"""A day of tunes: does any come twice, does the stream repeat itself, does it copy its corpus?

In: an exported bundle, played through the streamer as fast as it goes, and its tune file. Out: one
JSON and one picture, written anew after each hour, so that a kill leaves what was measured. Figures
are runs of eight notes with their lengths, the same in every key.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bench.process import resident_bytes
from streamer.families.tunes.codec import END, UNIT_PARTS, TuneArray
from streamer.families.tunes.fingerprint import run_hashes
from streamer.families.tunes.generator import TuneGenerator
from streamer.measures.repetition import (
    FIGURE_NOTES,
    FIGURE_WINDOW_S,
    loop_period,
    previous_equal,
)
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray, to_array
from streamer.pipeline import Source
from training.corpora.splits import HELD_OUT, SPLITS
from training.evaluation.drift import FIGURES, stretch_figures
from training.evaluation.plagiarism import CorpusIndex
from training.families.tunes.tuneset import TuneSet
from training.studies.plots import save, subplots
from training.studies.tunes.vrash_manner import Pace, corpus_paces, pace_rows
from training.studies.tunes.vrash_stream import TuneStage

HOUR_MS = 3_600_000.0
OPENING_NOTES = 16
WINDOW_NOTES = 64
"""Notes of an excerpt whose longest run in common with the corpus is taken: the longest run grows
with length, and the tunes of the stream are shorter than those of the corpus."""

DAY_LEVELS = (0.5, 0.9, 0.99, 1.0)
HOURLY = tuple(name for name in FIGURES if name not in ("polyphony_mean", "pedal_share"))


@dataclass(frozen=True)
class Played:
    """A tune as it was played.

    Attributes:
        style: As the stream names it.
        notes: As the model wrote them.
        onset_ms: Of each note.
        end_ms: When the last note ends.
        bar_ms: Length of a bar.
        beat_ms: Length of a quarter.
        figures: :data:`FIGURES` of what sounded.
    """

    style: str
    notes: TuneArray
    onset_ms: NDArray[np.float64]
    end_ms: float
    bar_ms: float
    beat_ms: float
    figures: NDArray[np.float64]


@dataclass
class _Day:
    """What was measured so far.

    Attributes:
        tunes: Those that ended.
        figures: One row an hour: the mean over its tunes of :data:`FIGURES`.
        resident_mb: Memory of this process after each hour.
    """

    tunes: list[Played] = field(default_factory=list)
    figures: list[NDArray[np.float64]] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)


def endless(stage: TuneStage, folder: Path) -> dict[str, Any]:
    """6. A day: repetition, copying, pauses, lengths, styles, and each hour's own figures."""
    source = stage.source()
    corpus = _Corpus.measure(stage.tunes)
    day, rows = _Day(), {}
    tunes = _Tunes(source)
    while len(day.figures) < math.ceil(stage.hours):
        until, done = min(stage.hours, len(day.figures) + 1) * HOUR_MS, len(day.tunes)
        while tunes.end_ms < until or len(day.tunes) == done:
            tunes.take(day.tunes)
        # Tune by tune, as the corpus is measured track by track: an hour moves through many keys.
        day.figures.append(np.nanmean([tune.figures for tune in day.tunes[done:]], axis=0))
        day.resident_mb.append(resident_bytes() / 1e6)
        rows = _write(day, corpus, source, folder)
    return rows


class _Tunes:
    """Cuts the stream into tunes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._notes: list[TuneArray] = []
        self._onsets: list[float] = []
        self._heard: list[Note] = []
        self.end_ms = 0.0

    def take(self, done: list[Played]) -> None:
        """Play a phrase; a tune that ends with it is put behind those that are done."""
        generator = self._source.generator
        if not isinstance(generator, TuneGenerator):
            raise TypeError(f"only tunes are cut, not what a {type(generator).__name__} writes")
        phrase = self._source.next_phrase()
        notes: TuneArray = generator.last_tune
        self.end_ms = phrase.end_ms
        self._notes.append(notes)
        # A bass sounds too where it is wanted: the line's own notes are spread over the phrase.
        onsets = [note.onset_ms for note in phrase.notes]
        if len(onsets) != len(notes):
            onsets = np.linspace(phrase.start_ms, phrase.end_ms, len(notes), False).tolist()
        self._onsets += onsets
        self._heard += phrase.notes
        if notes["length"][-1] == END:
            told = generator.stats.playing
            playing = told.data if told is not None else {}
            done.append(
                Played(
                    playing["style"],
                    np.concatenate(self._notes),
                    np.asarray(self._onsets),
                    max(note.end_ms for note in phrase.notes),
                    playing["bar_beats"] * generator.beat_ms,
                    generator.beat_ms,
                    _figures(to_array(self._heard)),
                )
            )
            self._notes, self._onsets, self._heard = [], [], []


@dataclass(frozen=True)
class _Corpus:
    """The corpus as the day is compared with it.

    Attributes:
        returned: Share of figures that came within five minutes before, by style.
        spread: 5th and 95th percentile of each of :data:`HOURLY` over tracks.
        notes: Quantiles of the notes of a track, by style.
        paces: How fast its tracks go, and in which bars.
        index: Its training tracks.
        longest: Longest runs of the held-out excerpts in common with them.
    """

    returned: dict[str, float]
    spread: dict[str, tuple[float, float]]
    notes: dict[str, list[float]]
    paces: list[Pace]
    index: CorpusIndex
    longest: NDArray[np.int64]

    @classmethod
    def measure(cls, tunes: TuneSet) -> _Corpus:
        """Measure the tune file: all of it for repetition, held-out tracks for copying."""
        returned, sizes, rows = {}, {}, []
        for style in tunes.styles:
            own = [i for split in SPLITS for i in tunes.indices(split, style)]
            flags = []
            for i in own:
                played = as_played(tunes, i)
                flags.append(returned_flags([tunes.tune(i)], [played["onset_ms"]])[0])
                rows.append(_figures(played))
            returned[style] = _share(flags)
            sizes[style] = np.quantile(np.diff(tunes.offsets)[own], (0.05, 0.5, 0.95)).tolist()
        columns = dict(zip(FIGURES, np.stack(rows).T, strict=True))
        spread = {
            name: tuple(np.nanquantile(columns[name], (0.05, 0.95)).tolist())
            for name in HOURLY
            if np.isfinite(columns[name]).any()
        }
        index = CorpusIndex([tunes.tune(i) for i in tunes.indices("train")], code=note_symbols)
        held = [tunes.tune(i) for split in HELD_OUT for i in tunes.indices(split)]
        longest = _longest(index, held)
        return cls(returned, spread, sizes, corpus_paces(tunes), index, longest)


def _figures(notes: NoteArray) -> NDArray[np.float64]:
    """Return the figures of one tune; of one that was not played by a person no dynamics."""
    seconds = max(float(np.ptp(notes["onset_ms"])), 1.0) / 1000.0
    found = stretch_figures(notes, seconds)
    if not np.ptp(notes["velocity"]):
        found[[FIGURES.index(name) for name in ("velocity_mean", "velocity_sd")]] = np.nan
    return found


def as_played(tunes: TuneSet, index: int) -> NoteArray:
    """Return a track as notes at its own tempo; the closing note has a unit."""
    rows, info = tunes.rows(index), tunes.tracks[index]
    unit_ms = info.unit_beats * 60_000.0 / info.bpm
    lengths = np.where(rows["length"] == END, UNIT_PARTS, rows["length"]) * unit_ms / UNIT_PARTS
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    notes["onset_ms"] = np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    notes["duration_ms"] = np.maximum(lengths * rows["articulation"], 1.0)
    notes["pitch"], notes["velocity"] = rows["pitch"], rows["velocity"]
    return notes


def note_symbols(tune: TuneArray) -> NDArray[np.int64]:
    """Return one symbol for each note but the first: the interval to it, and the length before."""
    interval = np.diff(tune["pitch"].astype(np.int64)) + 128
    length = np.minimum(tune["length"][:-1].astype(np.int64), 511)
    return np.asarray(interval * 512 + length)


def returned_flags(
    tunes: Sequence[TuneArray], onsets_ms: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.bool_]]:
    """Tell for each figure of each tune whether it came within five minutes before.

    Args:
        tunes: In the order in which they are heard.
        onsets_ms: Of their notes, on one clock.

    Returns:
        For each tune ``(len(tune) - 7,)``: heard in an earlier tune, or in the same one without
        overlap.
    """
    hashes = [run_hashes(tune, FIGURE_NOTES) for tune in tunes]
    kinds = np.unique(np.concatenate(hashes), return_inverse=True)[1] if hashes else np.zeros(0)
    at = np.concatenate([np.zeros(0), *onsets_ms])
    # No figure begins with a tune's last seven notes: symbols that never come again.
    codes = len(kinds) + np.arange(len(at))
    starts, before = np.cumsum([0, *(len(onset) for onset in onsets_ms)]).tolist(), 0
    for start, own in zip(starts, hashes, strict=False):
        codes[start : start + len(own)] = kinds[before : before + len(own)]
        before += len(own)
    place = previous_equal(codes, FIGURE_NOTES)
    flags = (place >= 0) & (at - at[np.maximum(place, 0)] <= FIGURE_WINDOW_S * 1000.0)
    return [flags[a : a + len(own)] for a, own in zip(starts, hashes, strict=False)]


def _share(flags: Sequence[NDArray[np.bool_]]) -> float:
    joined = np.concatenate(flags) if flags else np.zeros(0)
    return float(joined.mean()) if len(joined) else float("nan")


def _longest(index: CorpusIndex, tunes: Sequence[TuneArray]) -> NDArray[np.int64]:
    """Return the longest run of each excerpt that the corpus has too, notes."""
    parts = [
        tune[start : start + WINDOW_NOTES]
        for tune in tunes
        for start in range(0, len(tune) - WINDOW_NOTES + 1, WINDOW_NOTES)
    ]
    return np.asarray([copy.notes for copy in index.longest_copies(parts)], dtype=np.int64)


def _write(day: _Day, corpus: _Corpus, source: Source, folder: Path) -> dict[str, Any]:
    figures = np.stack(day.figures)
    made = {name: figures[:, FIGURES.index(name)] for name in HOURLY}
    stats = source.generator.stats
    pauses = np.array([
        (b.onset_ms[0] - a.end_ms) for a, b in zip(day.tunes, day.tunes[1:], strict=False)
    ])  # fmt: skip
    rows: dict[str, Any] = {
        "hours": len(figures), "tunes": len(day.tunes),
        "notes": int(sum(len(t.notes) for t in day.tunes)),
        **_twice(day.tunes), **_repeats(day.tunes, corpus), **_copies(day.tunes, corpus),
        "pause_s": _quantiles(pauses / 1000.0),
        "pause_bars": _quantiles(pauses / np.array([t.bar_ms for t in day.tunes[:-1]])),
        "tune_notes": _quantiles(np.array([len(t.notes) for t in day.tunes])),
        "tune_s": _quantiles(
            np.array([(t.end_ms - t.onset_ms[0]) / 1000.0 for t in day.tunes])
        ),
        "corpus_notes_5_50_95_percent": corpus.notes,
        "pace": pace_rows([_pace(t) for t in day.tunes], corpus.paces),
        "tunes_by_style": dict(sorted(Counter(t.style for t in day.tunes).items())),
        "corpus_spread_5_to_95_percent": corpus.spread,
        "share_of_hours_inside": {
            name: float(((made[name] >= low) & (made[name] <= high)).mean())
            for name, (low, high) in corpus.spread.items()
        },
        "by_hour": {name: values.round(4).tolist() for name, values in made.items()},
        "resident_mb_by_hour": day.resident_mb, "stream": stats.to_dict(),
    }  # fmt: skip
    figure, axes = subplots(3, 3, width=3.4)
    for i, (name, band) in enumerate(corpus.spread.items()):
        axes[i // 3][i % 3].plot(made[name], ".-")
        axes[i // 3][i % 3].axhspan(*band, alpha=0.15)
        axes[i // 3][i % 3].set_title(f"{name} by hour", fontsize=7)
    axes[2][1].plot(day.resident_mb, ".-")
    axes[2][1].set_title("resident MB by hour", fontsize=7)
    _draw_longest(axes[2][2], _longest(corpus.index, [t.notes for t in day.tunes]), corpus.longest)
    return save(folder, "endless", rows, figure)


def _pace(tune: Played) -> Pace:
    quarters = max(float(tune.onset_ms[-1] - tune.onset_ms[0]) / tune.beat_ms, 1e-3)
    bpm, bar_beats = 60_000.0 / tune.beat_ms, round(tune.bar_ms / tune.beat_ms, 3)
    return Pace(tune.style, (len(tune.notes) - 1) / quarters, bpm, bar_beats)


def _twice(tunes: Sequence[Played]) -> dict[str, Any]:
    """Count tunes and openings that came before, in any key; and look for a loop."""
    whole = Counter(note_symbols(t.notes).tobytes() for t in tunes)
    openings = Counter(
        note_symbols(t.notes[:OPENING_NOTES]).tobytes()
        for t in tunes
        if len(t.notes) >= OPENING_NOTES
    )
    pitches = np.concatenate([t.notes["pitch"] for t in tunes])[-20_000:]
    return {
        "tunes_twice": len(tunes) - len(whole),
        "openings_twice": openings.total() - len(openings),
        "loop_period_notes": int(loop_period(pitches)),
    }


def _repeats(tunes: Sequence[Played], corpus: _Corpus) -> dict[str, Any]:
    """Compare the share of figures that return in five minutes with the corpus's own.

    The corpus's figures are weighted by the styles as they are played.
    """
    flags = returned_flags([t.notes for t in tunes], [t.onset_ms for t in tunes])
    by_style: dict[str, list[NDArray[np.bool_]]] = {}
    for tune, own in zip(tunes, flags, strict=True):
        by_style.setdefault(tune.style, []).append(own)
    known = {style: own for style, own in by_style.items() if style in corpus.returned}
    sizes = {style: sum(map(len, own)) for style, own in known.items()}
    real = sum(corpus.returned[s] * n for s, n in sizes.items()) / max(sum(sizes.values()), 1)
    share = _share(flags)
    return {
        "returned_in_5_minutes": {
            "stream": share, "corpus_by_the_same_styles": real,
            "stream_by_style": {style: _share(own) for style, own in sorted(by_style.items())},
            "corpus_by_style": corpus.returned,
            "no_higher": bool(share <= real),
        }
    }  # fmt: skip


def _copies(tunes: Sequence[Played], corpus: _Corpus) -> dict[str, Any]:
    """Compare the longest runs in common with the training tracks: the stream's, held-out ones'."""
    own = _longest(corpus.index, [t.notes for t in tunes])
    whole = corpus.index.longest_copies([t.notes for t in tunes])
    return {
        "longest_run_in_common": {
            "excerpt_notes": WINDOW_NOTES,
            "stream": {**_quantiles(own), "excerpts": len(own)},
            "held_out": {**_quantiles(corpus.longest), "excerpts": len(corpus.longest)},
            "longest_of_a_tune": max((copy.notes for copy in whole), default=0),
            "no_longer": bool(
                len(own) and len(corpus.longest) and own.max() <= corpus.longest.max()
            ),
        }
    }


def _quantiles(values: NDArray[Any]) -> dict[str, float]:
    if len(values) == 0:
        return {}
    found = {f"{level:g}": float(np.quantile(values, level)) for level in DAY_LEVELS}
    return {"0": float(np.min(values)), **found, "mean": float(np.mean(values))}


def _draw_longest(axis: Any, own: NDArray[np.int64], held: NDArray[np.int64]) -> None:
    for name, values in (("stream", own), ("held out", held)):
        if len(values):
            # How many excerpts have a run of at least this many notes.
            axis.step(np.sort(values), 1.0 - np.arange(len(values)) / len(values), label=name)
    axis.set_yscale("log")
    axis.set_title("share of excerpts with so long a run of the corpus", fontsize=7)
    axis.legend(fontsize=6)

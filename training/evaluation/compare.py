"""Sets of music against a reference: everything the report holds, as plain data.

Measured sets come in; one dictionary a set goes out, ready for JSON: figures with intervals,
signature distances, distribution distances, two-sample tests, mutual information, information rate,
plagiarism and drift. A measure that a set is too small for is a line that says so, and the others
go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.measures.signature import SignatureReference
from training.evaluation import MEASURES, bootstrap
from training.evaluation.distributions import ASPECTS, distance_interval, total
from training.evaluation.drift import corpus_stretches, measure_drift
from training.evaluation.embedding import Encoder, distances
from training.evaluation.musicset import MusicSet
from training.evaluation.mutual_information import information_curve
from training.evaluation.plagiarism import CorpusIndex, pitch_symbols
from training.evaluation.signature import fit_reference
from training.evaluation.tells import cut_windows, tell_apart
from training.evaluation.two_sample import two_sample_test

CURVES_SHOWN = 3
"""Pieces of each set whose information rate is kept in full, for the plots."""

WORST_SHOWN = 5
Section = dict[str, Any]


@dataclass
class Reference:
    """What sets are compared with.

    Attributes:
        real: Real music.
        signature: Fitted on it; None when there is too little, and ``problem`` says so.
        stretches: Figures of its minutes, for drift.
        index: The training corpus, to find copies of; None when none was given.
        train_files: What the pieces of the index are called.
        problem: Why there is no signature reference.
        encoder: Makes vectors of excerpts; None: no distances of embeddings.
    """

    real: MusicSet
    signature: SignatureReference | None
    stretches: NDArray[np.float64]
    index: tuple[CorpusIndex, CorpusIndex] | None = None
    train_files: list[str] = field(default_factory=list)
    problem: str = ""
    encoder: Encoder | None = None

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """Of the excerpts of real music, in the encoder's space."""
        if self.encoder is None:
            raise DataError("no encoder; give one with --encoder")
        return self.encoder.of_pieces(self.real.pieces)


def make_reference(
    real: MusicSet, train: MusicSet | None, encoder: Encoder | None = None
) -> Reference:
    """Fit what sets are compared with on measured real music.

    Args:
        real: Measured.
        train: The training corpus, to find copies of; need not be measured.
        encoder: Its space is what distances of embeddings are taken in; None: none are.
    """
    vectors, groups = _signatures(real)
    signature, problem = None, ""
    try:
        signature = fit_reference(vectors, groups)
    except DataError as error:
        problem = str(error)
    index = None
    if train is not None:
        index = (CorpusIndex(train.pieces), CorpusIndex(train.pieces, transposed=True))
    files = train.files if train else []
    return Reference(real, signature, corpus_stretches(real.pieces), index, files, problem, encoder)


def _signatures(own: MusicSet) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    vectors = [m.signatures for m in own.measures if len(m.signatures)]
    works = [w for m, w in zip(own.measures, own.works, strict=True) for _ in m.signatures]
    return (np.concatenate(vectors) if vectors else np.zeros((0, 15))), np.asarray(works)


def compare(
    own: MusicSet,
    reference: Reference,
    rng: np.random.Generator,
    measures: Sequence[str] = MEASURES,
    window_notes: Sequence[int] = (),
) -> Section:
    """Return all measures of a set.

    Args:
        own: Measured.
        reference: See :func:`make_reference`. Where the set is real music itself, it should be
            other works.
        rng: Resamples, folds and shuffles.
        measures: Those of :data:`MEASURES` that are wanted; plagiarism needs an index too.
        window_notes: Notes of the windows of :mod:`training.evaluation.tells`; none: no test.
    """
    sections: dict[str, Callable[[], Section]] = {
        "figures": lambda: _figures(own, rng),
        "signature": lambda: _signature(own, reference, rng),
        "distributions": lambda: _distributions(own, reference.real, rng),
        "two_sample": lambda: _two_sample(own, reference.real, rng),
        "mutual_information": lambda: _mutual_information(own, rng),
        "information_rate": lambda: _information_rate(own),
        "drift": lambda: _drift(own, reference, rng),
    }
    if reference.encoder is not None:
        encoder = reference.encoder
        sections["embedding"] = lambda: distances(encoder.of_pieces(own.pieces), reference.vectors)
    if window_notes:
        sections["windows"] = lambda: _windows(own, reference.real, window_notes, rng)
    if reference.index is not None:
        indices = reference.index
        sections["plagiarism"] = lambda: _plagiarism(own, indices, reference.train_files, rng)
    report: Section = {
        "kind": own.kind,
        "pieces": len(own.pieces),
        "works": len({*own.works}),
        "notes": sum(m.notes for m in own.measures),
        "minutes": sum(m.seconds for m in own.measures) / 60.0,
        "skipped": [vars(s) for s in own.skipped],
        "remarks": [vars(s) for s in own.remarks],
    }
    for name, make in sections.items():
        if name not in measures:
            continue
        try:
            report[name] = make() if own.pieces else {"problem": "no piece of this set is usable"}
        except DataError as error:
            report[name] = {"problem": str(error)}
    return report


def _figures(own: MusicSet, rng: np.random.Generator) -> Section:
    names = own.measures[0].figures
    return {
        name: bootstrap.interval([m.figures[name] for m in own.measures], rng).to_dict()
        for name in names
    }


def _signature(own: MusicSet, reference: Reference, rng: np.random.Generator) -> Section:
    """Distances of 300-step samples: a piece's mean is one value, so that pieces weigh equally."""
    if reference.signature is None:
        raise DataError(reference.problem)
    each = [reference.signature.distance(m.signatures) for m in own.measures if len(m.signatures)]
    if not each:
        raise DataError("no piece is as long as one sample of 18.75 s; give longer ones")
    distances = np.concatenate(each)
    category = np.searchsorted(np.asarray(reference.signature.quantiles), distances, side="left")
    shares = np.bincount(category, minlength=4) / len(distances)
    return {
        "mean": bootstrap.interval([float(d.mean()) for d in each], rng).to_dict(),
        "median": bootstrap.interval(
            [float(np.median(d)) for d in each], rng, bootstrap.median
        ).to_dict(),
        "quartiles": np.quantile(distances, (0.25, 0.5, 0.75)).tolist(),
        "sd": float(distances.std()),
        "categories": shares.tolist(),
        "samples": len(distances),
        "distances": np.sort(distances)[:: max(len(distances) // 500, 1)].tolist(),
    }


def _distributions(own: MusicSet, real: MusicSet, rng: np.random.Generator) -> Section:
    counts = total([m.counts for m in own.measures])
    return {
        name: {
            "distance": distance_interval(
                [m.counts[name] for m in own.measures], [m.counts[name] for m in real.measures], rng
            ).to_dict(),
            "counts": counts[name].tolist(),
        }
        for name in ASPECTS
    }


def _windows(
    own: MusicSet, real: MusicSet, window_notes: Sequence[int], rng: np.random.Generator
) -> Section:
    seed = int(rng.integers(2**31))
    return {
        str(notes): tell_apart(
            cut_windows(own.pieces, own.works, notes, rng),
            cut_windows(real.pieces, real.works, notes, rng),
            seed,
        )
        for notes in window_notes
    }


def _two_sample(own: MusicSet, real: MusicSet, rng: np.random.Generator) -> Section:
    found = two_sample_test(own.described, real.described, rng)
    return {name: value.to_dict() for name, value in found.items()}


def _mutual_information(own: MusicSet, rng: np.random.Generator) -> Section:
    pitches = [pitch_symbols(p) for p in own.pieces]
    curves = {
        "pitch_class": information_curve([p % 12 for p in pitches], 12, rng),
        "pitch": information_curve(pitches, 128, rng),
    }
    if not curves["pitch"].distances:
        raise DataError("fewer than 10,000 pairs of notes; give more files or longer ones")
    return {
        name: c.to_dict() | {"mean_16_to_64": c.mean_between(16, 64)} for name, c in curves.items()
    }


def _information_rate(own: MusicSet) -> Section:
    rated = [(m.rate, f) for m, f in zip(own.measures, own.files, strict=True) if m.rate]
    if not rated:
        raise DataError("no piece lasts the 128 s that the information rate is measured over")
    return {
        "pieces": len(rated),
        "interior_peaks": float(np.mean([r.interior for r, _ in rated])),
        "motifs": float(np.mean([len(r.motifs) for r, _ in rated])),
        "longest_motif": float(np.mean([r.motifs[0].length if r.motifs else 0 for r, _ in rated])),
        "curves": [
            {
                "file": file,
                "thresholds": rate.thresholds.tolist(),
                "rates": rate.rates.tolist(),
                "best": rate.best,
                "over_time": rate.over_time.tolist(),
                "motifs": [m.spans for m in rate.motifs[:8]],
            }
            for rate, file in rated[:CURVES_SHOWN]
        ],
    }


def _plagiarism(
    own: MusicSet,
    indices: tuple[CorpusIndex, CorpusIndex],
    train_files: list[str],
    rng: np.random.Generator,
) -> Section:
    section: Section = {}
    for name, index in zip(("exact", "transposed"), indices, strict=True):
        copies = index.longest_copies(own.pieces)
        lengths = [float(c.notes) for c in copies]
        worst = sorted(zip(lengths, range(len(copies)), strict=True), reverse=True)[:WORST_SHOWN]
        section[name] = {
            "mean": bootstrap.interval(lengths, rng).to_dict(),
            "median": float(np.median(lengths)),
            "largest": max(lengths),
            "lengths": sorted(lengths),
            "worst": [
                {
                    "file": own.files[i],
                    "notes": copies[i].notes,
                    "at_note": copies[i].start,
                    "source": train_files[copies[i].source],
                    "source_note": copies[i].source_start,
                }
                for _, i in worst
                if copies[i].notes
            ],
        }
    return section


def _drift(own: MusicSet, reference: Reference, rng: np.random.Generator) -> Section:
    found = [measure_drift(p, reference.stretches) for p in own.pieces]
    long = [d for d in found if d is not None]
    if not long:
        raise DataError("no piece lasts four minutes; drift needs longer ones")
    return {
        "pieces": len(long),
        "inside": {
            name: bootstrap.interval([d.inside[name] for d in long], rng).to_dict()
            for name in long[0].inside
        },
        "change": {
            name: bootstrap.interval([abs(d.change[name]) for d in long], rng).to_dict()
            for name in long[0].change
        },
    }

"""Does the filter keep what is more like the corpus? By measures that it does not use.

A bundle with filters and a tune file come in. Tunes that the bundle writes when nobody chooses are
judged by the bundle's own filters, as the stream judges them; for those kept and those dropped go
out how far their piece signatures lie from the training tracks' ([Sabathe2017]), and how easily a
forest tells them from held-out tunes (two-sample test, equal numbers of each). The filter looks at
entropies and latents; signature and forest look at notes on a grid.

    python -m training.studies.tunes.filter_effect BUNDLE TUNES.npz -o effect.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.errors import DataError, StreamerError
from streamer.families.tunes.classifier import ClassifierPanel, classifier_panel
from streamer.families.tunes.codec import END, UNIT_PARTS, TuneArray
from streamer.families.tunes.spec import classifiers_of
from streamer.music.notes import NOTE_DTYPE, NoteArray
from streamer.selection.judges import JudgeReference, describe
from streamer.system.atomic import write_whole
from streamer.verbs.numbers import MANY, SEED
from training.corpora.splits import HELD_OUT
from training.evaluation import bootstrap
from training.evaluation.signature import FOLDS, fit_reference
from training.evaluation.two_sample import describe_pieces, two_sample_test
from training.families.tunes.generated import generated_tunes
from training.families.tunes.surrogates import MOST_NOTES
from training.families.tunes.tuneset import TuneSet

TUNES_A_STYLE = 1000
"""Tunes that are written in each style: a filter that keeps nearly all needs many to be seen."""

UNIT_MS = 250.0
"""All tunes are compared at one tempo: a unit has four steps of a signature's grid."""

VELOCITY = 80


def as_notes(tune: TuneArray, unit_ms: float = UNIT_MS) -> NoteArray:
    """Return a tune as notes that follow each other without a gap; the closing note has a unit."""
    lengths = np.where(tune["length"] == END, UNIT_PARTS, tune["length"]) * unit_ms / UNIT_PARTS
    notes = np.zeros(len(tune), dtype=NOTE_DTYPE)
    notes["onset_ms"] = np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    notes["duration_ms"], notes["pitch"], notes["velocity"] = lengths, tune["pitch"], VELOCITY
    return notes


def filter_effect(
    bundle: Bundle, tunes: TuneSet, rng: np.random.Generator, count: int = TUNES_A_STYLE
) -> dict[str, Any]:
    """Compare what the filters keep with what they drop.

    Args:
        bundle: With classifiers.
        tunes: The corpus; the bundle was trained on its training split.
        rng: Draws tunes, folds and resamples.
        count: Tunes written in each style.

    Returns:
        For each style, and for all together: how many were kept and dropped; the mean signature
        distance of each and ``dropped - kept``; the AUC of real against kept and against dropped.

    Raises:
        DataError: The bundle has no filter, or there is too little to compare with.
    """
    if not classifiers_of(bundle.manifest):
        raise DataError(f"bundle {bundle.manifest.name} has no filters; add some with --filters")
    panel = classifier_panel(bundle)
    found: dict[str, Any] = {}
    pooled: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = []
    every: list[tuple[list[TuneArray], NDArray[np.bool_], list[NoteArray], list[str]]] = []
    for style in (name for name in bundle.manifest.styles if name in tunes.styles):
        written = generated_tunes(bundle, style, count, rng)
        kept = _kept(panel, bundle.manifest.styles.index(style), style, written)
        reference = _reference(tunes, style)
        distance = np.array(
            [reference.distance(describe("signature", as_notes(t))) for t in written]
        )
        real, works = _real(tunes, style)
        pooled.append((distance, kept))
        every.append((written, kept, real, works))
        found[style] = {
            **_distances(distance, kept, rng),
            "two_sample": _told_apart([every[-1]], rng),
        }
    if not found:
        raise DataError(f"no style of bundle {bundle.manifest.name} is in the tune file")
    distance = np.concatenate([d / np.median(d) for d, _ in pooled])
    found["all"] = {
        **_distances(distance, np.concatenate([k for _, k in pooled]), rng),
        "two_sample": _told_apart(every, rng),
        "unit": "distances over the median of their style",
    }
    return {"bundle": bundle.manifest.name, "tunes_a_style": count, "styles": found}


def _kept(
    panel: ClassifierPanel, place: int, style: str, written: Sequence[TuneArray]
) -> NDArray[np.bool_]:
    weights = np.zeros((len(written), len(panel.styles)), dtype=np.float32)
    weights[:, place] = 1.0
    judge = style if style in panel.specs else next(iter(panel.specs))
    return panel.probability(judge, written, weights) >= panel.specs[judge].threshold


def _cut(tunes: TuneSet, splits: Sequence[str], style: str) -> tuple[list[NoteArray], list[str]]:
    """Return phrases as long as those that were written, and the work of each."""
    phrases, works = [], []
    for i in (i for split in splits for i in tunes.indices(split, style)):
        tune = tunes.tune(i)
        for start in range(0, len(tune) - MOST_NOTES + 1, MOST_NOTES):
            phrases.append(as_notes(tune[start : start + MOST_NOTES]))
            works.append(tunes.tracks[i].work_key)
    return phrases, works


def _real(tunes: TuneSet, style: str) -> tuple[list[NoteArray], list[str]]:
    return _cut(tunes, HELD_OUT, style)


def _reference(tunes: TuneSet, style: str) -> JudgeReference:
    phrases, works = _cut(tunes, ("train",), style)
    if not phrases:
        raise DataError(f"no training track of {style} has {MOST_NOTES} notes")
    vectors = np.stack([describe("signature", phrase) for phrase in phrases])
    fitted = fit_reference(vectors, np.asarray(works))
    return JudgeReference(fitted.mean, fitted.precision, 1.0, MOST_NOTES)


def _distances(
    distance: NDArray[np.float64], kept: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, Any]:
    return {
        "kept": int(kept.sum()),
        "dropped": int((~kept).sum()),
        "signature_distance": {
            "kept": bootstrap.interval(distance[kept], rng).to_dict(),
            "dropped": bootstrap.interval(distance[~kept], rng).to_dict(),
            "dropped - kept": bootstrap.difference(distance[~kept], distance[kept], rng).to_dict(),
        },
    }


def _told_apart(
    parts: Sequence[tuple[list[TuneArray], NDArray[np.bool_], list[NoteArray], list[str]]],
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    """Return the AUC of real against kept and against dropped, from as many of each."""
    sets: dict[str, list[NoteArray]] = {"kept": [], "dropped": []}
    real: list[NoteArray] = []
    works: list[str] = []
    for written, kept, own, own_works in parts:
        fewest = min(int(kept.sum()), int((~kept).sum()), len(own))
        for name, mask in (("kept", kept), ("dropped", ~kept)):
            chosen = rng.permutation(np.flatnonzero(mask))[:fewest]
            sets[name] += [as_notes(written[i]) for i in chosen.tolist()]
        for i in rng.permutation(len(own))[:fewest].tolist():
            real.append(own[i])
            works.append(own_works[i])
    if len({*works}) < FOLDS:
        return None
    held = describe_pieces(real, works, MOST_NOTES)
    found: dict[str, Any] = {"of_each": len(real)}
    for name, pieces in sets.items():
        own_works = [f"{name} {i}" for i in range(len(pieces))]
        told = two_sample_test(describe_pieces(pieces, own_works, MOST_NOTES), held, rng)
        found[name] = {group: told[group].to_dict() for group in ("pitch", "timing", "all")}
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("tunes", type=Path, metavar="TUNES.npz")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--count", type=MANY, default=TUNES_A_STYLE, metavar="N")
    parser.add_argument("--seed", type=SEED, default=0)
    args = parser.parse_args(argv)
    try:
        bundle, tunes = load_bundle(args.bundle), TuneSet.load(args.tunes)
        report = filter_effect(bundle, tunes, np.random.default_rng(args.seed), args.count)
    except StreamerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    write_whole(args.output, json.dumps(report, indent=1) + "\n")
    for style, row in report["styles"].items():
        away = row["signature_distance"]["dropped - kept"]
        told = row["two_sample"]
        shown = (
            "too few"
            if told is None
            else (
                f"AUC kept {told['kept']['all']['value']:.3f}, "
                f"dropped {told['dropped']['all']['value']:.3f} ({told['of_each']} of each)"
            )
        )
        sys.stdout.write(
            f"{style}: {row['kept']} kept, {row['dropped']} dropped; signature distance of the "
            f"dropped greater by {away['value']:.2f} [{away['low']:.2f}, {away['high']:.2f}]; "
            f"{shown}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

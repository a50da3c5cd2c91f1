"""Figure 1 of [Sabathe2017], for any number of corpora: how far music of each kind lies from each.

Corpora come in; for each as the reference, the distances of its held-out works, of the other
corpora, and of random music in two ranges go out, as JSON and one plot. Run it as
``python -m training.evaluation.figure_one NAME=DIR NAME=DIR NAME=DIR --output DIR``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError, StreamerError
from streamer.measures.signature import signature
from streamer.verbs.numbers import SEED
from training.corpora.corpus import Piece, Selection, read_corpus
from training.evaluation.signature import fit_reference, random_roll, window_signatures

REFERENCE_SAMPLES = 100
SAMPLES = 1000
RANDOM = {"random 20..100": (20, 100), "random 0..127": (0, 127)}


def figure_one(
    corpora: Mapping[str, Sequence[Piece]], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Measure every corpus against every other.

    Args:
        corpora: Name to pieces; half of the works of each make its reference.
        rng: Draws samples and random music.

    Returns:
        For each reference: set to ``{"median", "quartiles", "samples"}``, sets in the order
        held-out, other corpora, random music; and ``ordered``: for each other corpus, whether
        medians rise in the order held-out, other, random 20..100, random 0..127.

    Raises:
        DataError: A corpus has too few samples.
    """
    chance = {
        name: np.stack([signature(random_roll(rng, low, high)) for _ in range(SAMPLES)])
        for name, (low, high) in RANDOM.items()
    }
    halves = {name: _halves(pieces, rng) for name, pieces in corpora.items()}
    report: dict[str, dict[str, Any]] = {}
    for name, (fitted, held) in halves.items():
        chosen = rng.permutation(len(fitted))[:REFERENCE_SAMPLES]
        reference = fit_reference(fitted[chosen])
        others = {other: half[1] for other, half in halves.items() if other != name}
        sets = {"held-out": held, **others, **chance}
        row = {
            label: {
                "median": float(np.median(distances)),
                "quartiles": np.quantile(distances, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
                "samples": len(distances),
            }
            for label, distances in ((k, reference.distance(v)) for k, v in sets.items())
        }
        ordered = {}
        for other in others:
            medians = [row[label]["median"] for label in ("held-out", other, *RANDOM)]
            ordered[other] = medians == sorted(medians)
        report[name] = {"sets": row, "ordered": ordered}
    return report


def _halves(
    pieces: Sequence[Piece], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the signatures of half of the works, and of the others, at most SAMPLES each."""
    works = sorted({p.work_key for p in pieces}, key=lambda w: hashlib.sha256(w.encode()).digest())
    first = {*works[::2]}
    parts = [
        window_signatures([p.notes for p in pieces if (p.work_key in first) == side], rng=rng,
                          limit=SAMPLES)[0]
        for side in (True, False)
    ]  # fmt: skip
    if not len(parts[1]):
        raise DataError("a corpus has no sample of 18.75 s to hold out; give more works")
    return parts[0], parts[1]


def draw(report: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw one panel a reference: boxes are quartiles, whiskers 5 and 95 %."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(report), 4.0), dpi=110, layout="constrained")
    for axes, (name, row) in zip(figure.subplots(1, len(report), squeeze=False)[0], report.items(),
                                 strict=True):  # fmt: skip
        boxes = [
            dict(zip(("whislo", "q1", "med", "q3", "whishi"), s["quartiles"], strict=True))
            | {"label": label.replace(" ", "\n")}
            for label, s in row["sets"].items()
        ]
        axes.bxp(boxes, showfliers=False)
        axes.set_yscale("log")
        axes.tick_params("x", labelsize=7)
        axes.set_title(f"reference: {name}", fontsize=10)
        axes.set_ylabel("Mahalanobis distance")
    figure.savefig(path, metadata={"Software": ""})


def main(argv: Sequence[str] | None = None) -> int:
    """Read corpora, measure, write ``measures-figure1.json`` and ``.png``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=SEED, default=0)
    args = parser.parse_args(argv)
    pairs = [text.partition("=") for text in args.corpora]
    if any(not name or not folder for name, _, folder in pairs):
        parser.error("each corpus is NAME=DIR")
    try:
        corpora = {
            name: read_corpus([Path(folder)], Selection(min_notes=32)).pieces
            for name, _, folder in pairs
        }
        report = figure_one(corpora, np.random.default_rng(args.seed))
    except StreamerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "measures-figure1.json").write_text(json.dumps(report, indent=1) + "\n")
    draw(report, args.output / "measures-figure1.png")
    for name, row in report.items():
        shown = ", ".join(f"{label} {s['median']:.2f}" for label, s in row["sets"].items())
        good = ", ".join(other for other, yes in row["ordered"].items() if yes)
        sys.stdout.write(f"{name}: {shown}; in order with {good or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

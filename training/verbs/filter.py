"""The verb ``perpetuo train filter``: tunes or ratings in, filters for a bundle out.

What comes out is a folder: a classifier for each style, the corpus's fingerprint, and
``filters.json`` with thresholds and held-out figures. ``perpetuo bundle filter BUNDLE FOLDER``
puts them into a bundle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import ConfigError, DataError
from streamer.families.tunes.classifier import PURE_SHARE, TuneEncoder, bundle_encoder
from streamer.families.tunes.ratings import read_ratings
from streamer.families.tunes.spec import ALL_STYLES, ENCODE_GRAPH, tunes_of
from streamer.settings.styles import parse_styles
from streamer.system.atomic import atomic_file
from streamer.verbs.numbers import SEED, Number
from streamer.version import __version__
from training.families.tunes.classifiers import METHODS, MOST_ROWS, splits_by_work
from training.families.tunes.filter_fit import (
    REPORT_FILE,
    Filter,
    Phrases,
    across_styles,
    describe,
    table_one,
    train_filter,
)
from training.families.tunes.fingerprint import Fitted, fit_fingerprint
from training.families.tunes.surrogates import (
    LEAST_NOTES,
    MOST_NOTES,
    Labelled,
    joined,
    labelled,
    surrogate_phrases,
)
from training.families.tunes.tuneset import TuneSet

logger = logging.getLogger(__name__)

FINGERPRINT_FILE = "fingerprint.npz"
EACH_STYLE = "each"

RATED = "rated"
KEPT = 0.95
GENERATED_PHRASES = 1000
"""Of each style; the half of them for tests."""

_TEST_OF_RATINGS = 0.5
"""Share of rated phrases that threshold and figures are taken from, half and half."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Train what drops weak tunes before they are heard. Without ratings the labels are "
        "surrogates: real phrases are good; shuffled, looped and random ones are bad."
    )
    parser.add_argument("--tunes", type=Path, metavar="FILE.npz",
                        help="tune file (perpetuo prepare tunes makes it)")  # fmt: skip
    parser.add_argument("--ratings", type=Path, metavar="FILE.csv",
                        help="what perpetuo rate wrote: 4 and 5 are good")  # fmt: skip
    parser.add_argument("--encoder", metavar="BUNDLE|CHECKPOINT",
                        help="adds the latent coordinates to the features")  # fmt: skip
    parser.add_argument("--generated", metavar="BUNDLE",
                        help="what this bundle writes unfiltered is bad too")  # fmt: skip
    parser.add_argument("--method", choices=METHODS, default="svc-rbf")
    parser.add_argument("--style", default=EACH_STYLE, metavar="NAME|all|each",
                        help="one style, all as one, or each and all (default)")  # fmt: skip
    parser.add_argument("--keep", type=Number(0.001, 0.999), default=KEPT, metavar="SHARE",
                        help=f"share of good phrases that pass (default {KEPT})")  # fmt: skip
    parser.add_argument("--table", action="store_true",
                        help="measure all methods at four test shares too")  # fmt: skip
    parser.add_argument("--no-fingerprint", action="store_true",
                        help="leave out what finds copies of the corpus")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=SEED, default=0)


def run(args: argparse.Namespace) -> int:
    """Train, write, and say how good each filter is."""
    from training.run.ranks import refuse_others

    refuse_others("filters are trained")
    _check(args)
    rng = np.random.default_rng(args.seed)
    encoder = open_encoder(args.encoder) if args.encoder else None
    tunes = TuneSet.load(args.tunes) if args.tunes else None
    if args.ratings:
        parts = _rated(args, encoder, rng)
    elif tunes is not None:
        parts = _surrogates(args, tunes, encoder, rng)
    filters = _train(args, parts, rng)
    styles = [one.style for one in filters]
    fitted = None
    if tunes is not None and not args.no_fingerprint:
        fitted = fit_fingerprint(tunes)
    about = _about(args, encoder)
    about["across_styles"] = across_styles(filters, parts[2])
    about["table1"] = table_one(_together(parts[1:]), styles, rng) if args.table else []
    write_filters(args.output, filters, fitted, about)
    for one in filters:
        figures = one.held_out
        precision = ", ".join(f"{p:.3f} at {y}" for y, p in figures["precision_at_yield"].items())
        print(
            f"{one.style}: AUC {figures['auc']:.3f}, precision {precision} "
            f"(base rate {figures['base_rate']:.3f}), keeps {figures['kept']['good']:.3f} of the "
            f"good; {figures['works']} held-out works"
        )
    if fitted is not None:
        print(f"fingerprint: {len(fitted.table):,} bytes, at most {fitted.limit} notes in a row")
    return 0


def _train(
    args: argparse.Namespace, parts: tuple[Phrases, Phrases, Phrases], rng: np.random.Generator
) -> list[Filter]:
    """Fit the filters that are wanted; of each style, those that have enough to learn from."""
    if args.style != EACH_STYLE:
        return [train_filter(args.style, args.method, *parts, args.keep, rng)]
    filters, problems = [], []
    for style in (*sorted({*parts[0].labels.styles.tolist()} - {""}), ALL_STYLES):
        try:
            filters.append(train_filter(style, args.method, *parts, args.keep, rng))
        except DataError as error:
            problems.append(str(error))
            print(f"{style}: left out, {error}")
    if not filters:
        raise DataError(problems[-1])
    return filters


def write_filters(
    folder: Path,
    filters: Sequence[Filter],
    fitted: Fitted | None,
    about: dict[str, Any],
) -> None:
    """Write a folder of filters; what an earlier run left there is replaced.

    Raises:
        OSError: It cannot be written.
    """
    entries = []
    for one in filters:
        name = f"classifier-{one.style}.npz"
        one.classifier.save(folder / name)
        entries.append({
            "style": one.style, "file": name, "threshold": one.threshold,
            "method": one.classifier.method, "features": list(one.classifier.features),
            "notes": MOST_NOTES, "least_notes": LEAST_NOTES, "held_out": one.held_out,
        })  # fmt: skip
    report = {**about, "classifiers": entries}
    if fitted is not None:
        with atomic_file(folder / FINGERPRINT_FILE) as file:
            np.savez(file, table=fitted.table)
        report["fingerprint"] = {
            "file": FINGERPRINT_FILE, "notes": fitted.notes, "each": fitted.each,
            "limit": fitted.limit, "report": fitted.report,
        }  # fmt: skip
    with atomic_file(folder / REPORT_FILE) as file:
        file.write(json.dumps(report, indent=1).encode() + b"\n")


@dataclass(frozen=True)
class Encoder:
    """An encoder and whose it is.

    Attributes:
        encode: Gives latent coordinates.
        styles: In the order of its weights.
        sha256: Of the bundle's graph; empty for a checkpoint.
    """

    encode: TuneEncoder
    styles: tuple[str, ...]
    sha256: str = ""


def open_encoder(name: str) -> Encoder:
    """Open the encoder of a bundle, or of a checkpoint (a ``.pt`` file or a run folder).

    Raises:
        StreamerError: There is none, or it cannot be used.
    """
    path = Path(name)
    if path.suffix == ".pt" or (path / "best.pt").is_file():
        return _checkpoint_encoder(path)
    from streamer.bundle.bundle import load_bundle

    bundle = load_bundle(name)
    if tunes_of(bundle.manifest) is None:
        raise DataError(f"bundle {bundle.manifest.name} plays no tunes and has no encoder for them")
    sha256 = bundle.manifest.graph(ENCODE_GRAPH).sha256
    return Encoder(bundle_encoder(bundle), tuple(bundle.manifest.styles), sha256)


def _checkpoint_encoder(path: Path) -> Encoder:
    import torch

    from training.families.tunes.model import Vrash
    from training.registry import model_from_checkpoint
    from training.run.checkpoint import load_checkpoint

    model = model_from_checkpoint(load_checkpoint(path))
    if not isinstance(model, Vrash):
        raise DataError(f"{path}: family {model.family} has no encoder of tunes")

    def run(**inputs: Any) -> dict[str, Any]:
        with torch.no_grad():
            tensors = {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in inputs.items()}
            return {"mu": model.encode(**tensors)[0].numpy()}

    return Encoder(TuneEncoder(run, model.codec), tuple(model.styles))


def _check(args: argparse.Namespace) -> None:
    problems = []
    if not (args.tunes or args.ratings):
        problems.append("give --tunes FILE.npz, or --ratings FILE.csv")
    if args.ratings and args.generated:
        problems.append("--generated adds to surrogates and --ratings takes their place: drop one")
    if args.output.exists() and not args.output.is_dir():
        problems.append(f"--output {args.output} is no folder")
    elif (
        args.output.is_dir()
        and any(args.output.iterdir())
        and not (args.output / REPORT_FILE).is_file()
    ):
        problems.append(f"--output {args.output} holds other things; choose another place")
    if problems:
        raise ConfigError(problems)


def _surrogates(
    args: argparse.Namespace, tunes: TuneSet, encoder: Encoder | None, rng: np.random.Generator
) -> tuple[Phrases, Phrases, Phrases]:
    """Return phrases to fit on, to set thresholds on and to measure on."""
    style = None if args.style in (ALL_STYLES, EACH_STYLE) else args.style
    if style is not None and style not in tunes.styles:
        raise DataError(f"{args.tunes}: no style {style!r} (it has {', '.join(tunes.styles)})")
    parts = []
    for split in ("train", "valid", "test"):
        phrases = surrogate_phrases(tunes, (split,), rng, style=style)
        if args.generated:
            count = GENERATED_PHRASES // (1 if split == "train" else 4)
            phrases = _with_generated(args.generated, phrases, count, rng, split)
        parts.append(_described(phrases, encoder, rng))
        logger.info("%s: %d phrases", split, len(parts[-1].labels))
    return parts[0], parts[1], parts[2]


def _with_generated(
    name: str, phrases: Labelled, count: int, rng: np.random.Generator, mark: str
) -> Labelled:
    from streamer.bundle.bundle import load_bundle
    from training.families.tunes.generated import generated_phrases

    bundle = load_bundle(name)
    styles = np.unique(phrases.styles).tolist()
    return joined([phrases, *(generated_phrases(bundle, s, count, rng, mark) for s in styles)])


def _rated(
    args: argparse.Namespace, encoder: Encoder | None, rng: np.random.Generator
) -> tuple[Phrases, Phrases, Phrases]:
    """Return rated phrases in three parts; what has one seed is not split."""
    rows = []
    for rating in read_ratings(args.ratings):
        style = main_style(rating.style)
        if args.style in (ALL_STYLES, EACH_STYLE, style):
            work = f"{rating.bundle} {rating.version} {rating.seed}"
            rows.append((rating.tune, RATED, rating.good, work, style))
    phrases = labelled(rows)
    held = splits_by_work(phrases.works, _TEST_OF_RATINGS, rng)
    test = held.copy()
    test[held] = splits_by_work(phrases.works[held], 0.5, rng)
    masks = (~held, held & ~test, test)
    first, second, third = (_described(phrases.select(mask), encoder, rng) for mask in masks)
    return first, second, third


def main_style(asked: str) -> str:
    """Return the style that rules what was asked for (``bach:0.9,jazz:0.1``), empty for none."""
    try:
        name, share = max(parse_styles(asked), key=lambda item: item[1])
    except ValueError:
        return ""
    return name if share >= PURE_SHARE else ""


def _described(phrases: Labelled, encoder: Encoder | None, rng: np.random.Generator) -> Phrases:
    if encoder is None:
        return describe(phrases, None, (), MOST_ROWS, rng)
    return describe(phrases, encoder.encode, encoder.styles, MOST_ROWS, rng)


def _together(parts: Sequence[Phrases]) -> Phrases:
    rows = np.concatenate([part.rows for part in parts])
    return Phrases(joined([part.labels for part in parts]), rows, parts[0].names)


def _about(args: argparse.Namespace, encoder: Encoder | None) -> dict[str, Any]:
    """Return what made these filters, for the report and the card."""
    source = args.ratings or args.tunes
    return {
        "labels": "ratings" if args.ratings else "surrogate",
        "generated": args.generated or "",
        "source": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "encoder": args.encoder or "",
        "encoder_sha256": encoder.sha256 if encoder else "",
        "kept_share": args.keep,
        "seed": args.seed,
        "version": __version__,
    }

"""The verb ``perpetuo train ear``: a bundle and its corpus in, an ear for the bundle out.

What comes out is a folder: weights and what they answered (``ear.npz``), and ``ear.json`` with the
floor and held-out figures. ``perpetuo bundle ear BUNDLE FOLDER`` puts it into the bundle.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamer.errors import ConfigError
from streamer.verbs.numbers import MANY, SEED, Whole
from streamer.version import __version__

if TYPE_CHECKING:
    from training.families.chain.ear import EarConfig

logger = logging.getLogger(__name__)

PLACES = 22_000
"""Places of the corpus that are listened at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Train a judge that tells how real music went on from how a bundle goes on after the same "
        "notes, to pick among the candidates of the stream."
    )
    parser.add_argument("--bundle", required=True, metavar="BUNDLE",
                        help="whose candidates it is to judge: name, folder or .zip")  # fmt: skip
    parser.add_argument("--corpus", type=Path, required=True, metavar="FILE.npz",
                        help="what it was trained on (perpetuo prepare pieces)")  # fmt: skip
    parser.add_argument("--places", type=MANY, default=PLACES, metavar="N",
                        help=f"places listened at (default {PLACES})")  # fmt: skip
    parser.add_argument("--epochs", type=MANY, default=8, metavar="N", help="default 8")
    parser.add_argument("--hidden", type=Whole(4, 512), default=96, metavar="N",
                        help="units (default 96)")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=SEED, default=0)


def run(args: argparse.Namespace) -> int:
    """Draw, train, write, and say how much it hears; return the exit status."""
    from training.families.chain.ear_file import EAR_FILE, REPORT_FILE
    from training.run.ranks import refuse_others

    refuse_others("an ear is trained")
    config = _config(args, (EAR_FILE, REPORT_FILE))
    from streamer.bundle.bundle import load_bundle
    from streamer.bundle.manifest import STEP_GRAPH
    from training.families.chain.ear import finished, train_ear
    from training.families.chain.ear_file import write_ear
    from training.families.chain.ear_pairs import pairs_of
    from training.families.chain.tensors import TensorSet

    bundle, corpus = load_bundle(args.bundle), TensorSet.load(args.corpus)
    rng = np.random.default_rng(args.seed)
    parts = {
        split: pairs_of(bundle, corpus, split, rng, args.places)
        for split in ("train", "valid", "test")
    }
    for split, pairs in parts.items():
        logger.info("%s: %d places", split, len(pairs))
    judge = train_ear(parts["train"], parts["valid"], config, args.seed, _tell)
    about = {
        "bundle": bundle.manifest.name,
        "bundle_sha256": bundle.manifest.graph(STEP_GRAPH).sha256,
        "corpus": sorted(corpus.summary()),
        "places": {split: len(pairs) for split, pairs in parts.items()},
        "works": {split: len({*pairs.works.tolist()}) for split, pairs in parts.items()},
        "seed": args.seed,
        "epochs": config.epochs,
        "version": __version__,
    }
    ear = finished(judge, parts["valid"], parts["test"], about)
    write_ear(args.output, ear)
    held = ear.report["held_out"]
    figures = ", ".join(f"{held[f'auc_{n}']:.3f} after {n}" for n in (8, 16, 32))
    works = ear.report["works"]["test"]
    print(f"ear: AUC {figures} notes; {works} held-out works; {args.output}")
    return 0


def _config(args: argparse.Namespace, known: tuple[str, ...]) -> EarConfig:
    from training.families.chain.ear import EarConfig

    problems = []
    if args.output.exists() and not args.output.is_dir():
        problems.append(f"--output {args.output} is no folder")
    elif args.output.is_dir() and {*args.output.iterdir()} - {args.output / n for n in known}:
        problems.append(f"--output {args.output} holds other things; choose another place")
    if problems:
        raise ConfigError(problems)
    return EarConfig(hidden=args.hidden, epochs=args.epochs)


def _tell(row: dict[str, float]) -> None:
    told = ", ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "epoch")
    logger.info("epoch %d: %s", row["epoch"], told)

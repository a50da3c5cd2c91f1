"""``perpetuo study chain``: its options, and which studies they allow."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.errors import ConfigError
from streamer.verbs.numbers import MANY, Number
from training.families.chain.model import Chain
from training.families.chain.tensors import TensorSet
from training.studies.chain.chain import STUDIES, Bench
from training.studies.chain.classes import classes
from training.studies.chain.stream import STREAM_STUDIES, Stage
from training.studies.running import (
    add_bundle,
    add_checkpoint,
    add_options,
    loaded,
    run_studies,
)

BUNDLE_STUDIES = {"classes": classes, **STREAM_STUDIES}
"""Of ``--bundle``: its tables, and what it plays."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(STUDIES), required=False)
    add_bundle(parser, tuple(BUNDLE_STUDIES))
    add_options(parser, (*STUDIES, *BUNDLE_STUDIES))
    parser.add_argument("--independent", type=Path, metavar="RUN",
                        help="of --checkpoint: the same, trained with"
                             " model.current_prefix=false")  # fmt: skip
    parser.add_argument("--streams", type=MANY, default=12, metavar="N",
                        help="of --bundle: streams that are played (default 12)")  # fmt: skip
    parser.add_argument("--minutes", type=Number(0.01, 1e6), default=10.0,
                        help="of --bundle: length of each, for music (default 10)")  # fmt: skip
    parser.add_argument("--hours", type=Number(0.01, 1e5), default=24.0,
                        help="of --bundle: length of endless (default 24)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    return run_studies(
        args, STUDIES, BUNDLE_STUDIES, load=TensorSet.load, bench=_bench, stage=_stage
    )


def _stage(args: argparse.Namespace, tensors: TensorSet) -> Stage:
    return Stage(args.bundle, tensors, args.seed, args.streams, args.minutes, args.hours)


def _bench(args: argparse.Namespace, tensors: TensorSet) -> Bench:
    model = loaded(args.checkpoint, Chain, ("chain",))
    if model.codec.fingerprint != tensors.codec.fingerprint:
        raise ConfigError([f"{args.tensors}: other class tables than {args.checkpoint}"])
    independent = loaded(args.independent, Chain, ("chain",)) if args.independent else None
    return Bench(model, tensors, independent, args.seed)

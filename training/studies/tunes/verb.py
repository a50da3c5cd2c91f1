"""``perpetuo study vrash``: its options, and which studies they allow."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.errors import ConfigError
from streamer.verbs.numbers import Number
from training.families.tunes.model import VARIANTS, Vrash
from training.families.tunes.tuneset import TuneSet
from training.studies.running import (
    add_bundle,
    add_checkpoint,
    add_options,
    loaded,
    run_studies,
)
from training.studies.tunes.vrash import TuneBench
from training.studies.tunes.vrash_all import TUNE_STREAM_STUDIES, TUNE_STUDIES
from training.studies.tunes.vrash_stream import TuneStage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(TUNE_STUDIES), required=False)
    add_bundle(parser, tuple(TUNE_STREAM_STUDIES))
    add_options(parser, (*TUNE_STUDIES, *TUNE_STREAM_STUDIES))
    parser.add_argument("--runs", type=Path, nargs="+", default=[], metavar="RUN",
                        help="of --checkpoint: runs of lm, vae and vrash, alike in size and"
                             " training, to compare")  # fmt: skip
    parser.add_argument("--filters", type=Path, metavar="FILE.json",
                        help="of --bundle: filters.json of perpetuo train filter --table, for"
                             " table 1")  # fmt: skip
    parser.add_argument("--hours", type=Number(0.01, 1e5), default=24.0,
                        help="of --bundle: length of endless (default 24)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    return run_studies(
        args, TUNE_STUDIES, TUNE_STREAM_STUDIES, load=TuneSet.load, bench=_bench, stage=_stage
    )


def _stage(args: argparse.Namespace, tunes: TuneSet) -> TuneStage:
    return TuneStage(args.bundle, tunes, args.seed, args.hours, args.filters)


def _bench(args: argparse.Namespace, tunes: TuneSet) -> TuneBench:
    runs = tuple(loaded(path, Vrash, VARIANTS) for path in args.runs)
    model = loaded(args.checkpoint, Vrash, ("vrash",))
    for path, one in zip((args.checkpoint, *args.runs), (model, *runs), strict=True):
        if one.codec.fingerprint != tunes.codec.fingerprint or one.styles != tunes.styles:
            raise ConfigError([f"{args.tensors}: other class tables or styles than {path}"])
    return TuneBench(model, tunes, runs, args.bundle, args.seed)

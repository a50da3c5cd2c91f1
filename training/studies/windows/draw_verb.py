"""``perpetuo study draw``: its options."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.verbs.numbers import MANY
from training.families.windows.draw import Draw
from training.families.windows.scoreset import ScoreSet
from training.studies.running import (
    add_bundle,
    add_checkpoint,
    add_options,
    loaded,
    run_studies,
)
from training.studies.windows.draw import DRAW_STUDIES, DrawBench
from training.studies.windows.draw_stream import DRAW_STREAM_STUDIES, DrawStage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(DRAW_STUDIES), required=False)
    add_bundle(parser, tuple(DRAW_STREAM_STUDIES))
    add_options(parser, (*DRAW_STUDIES, *DRAW_STREAM_STUDIES))
    parser.add_argument("--streams", type=MANY, default=100, metavar="N",
                        help="of --bundle: streams that are played (default 100)")  # fmt: skip
    parser.add_argument("--other", type=Path, metavar="FILE.npz",
                        help="another corpus, prepared in the same way")  # fmt: skip
    parser.add_argument("--runs", type=Path, nargs="+", default=[], metavar="RUN",
                        help="further architectures, for figure 4: what perpetuo search keeps "
                             "as best-1.pt ...")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    return run_studies(
        args, DRAW_STUDIES, DRAW_STREAM_STUDIES, load=ScoreSet.load, bench=_bench, stage=_stage
    )


def _stage(args: argparse.Namespace, scores: ScoreSet) -> DrawStage:
    return DrawStage(args.bundle, scores, args.seed, args.streams)


def _bench(args: argparse.Namespace, scores: ScoreSet) -> DrawBench:
    model = loaded(args.checkpoint, Draw, ("draw",))
    other = None if args.other is None else ScoreSet.load(args.other)
    bench = DrawBench(model, scores, other, args.seed)
    bench.runs = {
        path.stem if path.suffix else path.name: loaded(path, Draw, ("draw",)) for path in args.runs
    }
    return bench

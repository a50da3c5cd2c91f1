"""``perpetuo study draw``: its options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from training.families.windows.draw import Draw
from training.families.windows.scoreset import ScoreSet
from training.studies.running import Rows, add_checkpoint, add_options, loaded, show
from training.studies.windows.draw import DRAW_STUDIES, DrawBench


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(DRAW_STUDIES))
    add_options(parser, tuple(DRAW_STUDIES))
    parser.add_argument("--other", type=Path, metavar="FILE.npz",
                        help="another corpus, prepared in the same way")  # fmt: skip
    parser.add_argument("--runs", type=Path, nargs="+", default=[], metavar="RUN",
                        help="further architectures, for figure 4: what perpetuo search keeps "
                             "as best-1.pt ...")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    return show(_studies(args))


def _studies(args: argparse.Namespace) -> Iterator[tuple[str, Rows]]:
    model = loaded(args.checkpoint, Draw, ("draw",))
    other = None if args.other is None else ScoreSet.load(args.other)
    bench = DrawBench(model, ScoreSet.load(args.tensors), other, args.seed)
    bench.runs = {
        path.stem if path.suffix else path.name: loaded(path, Draw, ("draw",)) for path in args.runs
    }
    for name in args.only or DRAW_STUDIES:
        yield name, DRAW_STUDIES[name](bench, args.output)

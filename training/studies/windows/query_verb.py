"""``perpetuo study query``: its options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from training.families.windows.query import Query
from training.families.windows.scoreset import ScoreSet
from training.studies.running import Rows, add_checkpoint, add_options, loaded, show
from training.studies.windows.query import QUERY_STUDIES, QueryBench


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(QUERY_STUDIES))
    add_options(parser, tuple(QUERY_STUDIES))


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    return show(_studies(args))


def _studies(args: argparse.Namespace) -> Iterator[tuple[str, Rows]]:
    model = loaded(args.checkpoint, Query, ("query",))
    bench = QueryBench(model, ScoreSet.load(args.tensors), args.seed)
    for name in args.only or QUERY_STUDIES:
        yield name, QUERY_STUDIES[name](bench, args.output)

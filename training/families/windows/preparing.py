"""``perpetuo prepare scores``: its options, and what it tells."""

from __future__ import annotations

import argparse

from training.corpora.preparing import add_options, counted, file_options, kept, names
from training.corpora.preparing import run as run_prepare
from training.families.windows.reader import ScoreOptions, read_scores
from training.families.windows.scoreset import ScoreSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Keep the pieces of MIDI files in beats and bars, whatever their tempo, drop copies and"
        " what is too short, and split by composition."
    )
    take = add_options(parser)
    take.add_argument("--tracks", type=names, default=(), metavar="NAME,...",
                      help="only tracks with these names (default: all)")  # fmt: skip
    take.add_argument("--drums", action="store_true", help="keep channel 10 as well")


def run(args: argparse.Namespace) -> int:
    """Read, split, write and tell; return the exit status."""
    options = file_options(args, ScoreOptions, tracks=args.tracks, drums=args.drums)
    return run_prepare(
        args,
        lambda progress: read_scores(args.sources, options, progress=progress),
        lambda scores: _tell(scores, args),
    )


def _tell(scores: ScoreSet, args: argparse.Namespace) -> None:
    """Print what came out and what was left out."""
    report = scores.report
    print(kept(report))
    print(f"{'':<6} {'pieces':>7} {'works':>7} {'notes':>10}")
    for name, row in report["splits"].items():
        print(f"{name:<6} {row['pieces']:>7} {row['works']:>7} {row['notes']:>10}")
    print(f"licences: {counted(report['licences'])}")
    print(f"wrote {args.output}")

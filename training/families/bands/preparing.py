"""``perpetuo prepare bands``: its options, and what it tells."""

from __future__ import annotations

import argparse

from training.corpora.preparing import (
    add_options,
    counted,
    file_options,
    kept,
    names,
    positive,
)
from training.corpora.preparing import run as run_prepare
from training.families.bands.bandset import BandSet
from training.families.bands.reader import BandOptions, read_bands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Keep songs in 4/4 as drums, bass, harmony and strings; by itself only from files with a"
        " free licence or none stated."
    )
    take = add_options(parser)
    take.add_argument("--tags", type=names, default=("genre",), metavar="COLUMN,...",
                      help="columns of labels.csv that hold genres (default: genre)")  # fmt: skip
    take.add_argument("--takes", type=positive, default=4, metavar="N",
                      help="combinations of a file's bass and harmony tracks that are taken at"
                           " most (default 4)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Read, split, write and tell; return the exit status."""
    options = file_options(args, BandOptions, tags=args.tags, takes=args.takes)
    return run_prepare(
        args,
        lambda progress: read_bands(args.sources, options, progress=progress),
        lambda bands: _tell(bands, args),
    )


def _tell(bands: BandSet, args: argparse.Namespace) -> None:
    """Print what came out and what was left out."""
    report = bands.report
    print(kept(report))
    if report["takes_left_out"]:
        print(f"{report['takes_left_out']} more combinations of their tracks left out (--takes)")
    for name, row in report["splits"].items():
        print(f"{name:<6}" + ", ".join(f"{count} {what}" for what, count in row.items()))
    for name, reasons in report["windows_left_out"].items():
        print(f"windows of {name} left out: {counted(reasons) or 'none'}")
    genres = counted(report["genres"]) or "none stated"
    print(f"genres: {genres}; {report['untagged']} songs without")
    print(f"licences: {counted(report['licences'])}")
    print(f"wrote {args.output}")

"""``perpetuo prepare pieces``: its options, and what it tells."""

from __future__ import annotations

import argparse

from streamer.errors import ConfigError
from streamer.families.chain.hands import MOST_KEYS, SHORTEST_MS
from training.corpora.corpus import Selection
from training.corpora.normalise import NormaliseOptions
from training.corpora.preparing import add_min_notes, add_options, counted, kept, names, positive
from training.corpora.preparing import run as run_prepare
from training.families.chain.reader import CODECS, PrepareOptions, prepare
from training.families.chain.tensors import TensorSet

PIANIST = NormaliseOptions(restrike_ms=60.0, shortest_ms=SHORTEST_MS, chord_keys=MOST_KEYS)
"""Music that two hands can play. Trills come down to 70 ms a strike; what is nearer than 60 ms is
one strike that a transcription heard twice, or two voices on one key."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Read MIDI files from folders or archives (.tar.xz, .zip, ...), drop copies and what"
        " cannot be used, split by composition, and write one tensor file. All tracks but the"
        " drums become one piano part. A labels.csv (columns: file, work_key, licence, ...)"
        " beside the files is used where there is one."
    )
    take = add_options(parser, share=0.05)
    take.add_argument("--tracks", type=names, default=(), metavar="NAME,...",
                      help="only tracks with these names (default: all but drums)")  # fmt: skip
    take.add_argument("--piano-only", action="store_true", help="only notes of piano programs")
    add_min_notes(take, "pieces")
    parser.add_argument("--codec", choices=CODECS, default="published",
                        help="class tables: the paper's own, or fitted to this corpus")  # fmt: skip
    parser.add_argument("--trust-labels", action="store_true",
                        help="keep works apart that share a melody but not their key")  # fmt: skip
    parser.add_argument("--processes", type=positive, metavar="N",
                        help="read with N processes (default: one a core)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Read, split, write and tell; return the exit status."""
    options = _options(args)
    return run_prepare(
        args,
        lambda progress: prepare(
            args.sources, options, processes=args.processes, progress=progress
        ),
        lambda tensors: _tell(tensors, args),
    )


def _options(args: argparse.Namespace) -> PrepareOptions:
    try:
        selection = Selection(
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            tracks=args.tracks,
            piano_only=args.piano_only,
            min_notes=args.min_notes,
            join=not args.trust_labels,
            shape=PIANIST,
        )
        return PrepareOptions(args.seed, args.valid, args.test, args.codec, selection)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def _tell(tensors: TensorSet, args: argparse.Namespace) -> None:
    """Print counts by reason and what came out."""
    report = tensors.report
    print(kept(report))
    if report["note_changes"]:
        print(f"notes dropped or moved: {counted(report['note_changes'])}")
    if report["joined_works"]:
        print(f"{len(report['joined_works'])} works joined to another that shares their melody")
    print(f"{'':<6} {'pieces':>7} {'works':>7} {'notes':>10} {'hours':>7}")
    for name, row in report["splits"].items():
        print(f"{name:<6} {row['pieces']:>7} {row['works']:>7} {row['notes']:>10}"
              f" {row['hours']:>7.2f}")  # fmt: skip
    print(f"wrote {args.output} ({report['codec']} classes)")

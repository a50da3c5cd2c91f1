"""``perpetuo prepare tunes``: its options, and what it tells."""

from __future__ import annotations

import argparse

from training.corpora.preparing import add_min_notes, add_options, counted, file_options, names
from training.corpora.preparing import run as run_prepare
from training.families.tunes.reader import MelodyOptions, read_melodies
from training.families.tunes.tuneset import TuneSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Take the melodic tracks of MIDI files, one line each, with style labels; by itself only"
        " from files with a free licence or none stated. Every drop is counted by reason."
    )
    take = add_options(parser)
    take.add_argument("--tracks", type=names, default=(), metavar="NAME,...",
                      help="only tracks with these names (default: as the corpus"
                           " says)")  # fmt: skip
    take.add_argument("--style", default="", metavar="NAME",
                      help="style of all of them (default: as the corpus says, or its"
                           " name)")  # fmt: skip
    add_min_notes(take, "tracks")


def run(args: argparse.Namespace) -> int:
    """Read, split, write and tell; return the exit status."""
    options = file_options(
        args, MelodyOptions, style=args.style, tracks=args.tracks, min_notes=args.min_notes
    )
    return run_prepare(
        args,
        lambda progress: read_melodies(args.sources, options, progress=progress),
        lambda tunes: _tell(tunes, args),
    )


def _tell(tunes: TuneSet, args: argparse.Namespace) -> None:
    """Print what came out, and every drop by reason."""
    report = tunes.report
    if report["reasons"]:
        print("files left out: " + counted(report["reasons"]))
    for name, counts in report["dropped"].items():
        print(f"{name}: tracks dropped: {counted(counts)}")
    for name, counts in report["changes"].items():
        print(f"{name}: {_changes(counts)}")
    print(f"{'style':<12} {'split':<6} {'tracks':>7} {'works':>7} {'notes':>9}")
    for style, splits in report["styles"].items():
        for split, row in splits.items():
            print(f"{style:<12} {split:<6} {row['tracks']:>7} {row['works']:>7}"
                  f" {row['notes']:>9}")  # fmt: skip
    print(f"licences: {counted(report['licences'])}")
    print(f"wrote {args.output} ({len(tunes)} tracks, {len(tunes.codec.lengths)} lengths, which"
          f" {report['codec_coverage']:.2%} of the notes have of themselves)")  # fmt: skip


def _changes(counts: dict[str, int]) -> str:
    """Return what normalising did to a corpus's notes, as one line."""
    text = f"{counts.get('notes', 0)} notes kept"
    if counts.get("not_in_line"):
        text += f"; {counts['not_in_line']} below the top line left out"
    if counts.get("rests_shortened"):
        text += f"; {counts['rests_shortened']} rests shortened"
    if counts.get("tracks_folded"):
        text += (
            f"; {counts['lengths_folded']} lengths folded in {counts['tracks_folded']} tracks"
            " that have more than eleven"
        )
    return text

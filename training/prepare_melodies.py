"""``perpetuo prepare --melodies``: its options, and what it tells; called by prepare.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from training.data.melodies import FILE_REASONS, MelodyOptions
from training.data.tunes import TuneSet

_FOREIGN = (("piano_only", "--piano-only"), ("trust_labels", "--trust-labels"))
"""Options that only the chain's tensors know."""


def options_of(args: argparse.Namespace) -> MelodyOptions:
    """Return the options that were given.

    Raises:
        ConfigError: One is out of range, or means nothing here.
    """
    problems = [
        f"{option} has no meaning with --melodies; leave it out"
        for name, option in _FOREIGN
        if getattr(args, name)
    ]
    if args.codec != "published":
        problems.append("--codec has no meaning with --melodies, which always fits; leave it out")
    if problems:
        raise ConfigError(problems)
    given: dict[str, Any] = {
        name: getattr(args, name) for name in ("valid", "test") if getattr(args, name) is not None
    }
    try:
        return MelodyOptions(
            seed=args.seed,
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            style=args.style,
            tracks=args.tracks,
            min_notes=args.min_notes,
            **given,
        )
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def tell(tunes: TuneSet, output: Path, verbose: bool) -> None:
    """Print what came out, and every drop by reason; name on stderr what is wrong with a file."""
    report = tunes.report
    for entry in report["skipped"]:
        if verbose or entry["reason"] in FILE_REASONS:
            track = f", track {entry['track']}" if "track" in entry else ""
            print(f"skipped {entry['corpus']}/{entry['file']}{track}: {entry['reason']}:"
                  f" {entry['text']}", file=sys.stderr)  # fmt: skip
    if report["files"]:
        print("files left out: " + _counts(report["files"]))
    for name, counts in report["dropped"].items():
        print(f"{name}: tracks dropped: {_counts(counts)}")
    for name, counts in report["changes"].items():
        print(f"{name}: {_changes(counts)}")
    print(f"{'style':<12} {'split':<6} {'tracks':>7} {'works':>7} {'notes':>9}")
    for style, splits in report["styles"].items():
        for split, row in splits.items():
            print(f"{style:<12} {split:<6} {row['tracks']:>7} {row['works']:>7}"
                  f" {row['notes']:>9}")  # fmt: skip
    print(f"licences: {_counts(report['licences'])}")
    print(f"wrote {output} ({len(tunes)} tracks, {len(tunes.codec.lengths)} lengths, which"
          f" {report['codec_coverage']:.2%} of the notes have of themselves)")  # fmt: skip


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


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

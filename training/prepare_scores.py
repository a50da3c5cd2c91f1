"""``perpetuo prepare --scores``: its options, and what it tells; called by prepare.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from training.data.read_scores import ScoreOptions
from training.data.scores import ScoreSet

_FOREIGN = (
    ("melodies", "--melodies"),
    ("style", "--style"),
    ("piano_only", "--piano-only"),
    ("trust_labels", "--trust-labels"),
    ("processes", "--processes"),
)
"""Options that only other kinds of corpora know."""

OWN_REASONS = ("not-chosen", "licence", "duplicate")
"""Reasons that are the user's choice or another file's, and are counted without naming files."""


def options_of(args: argparse.Namespace) -> ScoreOptions:
    """Return the options that were given.

    Raises:
        ConfigError: One is out of range, or means nothing here.
    """
    problems = [
        f"{option} has no meaning with --scores; leave it out"
        for name, option in _FOREIGN
        if getattr(args, name)
    ]
    if args.codec != "published":
        problems.append("--codec has no meaning with --scores; a preset says what the grid is")
    if problems:
        raise ConfigError(problems)
    given: dict[str, Any] = {
        name: getattr(args, name) for name in ("valid", "test") if getattr(args, name) is not None
    }
    try:
        return ScoreOptions(
            seed=args.seed,
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            tracks=args.tracks,
            drums=args.drums,
            **given,
        )
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def tell(scores: ScoreSet, output: Path, verbose: bool) -> None:
    """Print what came out and what was left out; name on stderr what is wrong with a file."""
    report = scores.report
    for entry in report["skipped"]:
        if verbose or entry["reason"] not in OWN_REASONS:
            print(f"skipped {entry['corpus']}/{entry['file']}: {entry['reason']}: {entry['text']}",
                  file=sys.stderr)  # fmt: skip
    left = ", ".join(f"{count} {reason}" for reason, count in report["reasons"].items())
    print(f"{report['files']} files: {report['kept']} kept" + (f", {left}" if left else ""))
    print(f"{'':<6} {'pieces':>7} {'works':>7} {'notes':>10}")
    for name, row in report["splits"].items():
        print(f"{name:<6} {row['pieces']:>7} {row['works']:>7} {row['notes']:>10}")
    licences = ", ".join(f"{count} {name}" for name, count in report["licences"].items())
    print(f"licences: {licences}")
    print(f"wrote {output}")

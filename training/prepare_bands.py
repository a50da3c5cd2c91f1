"""``perpetuo prepare --bands``: its options, and what it tells; called by prepare.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from training.data.bands import BandSet
from training.data.read_bands import BandOptions
from training.prepare_scores import OWN_REASONS

_FOREIGN = (
    ("melodies", "--melodies"),
    ("scores", "--scores"),
    ("drums", "--drums"),
    ("style", "--style"),
    ("tracks", "--tracks"),
    ("piano_only", "--piano-only"),
    ("trust_labels", "--trust-labels"),
    ("processes", "--processes"),
)
"""Options that only other kinds of corpora know."""

_CONDITIONS = ("metre", "no-")
"""How the reasons begin that are the paper's conditions; such files are counted, not named."""


def options_of(args: argparse.Namespace) -> BandOptions:
    """Return the options that were given.

    Raises:
        ConfigError: One is out of range, or means nothing here.
    """
    problems = [
        f"{option} has no meaning with --bands; leave it out"
        for name, option in _FOREIGN
        if getattr(args, name)
    ]
    if args.codec != "published":
        problems.append("--codec has no meaning with --bands; a preset says what the states are")
    if problems:
        raise ConfigError(problems)
    given: dict[str, Any] = {
        name: getattr(args, name) for name in ("valid", "test") if getattr(args, name) is not None
    }
    try:
        return BandOptions(
            seed=args.seed,
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            tags=args.tags,
            takes=args.takes,
            **given,
        )
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def tell(bands: BandSet, output: Path, verbose: bool) -> None:
    """Print what came out and what was left out; name on stderr what is wrong with a file."""
    report = bands.report
    for entry in report["skipped"]:
        own = entry["reason"] in OWN_REASONS or entry["reason"].startswith(_CONDITIONS)
        if verbose or not own:
            print(f"skipped {entry['corpus']}/{entry['file']}: {entry['reason']}: {entry['text']}",
                  file=sys.stderr)  # fmt: skip
    print(f"{report['files']} files: {report['kept']} kept" + _counted(report["reasons"]))
    if report["takes_left_out"]:
        print(f"{report['takes_left_out']} more combinations of their tracks left out (--takes)")
    for name, row in report["splits"].items():
        print(f"{name:<6}" + ", ".join(f"{count} {what}" for what, count in row.items()))
    for name, reasons in report["windows_left_out"].items():
        print(f"windows of {name} left out" + (_counted(reasons)[1:] or " none"))
    genres = ", ".join(f"{count} {name}" for name, count in report["genres"].items())
    print(f"genres: {genres or 'none stated'}; {report['untagged']} songs without")
    licences = ", ".join(f"{count} {name}" for name, count in report["licences"].items())
    print(f"licences: {licences}")
    print(f"wrote {output}")


def _counted(reasons: dict[str, int]) -> str:
    return "".join(f", {count} {reason}" for reason, count in reasons.items())

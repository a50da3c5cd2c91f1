"""The verb ``perpetuo export CHECKPOINT``: a checkpoint into a bundle, with its proof."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from export.verbs import bundle as bundle_verb
from streamer.cli import Parser, say_new_spelling
from streamer.errors import ConfigError
from streamer.system.reading import read_at_most

MOST_REMARKS_BYTES = 64 * 1024

_NAMED = re.compile(r"[a-z_]+=(0|-?[1-9]\d*|-?\d+\.\d+)")


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.description = (
        "Write manifest, graphs and card, and prove that they play what the checkpoint plays:"
        " same notes, log-probabilities within 1e-4 nats. Without the proof nothing is"
        " written."
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT",
                        help="a checkpoint, or a run folder (its best.pt)")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="DIR",
                        help="the bundle's folder (default: its name)")  # fmt: skip
    parser.add_argument("--name", help="what --model takes (default: the preset's name)")
    parser.add_argument("--statistics-from", type=Path, metavar="FILE.npz",
                        help="take ground truth for ranking, filters, drift and styles from the"
                             " training pieces of this file of perpetuo prepare")  # fmt: skip
    parser.add_argument("--expression-from", type=Path, metavar="TUNES.npz",
                        help="learn velocity and timing from this tune file, for a model that"
                             " composes bars and has none of its own")  # fmt: skip
    parser.add_argument("--licence", metavar="SPDX",
                        help="of the weights (default: the strictest of the corpora)")  # fmt: skip
    parser.add_argument("--corpus", metavar="TEXT", help="one line on what it was trained on")
    parser.add_argument("--remarks", type=Path, metavar="FILE.md",
                        help="text for the end of the card")  # fmt: skip
    parser.add_argument("--phrase-notes", type=int, metavar="N",
                        help="notes of a phrase (default: the family's)")  # fmt: skip
    parser.add_argument("--temperature", type=_numbers, default=[1.0], metavar="T",
                        help="what plays when nothing is set (default 1); or one for each argument"
                             " of the codec, parted by commas")  # fmt: skip
    parser.add_argument("--candidates", type=int, default=16, metavar="K",
                        help="phrases drawn at once when nothing is set (default 16)")  # fmt: skip
    parser.add_argument("--default", action="append", default=[], metavar="NAME=VALUE",
                        help="another of the bundle's defaults, as anew_notes=512")  # fmt: skip
    # Spelled so before there was `perpetuo bundle`; they work in this version.
    parser.add_argument("--filters", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--to-checkpoint", type=Path, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Export and say what came of it; return the exit status."""
    _check(args)
    if args.to_checkpoint is not None or _is_bundle(args.checkpoint):
        return _as_before(args)
    from export.pipeline import ExportOptions, export_checkpoint

    options = ExportOptions(
        name=args.name,
        target=args.output,
        tensors=args.statistics_from,
        expression=args.expression_from,
        licence=args.licence,
        corpus=args.corpus,
        remarks=_read(args.remarks),
        phrase_notes=args.phrase_notes,
        defaults=_defaults(args),
    )
    result = export_checkpoint(args.checkpoint, options)
    bundle, parity = result.bundle, result.parity
    print(
        f"{bundle.manifest.name}: {bundle.size_bytes / 1e6:.1f} MB in {bundle.path}; parity over "
        f"{parity.notes:,} notes, log-probabilities within {parity.log_prob_error:.1e} nats; "
        f"weights {bundle.manifest.licence}"
    )
    if not bundle.manifest.statistics.arguments:
        print("without --statistics-from the ranking knows nothing of the corpus")
    if args.filters is not None:
        return _filter(bundle.path, args.filters, bundle.path)
    return 0


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".zip" or (path / "manifest.json").is_file()


def _as_before(args: argparse.Namespace) -> int:
    """Do what is a sub-verb of ``perpetuo bundle`` now, and say how it is spelled."""
    given = args.checkpoint
    if args.to_checkpoint is not None:
        new = f"perpetuo bundle unwrap {given} {args.to_checkpoint}"
        say_new_spelling("perpetuo export --to-checkpoint", new)
        told = argparse.Namespace(bundle=given, target=args.to_checkpoint)
        return bundle_verb.run_unwrap(told)
    if args.filters is not None:
        return _filter(given, args.filters, args.output)
    if args.statistics_from is not None:
        new = f"perpetuo bundle restate {given} {args.statistics_from}"
        say_new_spelling("perpetuo export BUNDLE --statistics-from", new)
        told = argparse.Namespace(bundle=given, source=args.statistics_from, output=args.output)
        return bundle_verb.run_restate(told)
    raise ConfigError([f"{given}: is a bundle already; see perpetuo bundle --help"])


def _filter(bundle: Path, filters: Path, target: Path | None) -> int:
    say_new_spelling("perpetuo export --filters", f"perpetuo bundle filter {bundle} {filters}")
    told = argparse.Namespace(bundle=bundle, source=filters, output=target)
    return bundle_verb.run_filter(told)


def _check(args: argparse.Namespace) -> None:
    """Refuse what no bundle could play, all mistakes at once."""
    ranges = {
        "--phrase-notes": (args.phrase_notes, 4, 256),
        "--candidates": (args.candidates, 1, 64),
    }
    problems = [
        f"{option} must be in range {low}..{high}, not {value}"
        for option, (value, low, high) in ranges.items()
        if value is not None and not low <= value <= high
    ]
    if not all(0.1 <= t <= 4 for t in args.temperature):
        given = ",".join(f"{t:g}" for t in args.temperature)
        problems.append(f"--temperature must be in range 0.1..4, not {given}")
    problems += [
        f"--default must be NAME=NUMBER, not {item}"
        for item in args.default
        if not _NAMED.fullmatch(item)
    ]
    if problems:
        raise ConfigError(problems)


def _defaults(args: argparse.Namespace) -> dict[str, Any]:
    """Return the manifest's defaults; the edge itself judges them, once the bundle is written."""
    temperature = args.temperature[0] if len(args.temperature) == 1 else args.temperature
    named = (item.partition("=") for item in args.default)
    more = {name: json.loads(value) for name, _, value in named}
    return {"temperature": temperature, "candidates": args.candidates, **more}


def _numbers(text: str) -> list[float]:
    """Read numbers that are parted by commas (ValueError)."""
    return [float(number) for number in text.split(",")]


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return read_at_most(path, MOST_REMARKS_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--remarks {path}: cannot be read ({error})"]) from error

"""The verb that export adds to the command: ``perpetuo export CHECKPOINT``.

Called by streamer/cli.py through the entry-point group ``perpetuo.verbs``.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError

_NAMED = re.compile(r"[a-z_]+=(0|-?[1-9]\d*|-?\d+\.\d+)")


def register(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "export",
        help="turn a checkpoint into a bundle that plays",
        description=(
            "Write manifest, graphs and card, and prove that they play what the checkpoint plays:"
            " same notes, log-probabilities within 1e-4 nats. Without the proof nothing is"
            " written."
        ),
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT",
                        help="a checkpoint, or a run folder (its best.pt)")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="DIR",
                        help="the bundle's folder (default: its name)")  # fmt: skip
    parser.add_argument("--name", help="what --model takes (default: the preset's name)")
    parser.add_argument("--statistics-from", type=Path, metavar="FILE.npz",
                        help="take ground truth for ranking, filters, drift and styles from the"
                             " training pieces of this file of perpetuo prepare; CHECKPOINT can"
                             " be a bundle of tunes: its styles are measured anew")  # fmt: skip
    parser.add_argument("--expression-from", type=Path, metavar="TUNES.npz",
                        help="learn velocity and timing from this tune file, for a model that"
                             " composes bars and has none of its own")  # fmt: skip
    parser.add_argument("--licence", metavar="SPDX",
                        help="of the weights (default: the strictest of the corpora)")  # fmt: skip
    parser.add_argument("--corpus", metavar="TEXT", help="one line on what it was trained on")
    parser.add_argument("--remarks", type=Path, metavar="FILE.md",
                        help="text for the end of the card")  # fmt: skip
    parser.add_argument("--phrase-notes", type=int, metavar="N",
                        help="notes of a phrase (default: the family's, 32 or 16)")  # fmt: skip
    parser.add_argument("--temperature", type=_numbers, default=[1.0], metavar="T",
                        help="what plays when nothing is set (default 1); or one for each argument,"
                             " parted by commas: pitch,shift,duration,velocity,pedal, or"
                             " pitch class,octave,length")  # fmt: skip
    parser.add_argument("--candidates", type=int, default=16, metavar="K",
                        help="phrases drawn at once when nothing is set (default 16)")  # fmt: skip
    parser.add_argument("--default", action="append", default=[], metavar="NAME=VALUE",
                        help="another of the bundle's defaults, as anew_notes=512")  # fmt: skip
    parser.add_argument("--filters", type=Path, metavar="FOLDER",
                        help="add what perpetuo train filter wrote; CHECKPOINT may then be a"
                             " bundle, which is written anew")  # fmt: skip
    parser.add_argument("--to-checkpoint", type=Path, metavar="FILE.pt",
                        help="the other way round: CHECKPOINT is a bundle of family vrash, whose"
                             " weights are written back to study it or to train on")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export and say what came of it; returns the exit status."""
    _check(args)
    if args.to_checkpoint is not None:
        return _unwrap(args.checkpoint, args.to_checkpoint)
    if args.filters is not None and _is_bundle(args.checkpoint):
        return _add_filters(args.checkpoint, args.filters, args.output or args.checkpoint)
    if args.statistics_from is not None and _is_bundle(args.checkpoint):
        return _restate(args.checkpoint, args.statistics_from, args.output or args.checkpoint)
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
        return _add_filters(bundle.path, args.filters, bundle.path)
    return 0


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".zip" or (path / "manifest.json").is_file()


def _unwrap(bundle: Path, target: Path) -> int:
    """Write a bundle's checkpoint and say so."""
    from export.tune_unwrap import unwrap

    checkpoint = unwrap(bundle, target)
    print(f"{target}: family {checkpoint.family}, plays what {bundle} plays")
    return 0


def _restate(bundle: Path, corpus: Path, target: Path) -> int:
    """Measure the styles of a bundle of tunes anew and say what came of it."""
    from export.tune_kinds import restate

    written = restate(bundle, corpus, target)
    styles = written.manifest.tunes.styles if written.manifest.tunes else []
    known = ", ".join(f"{style.name} {len(style.kinds)}" for style in styles)
    print(f"{written.manifest.name}: kinds of unit and bar of its styles: {known}; {written.path}")
    return 0


def _add_filters(bundle: Path, filters: Path, target: Path) -> int:
    """Put filters into a bundle and say what came of it."""
    from export.filters import add_filters

    added = add_filters(bundle, filters, target)
    manifest = added.bundle.manifest
    worst = max(added.errors.values(), default=0.0)
    print(
        f"{manifest.name}: {added.bundle.size_bytes / 1e6:.1f} MB in {added.bundle.path}; filters "
        f"of {', '.join(added.errors)} ({manifest.classifiers[0].labels} labels), within "
        f"{worst:.1e} of scikit-learn"
    )
    return 0


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
    if len(args.temperature) not in (1, 3, 5) or not all(0.1 <= t <= 4 for t in args.temperature):
        given = ",".join(f"{t:g}" for t in args.temperature)
        problems.append(
            f"--temperature must be one number, three or five in range 0.1..4, not {given}"
        )
    from streamer.pipeline import STREAM_DEFAULTS

    for item in args.default:
        if not _NAMED.fullmatch(item):
            problems.append(f"--default must be NAME=NUMBER, not {item}")
        elif item.partition("=")[0] not in STREAM_DEFAULTS:
            problems.append(f"--default {item}: there is {', '.join(STREAM_DEFAULTS)}")
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
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--remarks {path}: cannot be read ({error})"]) from error

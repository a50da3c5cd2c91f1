"""``perpetuo bench``: how fast this machine draws notes and how well it keeps time."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from streamer.verbs.options import add_bundle, add_common, seconds, settings_of
from streamer.verbs.report import STDOUT, report_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "Measure notes per second, time per note, lateness, memory and start-up."
    parser.add_argument("--json", type=Path, metavar="REPORT", nargs="?", const=STDOUT,
                        help="print JSON, or write it to REPORT")  # fmt: skip
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long the scheduler is measured (default 10)",
    )
    add_bundle(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    settings = settings_of(args)
    from streamer.bench.report import run as measure
    from streamer.system.atomic import check_targets, write_whole

    check_targets(json=report_file(args.json))
    report = measure(settings, seconds=args.seconds)
    text = json.dumps(report, indent=2)
    if args.json is None:
        operators = report["engine"].pop("operators", [])
        for name, value in _flat(report):
            print(f"{name:<44} {value}")
        for line in operator_lines(operators):
            print(line)
    elif args.json == STDOUT:
        print(text)
    else:
        write_whole(args.json, text + "\n")
    return 0


def operator_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table of the kinds of operators of a note, of ``engine.operators`` of the report."""
    if not rows:
        return []
    batches = list(rows[0]["share"])
    heads = "".join(f"{f'{batch} cand.':>10}" for batch in batches)
    lines = ["", f"{'operator (share of time, as profiled)':<44} {'a note':>7}{heads}"]
    for row in rows:
        shares = "".join(f"{100 * row['share'][batch]:>8.1f} %" for batch in batches)
        lines.append(f"{row['operator']:<44} {row['a_note']:>7.4g}{shares}")
    return lines


def _flat(report: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in report.items():
        if isinstance(value, dict):
            rows.extend(_flat(value, f"{prefix}{key}."))
        else:
            rows.append((prefix + key, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows

"""``perpetuo check``: what would keep this machine from playing, one line each."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from streamer.verbs.options import add_common, add_scene, add_setting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Check settings, bundle, port, permissions, clock and real-time limits: one line each, "
        "ok or the remedy. The status is 1 when something would keep the stream from playing."
    )
    add_setting(
        parser,
        "--port",
        "port.port",
        action="append",
        metavar="PORT",
        help="the port to look for, as for `perpetuo play`; several times for several",
    )
    add_setting(parser, "--model", "model.model", metavar="NAME|PATH", help="the bundle to load")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_scene(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings; the status is 1 when something keeps the stream from playing."""
    from streamer.checks.check import check_all
    from streamer.checks.finding import LABELS

    config: Path | None = args.config
    overrides = {name: value for name, value in vars(args).items() if "." in name}
    findings = check_all(config, overrides)
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            print(f"{LABELS[finding.level]:<4} {finding.what:<{width}}  {finding.text}")
    return 1 if any(finding.level == "fail" for finding in findings) else 0

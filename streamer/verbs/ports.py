"""``perpetuo ports``: what can be played to and from."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "ports",
        help="list what can be played to and from",
        description="List what can be played to and from.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the ports."""
    from streamer.ports import list_ports

    found = list_ports()
    print(json.dumps(found, indent=2, default=str) if args.json else found)
    return 0

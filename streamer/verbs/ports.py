"""``perpetuo ports``: what can be played to and from."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "List what can be played to and from."
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the ports."""
    from streamer.ports import list_ports

    found = list_ports()
    print(json.dumps(found, indent=2, default=str) if args.json else found)
    return 0

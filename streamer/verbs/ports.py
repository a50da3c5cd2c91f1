"""``perpetuo ports``: what can be played to and from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "List what can be played to and from."
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the ports."""
    from streamer.ports.opening import list_ports

    found = list_ports()
    if args.json:
        print(json.dumps([asdict(port) for port in found], indent=2))
        return 0
    width = max((len(port.name) for port in found), default=0)
    for port in found:
        server = f"  (server {port.address})" if port.name == "jack" else ""
        print(f"{port.name:<{width}}  {port.direction:<6}  {port.kind:<8}  {port.system}{server}")
    return 0

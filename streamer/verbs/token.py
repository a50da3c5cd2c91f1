"""``perpetuo token``: the key to the page and to OSC for other machines of the network."""

from __future__ import annotations

import argparse
import socket
import sys
from urllib.parse import quote

from streamer.errors import ConfigError
from streamer.settings.live import WEB_ADDRESS, WEB_PORT, is_loopback, parse_address
from streamer.verbs.asking import SERVICE_SETTINGS, state_of_stream
from streamer.verbs.options import add_common, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Print the token that other machines need, and the page's address with it, as a QR code "
        "too on a terminal. Of the service: sudo perpetuo token --config "
        f"{SERVICE_SETTINGS}"
    )
    parser.add_argument("--new", action="store_true", help="make a new one; the old one is void")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print the token."""
    settings = settings_of(args)
    from streamer.surfaces.access import read_token, renew_token

    folder = state_of_stream(args.config)
    token = renew_token(folder) if args.new else read_token(folder)
    address = parse_address(settings.live.web or WEB_ADDRESS, WEB_PORT)
    host = f"{socket.gethostname().split('.')[0]}.local"
    if not is_loopback(address.host) and address.host not in ("0.0.0.0", "::"):
        host = str(address).rsplit(":", 1)[0]
    url = f"http://{host}:{address.port}/?token={quote(token)}"
    print(token)
    if sys.stdout.isatty():
        print(f"\n{url}\n")
        _draw(url)
        if not settings.live.network:
            print("other machines are let in with --network, or network = true under [live]")
    if args.new:
        sys.stderr.write("a stream that plays takes it at its next start\n")
    return 0


def _draw(url: str) -> None:
    """Draw the address as a QR code."""
    try:
        import segno
    except ModuleNotFoundError as error:
        from streamer.system.installing import how_to_add

        raise ConfigError([f"a QR code needs the live extra: {how_to_add('live')}"]) from error
    segno.make(url, error="l").terminal(out=sys.stdout, compact=True)

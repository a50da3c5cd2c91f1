"""``perpetuo rate``: what do you think of this? For a filter of your own."""

from __future__ import annotations

import argparse
import contextlib
import sys
from functools import partial
from pathlib import Path

from streamer.errors import StreamerError
from streamer.verbs.options import (
    add_bundle,
    add_common,
    add_drawing,
    add_setting,
    settings_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Listen to beginnings of tunes and rate each from 1 to 5, for `perpetuo train filter "
        "--ratings`. Every answer is kept at once, and a later session goes on where this one ends."
    )
    parser.add_argument("--output", "-o", type=Path, default=Path("ratings.csv"), metavar="FILE",
                        help="the file of ratings (default ratings.csv)")  # fmt: skip
    add_setting(
        parser,
        "--port",
        "port.port",
        metavar="PORT",
        help="play to a port, or synth; without it each is written as a .mid beside FILE",
    )
    parser.add_argument("--count", type=int, metavar="N", help="how many to rate (default: on)")
    add_bundle(parser)
    # One candidate, unselected: what selects does nothing here.
    add_drawing(parser, "--seed", "--temperature", "--prime", "--style")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Ask until there are enough or the answer is q."""
    if args.count is not None and args.count < 1:
        raise StreamerError(f"--count must be 1 or more, not {args.count}")
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise StreamerError("ratings are asked for on a terminal, and this is none; run it in one")
    if getattr(args, "model.model") is None:
        setattr(args, "model.model", "tunes")
    asked_port = getattr(args, "port.port") is not None
    settings = settings_of(args)
    from streamer.bundle.bundle import load_bundle
    from streamer.families.tunes.rating import rate
    from streamer.ports.opening import open_port
    from streamer.system.atomic import check_target
    from streamer.verbs.beginnings import draw_beginning, play_to_port, write_to_folder

    check_target(args.output)
    bundle = load_bundle(settings.model.model, settings.model.bundle_paths)
    with contextlib.ExitStack() as stack:
        if asked_port:
            wanted = settings.port.port
            port = open_port(wanted if isinstance(wanted, str) else wanted[0], settings.port)
            stack.callback(port.close)
            play = partial(play_to_port, port=port)
        else:
            play = partial(write_to_folder, folder=args.output.parent)
        rated = rate(
            args.output,
            partial(draw_beginning, settings),
            play,
            input,
            bundle=bundle.manifest.name,
            style=str(getattr(settings.model, "style", None) or ""),
            first_seed=settings.model.seed or 0,
            count=args.count,
        )
    print(f"{rated} rated, in {args.output}")
    return 0

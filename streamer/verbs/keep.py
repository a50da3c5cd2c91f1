"""``perpetuo keep``: the last half hour of the stream that plays, or its end, as a ``.mid``."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import quote

from streamer.errors import ConfigError, one_line
from streamer.settings.settings import Settings
from streamer.verbs.asking import add_stream, ask_stream, fetch
from streamer.verbs.options import add_common, seconds, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Keep what a stream on this machine has played lately: the last half hour, or --last "
        "SECONDS of it. The stream has its page open (perpetuo play --web); it writes the file "
        "whole or not at all, and its path is printed."
    )
    parser.add_argument(
        "out",
        nargs="?",
        type=Path,
        metavar="OUT.mid",
        help="a copy goes here too; replaced in one step",
    )
    parser.add_argument(
        "--last", type=seconds, metavar="SECONDS", help="only the last of it (default: 1800)"
    )
    parser.add_argument(
        "--bookmark",
        type=Path,
        metavar="FILE",
        help="keep the place before the phrase that sounds instead, to go on from: `perpetuo "
        "render OUT.mid --from FILE`, `perpetuo play --from FILE`",
    )
    add_stream(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Keep, and print where."""
    settings = settings_of(args)
    from streamer.system.atomic import check_targets

    check_targets(**{"OUT.mid": args.out, "--bookmark": args.bookmark})
    if args.bookmark is not None:
        return _bookmark(settings, args)
    body = None if args.last is None else {"seconds": args.last}
    wanted = {"name": str, "path": str, "notes": int, "seconds": float}
    kept = ask_stream(settings, args.config, "POST", "/api/v1/keep", body, wanted=wanted)
    if args.out is not None:
        _copy(settings, args.config, kept["name"], args.out)
    where = one_line(kept["path"]) if args.out is None else args.out
    print(f"{where}: {kept['notes']} notes, {kept['seconds']:.0f} s of music")
    return 0


def _bookmark(settings: Settings, args: argparse.Namespace) -> int:
    if args.out is not None or args.last is not None:
        raise ConfigError(["--bookmark keeps a place and no music; leave OUT.mid and --last out"])
    wanted = {"name": str, "bytes": int, "seed": int}
    kept = ask_stream(settings, args.config, "POST", "/api/v1/bookmark", wanted=wanted)
    _copy(settings, args.config, kept["name"], args.bookmark)
    print(f"{args.bookmark}: {kept['bytes']} bytes, seed {kept['seed']}")
    return 0


def _copy(settings: Settings, config: Path | None, name: str, out: Path) -> None:
    from streamer.system.atomic import write_whole

    path = f"/api/v1/recordings/{quote(name, errors='replace')}"
    write_whole(out, fetch(settings, config, "GET", path))

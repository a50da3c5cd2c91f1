"""``perpetuo render``: the same pipeline into a file, as fast as it goes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from streamer.verbs.options import add_common, add_model, add_setting, seconds, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write music to a .mid file, as fast as it goes. The same seed, bundle and version give "
        "the same bytes."
    )
    parser.add_argument("out", type=Path, metavar="OUT.mid", help="the file that is written")
    parser.add_argument(
        "--duration",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how much music (default 60)",
    )
    add_model(parser)
    add_setting(
        parser, "--channel", "port.channel", metavar="N", help="MIDI channel in 1..16 (default 1)"
    )
    parser.add_argument("--json", type=Path, metavar="REPORT", help="write a report; - prints it")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw a piano roll")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Render, then write the report where it is wanted."""
    settings = settings_of(args)
    from streamer.render import render, require_folder

    if args.json is not None and str(args.json) != "-":
        require_folder(args.json)
    report = render(settings, args.out, duration_seconds=args.duration, plot=args.plot)
    text = json.dumps(report, indent=2)
    if args.json is None:
        print(
            f"{args.out}: {report['notes']} notes, {report['duration_s']:.0f} s of music "
            f"in {report['wall_s']:.1f} s, seed {report['seed']}"
        )
    elif str(args.json) == "-":
        print(text)
    else:
        args.json.write_text(text + "\n", encoding="utf-8")
    return 0

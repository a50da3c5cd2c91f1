"""``perpetuo render``: the same pipeline into a file, as fast as it goes."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from streamer.errors import ConfigError
from streamer.settings.controls import PRESSED
from streamer.settings.duet import DuetControls
from streamer.settings.settings import Settings
from streamer.verbs.options import (
    add_common,
    add_from,
    add_model,
    add_setting,
    bookmark_of,
    resumed,
    seconds,
)
from streamer.verbs.report import report_file, tell

LIVE_ALONE = ("sleep", "lead", "morph_seconds", "taste", "chords_from")
"""Beside what is pressed, and what a duet is played by."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write music to a .mid file, or as sound to a .wav file, as fast as it goes. The same "
        "seed, bundle and version give the same bytes."
    )
    parser.add_argument("out", type=Path, metavar="OUT.mid|.wav", help="the file that is written")
    parser.add_argument(
        "--duration",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how much music (default 60)",
    )
    add_model(parser)
    add_from(parser)
    add_setting(
        parser, "--channel", "port.channel", metavar="N", help="MIDI channel in 1..16 (default 1)"
    )
    parser.add_argument("--json", type=Path, metavar="REPORT", help="write a report; - prints it")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw a piano roll")
    add_common(parser)


def _refuse_idle(settings: Settings) -> None:
    """Refuse controls that are asked for and that only a stream obeys which plays (ConfigError)."""
    live = {*PRESSED, *(one.name for one in fields(DuetControls)), *LIVE_ALONE}
    for name in sorted(live):
        if f"controls.{name}" in settings.asked:
            raise ConfigError([
                f"the control {name} is for a stream that plays; leave it out, or use perpetuo play"
            ])  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Render, then write the report where it is wanted."""
    bookmark = bookmark_of(args)
    settings = resumed(args, bookmark)
    _refuse_idle(settings)
    from streamer.offline.render import render
    from streamer.system.atomic import check_targets

    check_targets(**{"OUT.mid": args.out, "--plot": args.plot, "--json": report_file(args.json)})
    report = render(
        None,
        args.out,
        seconds=args.duration,
        plot=args.plot,
        settings=settings,
        resume=bookmark,
    )
    line = (
        f"{args.out}: {report['notes']} notes, {report['duration_s']:.0f} s of music "
        f"in {report['wall_s']:.1f} s, seed {report['seed']}"
    )
    tell(args.json, report, line, args.out)
    return 0

"""``perpetuo play``: stream for ever to a port."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from streamer.controls import control_types
from streamer.logs import configure_logging
from streamer.verbs.options import add_common, add_model, add_setting, seconds, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Stream for ever to a MIDI port. Ctrl-C ends it, and nothing is left sounding."
    )
    add_setting(
        parser,
        "--port",
        "port.port",
        action="append",
        metavar="PORT",
        help="auto (hardware, else a port of our own), virtual (a port of our own), jack or "
        "jack:NAME (the same, or an output, on JACK alone), synth (FluidSynth), null, file:PATH, "
        "or part of a name from `perpetuo ports`; several times for several at once, each with its "
        "own channels where it needs any: NAME@5, NAME@1=10,2=off",
    )
    add_setting(
        parser,
        "--channel",
        "port.channel",
        metavar="N",
        help="MIDI channel in 1..16 of ports that name none (default 1)",
    )
    add_model(parser)
    add_setting(
        parser, "--record", "record.path", metavar="PATH.mid", help="keep what is played in a file"
    )
    add_setting(
        parser,
        "--clock",
        "clock.mode",
        metavar="MODE",
        help="internal, send (MIDI clock to others) or follow (another machine's clock)",
    )
    add_setting(
        parser,
        "--input",
        "input.port",
        metavar="PORT",
        help="the controller: auto, off, virtual, or part of a name from `perpetuo ports`",
    )
    parser.add_argument(
        "--learn",
        choices=sorted(control_types()),
        metavar="CONTROL",
        help="bind the next knob that is moved to a control, and keep it: "
        + ", ".join(control_types()),
    )
    parser.add_argument(
        "--for", dest="seconds", type=seconds, metavar="SECONDS", help="stop by itself after this"
    )
    parser.add_argument(
        "--plain", action="store_true", help="log lines instead of the live view on a terminal"
    )
    add_setting(
        parser, "--log-level", "log.level", metavar="LEVEL", help="debug, info, warning or error"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Play until the time is over or a signal comes."""
    settings = settings_of(args)
    configure_logging(settings.log.level)
    from streamer.daemon import play

    # A terminal that closes ends the stream; elsewhere SIGHUP reads the settings again.
    load = None if sys.stdin is not None and sys.stdin.isatty() else partial(settings_of, args)
    status = play(settings, seconds=args.seconds, plain=args.plain, load=load, learn=args.learn)
    return int(status or 0)

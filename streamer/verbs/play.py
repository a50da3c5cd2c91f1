"""``perpetuo play``: stream for ever to a port."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from streamer.control.knobs import knob_named
from streamer.settings.controls import known_control
from streamer.settings.live import OSC_ADDRESS, WEB_ADDRESS
from streamer.system.logs import configure_logging
from streamer.verbs.options import (
    add_common,
    add_from,
    add_model,
    add_setting,
    bookmark_of,
    minutes,
    resumed,
    seconds,
)

EXIT_USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Stream for ever to a MIDI port. Ctrl-C ends it, and nothing is left sounding."
    )
    _add_outputs(parser)
    add_model(parser)
    add_from(parser)
    add_setting(
        parser, "--record", "record.path", metavar="PATH.mid", help="keep what is played in a file"
    )
    add_setting(
        parser,
        "--clock",
        "clock.mode",
        metavar="MODE",
        help="internal, send (MIDI clock to others), follow (another machine's clock), link "
        "(Ableton Link, with the extra `link`) or jack (the transport of JACK)",
    )
    _add_inputs(parser)
    parser.add_argument(
        "--exact",
        dest="model.exact",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="draw as `perpetuo render` does, so that one seed gives the same notes, however busy "
        "the machine is (default: with --seed); --no-exact starts sooner and adapts",
    )
    parser.add_argument(
        "--for", dest="seconds", type=seconds, metavar="SECONDS", help="stop by itself after this"
    )
    parser.add_argument(
        "--sleep",
        dest="controls.sleep",
        type=minutes,
        metavar="45m",
        help="fade out and hold the music after this: minutes, or with s, m or h",
    )
    parser.add_argument(
        "--plain", action="store_true", help="log lines instead of the live view on a terminal"
    )
    _add_surfaces(parser)
    add_setting(
        parser, "--log-level", "log.level", metavar="LEVEL", help="debug, info, warning or error"
    )
    add_common(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add what is heard: a controller, its knobs, a person who plays."""
    add_setting(
        parser,
        "--input",
        "input.port",
        metavar="PORT",
        help="the controller: auto, off, virtual, or part of a name from `perpetuo ports`",
    )
    add_setting(
        parser,
        "--duet",
        "controls.duet",
        nargs="?",
        const="trade",
        metavar="MODE",
        help="play with the person on the input, who begins: trade (answers, the default), "
        "continue (goes on until the person plays again), accompany (plays under them) or shadow "
        "(a second voice); off",
    )
    parser.add_argument(
        "--learn",
        type=_wish,
        metavar="CONTROL[=KNOB]",
        help="bind the next knob that is moved to a control, and keep it: any that --set takes; or "
        "the knob that is named: density=CC21, pause=CC64, density=CC16+48 (fourteen bits), "
        "density=NRPN300",
    )


def _wish(text: str) -> str:
    """Return what is to be learnt, looked at, as an argparse type."""
    control, sign, knob = text.partition("=")
    try:
        known_control(control)
        if sign:
            knob_named(knob)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add where the music goes."""
    add_setting(
        parser,
        "--port",
        "port.port",
        action="append",
        metavar="PORT",
        help="auto (hardware, else a port of our own), virtual (a port of our own), jack or "
        "jack:NAME (the same, or an output, on JACK alone), synth (FluidSynth), null, file:PATH, "
        "or part of a name from `perpetuo ports`; several times for several at once, each with its "
        "own channels, or sooner or later than the others: NAME@5, NAME@1=10,2=off, NAME@-20ms, "
        "NAME@5,+35ms",
    )
    add_setting(
        parser,
        "--channel",
        "port.channel",
        metavar="N",
        help="MIDI channel in 1..16 of ports that name none (default 1)",
    )


def _add_surfaces(parser: argparse.ArgumentParser) -> None:
    """Add what opens the stream to a hand from outside."""
    for flag, default, about in (
        ("web", WEB_ADDRESS, "the page that steers the stream, and its API"),
        ("osc", OSC_ADDRESS, "Open Sound Control, UDP"),
    ):
        add_setting(
            parser,
            f"--{flag}",
            f"live.{flag}",
            nargs="?",
            const=default,
            metavar="HOST:PORT",
            help=f"{about} (default {default})",
        )
    add_setting(
        parser, "--mqtt", "live.mqtt", metavar="URL", help="a broker, mqtt://HOST, to tell and obey"
    )
    parser.add_argument(
        "--network",
        dest="live.network",
        action="store_const",
        const=True,
        help="let other machines in, with the token that `perpetuo token` prints",
    )


def run(args: argparse.Namespace) -> int:
    """Play until the time is over or a signal comes."""
    bookmark = bookmark_of(args)
    settings = resumed(args, bookmark)
    if (problem := settings.live.out_of_reach()) is not None:
        sys.stderr.write(f"perpetuo play: {problem}\n")
        return EXIT_USAGE
    configure_logging(settings.log.level)
    from streamer.service.daemon import play

    # A terminal that closes ends the stream; elsewhere SIGHUP reads the settings again.
    tty = sys.stdin is not None and sys.stdin.isatty()
    status = play(
        settings,
        seconds=args.seconds,
        plain=args.plain,
        load=None if tty else partial(resumed, args, bookmark),
        learn=args.learn,
        resume=bookmark,
    )
    return int(status or 0)

"""Options that several verbs share, and the way from options to :class:`Settings`.

An option that sets a setting is stored under the setting's own name (``"stage.key"``), and its
legal values come from the setting: neither is written twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer.settings import Settings, load_settings, parse_setting


def add_setting(parser: argparse.ArgumentParser, flag: str, name: str, **texts: Any) -> None:
    """Add an option that overrides the setting ``name``.

    Args:
        parser: The verb's parser.
        flag: Such as ``--seed``.
        name: ``"stage.key"`` of :mod:`streamer.settings`.
        texts: ``help`` and ``metavar``, as argparse takes them.
    """
    parser.add_argument(flag, dest=name, type=_reader(name), default=None, **texts)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every verb with settings takes: ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="TOML file of settings (default: the user's own)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the bundle and how it is drawn from."""
    add_setting(
        parser,
        "--model",
        "model.model",
        metavar="NAME|PATH",
        help="bundle that plays: a name from `perpetuo models`, a folder or a .zip",
    )
    add_setting(
        parser,
        "--seed",
        "model.seed",
        metavar="N",
        help="same seed, bundle and version: same notes",
    )
    add_setting(
        parser,
        "--temperature",
        "model.temperature",
        metavar="T",
        help="1 is as trained, less is calmer; or one for each of pitch,shift,duration,velocity,"
        "pedal, of tunes for each of pitch class,octave,length",
    )
    add_setting(
        parser,
        "--candidates",
        "model.candidates",
        metavar="K",
        help="phrases drawn, of which the best is played",
    )
    add_setting(
        parser,
        "--ranking",
        "model.ranking",
        metavar="RULE",
        help="how the best is found: mean, regulated, information, regulated-first-common or "
        "typical",
    )
    add_setting(
        parser,
        "--judge",
        "model.judge",
        metavar="RULE",
        help="what else drops phrases unlike the corpus: none, signature, entropy or both",
    )
    _add_wishes(parser)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add what the music is asked to be like."""
    add_setting(
        parser,
        "--prime",
        "model.prime",
        metavar="FILE.mid",
        help="a piece that the music continues; of tunes, a melody that the first is like",
    )
    add_setting(
        parser,
        "--query",
        "model.query",
        metavar="FILE.mid",
        help="a piece that is answered bar by bar, for a bundle of family query; live answers what "
        "is played on the input (play only)",
    )
    add_setting(
        parser,
        "--bits",
        "controls.bits",
        metavar="N",
        help="bits of each bar of a query that reach the network: 0 lets nothing through, "
        "1024 (or nothing said) all",
    )
    add_setting(
        parser,
        "--style",
        "model.style",
        metavar="STYLES",
        help="styles of the bundle with weights, such as bach:0.7,jazz:0.3 (`perpetuo models`)",
    )


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings of the file and of the options, which win.

    Raises:
        ConfigError: As :func:`streamer.settings.load_settings`.
    """
    overrides = {name: value for name, value in vars(args).items() if "." in name}
    return load_settings(args.config, overrides)


def seconds(text: str) -> float:
    """Return a length of time above 0, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10**8:
        raise argparse.ArgumentTypeError(f"must be seconds in range above 0..100000000, not {text}")
    return value


def _reader(name: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse_setting(name, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read

"""Options that several verbs share, and the way from options to :class:`Settings`.

An option that sets a setting is stored under the setting's own name (``"stage.key"``), and its
legal values come from the setting: neither is written twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.music.progressions import FILE_ENDS, text_or_file
from streamer.registry import built_in
from streamer.settings.controls import Controls, control_specs, known_control
from streamer.settings.reading import load_settings, parse_setting
from streamer.settings.settings import Settings

if TYPE_CHECKING:
    from streamer.generators.bookmark import Bookmark


def add_setting(parser: argparse._ActionsContainer, flag: str, name: str, **texts: Any) -> None:
    """Add an option that overrides the setting ``name``.

    Args:
        parser: The verb's parser, or a group of it.
        flag: Such as ``--seed``.
        name: ``"stage.key"`` of :mod:`streamer.settings.settings`.
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


def _arguments() -> str:
    """Return what may have temperatures of their own: ``pitch,shift (chain), ...``."""
    families = (family for family in built_in() if family.tempered)
    return ", or of ".join(f"{','.join(f.arguments)} ({f.name})" for f in families)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the bundle and how it is drawn from."""
    add_bundle(parser)
    add_drawing(parser, *_DRAWING)
    add_harmony(parser)
    add_scene(parser)
    parser.add_argument(
        "--set",
        action=_SetControl,
        metavar="CONTROL=VALUE",
        help="a live control at the start, such as density=0.5 (`perpetuo controls`); any number "
        f"of times: {', '.join(control_specs())}",
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``."""
    add_setting(
        parser,
        "--model",
        "model.model",
        metavar="NAME|PATH",
        help="bundle that plays: a name from `perpetuo models`, a folder or a .zip",
    )


_DRAWING = {
    "--seed": ("model.seed", "N", "same seed, bundle and version: same notes"),
    "--temperature": ("model.temperature", "T", ""),
    "--candidates": ("model.candidates", "K", "phrases drawn, of which the best is played"),
    "--ranking": (
        "model.ranking",
        "RULE",
        "how the best is found: mean, regulated, information, regulated-first-common, typical, "
        "any or ear",
    ),
    "--judge": (
        "model.judge",
        "RULE",
        "what else drops phrases unlike the corpus: none, signature, entropy or both",
    ),
    "--prime": (
        "model.prime",
        "FILE.mid",
        "a piece that the music continues; of tunes, a melody that the first is like",
    ),
    "--query": (
        "model.query",
        "FILE.mid",
        "a piece that is answered bar by bar, for a bundle of family query; live answers what is "
        "played on the input (play only)",
    ),
    "--bits": (
        "controls.bits",
        "N",
        "bits of each bar of a query that reach the network; 1024 (or nothing said) is all",
    ),
    "--style": (
        "model.style",
        "STYLES",
        "styles of the bundle with weights, such as bach:0.7,jazz:0.3 (`perpetuo models`)",
    ),
}
"""Options of how a bundle is drawn from: the setting, what is shown for its value, the help."""


def add_drawing(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Add some of the options of how a bundle is drawn from: those that do something here."""
    for flag in flags:
        name, metavar, text = _DRAWING[flag]
        text = text or f"1 is as trained, less is calmer; or one for each of {_arguments()}"
        add_setting(parser, flag, name, metavar=metavar, help=text)


def add_harmony(parser: argparse.ArgumentParser) -> None:
    """Add ``--chords`` and ``--keys``: text, or a file of it."""
    for name, metavar, text in (
        ("chords", '"Am F C G"', "chords that hold, one a bar and for ever"),
        ("keys", '"C Am F/4"', "keys that hold, each for a bar, or for the bars behind its /"),
    ):
        parser.add_argument(
            f"--{name}",
            dest=f"controls.{name}",
            type=_reader(f"controls.{name}", text_or_file),
            default=None,
            metavar=metavar,
            help=f"{text}; or a file of them ({' or '.join(FILE_ENDS)})",
        )


def add_scene(parser: argparse.ArgumentParser) -> None:
    """Add ``--scene``."""
    add_setting(
        parser,
        "--scene",
        "model.scene",
        metavar="NAME",
        help="begin with a scene (`perpetuo scenes`), which wins over the settings file; options "
        "win over it",
    )


class _SetControl(argparse.Action):
    """Stores ``CONTROL=VALUE`` as the setting of that control."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        text: Any,
        option: str | None = None,
    ) -> None:
        name, sign, value = str(text).partition("=")
        try:
            if not sign:
                raise ValueError(f"must be written CONTROL=VALUE (density=0.5), not {text}")
            setattr(namespace, f"controls.{known_control(name).name}", _control_value(name, value))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from error


def _control_value(name: str, text: str) -> Any:
    try:
        return parse_setting(f"controls.{name}", text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def add_from(parser: argparse.ArgumentParser) -> None:
    """Add ``--from``."""
    parser.add_argument(
        "--from",
        dest="bookmark",
        type=Path,
        metavar="BOOKMARK",
        help="go on from a place of another stream (`perpetuo keep --bookmark FILE`), with its "
        "bundle, seed and controls; options win over these",
    )


def bookmark_of(args: argparse.Namespace) -> Bookmark | None:
    """Return the bookmark that ``--from`` names, read; None where it is not given.

    Raises:
        BundleError: It is none.
    """
    if args.bookmark is None:
        return None
    from streamer.generators.bookmark import read_bookmark

    return read_bookmark(args.bookmark)


def resumed(args: argparse.Namespace, bookmark: Bookmark | None) -> Settings:
    """Return the settings of the file and of the options, over those of a bookmark.

    Raises:
        ConfigError: As :func:`streamer.settings.reading.load_settings`.
    """
    if bookmark is None:
        return settings_of(args)
    given = {name: value for name, value in vars(args).items() if "." in name and value is not None}
    settings = load_settings(args.config, {**bookmark.settings(), **given})
    wanted = {
        name: settings.controls.value(name)
        for name in control_specs()
        if f"controls.{name}" in settings.asked
    }
    controls = Controls.from_values({**bookmark.controls, **wanted})
    return replace(settings, controls=controls, below=None)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings of the file and of the options, which win.

    Raises:
        ConfigError: As :func:`streamer.settings.reading.load_settings`.
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


def minutes(text: str) -> float:
    """Return a length of time in minutes, as an argparse type: ``45``, ``45m``, ``1.5h``, ``90s``.

    Its limits are those of the control ``sleep``.
    """
    most = control_specs()["sleep"].range
    factor = {"s": 1 / 60, "m": 1.0, "h": 60.0}.get(text[-1:])
    try:
        value = float(text if factor is None else text[:-1]) * (factor or 1.0)
    except ValueError:
        value = -1.0
    if most is None or not 0 < value <= most.high:
        limit = "above 0 to 12h, such as 45m (a number alone is minutes)"
        raise argparse.ArgumentTypeError(f"must be {limit}, not {text}")
    return value


def _reader(name: str, opened: Callable[[str], str] = str) -> Callable[[str], Any]:
    """Return an argparse type; ``opened`` gives what is written for what was typed."""

    def read(text: str) -> Any:
        try:
            return parse_setting(name, opened(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read

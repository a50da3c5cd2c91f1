"""The command ``perpetuo``: parses, calls one verb, and turns what goes wrong into one line.

A verb is a module with ``add_arguments(parser)`` and ``run(args)``, which returns the exit status
or None for 0. It is imported when it is used: ``perpetuo --help`` needs none of them. The edge's
verbs are :data:`VERBS`; other packages add theirs through the entry-point group
``perpetuo.verbs``: an entry has the name of the verb and is a function ``register(subparsers)``
that calls :func:`add_verb`. Such functions run only when a verb of theirs, or the help, is asked
for: the edge starts without them.

Exit status: 0 done, 1 a :class:`streamer.errors.StreamerError` or a failure of the system, with
one line on stderr, 2 usage, 130 after SIGINT, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import FrameType, MappingProxyType
from typing import Any, NoReturn

from streamer import __version__
from streamer.errors import ConfigError, StreamerError
from streamer.logs import configure_logging

VERBS = {
    "play": "stream for ever to a MIDI port",
    "render": "write a .mid file, as fast as it goes",
    "interpolate": "a .mid file from one song to another, step by step",
    "restyle": "a .mid file of a song in the manner of another genre",
    "ports": "list what can be played to and from",
    "models": "list the bundles that can play",
    "check": "say what would keep this machine from playing",
    "bench": "measure engine and timing on this machine",
    "rate": "listen to beginnings of tunes and say what you think of them",
}
EXTRA_OF_PACKAGE = {"training": "train", "export": "export"}
"""Which extra brings the libraries that a package's verbs need."""

EXIT_FAILURE, EXIT_USAGE = 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


class Terminated(BaseException):
    """SIGTERM arrived; unwinds the stack so that files are closed and notes are ended."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and whose options may wait until they are needed.

    Attributes:
        module: Name of the verb's module, imported when its arguments are parsed; None once done.
        others: First words after the verb with which another module takes its place, as in
            ``perpetuo train filter``.
    """

    module: str | None = None
    others: Mapping[str, str] = MappingProxyType({})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the verb's options, then parse as argparse does."""
        if self.module is not None:
            if args and args[0] in self.others:
                self.module, self.prog = self.others[args[0]], f"{self.prog} {args[0]}"
                args = args[1:]
            verb = importlib.import_module(self.module)
            self.module = None
            verb.add_arguments(self)
            self.set_defaults(run=verb.run)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and leave with status 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_verb(
    subparsers: Any,
    name: str,
    about: str,
    module: str,
    others: Mapping[str, str] | None = None,
) -> None:
    """Add a verb to the command.

    Args:
        subparsers: What a ``register`` function is given.
        name: The verb.
        about: One line for ``perpetuo --help``.
        module: Dotted name of a module with ``add_arguments`` and ``run``; imported when used.
        others: First word after the verb to the module that does the work then.
    """
    parser = subparsers.add_parser(name, help=about, description=about)
    parser.module, parser.others = module, others or {}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: The arguments after the program's name; None takes the process's own.
    """
    # Before anything imports onnxruntime: it would write a device id and a database otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    configure_logging("warning")
    arguments = list(sys.argv[1:] if argv is None else argv)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(arguments)
    except ConfigError as error:
        return _fail(arguments, *error.problems)
    except StreamerError as error:
        return _fail(arguments, str(error))
    except ModuleNotFoundError as error:
        return _missing(arguments, error)
    except BrokenPipeError:
        _forget_stdout()  # whoever read the output has seen enough
        return 0
    except OSError as error:
        return _fail(arguments, _system_error(error))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Terminated:
        return EXIT_TERMINATED
    finally:
        signal.signal(signal.SIGTERM, previous)


def build_parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the parser with the verbs that ``arguments`` may need.

    Args:
        arguments: A verb of the edge first leaves the other packages unloaded; anything else
            (none, ``--help``, a verb of theirs) registers all that can be loaded.
    """
    parser = Parser(
        prog="perpetuo",
        description="Music that never stops: models play expressive notes into a live MIDI port.",
    )
    parser.add_argument("--version", action="version", version=f"perpetuo {__version__}")
    subparsers = parser.add_subparsers(
        title="verbs", metavar="VERB", dest="verb", required=True, parser_class=Parser
    )
    for verb, about in VERBS.items():
        add_verb(subparsers, verb, about, f"streamer.verbs.{verb}")
    first = arguments[0] if arguments else ""
    if first not in (*VERBS, "--version"):
        _register_others(subparsers, first)
    if first and not first.startswith("-") and first not in subparsers.choices:
        near = difflib.get_close_matches(first, subparsers.choices, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        parser.error(f"there is no verb {first}{hint}")
    return parser


def _run(arguments: list[str]) -> int:
    try:
        args = build_parser(arguments).parse_args(arguments)
        status = int(args.run(args) or 0)
    except SystemExit as stop:  # argparse's help, version and errors
        status = stop.code if isinstance(stop.code, int) else EXIT_FAILURE
    sys.stdout.flush()
    return status


def _register_others(subparsers: Any, wanted: str) -> None:
    """Let the other packages add their verbs.

    Args:
        subparsers: Handed on to each ``register``.
        wanted: The verb asked for: its package must load, others need not.
    """
    registered = set()
    for entry in sorted(_other_verbs(), key=lambda entry: entry.name != wanted):
        if entry.value in registered:
            continue
        registered.add(entry.value)
        try:
            register = entry.load()
        except ModuleNotFoundError:
            if entry.name == wanted:
                raise
            continue
        register(subparsers)


def _other_verbs() -> list[EntryPoint]:
    return sorted(entry_points(group="perpetuo.verbs"), key=lambda entry: entry.name)


def _missing(arguments: list[str], error: ModuleNotFoundError) -> int:
    """Say what brings the module that a verb could not import."""
    verb = arguments[0] if arguments else ""
    packages = {entry.name: entry.module.split(".")[0] for entry in _other_verbs()}
    package = packages.get(verb, "streamer")
    module = (error.name or "").split(".")[0]
    if module in ("streamer", package):
        raise error  # a defect of ours, not a library that was left out
    if package in EXTRA_OF_PACKAGE:
        extra = EXTRA_OF_PACKAGE[package]
        text = f"perpetuo {verb} needs the {extra} extra: pip install 'perpetuo[{extra}]'"
    else:
        text = f"perpetuo {verb} needs {module}, which is not installed: pip install {module}"
    sys.stderr.write(text + "\n")
    return EXIT_FAILURE


def _fail(arguments: list[str], *texts: str) -> int:
    """Print a line that names the verb for each text, and return the status of failure."""
    verb = f" {arguments[0]}" if arguments and not arguments[0].startswith("-") else ""
    for text in texts:
        sys.stderr.write(f"perpetuo{verb}: {' '.join(text.split())}\n")
    return EXIT_FAILURE


def _system_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _forget_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush is silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated

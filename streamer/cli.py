"""The command ``perpetuo``: parses, calls one verb, and turns what goes wrong into one line.

A verb is a module with ``add_arguments(parser)`` and ``run(args)``, which returns the exit status
or None for 0. It is imported when it is used: ``perpetuo --help`` needs none of them. The edge's
verbs are :data:`VERBS`; other packages add theirs through the entry-point group
``perpetuo.verbs``: an entry has the name of the verb and is a function ``register(subparsers)``
that calls :func:`add_verb`. Such functions run only when a verb of theirs, or the help, is asked
for: the edge starts without them.

Exit status: 0 done, 1 a :class:`streamer.errors.StreamerError` or a failure of the system, with
one line on stderr, 2 usage, 130 after SIGINT, 143 after SIGTERM. The process itself begins in
:mod:`streamer.__main__`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from streamer.errors import ConfigError, StreamerError
from streamer.system.logs import configure_logging
from streamer.system.output import complain, drop_output, finish_output, prepare_output
from streamer.system.unwinding import Terminated, Unwinding
from streamer.version import __version__

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VERBS = {
    "play": "stream for ever to a MIDI port",
    "render": "write a .mid file, as fast as it goes",
    "interpolate": "a .mid file from one song to another, step by step",
    "restyle": "a .mid file of a song in the manner of another genre",
    "ports": "list what can be played to and from",
    "models": "list the bundles that can play",
    "scenes": "list the scenes that can be played, save one from what plays",
    "keep": "keep the end of what plays as a .mid file",
    "taste": "say what you like of what plays, and what it has learnt of it",
    "day": "print what the plan of the day does in the coming week",
    "controls": "list what can be steered, and how soon it is heard",
    "token": "print what lets other machines steer the stream",
    "check": "say what would keep this machine from playing",
    "bench": "measure engine and timing on this machine",
    "rate": "listen to beginnings of tunes and say what you think of them",
}
OTHER_VERBS = {
    "prepare": "train", "train": "train", "search": "train", "study": "train",
    "evaluate": "train", "listen-test": "train", "continue": "train", "export": "export",
    "bundle": "export",
}  # fmt: skip
"""Verbs that other packages add, and the extra that brings them; the edge's wheel has none."""

EXTRA_OF_PACKAGE = {"training": "train", "export": "export"}
"""Which extra brings the libraries that a package's verbs need."""

OURS = ("streamer", "training", "export", "__main__")
"""Packages whose mistakes in imports are defects, and no libraries to install."""

INSTALLED = "site-packages"
"""The folder of Python's in which each library has its own."""

EXIT_FAILURE, EXIT_USAGE = 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and whose options may wait until they are needed.

    Attributes:
        module: Name of the verb's module, imported when its arguments are parsed; None once done.
        others: First words after the verb with which another module takes its place, as in
            ``perpetuo train filter``.
        respell: Turns arguments in an old spelling into the new one; set by ``add_arguments`` of a
            verb that was spelled otherwise. None leaves them as they are.
    """

    module: str | None = None
    others: Mapping[str, str] = MappingProxyType({})
    respell: Callable[[list[str]], list[str]] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the verb's options, then parse as argparse does."""
        if self.module is not None:
            if args and args[0] in self.others:
                self.module, self.prog = self.others[args[0]], f"{self.prog} {args[0]}"
                args = args[1:]
            verb = importlib.import_module(self.module)
            self.module = None
            verb.add_arguments(self)
            if hasattr(verb, "run"):  # of a verb of several sub-verbs each has its own
                self.set_defaults(run=verb.run)
            if self.respell is not None:
                args = self.respell(list(args))
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


def say_new_spelling(old: str, new: str) -> None:
    """Say on stderr that an old spelling still works, and what the new one is."""
    sys.stderr.write(f"{old} is now {new}; the old spelling works in this version only\n")


def main(
    argv: Sequence[str] | None = None, others: Mapping[str, Callable[[Any], None]] | None = None
) -> int:
    """Run the command and return its exit status.

    Args:
        argv: The arguments after the program's name; None takes the process's own.
        others: ``register`` functions by what an entry point would call them, for verbs of a
            package that is not installed.
    """
    # Before anything imports onnxruntime: it would write a device id and a database otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["play"]:
        from streamer.system.allocator import keep_flat

        keep_flat()  # before the first thread: a heap that was made for one stays
    try:
        with Unwinding():
            return _guarded(arguments, others or {})
    except KeyboardInterrupt:
        drop_output()
        return EXIT_INTERRUPTED
    except Terminated:
        drop_output()
        return EXIT_TERMINATED


def _guarded(arguments: list[str], others: Mapping[str, Callable[[Any], None]]) -> int:
    """Run the command; what goes wrong is a line on stderr and a status."""
    prepare_output()
    configure_logging("warning")
    try:
        status = _run(arguments, others)
    except ConfigError as error:
        status = _fail(arguments, *error.problems)
    except StreamerError as error:
        status = _fail(arguments, str(error))
    except ModuleNotFoundError as error:
        status = _missing(arguments, error)
    except ImportError as error:
        status = _broken(arguments, error)
    except MemoryError:
        from streamer.system.installing import MORE_MEMORY

        status = _fail(arguments, f"the memory does not suffice: {MORE_MEMORY}")
    except OSError as error:
        ended = isinstance(error, BrokenPipeError) and not error.filename
        status = 0 if ended else _fail(arguments, _system_error(error))
    failed = finish_output()
    if failed is not None and status == 0:
        status = _fail(arguments, f"stdout: {failed.strerror}; what was printed is incomplete")
        finish_output()
    return status


def build_parser(
    arguments: Sequence[str] = (), others: Mapping[str, Callable[[Any], None]] | None = None
) -> Parser:
    """Return the parser with the verbs that ``arguments`` may need.

    Args:
        arguments: A verb of the edge first leaves the other packages unloaded; anything else
            (none, ``--help``, a verb of theirs) registers all that can be loaded.
        others: As :func:`main`.
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
        _register_others(subparsers, first, others or {})
    if first in OTHER_VERBS and first not in subparsers.choices:
        from streamer.system.installing import how_to_add

        extra = OTHER_VERBS[first]
        raise ConfigError([f"it comes with the {extra} extra: {how_to_add(extra)}"])
    if first and not first.startswith("-") and first not in subparsers.choices:
        import difflib

        near = difflib.get_close_matches(first, subparsers.choices, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        parser.error(f"there is no verb {first}{hint}")
    return parser


def _run(arguments: list[str], others: Mapping[str, Callable[[Any], None]]) -> int:
    try:
        args = build_parser(arguments, others).parse_args(arguments)
        status = int(args.run(args) or 0)
    except SystemExit as stop:  # argparse's help, version and errors
        status = stop.code if isinstance(stop.code, int) else EXIT_FAILURE
    return status


def _register_others(
    subparsers: Any, wanted: str, known: Mapping[str, Callable[[Any], None]]
) -> None:
    """Let the other packages add their verbs.

    Args:
        subparsers: Handed on to each ``register``.
        wanted: The verb asked for: its package must load, others need not.
        known: Registered without an entry point.
    """
    for register in known.values():
        register(subparsers)
    registered = set(known)
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
    # Imported here: it takes longer than the rest of the command line, and the edge needs none.
    from importlib.metadata import entry_points

    return sorted(entry_points(group="perpetuo.verbs"), key=lambda entry: entry.name)


def _missing(arguments: list[str], error: ModuleNotFoundError) -> int:
    """Say what brings the module that a verb could not import."""
    from streamer.system.installing import how_to_add, how_to_install

    verb = arguments[0] if arguments else ""
    packages = {entry.name: entry.module.split(".")[0] for entry in _other_verbs()}
    package = packages.get(verb, "streamer")
    module = (error.name or "").split(".")[0]
    if module in ("streamer", package):
        raise error  # a defect of ours, not a library that was left out
    if package in EXTRA_OF_PACKAGE:
        extra = EXTRA_OF_PACKAGE[package]
        text = f"perpetuo {verb} needs the {extra} extra: {how_to_add(extra)}"
    else:
        text = f"perpetuo {verb} needs {module}, which is not installed: {how_to_install(module)}"
    complain(text)
    return EXIT_FAILURE


def _broken(arguments: list[str], error: ImportError) -> int:
    """Say which library is there and cannot be loaded."""
    from streamer.system.installing import MORE_MEMORY, how_to_install, lacks_memory

    library = _library_of(error)
    if not library or library in OURS:
        raise error  # a defect of ours
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if lacks_memory(error):
        return _fail(arguments, f"{library} cannot be loaded ({reason}): {MORE_MEMORY}")
    return _fail(
        arguments,
        f"{library} cannot be loaded ({reason}); install another build of it: "
        f"{how_to_install(library, again=True)}",
    )


def _library_of(error: ImportError) -> str:
    """Return which library is to be loaded, "" for none that is known."""
    parts = Path(error.path or "").parts
    if INSTALLED in parts[:-1]:  # of a part of it that is no Python the name is the part's alone
        return parts[parts.index(INSTALLED) + 1].partition(".")[0]
    frames = traceback.walk_tb(error.__traceback__)
    modules = [str(frame.f_globals.get("__name__", "")).split(".")[0] for frame, _ in frames]
    strange = [name for name in modules if name not in (*OURS, "importlib", "contextlib")]
    return (error.name or "").split(".")[0] or (strange[-1] if strange else "")


def _fail(arguments: list[str], *texts: str) -> int:
    """Print a line that names the verb for each text, and return the status of failure."""
    verb = f" {arguments[0]}" if arguments and not arguments[0].startswith("-") else ""
    for text in texts:
        complain(f"perpetuo{verb}: {' '.join(text.split())}")
    return EXIT_FAILURE


def _system_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason

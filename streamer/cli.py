"""The command ``perpetuo``: parses, calls one verb, and turns what goes wrong into one line.

Verbs of the edge live in ``streamer.verbs``. Other packages add theirs through the entry-point
group ``perpetuo.verbs``: an entry is named as its verb and is a function ``register(subparsers)``
that adds it with ``set_defaults(run=...)``, where ``run(args)`` returns the exit status or None.
They are loaded only when such a verb, or the help, is asked for: the edge starts without them.

Exit status: 0 done, 1 a :class:`streamer.errors.StreamerError` or a failure of the system, with
one line on stderr, 2 usage, 130 after SIGINT, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import FrameType
from typing import Any, NoReturn, cast

from streamer.errors import StreamerError

VERBS = ("play", "render", "ports", "models", "check", "bench")
EXTRA_OF_PACKAGE = {"training": "train", "export": "export"}
"""Which extra brings the libraries that a package's verbs need."""

EXIT_FAILURE, EXIT_USAGE = 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM arrived; unwinds the stack so that files are closed and notes are ended."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and leave with status 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: The arguments after the program's name; None takes the process's own.
    """
    # Before anything imports onnxruntime: it would write a device id and a database otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    arguments = list(sys.argv[1:] if argv is None else argv)
    previous = _on_sigterm(_terminate)
    try:
        return _run(arguments)
    except StreamerError as error:
        return _fail(arguments, str(error))
    except BrokenPipeError:
        _forget_stdout()  # whoever read the output has seen enough
        return 0
    except OSError as error:
        return _fail(arguments, _system_error(error))
    except KeyboardInterrupt:
        return int(EXIT_INTERRUPTED)
    except Terminated:
        return int(EXIT_TERMINATED)
    finally:
        _on_sigterm(previous)


def _run(arguments: list[str]) -> int:
    try:
        args = build_parser(arguments).parse_args(arguments)
        if not hasattr(args, "run"):
            build_parser(arguments).print_help()
            status = EXIT_USAGE
        else:
            status = int(args.run(args) or 0)
    except SystemExit as stop:  # argparse's help, version and errors
        status = stop.code if isinstance(stop.code, int) else 0
    except ModuleNotFoundError as error:
        return _missing(arguments, error)
    sys.stdout.flush()
    return status


def build_parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the parser with the verbs that ``arguments`` may need.

    Args:
        arguments: A verb of the edge first leaves the other packages unloaded; anything else
            (none, ``--help``, a verb of theirs) loads all that can be loaded.
    """
    parser = Parser(
        prog="perpetuo",
        description="Music that never stops: models play expressive notes into a live MIDI port.",
    )
    parser.add_argument("--version", action="version", version=f"perpetuo {own_version()}")
    subparsers = parser.add_subparsers(
        title="verbs", metavar="VERB", parser_class=Parser, required=False
    )
    for verb in VERBS:
        importlib.import_module(f"streamer.verbs.{verb}").register(subparsers)
    if not arguments or arguments[0] not in (*VERBS, "--version"):
        _register_others(subparsers, wanted=arguments[0] if arguments else "")
    return parser


def own_version() -> str:
    """Return the version of the installed distribution, or ``0+unknown`` in a bare checkout."""
    try:
        return version("perpetuo")
    except PackageNotFoundError:
        return "0+unknown"


def _register_others(subparsers: Any, wanted: str) -> None:
    """Add the verbs of other packages; each function is called once however many verbs it adds."""
    by_function: dict[str, EntryPoint] = {}
    for entry in _other_verbs():
        if entry.value not in by_function or entry.name == wanted:
            by_function[entry.value] = entry
    for entry in by_function.values():
        try:
            register = entry.load()
        except ModuleNotFoundError:
            if entry.name == wanted:
                raise
            continue  # help goes on without the verbs of a package that is not there
        register(subparsers)


def _other_verbs() -> Iterable[EntryPoint]:
    return sorted(entry_points(group="perpetuo.verbs"), key=lambda entry: entry.name)


def _missing(arguments: list[str], error: ModuleNotFoundError) -> int:
    """Say which extra brings the module that a verb could not import."""
    verb = arguments[0] if arguments else ""
    packages = {entry.name: entry.module.split(".")[0] for entry in _other_verbs()}
    extra = EXTRA_OF_PACKAGE.get(packages.get(verb, ""))
    module = (error.name or "").split(".")[0]
    if module in ("streamer", packages.get(verb, "")):
        raise error  # a defect of ours, not a library that the user left out
    if extra:
        text = f"perpetuo {verb} needs the {extra} extra: pip install 'perpetuo[{extra}]'"
    else:
        text = f"perpetuo {verb} needs {module}, which is not here: pip install perpetuo".strip()
    print(text, file=sys.stderr)
    return EXIT_FAILURE


def _fail(arguments: list[str], text: str) -> int:
    verb = f" {arguments[0]}" if arguments and not arguments[0].startswith("-") else ""
    line = " ".join(text.split())
    print(f"perpetuo{verb}: {line}", file=sys.stderr)
    return EXIT_FAILURE


def _system_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _forget_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush is silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _on_sigterm(handler: Any) -> Any:
    """Set the handler and return the one before; only the main thread may, others change nothing."""
    try:
        return signal.signal(signal.SIGTERM, cast(Any, handler))
    except (ValueError, TypeError):
        return signal.SIG_DFL

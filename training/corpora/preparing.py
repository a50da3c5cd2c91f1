"""``perpetuo prepare``, whatever the kind of corpus: options, progress, what is written and told.

A family's ``preparing`` module declares its own options beside these, and hands in how it reads and
what it tells; the rest is here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from streamer.errors import ConfigError, DataError
from streamer.system.atomic import write_whole
from streamer.verbs.numbers import SEED
from training.corpora.prepared import Corpus
from training.corpora.reading import FILE_REASONS, Progress

C = TypeVar("C", bound=Corpus)
Options = TypeVar("Options")


def add_options(parser: argparse.ArgumentParser, share: float = 0.1) -> argparse._ArgumentGroup:
    """Declare what all kinds of corpora ask for.

    Args:
        parser: Of the kind.
        share: Of the compositions that validation and test get when nothing is said, 0..1.

    Returns:
        The group of what to take, for a kind's own options.
    """
    parser.add_argument("sources", nargs="+", type=Path, metavar="PATH",
                        help="folder, archive or MIDI file")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz",
                        help="where to write")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="REPORT",
                        help="write what was taken and left out, file by file")  # fmt: skip
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="name every file that is left out, copies too")  # fmt: skip
    split = parser.add_argument_group("split")
    split.add_argument("--seed", type=SEED, default=0, help="of the split (default 0)")
    split.add_argument("--valid", type=_share, default=share, metavar="SHARE",
                       help=f"compositions for validation (default {share:g})")  # fmt: skip
    split.add_argument("--test", type=_share, default=share, metavar="SHARE",
                       help=f"compositions for the last test (default {share:g})")  # fmt: skip
    take = parser.add_argument_group("what to take")
    take.add_argument("--include", action="append", default=[], metavar="GLOB",
                      help="only files whose path in the corpus matches; repeatable")  # fmt: skip
    take.add_argument("--exclude", action="append", default=[], metavar="GLOB",
                      help="not the files whose path matches; repeatable")  # fmt: skip
    take.add_argument("--include-licence", action="append", default=[], metavar="GLOB",
                      help="only these licences, as labels.csv states them;"
                           " repeatable")  # fmt: skip
    take.add_argument("--licence", default="", metavar="TEXT",
                      help="licence of files whose labels state none")  # fmt: skip
    return take


def add_min_notes(group: argparse._ArgumentGroup, what: str) -> None:
    """Declare ``--min-notes`` of pieces or tracks."""
    group.add_argument("--min-notes", type=positive, default=32, metavar="N",
                       help=f"leave out shorter {what} (default 32)")  # fmt: skip


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be in range 0..1, 1 excluded, not {text}")
    return value


def positive(text: str) -> int:
    """Read a number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def names(text: str) -> tuple[str, ...]:
    """Read names that are parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def file_options(args: argparse.Namespace, make: Callable[..., Options], **own: object) -> Options:
    """Return the options of a reader: those of all kinds, and a kind's own.

    Raises:
        ConfigError: One is out of range.
    """
    try:
        return make(
            seed=args.seed,
            valid=args.valid,
            test=args.test,
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            **own,
        )
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def run(args: argparse.Namespace, read: Callable[[Progress], C], tell: Callable[[C], None]) -> int:
    """Read, write the file and the report, and tell; return the exit status.

    Args:
        args: As :func:`add_options` declared them.
        read: Reads the corpus and says how far it is.
        tell: Prints what came out.

    Raises:
        DataError: The output is a folder, or nothing can be read.
    """
    if args.output.is_dir():
        raise DataError(f"{args.output}: is a folder; name the file to write, as in -o x.npz")
    with _Bar() as bar:
        corpus = read(bar)
    _name_skipped(corpus.report["skipped"], args.verbose)
    for entry in corpus.report["remarks"]:
        print(f"remark {entry['corpus']}/{entry['file']}: {entry['text']}", file=sys.stderr)
    corpus.save(args.output)
    if args.json:
        text = json.dumps(corpus.report, indent=2, ensure_ascii=False)
        write_whole(args.json, text + "\n")
    tell(corpus)
    return 0


def counted(counts: Mapping[str, int]) -> str:
    """Return counts as ``3 broken, 1 duplicate``."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def kept(report: Mapping[str, Any]) -> str:
    """Return how many files were found and kept, and the others by reason."""
    left_out = counted(report["reasons"])
    return f"{report['files']} files: {report['kept']} kept" + (left_out and f", {left_out}")


def _name_skipped(skipped: Iterable[Mapping[str, str]], verbose: bool) -> None:
    """Name what was left out on stderr: what is wrong with a file always, choices if asked."""
    for entry in skipped:
        if verbose or entry["reason"] in FILE_REASONS:
            track = f", track {entry['track']}" if "track" in entry else ""
            print(f"skipped {entry['corpus']}/{entry['file']}{track}: {entry['reason']}:"
                  f" {entry['text']}", file=sys.stderr)  # fmt: skip


class _Bar:
    """A bar on stderr while files are read; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, found: int) -> None:
        self._bar.update(self._task, completed=done, total=found)

"""``perpetuo prepare``: a corpus of MIDI files into one tensor file to train with."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.data.corpus import Corpus
    from training.data.prepare import PrepareOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo prepare``."""
    parser.description = (
        "Read MIDI files from folders or archives (.tar.xz, .zip, ...), drop copies and what"
        " cannot be used, split by composition, and write one tensor file. All tracks but the"
        " drums become one piano part. A labels.csv (columns: file, work_key, licence, ...)"
        " beside the files is used where there is one."
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="PATH",
                        help="folder, archive or MIDI file")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="TENSORS.npz",
                        help="where to write")  # fmt: skip
    _add_split(parser)
    _add_selection(parser)
    _add_melodies(parser)
    _add_scores(parser)
    _add_bands(parser)
    parser.add_argument("--json", type=Path, metavar="REPORT",
                        help="write what was taken and left out, file by file")  # fmt: skip
    parser.add_argument("--processes", type=_positive, metavar="N",
                        help="read with N processes (default: one a core)")  # fmt: skip
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="name every file that is left out, copies too")  # fmt: skip


def _add_split(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("split and classes")
    group.add_argument("--seed", type=int, default=0, help="of the split (default 0)")
    group.add_argument("--valid", type=_share, metavar="SHARE",
                       help="compositions for validation (default 0.05, of melodies"
                            " 0.1)")  # fmt: skip
    group.add_argument("--test", type=_share, metavar="SHARE",
                       help="compositions for the last test (default 0.05, of melodies"
                            " 0.1)")  # fmt: skip
    group.add_argument("--codec", choices=("published", "fitted"), default="published",
                       help="class tables: the paper's own, or fitted to this corpus")  # fmt: skip
    group.add_argument("--trust-labels", action="store_true",
                       help="keep works apart that share a melody but not their key")  # fmt: skip


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to take")
    group.add_argument("--include", action="append", default=[], metavar="GLOB",
                       help="only files whose path in the corpus matches; repeatable")  # fmt: skip
    group.add_argument("--exclude", action="append", default=[], metavar="GLOB",
                       help="not the files whose path matches; repeatable")  # fmt: skip
    group.add_argument("--include-licence", action="append", default=[], metavar="GLOB",
                       help="only these licences, as labels.csv states them;"
                            " repeatable")  # fmt: skip
    group.add_argument("--licence", default="", metavar="TEXT",
                       help="licence of files whose labels state none")  # fmt: skip
    group.add_argument("--tracks", type=_names, default=(), metavar="NAME,...",
                       help="only tracks with these names (default: all but drums)")  # fmt: skip
    group.add_argument("--piano-only", action="store_true",
                       help="only notes of piano programs")  # fmt: skip
    group.add_argument("--min-notes", type=_positive, default=32, metavar="N",
                       help="leave out shorter pieces (default 32)")  # fmt: skip


def _add_melodies(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("melodies, for the tune families")
    group.add_argument("--melodies", action="store_true",
                       help="take melodic tracks instead, one line each, with style labels;"
                            " by itself only from files with a free licence or none"
                            " stated")  # fmt: skip
    group.add_argument("--style", default="", metavar="NAME",
                       help="style of all of them (default: as the corpus says, or its"
                            " name)")  # fmt: skip


def _add_scores(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scores, for the families that compose bars")
    group.add_argument(
        "--scores",
        action="store_true",
        help="keep pieces in beats and bars instead, whatever their tempo",
    )
    group.add_argument("--drums", action="store_true", help="keep channel 10 as well")


def _add_bands(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("bands, for the family of four tracks")
    group.add_argument("--bands", action="store_true",
                       help="keep songs in 4/4 as drums, bass, harmony and strings instead; by"
                            " itself only from files with a free licence or none"
                            " stated")  # fmt: skip
    group.add_argument("--tags", type=_names, default=("genre",), metavar="COLUMN,...",
                       help="columns of labels.csv that hold genres (default: genre)")  # fmt: skip
    group.add_argument("--takes", type=_positive, default=4, metavar="N",
                       help="combinations of a file's bass and harmony tracks that are taken at"
                            " most (default 4)")  # fmt: skip


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be in range 0..1, 1 excluded, not {text}")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def run(args: argparse.Namespace) -> int:
    """Read, split, write and tell."""
    from streamer.errors import DataError
    from training.data.prepare import prepare

    if args.output.is_dir():
        raise DataError(f"{args.output}: is a folder; name the file to write, as in -o x.npz")
    if args.bands:
        return _run_bands(args)
    if args.scores:
        return _run_scores(args)
    if args.drums:
        raise DataError("--drums is for scores; give --scores with it")
    if args.melodies:
        return _run_melodies(args)
    if args.style:
        raise DataError("--style is for tunes; give --melodies with it")
    options = _options(args)
    with _Progress() as progress:
        tensors, corpus = prepare(
            args.sources, options, processes=args.processes, progress=progress
        )
    _name_skipped(corpus, args.verbose)
    tensors.save(args.output)
    if args.json:
        text = json.dumps(tensors.report, indent=2, ensure_ascii=False)
        args.json.write_text(text + "\n", encoding="utf-8")
    _tell(tensors.report, args.output)
    return 0


def _run_melodies(args: argparse.Namespace) -> int:
    """The same for melodic tracks."""
    from training.prepare_melodies import options_of, tell

    options = options_of(args)
    from training.data.melodies import read_melodies

    with _Progress() as progress:
        tunes = read_melodies(args.sources, options, progress=progress)
    tunes.save(args.output)
    if args.json:
        text = json.dumps(tunes.report, indent=2, ensure_ascii=False)
        args.json.write_text(text + "\n", encoding="utf-8")
    tell(tunes, args.output, args.verbose)
    return 0


def _run_scores(args: argparse.Namespace) -> int:
    """The same for scores in bars and beats."""
    from training.data.read_scores import read_scores
    from training.prepare_scores import options_of, tell

    options = options_of(args)
    with _Progress() as progress:
        scores = read_scores(args.sources, options, progress=progress)
    scores.save(args.output)
    if args.json:
        text = json.dumps(scores.report, indent=2, ensure_ascii=False)
        args.json.write_text(text + "\n", encoding="utf-8")
    tell(scores, args.output, args.verbose)
    return 0


def _run_bands(args: argparse.Namespace) -> int:
    """The same for songs of four tracks."""
    from training.prepare_bands import options_of, tell

    options = options_of(args)
    from training.data.read_bands import read_bands

    with _Progress() as progress:
        bands = read_bands(args.sources, options, progress=progress)
    bands.save(args.output)
    if args.json:
        text = json.dumps(bands.report, indent=2, ensure_ascii=False)
        args.json.write_text(text + "\n", encoding="utf-8")
    tell(bands, args.output, args.verbose)
    return 0


def _options(args: argparse.Namespace) -> PrepareOptions:
    from streamer.errors import ConfigError
    from training.data.corpus import Selection
    from training.data.prepare import PrepareOptions

    try:
        selection = Selection(
            include=tuple(args.include),
            exclude=tuple(args.exclude),
            licences=tuple(args.include_licence),
            licence=args.licence,
            tracks=args.tracks,
            piano_only=args.piano_only,
            min_notes=args.min_notes,
            join=not args.trust_labels,
        )
        valid = 0.05 if args.valid is None else args.valid
        test = 0.05 if args.test is None else args.test
        return PrepareOptions(args.seed, valid, test, args.codec, selection)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def _name_skipped(corpus: Corpus, verbose: bool) -> None:
    """Name what was left out on stderr: what is wrong with a file always, choices if asked."""
    from training.data.corpus import FILE_REASONS

    for entry in corpus.skipped:
        if verbose or entry.reason in FILE_REASONS:
            print(f"skipped {entry.corpus}/{entry.file}: {entry.reason}: {entry.text}",
                  file=sys.stderr)  # fmt: skip
    for entry in corpus.damaged:
        print(f"cut short {entry.corpus}/{entry.file}: {entry.text}", file=sys.stderr)


def _tell(report: dict[str, Any], output: Path) -> None:
    """Print counts by reason and what came out."""
    print(f"{report['files']} files: {report['kept']} kept", end="")
    for reason, count in report["reasons"].items():
        print(f", {count} {reason}", end="")
    print()
    if report["cut_short"]:
        print(f"{len(report['cut_short'])} of them break off early and are kept up to there")
    if report["note_changes"]:
        changes = ", ".join(f"{count} {name}" for name, count in report["note_changes"].items())
        print(f"notes dropped or moved: {changes}")
    if report["joined_works"]:
        print(f"{len(report['joined_works'])} works joined to another that shares their melody")
    print(f"{'':<6} {'pieces':>7} {'works':>7} {'notes':>10} {'hours':>7}")
    for name, row in report["splits"].items():
        print(f"{name:<6} {row['pieces']:>7} {row['works']:>7} {row['notes']:>10}"
              f" {row['hours']:>7.2f}")  # fmt: skip
    print(f"wrote {output} ({report['codec']} classes)")


class _Progress:
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

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, found: int) -> None:
        self._bar.update(self._task, completed=done, total=found)

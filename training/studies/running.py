"""What the verbs of all studies do alike: options, opening checkpoints, one line a study.

A study is a function ``(bench, folder) -> rows`` that writes JSON and PNG into a folder. A family's
module of verbs declares the options of its own and says which studies they allow.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from streamer.errors import ConfigError
from streamer.verbs.numbers import MANY, SEED, Number
from training.registry import model_from_checkpoint
from training.run.checkpoint import load_checkpoint

Rows = dict[str, Any]

T = TypeVar("T")
B = TypeVar("B")
C = TypeVar("C")
S = TypeVar("S")


def add_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Declare what all studies ask for.

    Args:
        parser: Of the study.
        names: What ``--only`` can choose from.
    """
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="the corpus; what was held out is what is measured")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="where JSON and PNG are written")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=sorted(names), metavar="NAME",
                        help=f"some of {', '.join(sorted(names))} (default: all that can"
                             " be)")  # fmt: skip
    parser.add_argument("--seed", type=SEED, default=0)


def add_checkpoint(
    parser: argparse.ArgumentParser, names: Sequence[str], *, required: bool = True
) -> None:
    """Declare ``--checkpoint`` and say what it shows."""
    parser.add_argument("--checkpoint", type=Path, required=required, metavar="RUN",
                        help=f"run folder or checkpoint; shows {', '.join(names)}")  # fmt: skip


def add_bundle(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Declare ``--bundle`` and say what it shows."""
    parser.add_argument("--bundle", type=Path, metavar="DIR",
                        help=f"exported bundle; shows {', '.join(names)}")  # fmt: skip


def add_play_options(parser: argparse.ArgumentParser) -> None:
    """Declare what studies ask for that play a bundle beside its corpus."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR",
                        help="the bundle that is played")  # fmt: skip
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="the corpus that it was trained on")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="where JSON and PNG are written")  # fmt: skip
    parser.add_argument("--streams", type=MANY, default=12, metavar="N",
                        help="streams that are played (default 12)")  # fmt: skip
    parser.add_argument("--minutes", type=Number(0.01, 1e6), default=1.25,
                        help="length of each (default 1.25)")  # fmt: skip
    parser.add_argument("--seed", type=SEED, default=0, help="of the first stream")


def wanted(
    args: argparse.Namespace, of_checkpoint: Sequence[str], of_bundle: Sequence[str]
) -> list[str]:
    """Return the studies to run: those of ``--only``, or all that what was given allows.

    Raises:
        ConfigError: One needs what was not given, or nothing was given.
    """
    names: list[str] = args.only or [
        *(of_checkpoint if args.checkpoint else ()),
        *(of_bundle if args.bundle else ()),
    ]
    problems = [
        f"{name}: needs --{option}"
        for name in names
        for option, some in (("checkpoint", of_checkpoint), ("bundle", of_bundle))
        if name in some and getattr(args, option) is None
    ]
    if problems or not names:
        raise ConfigError(problems or ["nothing to study: give --checkpoint, --bundle or both"])
    return names


def run_studies(
    args: argparse.Namespace,
    of_checkpoint: Mapping[str, Callable[[B, Path], Rows]],
    of_bundle: Mapping[str, Callable[[S, Path], Rows]],
    *,
    load: Callable[[Path], C],
    bench: Callable[[argparse.Namespace, C], B],
    stage: Callable[[argparse.Namespace, C], S],
) -> int:
    """Run the studies that are wanted, print a line of each, and return the exit status.

    Args:
        args: Of the study's verb.
        of_checkpoint: Name to study of a checkpoint.
        of_bundle: Name to study of a bundle.
        load: Reads the corpus.
        bench: Opens what the studies of a checkpoint work on, once.
        stage: Opens what a study of a bundle plays, anew for each.

    Raises:
        ConfigError: As in :func:`wanted`.
    """
    names = wanted(args, tuple(of_checkpoint), tuple(of_bundle))

    def studies() -> Iterator[tuple[str, Rows]]:
        corpus = load(args.tensors)
        opened = bench(args, corpus) if args.checkpoint else None
        for name in names:
            if name in of_checkpoint and opened is not None:
                yield name, of_checkpoint[name](opened, args.output)
            else:
                yield name, of_bundle[name](stage(args, corpus), args.output)

    return show(studies())


def loaded(path: Path, kind: type[T], models: Sequence[str]) -> T:
    """Return the model of a checkpoint, in evaluation mode.

    Args:
        path: A checkpoint or run folder.
        kind: Class of the model.
        models: Names that it may have.

    Raises:
        DataError: It cannot be read.
        ConfigError: It is another model.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.family not in models:
        names = " or ".join(models)
        raise ConfigError([f"{path}: is of family {checkpoint.family}, not {names}"])
    model = model_from_checkpoint(checkpoint)
    if not isinstance(model, kind):
        raise TypeError(f"{checkpoint.family} is built as {type(model).__name__}")
    return model


def show(studies: Iterable[tuple[str, Rows]]) -> int:
    """Run studies as they come and print a line of each; return the exit status."""
    for name, rows in studies:
        print(f"{name}: {json.dumps(_headline(rows))}", flush=True)
    return 0


def _headline(rows: Mapping[str, object]) -> dict[str, object]:
    """Return what fits a terminal line; the JSON has the rest."""
    return {
        key: _headline(value) if isinstance(value, Mapping) else value
        for key, value in rows.items()
        if not isinstance(value, list)
    }

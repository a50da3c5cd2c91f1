"""The verb ``perpetuo study FAMILY``: what the specs say must be shown, as JSON and PNG."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from training.checkpoint import load_checkpoint
from training.data.scores import ScoreSet
from training.data.tensors import TensorSet
from training.families import model_from_checkpoint
from training.studies.chain import STUDIES, Bench
from training.studies.draw import DRAW_STUDIES, DrawBench
from training.studies.query import QUERY_STUDIES, QueryBench
from training.studies.stream import STREAM_STUDIES, Stage

Rows = dict[str, Any]

OF_CHECKPOINTS: dict[str, tuple[str, ...]] = {
    "chain": tuple(STUDIES),
    "draw": tuple(DRAW_STUDIES),
    "query": tuple(QUERY_STUDIES),
}
"""What each family can show of a checkpoint."""

OF_BUNDLES: dict[str, tuple[str, ...]] = {"chain": tuple(STREAM_STUDIES)}
"""What it can show of a bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo study``."""
    names = sorted({name for some in (OF_CHECKPOINTS, OF_BUNDLES) for s in some.values()
                    for name in s})  # fmt: skip
    parser.add_argument("family", choices=sorted(OF_CHECKPOINTS), help="the family to study")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="RUN",
        help="run folder or checkpoint; shows " + _listed(OF_CHECKPOINTS),
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="exported bundle; shows " + _listed(OF_BUNDLES)
    )
    parser.add_argument(
        "--tensors",
        type=Path,
        required=True,
        metavar="FILE.npz",
        help="its corpus; what was held out is what is measured",
    )
    parser.add_argument(
        "--other",
        type=Path,
        metavar="FILE.npz",
        help="of draw: another corpus, prepared in the same way",
    )
    parser.add_argument(
        "--independent",
        type=Path,
        metavar="RUN",
        help="of chain: the same, trained with model.current_prefix=false",
    )
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="STUDY",
        help="default: all that --checkpoint and --bundle allow",
    )
    parser.add_argument("--streams", type=int, default=12, help="streams that are played")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each, for music")
    parser.add_argument("--hours", type=float, default=24.0, help="length of endless")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    of_checkpoint = OF_CHECKPOINTS.get(args.family, ())
    of_bundle = OF_BUNDLES.get(args.family, ())
    wanted = args.only or [
        *(of_checkpoint if args.checkpoint else ()), *(of_bundle if args.bundle else ()),
    ]  # fmt: skip
    problems = [
        f"{name}: {args.family} shows {', '.join((*of_checkpoint, *of_bundle))}"
        for name in wanted
        if name not in (*of_checkpoint, *of_bundle)
    ]
    problems += [
        f"{name}: needs --{option}"
        for name in wanted
        for option, studies in (("checkpoint", of_checkpoint), ("bundle", of_bundle))
        if name in studies and getattr(args, option) is None
    ]
    if problems or not wanted:
        raise ConfigError(problems or ["nothing to study: give --checkpoint, --bundle or both"])
    for name, rows in _RUNNERS[args.family](args, wanted):
        print(f"{name}: {json.dumps(_headline(rows))}", flush=True)
    return 0


def _chain(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    tensors = TensorSet.load(args.tensors)
    bench = None
    if args.checkpoint:
        model = _model(args, "chain")
        if model.codec.fingerprint != tensors.codec.fingerprint:
            raise ConfigError([f"{args.tensors}: other class tables than {args.checkpoint}"])
        independent = None
        if args.independent:
            independent = model_from_checkpoint(load_checkpoint(args.independent))
        bench = Bench(model, tensors, independent, args.seed)
    for name in wanted:
        if name in STUDIES and bench is not None:
            yield name, STUDIES[name](bench, args.output)
        else:
            stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes, args.hours)
            yield name, STREAM_STUDIES[name](stage, args.output)


def _draw(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    other = None if args.other is None else ScoreSet.load(args.other)
    bench = DrawBench(_model(args, "draw"), ScoreSet.load(args.tensors), other, args.seed)
    for name in wanted:
        yield name, DRAW_STUDIES[name](bench, args.output)


def _query(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    bench = QueryBench(_model(args, "query"), ScoreSet.load(args.tensors), args.seed)
    for name in wanted:
        yield name, QUERY_STUDIES[name](bench, args.output)


_RUNNERS: Mapping[str, Callable[[argparse.Namespace, list[str]], Iterator[tuple[str, Rows]]]] = {
    "chain": _chain,
    "draw": _draw,
    "query": _query,
}


def _model(args: argparse.Namespace, family: str) -> Any:
    checkpoint = load_checkpoint(args.checkpoint)
    if checkpoint.family != family:
        raise ConfigError([f"{args.checkpoint}: is of family {checkpoint.family}, not {family}"])
    return model_from_checkpoint(checkpoint)


def _listed(studies: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"of {family} {', '.join(names)}" for family, names in studies.items())


def _headline(rows: Mapping[str, object]) -> dict[str, object]:
    """Return what fits a terminal line; the JSON has the rest."""
    return {k: v for k, v in rows.items() if not isinstance(v, list)}

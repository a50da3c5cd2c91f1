"""The verb ``perpetuo study FAMILY``: what the specs say must be shown, as JSON and PNG."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from streamer.errors import ConfigError
from training.checkpoint import load_checkpoint
from training.data.tensors import TensorSet
from training.families import model_from_checkpoint
from training.studies.chain import STUDIES, Bench
from training.studies.stream import STREAM_STUDIES, Stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo study``."""
    parser.add_argument("family", choices=("chain",), help="the family to study")
    parser.add_argument("--checkpoint", type=Path, metavar="RUN",
                        help="run folder or checkpoint, for " + ", ".join(STUDIES))  # fmt: skip
    parser.add_argument("--bundle", type=Path, metavar="DIR",
                        help="exported bundle, for " + ", ".join(STREAM_STUDIES))  # fmt: skip
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="its corpus; the test split is what is measured")  # fmt: skip
    parser.add_argument("--independent", type=Path, metavar="RUN",
                        help="the same, trained with model.current_prefix=false")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=(*STUDIES, *STREAM_STUDIES), metavar="STUDY",
                        help="default: all that --checkpoint and --bundle allow")  # fmt: skip
    parser.add_argument("--streams", type=int, default=12, help="streams that are played")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each, for music")
    parser.add_argument("--hours", type=float, default=24.0, help="length of endless")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    wanted = args.only or [
        *(STUDIES if args.checkpoint else ()), *(STREAM_STUDIES if args.bundle else ()),
    ]  # fmt: skip
    missing = [
        f"{name}: needs --{option}"
        for name in wanted
        for option, studies in (("checkpoint", STUDIES), ("bundle", STREAM_STUDIES))
        if name in studies and getattr(args, option) is None
    ]
    if missing or not wanted:
        raise ConfigError(missing or ["nothing to study: give --checkpoint, --bundle or both"])
    tensors = TensorSet.load(args.tensors)
    bench = _bench(args, tensors) if args.checkpoint else None
    for name in wanted:
        if name in STUDIES and bench is not None:
            rows = STUDIES[name](bench, args.output)
        else:
            stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes, args.hours)
            rows = STREAM_STUDIES[name](stage, args.output)
        print(f"{name}: {json.dumps(_headline(rows))}", flush=True)
    return 0


def _bench(args: argparse.Namespace, tensors: TensorSet) -> Bench:
    model = model_from_checkpoint(load_checkpoint(args.checkpoint))
    if model.codec.fingerprint != tensors.codec.fingerprint:
        raise ConfigError([f"{args.tensors}: other class tables than {args.checkpoint}"])
    independent = None
    if args.independent:
        independent = model_from_checkpoint(load_checkpoint(args.independent))
    return Bench(model, tensors, independent, args.seed)


def _headline(rows: dict[str, object]) -> dict[str, object]:
    """Return what fits a terminal line; the JSON has the rest."""
    return {k: v for k, v in rows.items() if not isinstance(v, list)}

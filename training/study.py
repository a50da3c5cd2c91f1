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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo study``."""
    parser.add_argument("family", choices=("chain",), help="the family to study")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="RUN",
                        help="run folder or checkpoint")  # fmt: skip
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="its corpus; the test split is what is measured")  # fmt: skip
    parser.add_argument("--independent", type=Path, metavar="RUN",
                        help="the same, trained with model.current_prefix=false")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=tuple(STUDIES), default=tuple(STUDIES))
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    tensors = TensorSet.load(args.tensors)
    model = model_from_checkpoint(load_checkpoint(args.checkpoint))
    if model.codec.fingerprint != tensors.codec.fingerprint:
        raise ConfigError([f"{args.tensors}: other class tables than {args.checkpoint}"])
    independent = None
    if args.independent:
        independent = model_from_checkpoint(load_checkpoint(args.independent))
    bench = Bench(model, tensors, independent, args.seed)
    for name in args.only:
        rows = STUDIES[name](bench, args.output)
        print(f"{name}: {json.dumps(_headline(rows))}")
    return 0


def _headline(rows: dict[str, object]) -> dict[str, object]:
    """Return what fits a terminal line; the JSON has the rest."""
    return {k: v for k, v in rows.items() if not isinstance(v, list)}

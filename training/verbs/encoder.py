"""``perpetuo train encoder``: the space in which sets of music are compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.verbs.numbers import SEED, THREADS, Number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo train encoder``."""
    parser.description = (
        "Teach a small encoder to tell whether two excerpts are of one piece; perpetuo evaluate "
        "takes distances between sets in its space (--encoder). The one that ships was made so."
    )
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="perpetuo prepare pieces makes it")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--seconds", type=Number(0.001, 1e7), default=100.0,
                        help="of computing time (default 100)")  # fmt: skip
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--threads", type=THREADS, default=1, help="default 1")


def run(args: argparse.Namespace) -> int:
    """Teach it; return the exit status."""
    import torch

    from training.run.ranks import refuse_others

    refuse_others("an encoder is taught")
    from streamer.system.atomic import check_target
    from training.families.chain.tensors import TensorSet
    from training.lab.encoder import fit_encoder, save_encoder

    check_target(args.output)
    torch.set_num_threads(args.threads)
    encoder, told = fit_encoder(TensorSet.load(args.tensors), args.seconds, args.seed)
    save_encoder(args.output, encoder)
    print(
        f"{args.output}: {told['updates']:.0f} updates; of held-out pieces an excerpt finds its "
        f"partner in {told['found']:.0%} of cases (by chance {told['chance']:.1%})"
    )
    return 0

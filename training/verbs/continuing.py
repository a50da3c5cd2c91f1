"""``perpetuo continue``: prompts in, ranked answers out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from streamer.verbs.numbers import SEED, Number, Whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo continue``."""
    parser.description = (
        "Continue prompts with a bundle, as MIREX 2025 asks: .mid files, or JSON in its form. "
        "Each gets a folder of answers, the best first."
    )
    parser.add_argument("prompts", nargs="+", type=Path, metavar="PROMPT", help=".mid or .json")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="the new folder")  # fmt: skip
    parser.add_argument("--model", default="piano", metavar="BUNDLE", help="default piano")
    parser.add_argument("--answers", type=Whole(1, 99), default=8, metavar="N",
                        help="to each prompt (default 8)")  # fmt: skip
    parser.add_argument("--seconds", type=Number(1, 3600), default=24.0,
                        help="of each; to JSON prompts it is twelve bars (default 24)")  # fmt: skip
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--encoder", type=Path, metavar="FILE.npz",
                        help="ranks them (default: the one that ships)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Continue them; return the exit status."""
    from training.evaluation.embedding import WEIGHTS, Encoder
    from training.listening.continuing import Continuing, continue_prompts

    encoder = Encoder.load(args.encoder or WEIGHTS)
    how = Continuing(
        model=args.model, answers=args.answers, seconds=args.seconds, seed=args.seed
    )  # fmt: skip

    def tell(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{what} ({done + 1} of {total})\n")

    for told in continue_prompts(args.prompts, args.output, how, encoder, tell):
        best = told["answers"][0]
        print(f"{told['prompt']}: best of {len(told['answers'])} is seed {best['seed']}, "
              f"likeness {best['likeness']:.3f}")  # fmt: skip
    return 0

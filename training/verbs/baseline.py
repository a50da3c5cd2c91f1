"""``perpetuo train baseline NET``: what the field uses today, on the chain's corpus."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from streamer.errors import ConfigError
from streamer.verbs.numbers import MANY, SEED, THREADS, Number, Whole

logger = logging.getLogger(__name__)

NAMES = ("transformer", "gated")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo train baseline``."""
    parser.description = (
        "Train a Transformer with relative attention, or a gated linear recurrence, on prepared "
        "pieces, with the chain's splits, windows, augmentation and loop, to set their likelihood "
        "beside the chain's (perpetuo study bench). perpetuo export makes bundles that play."
    )
    parser.add_argument("net", choices=NAMES, metavar="NET", help=" or ".join(NAMES))
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="as perpetuo train chain takes it")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="run folder")  # fmt: skip
    parser.add_argument("--width", type=Whole(1, 65536), default=256, help="channels (default 256)")
    parser.add_argument("--layers", type=Whole(1, 1024), default=4, help="blocks (default 4)")
    parser.add_argument("--epochs", type=MANY, default=12,
                        help="as the chain's preset (default 12)")  # fmt: skip
    parser.add_argument("--batch", type=Whole(1, 65536), default=32, help="rows (default 32)")
    parser.add_argument("--steps", type=Whole(1, 65536), default=64,
                        help="notes of a window (default 64)")  # fmt: skip
    parser.add_argument("--share", type=Number(1e-9, 1), default=1.0,
                        help="part of the training pieces an epoch draws (default 1)")  # fmt: skip
    parser.add_argument("--rate", type=Number(1e-12, 10), default=1e-3,
                        help="learning rate (default 0.001)")  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=THREADS, help="CPU threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    import torch

    from training.baselines.nets import build
    from training.baselines.task import BaselineTask
    from training.families.chain.task import ChainData
    from training.families.chain.tensors import TensorSet
    from training.run.device import choose_device, choose_precision, within_memory
    from training.run.loop import LoopConfig, StopTraining, Trainer, flushed_denormals
    from training.run.ranks import refuse_others

    refuse_others("a baseline is trained")
    folder: Path = args.output
    if folder.exists() and any(folder.iterdir()) and not args.resume:
        raise ConfigError(
            [f"{folder} holds a run already; add --resume, or choose another --output"]
        )
    tensors = TensorSet.load(args.tensors)
    device = choose_device(args.device)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    shape = {"net": args.net, "width": args.width, "layers": args.layers}
    try:
        model = build({**shape, "memory": args.steps}, tensors.codec).to(device)
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    data = ChainData(batch=args.batch, steps=args.steps, share=args.share)
    task = BaselineTask(
        model, tensors, data, args.seed, low_precision=choose_precision("auto", device)
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    about = {"baseline": args.net, "seed": args.seed, "corpus": tensors.summary()}
    updates = args.epochs * task.updates_per_epoch()
    warmup = max(1, min(200, updates // 20))
    loop = LoopConfig(epochs=args.epochs, learning_rate=args.rate, warmup=warmup)
    trainer = Trainer(task, loop, folder, about)
    if args.resume:
        trainer.resume()
    try:
        with flushed_denormals(), within_memory():
            best = trainer.run()
    except StopTraining as stop:
        logger.warning("stopped; go on with --resume")
        return 128 + stop.signum
    print(f"{folder}/best.pt: held out, {task.unit.line(best)}")
    return 0

"""The verb ``perpetuo train MODEL``: tensors and a preset in, a run folder out.

Started by ``torchrun``, one process of several that train the same model together
(:mod:`training.run.ranks`): ``torchrun --nproc-per-node 2 -m training.cli train MODEL ...``.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import platform
import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError
from streamer.verbs.numbers import SEED, THREADS
from streamer.version import __version__
from training.registry import (
    family_of,
    load_corpus,
    load_preset,
    make_task,
    model_from_checkpoint,
    models,
    presets,
)

if TYPE_CHECKING:
    from training.registry import Preset
    from training.run.loop import Trainer
    from training.run.ranks import Ranks

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo train``."""
    known = models().values()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "models:\n" + "\n".join(f"  {one.name:<22}{one.about}" for one in known)
    parser.add_argument("model", metavar="MODEL", help="what to train; see below")
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="prepared corpus (perpetuo prepare makes it)")  # fmt: skip
    parser.add_argument("--preset", help="one of " + ", ".join(presets()) + " (default: MODEL)")
    parser.add_argument("--output", "-o", type=Path, metavar="DIR",
                        help="run folder (default: runs/PRESET)")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="change one entry of the preset, as in loop.epochs=3")  # fmt: skip
    parser.add_argument("--start-from", type=Path, metavar="CHECKPOINT",
                        help="begin with these weights instead of random ones")  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=THREADS, help="CPU threads (default: all cores)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
                        help="of matrix products; auto: bfloat16 where it is fast")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def parse_overrides(items: list[str]) -> dict[str, Any]:
    """Read ``SECTION.KEY=VALUE`` options; values are TOML, and one bare word is text.

    Raises:
        ConfigError: With one line for each that cannot be read.
    """
    out: dict[str, Any] = {}
    problems = []
    for item in items:
        key, equals, value = item.partition("=")
        try:
            if not equals:
                raise ValueError
            bare = re.fullmatch(r"\s*(?!(?:true|false|inf|nan)\b)([A-Za-z][\w-]*)\s*", value)
            text = f'"{bare[1]}"' if bare else value
            out[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except ValueError:
            problems.append(f"--set {item}: must be SECTION.KEY=VALUE, as in loop.epochs=3")
    if problems:
        raise ConfigError(problems)
    return out


def make_trainer(args: argparse.Namespace, ranks: Ranks | None = None) -> Trainer:
    """Build the run that the options describe, resumed if they say so.

    Args:
        args: Options.
        ranks: The processes that train together; None: this one alone.

    Raises:
        ConfigError: An option cannot be.
        DataError: Tensors or checkpoint cannot be used.
        TogetherError: The processes were given different things.
    """
    import torch

    from training.run.checkpoint import load_checkpoint
    from training.run.device import choose_device, choose_precision
    from training.run.loop import Trainer
    from training.run.ranks import ALONE

    ranks = ranks or ALONE
    family_of(args.model)
    preset = load_preset(args.preset or args.model, parse_overrides(args.set))
    folder = _folder(args, preset)
    corpus = load_corpus(preset.model, args.tensors)
    if ranks.many:
        ranks.agree(_given(args, preset, folder))
    device = ranks.device(choose_device(args.device))
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    start = None
    if args.start_from is not None:
        start = model_from_checkpoint(load_checkpoint(args.start_from))
    task = make_task(
        preset,
        corpus,
        args.seed,
        device,
        start_from=start,
        low_precision=choose_precision(args.precision, device),
        compiled=shutil.which("c++") is not None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "preset": preset.name, "seed": args.seed, "corpus": corpus.summary(),
        "prepared": corpus.report, "device": str(device),
        "started_from": str(args.start_from or ""),
        "versions": {"perpetuo": __version__, "torch": str(torch.__version__),
                     "python": platform.python_version()},
    }  # fmt: skip
    if ranks.many:
        about["processes"] = ranks.count
    trainer = Trainer(task, preset.loop, folder, about, ranks)
    if ranks.many:  # models begin alike, and what is drawn from here on is each process's own
        torch.manual_seed(args.seed + 1_000_003 * ranks.rank)
    if args.resume:
        trainer.resume()
    return trainer


def _folder(args: argparse.Namespace, preset: Preset) -> Path:
    """Return the run's folder (ConfigError where the preset or the folder does not fit)."""
    if preset.model != args.model:
        raise ConfigError([f"--preset {preset.name} is of {preset.model}, not of {args.model}"])
    folder = args.output or Path("runs") / preset.name
    if folder.exists() and any(folder.iterdir()) and not args.resume:
        raise ConfigError(
            [f"{folder} holds a run already; add --resume, or choose another --output"]
        )
    return folder


def _given(args: argparse.Namespace, preset: Preset, folder: Path) -> dict[str, str]:
    """Return what all processes must have been given alike."""

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    given = {
        "the version of perpetuo": __version__, "--preset": preset.name,
        "--set": " ".join(sorted(args.set)) or "nothing", "--seed": str(args.seed),
        "--device": args.device, "--precision": args.precision, "--resume": str(args.resume),
        "--tensors (sha256)": digest(args.tensors),
    }  # fmt: skip
    for name, path in (("--start-from", args.start_from), ("last.pt", folder / "last.pt")):
        if path is not None and path.is_file() and (args.resume or name != "last.pt"):
            given[f"{name} (sha256)"] = digest(path)
    return given


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    from training.run.device import within_memory
    from training.run.loop import StopTraining, flushed_denormals
    from training.run.ranks import TogetherError, joined

    # Keep freed memory: glibc otherwise returns each window's buffers and faults them in again.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "100000000000")
    with joined() as ranks:
        try:
            with flushed_denormals(), within_memory():
                trainer = make_trainer(args, ranks)
                quiet = args.quiet or not ranks.first
                best = trainer.run() if quiet else _run_with_bar(trainer)
        except StopTraining as stop:
            if ranks.first:
                logger.warning("stopped; go on with --resume")
            return 128 + stop.signum
        except TogetherError:
            if ranks.first:
                raise
            return 1
        if ranks.first:
            print(f"{trainer.folder}/best.pt: held out, {trainer.task.unit.line(best)}")
    return 0


def _run_with_bar(trainer: Trainer) -> dict[str, float]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        item = bar.add_task("training", total=1.0)
        return trainer.run(lambda line, done: bar.update(item, description=line, completed=done))

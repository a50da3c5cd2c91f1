"""The verb ``perpetuo train FAMILY``: tensors and a preset in, a run folder out."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import torch

import streamer
from streamer.errors import ConfigError, DataError
from training.families import FAMILIES, Preset, load_preset, presets
from training.loop import StopTraining, Trainer, flushed_denormals

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo train``."""
    parser.add_argument("family", help="the family to train: " + ", ".join(FAMILIES))
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="prepared corpus (perpetuo prepare makes it)")  # fmt: skip
    parser.add_argument("--preset", help="one of " + ", ".join(presets()) + " (default: FAMILY)")
    parser.add_argument("--output", "-o", type=Path, metavar="DIR",
                        help="run folder (default: runs/PRESET)")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="change one entry of the preset, as in loop.epochs=3")  # fmt: skip
    parser.add_argument("--start-from", type=Path, metavar="CHECKPOINT",
                        help="begin with these weights instead of random ones")  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
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


def choose_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` names.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["--device cuda: torch sees no CUDA device; use --device cpu"])
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> bool:
    """Return whether matrix products run in bfloat16."""
    if name != "auto":
        return name == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def corpus_summary(corpus: Any) -> dict[str, Any]:
    """Return what a model card says of the corpus: pieces, notes and licences by corpus.

    Args:
        corpus: A prepared corpus of whatever kind; its pieces may be tracks.
    """
    if hasattr(corpus, "summary"):
        told: dict[str, Any] = corpus.summary()
        return told
    out: dict[str, Any] = {}
    lengths = (corpus.offsets[1:] - corpus.offsets[:-1]).tolist()
    pieces = corpus.tracks if hasattr(corpus, "tracks") else corpus.pieces
    for piece, notes in zip(pieces, lengths, strict=True):
        row = out.setdefault(piece.corpus, {"pieces": 0, "notes": 0, "licences": []})
        row["pieces"] += 1
        row["notes"] += notes
        if piece.licence and piece.licence not in row["licences"]:
            row["licences"].append(piece.licence)
    return out


def make_trainer(args: argparse.Namespace) -> Trainer:
    """Build the run that the options describe, resumed if they say so."""
    if args.family not in FAMILIES:
        raise ConfigError([f"unknown family {args.family!r}; there is {', '.join(FAMILIES)}"])
    preset = load_preset(args.preset or args.family, parse_overrides(args.set))
    if preset.family != args.family:
        raise ConfigError(
            [f"--preset {preset.name} is of family {preset.family}, not {args.family}"]
        )
    folder = args.output or Path("runs") / preset.name
    if folder.exists() and any(folder.iterdir()) and not args.resume:
        raise ConfigError(
            [f"{folder} holds a run already; add --resume, or choose another --output"]
        )
    tensors = FAMILIES[preset.family].load(args.tensors)
    if not tensors.indices("train"):
        raise DataError(f"{args.tensors}: no piece in the training split; prepare more files")
    device = choose_device(args.device)
    if args.threads is not None:
        if args.threads < 1:
            raise ConfigError([f"--threads must be 1 or more, not {args.threads}"])
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    task = _task(preset, tensors, device, args)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "preset": preset.name, "seed": args.seed, "corpus": corpus_summary(tensors),
        "prepared": tensors.report, "device": str(device),
        "started_from": str(args.start_from or ""),
        "versions": {"perpetuo": streamer.__version__, "torch": str(torch.__version__),
                     "python": platform.python_version()},
    }  # fmt: skip
    trainer = Trainer(task, preset.loop, folder, about)
    if args.resume:
        trainer.resume()
    return trainer


def _task(preset: Preset, tensors: Any, device: torch.device, args: argparse.Namespace) -> Any:
    family = FAMILIES[preset.family]
    try:
        config = {**preset.model, **family.from_corpus(tensors)}
        model = family.build(config, family.codec(tensors, preset.data)).to(device)
    except ValueError as error:
        raise ConfigError([f"preset {preset.name}: {error}"]) from error
    if args.start_from:
        from training.checkpoint import load_checkpoint
        from training.families import model_from_checkpoint

        other = model_from_checkpoint(load_checkpoint(args.start_from))
        try:
            model.load_state_dict(other.state_dict(), strict=True)
        except RuntimeError as error:
            raise DataError(
                f"--start-from {args.start_from}: its shape is not that of preset {preset.name}"
            ) from error
    return family.task(
        model, tensors, preset.data, args.seed,
        low_precision=choose_precision(args.precision, device),
        compiled=shutil.which("c++") is not None,
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    # Keep freed memory: glibc otherwise returns each window's buffers and faults them in again.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "100000000000")
    try:
        with flushed_denormals():
            trainer = make_trainer(args)
            best = trainer.run() if args.quiet else _run_with_bar(trainer)
    except StopTraining as stop:
        logger.warning("stopped; go on with --resume")
        return 128 + stop.signum
    names = ", ".join(f"{k} {v:.3f}" for k, v in best.items() if k not in {"total", "notes"})
    print(f"best held-out {best['total']:.4f} nats a note ({names}) in {trainer.folder}/best.pt")
    return 0


def _run_with_bar(trainer: Trainer) -> dict[str, float]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        item = bar.add_task("training", total=1.0)
        return trainer.run(lambda line, done: bar.update(item, description=line, completed=done))

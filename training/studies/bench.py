"""``perpetuo study bench``: models beside one another on the same held-out works.

In: run folders of the chain and of baselines, one prepared corpus. Out: a row for each: nats a note
on our classes and bits a second on the common quantisation, with intervals over pieces, weights,
megabytes, and notes a second of one step after the other, in torch; JSON, and a table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamer.errors import DataError
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import ARGUMENTS, NoteArray
from streamer.system.atomic import write_whole
from streamer.verbs.numbers import MANY, SEED, Whole
from training.baselines.nets import NETS, NoteModel
from training.baselines.task import baseline_from
from training.evaluation import bootstrap
from training.evaluation.common import COMMON, note_bits, seconds_of
from training.families.chain.batches import Window, windows
from training.families.chain.model import Chain
from training.families.chain.tensors import TensorSet
from training.registry import model_from_checkpoint
from training.run.checkpoint import load_checkpoint

BATCHES = (1, 16)
"""Of the speeds: one stream, and sixteen candidates."""

_TIMED_STEPS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Set models beside one another on held-out pieces: nats a note on our classes, bits a "
        f"second on a common quantisation ({COMMON.shift_ms:g} ms, {COMMON.duration_ms:g} ms, "
        f"{COMMON.velocity:g} steps of velocity), weights, and speed step by step in torch."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN",
                        help="run folders of train chain or train baseline")  # fmt: skip
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--pieces", type=MANY, default=60, metavar="N",
                        help="at most so many, evenly chosen (default 60)")  # fmt: skip
    parser.add_argument("--notes", type=Whole(2, 10**9), default=2000, metavar="N",
                        help="of each piece its first N (default 2000)")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--no-speed", action="store_true", help="leave the speeds out")
    parser.add_argument("--seed", type=SEED, default=0, help="of the intervals")


def run(args: argparse.Namespace) -> int:
    """Measure; return the exit status."""
    tensors = TensorSet.load(args.tensors)
    pieces = held_out(tensors, args.split, args.pieces, args.notes)
    rows = [row_of(path, tensors, pieces, args.seed, not args.no_speed) for path in args.runs]
    args.output.mkdir(parents=True, exist_ok=True)
    told = {"tensors": str(args.tensors), "split": args.split, "pieces": len(pieces),
            "grid": vars(COMMON), "models": rows}  # fmt: skip
    write_whole(args.output / "bench.json", json.dumps(told, indent=1) + "\n")
    text = "\n".join(table(rows)) + "\n"
    write_whole(args.output / "bench.md", text)
    print(text, end="")
    return 0


def held_out(tensors: TensorSet, split: str, most: int, notes: int) -> list[NoteArray]:
    """Return pieces of a split, evenly chosen, each cut to its first notes (DataError: none)."""
    indices = tensors.indices(split)
    if not indices:
        raise DataError(f"no piece in the split {split}; choose another, or prepare more files")
    chosen = np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round())
    return [tensors.notes(indices[int(i)])[:notes] for i in chosen]


def row_of(
    path: Path, tensors: TensorSet, pieces: list[NoteArray], seed: int, speed: bool
) -> dict[str, Any]:
    """Return what is measured of one model.

    Raises:
        DataError: It is no chain and no baseline, or has other classes than the corpus.
    """
    checkpoint = load_checkpoint(path)
    model: Any
    if checkpoint.family in NETS:
        model = baseline_from(checkpoint)
    else:
        model = model_from_checkpoint(checkpoint)
        if not isinstance(model, Chain):
            raise DataError(f"{path}: {checkpoint.family} has other classes than a piano's notes")
    if model.codec.fingerprint != tensors.codec.fingerprint:
        raise DataError(f"{path}: other class tables than the tensors; prepare with its own")
    nats, bits = _likelihood(model, pieces, tensors.codec)
    rng = np.random.default_rng(seed)
    weights = sum(parameter.numel() for parameter in model.parameters())
    row = {
        "run": str(path), "model": checkpoint.family, "weights": weights,
        "megabytes": 4 * weights / 1e6, "hours": checkpoint.training.get("hours"),
        "nats_a_note": bootstrap.interval(nats.sum(axis=1), rng).to_dict(),
        "nats": dict(zip(ARGUMENTS, nats.mean(axis=0).tolist(), strict=True)),
        "bits_a_second": bootstrap.interval(bits, rng).to_dict(),
    }  # fmt: skip
    if speed:
        row["notes_a_second"] = {str(batch): _speed(model, batch) for batch in BATCHES}
    return row


@torch.no_grad()
def _likelihood(
    model: Any, pieces: list[NoteArray], codec: ChainCodec
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return nats a note of each piece ``(pieces, 5)`` and its bits a second ``(pieces,)``."""
    nats, bits = [], []
    steps = model.config.memory or 64 if isinstance(model, NoteModel) else 256
    for piece in pieces:
        logs: list[list[Tensor]] = []
        state: Any = None
        for window in windows([piece], codec, batch=1, steps=steps):
            state = state or model.initial_state(1)
            logits, state = _logits(model, window, state)
            logs.append([x[:, 0].float().log_softmax(dim=-1) for x in logits])
        joined = tuple(
            torch.cat([part[m] for part in logs])[: len(piece)].double().numpy()
            for m in range(len(ARGUMENTS))
        )
        classes = codec.encode(piece).astype(np.int64)
        own = np.stack([-x[np.arange(len(piece)), classes[:, m]] for m, x in enumerate(joined)], 1)
        nats.append(own.mean(axis=0))
        bits.append(note_bits(joined, piece, codec).sum() / max(seconds_of(piece), 1e-3))
    return np.stack(nats), np.asarray(bits)


def _logits(model: Any, window: Window, state: Any) -> tuple[list[Tensor], Any]:
    logits, state = model(window.previous, window.current, window.velocity, window.keep, state)
    return list(logits), state


@torch.no_grad()
def _speed(model: Any, batch: int, timer: Callable[[], float] = time.perf_counter) -> float:
    """Return notes a second, one step after the other, with the thread that torch has."""
    state = model.initial_state(batch)
    one = torch.zeros(1, batch, len(ARGUMENTS), dtype=torch.long)
    window = Window(one, one, torch.full((1, batch), 64.0), torch.ones(1, batch),
                    torch.ones(1, batch))  # fmt: skip
    for _ in range(4):
        _, state = _logits(model, window, state)
    began = timer()
    for _ in range(_TIMED_STEPS):
        _, state = _logits(model, window, state)
    return _TIMED_STEPS * batch / (timer() - began)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as lines of Markdown."""
    lines = [
        "| model | nats a note | bits a second | weights, million | MB | notes a second, 1 | 16 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        nats, bits = (
            f"{row[name]['value']:.3f} [{row[name]['low']:.3f}, {row[name]['high']:.3f}]"
            for name in ("nats_a_note", "bits_a_second")
        )
        speeds = row.get("notes_a_second", {})
        shown = [f"{speeds[str(b)]:,.0f}" if speeds else "–" for b in BATCHES]
        lines.append(
            f"| {row['model']} | {nats} | {bits} | {row['weights'] / 1e6:.2f} "
            f"| {row['megabytes']:.1f} | {' | '.join(shown)} |"
        )
    return lines

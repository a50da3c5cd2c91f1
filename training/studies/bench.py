"""``perpetuo study bench``: models beside one another on the same held-out works.

In: run folders of the chain and of baselines, one prepared corpus. Out: a row for each: nats a note
on our classes and bits a second on the common quantisation, with intervals over pieces, what each
has against the first, weights, megabytes, and notes a second: of the bundles that were exported of
them, or else of torch, one step after the other; JSON, and a table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.bundle.bundle import load_bundle
from streamer.engine.engine import Engine
from streamer.errors import ConfigError, DataError
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
from training.run.checkpoint import Checkpoint, load_checkpoint
from training.studies.exported import notes_a_second, streamed_nats

BATCHES = (1, 16)
"""Of the speeds: one stream, and sixteen candidates."""

_TIMED_STEPS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Set models beside one another on held-out pieces: nats a note on our classes, bits a "
        f"second on a common quantisation ({COMMON.shift_ms:g} ms, {COMMON.duration_ms:g} ms, "
        f"{COMMON.velocity:g} steps of velocity), weights, and speed."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN",
                        help="run folders of train chain or train baseline")  # fmt: skip
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--bundles", nargs="+", type=Path, default=[], metavar="DIR",
                        help="what perpetuo export made of the runs, in their order: speeds are of "
                             "these, by one thread (default: of torch)")  # fmt: skip
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--pieces", type=MANY, default=60, metavar="N",
                        help="at most so many, evenly chosen (default 60)")  # fmt: skip
    parser.add_argument("--notes", type=Whole(2, 10**9), default=2000, metavar="N",
                        help="of each piece its first N (default 2000)")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--no-speed", action="store_true", help="leave the speeds out")
    parser.add_argument("--seed", type=SEED, default=0, help="of the intervals")


@dataclass(frozen=True)
class Rival:
    """One run, and what was exported of it.

    Attributes:
        path: Of the run, as it was given.
        checkpoint: Its best weights.
        model: These as a torch model.
        engine: Plays its bundle; None where none was given.
    """

    path: Path
    checkpoint: Checkpoint
    model: Any
    engine: Engine | None

    @property
    def name(self) -> str:
        """Family, and the run's own name where that is another."""
        family, own = self.checkpoint.family, self.path.stem
        return family if own == family else f"{family} ({own})"


def run(args: argparse.Namespace) -> int:
    """Measure; return the exit status."""
    if args.bundles and len(args.bundles) != len(args.runs):
        raise ConfigError(
            [f"--bundles must be one for each run, {len(args.runs)}, not {len(args.bundles)}"]
        )
    tensors = TensorSet.load(args.tensors)
    chosen = held_out(tensors, args.split, args.pieces)
    pieces = [tensors.notes(index)[: args.notes] for index in chosen]
    works = [tensors.pieces[index].work_key for index in chosen]
    bundles = args.bundles or [None] * len(args.runs)
    rivals = [rival(*pair, tensors.codec) for pair in zip(args.runs, bundles, strict=True)]
    rows, first = [], None
    for one in rivals:
        rng = np.random.default_rng(args.seed)
        row, nats = row_of(one, pieces, tensors.codec, rng)
        first = nats if first is None else first
        rows.append(row | against(nats - first, works, rng))
    if not args.no_speed:
        for row, speeds in zip(rows, _speeds(rivals), strict=True):
            row["notes_a_second"] = speeds
    args.output.mkdir(parents=True, exist_ok=True)
    told = {"tensors": str(args.tensors), "split": args.split, "pieces": len(pieces),
            "works": len(set(works)), "grid": vars(COMMON), "models": rows,
            "speeds_of": "bundles" if args.bundles else "torch"}  # fmt: skip
    write_whole(args.output / "bench.json", json.dumps(told, indent=1) + "\n")
    text = "\n".join(table(rows)) + "\n"
    write_whole(args.output / "bench.md", text)
    print(text, end="")
    return 0


def held_out(tensors: TensorSet, split: str, most: int) -> list[int]:
    """Return pieces of a split, evenly chosen (DataError: there is none)."""
    indices = tensors.indices(split)
    if not indices:
        raise DataError(f"no piece in the split {split}; choose another, or prepare more files")
    chosen = np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round())
    return [indices[int(i)] for i in chosen]


def rival(path: Path, folder: Path | None, codec: ChainCodec) -> Rival:
    """Return a run's model, and the engine of its bundle where there is one.

    Raises:
        DataError: It is no chain and no baseline, has other classes than the corpus, or is not
            what the bundle was exported of.
        BundleError: The bundle cannot be read.
    """
    checkpoint = load_checkpoint(path)
    model: Any
    if checkpoint.family in NETS:
        model = baseline_from(checkpoint)
    else:
        model = model_from_checkpoint(checkpoint)
        if not isinstance(model, Chain):
            raise DataError(f"{path}: {checkpoint.family} has other classes than a piano's notes")
    if model.codec.fingerprint != codec.fingerprint:
        raise DataError(f"{path}: other class tables than the tensors; prepare with its own")
    if folder is None:
        return Rival(path, checkpoint, model, None)
    bundle = load_bundle(folder)
    told = bundle.manifest.config
    updates = [about.get("updates") for about in (told.get("training", {}), checkpoint.training)]
    same = told.get("model") == checkpoint.config and updates[0] == updates[1]
    if bundle.manifest.family != checkpoint.family or not same:
        raise DataError(
            f"{folder}: was not exported of {path}; give bundles in the order of the runs "
            f"(perpetuo export {path} -o {folder})"
        )
    return Rival(path, checkpoint, model, Engine(bundle))


def row_of(
    one: Rival, pieces: list[NoteArray], codec: ChainCodec, rng: np.random.Generator
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return what is measured of one model but its speed, and nats a note of each piece."""
    nats, bits = _likelihood(one.model, pieces, codec)
    weights = sum(parameter.numel() for parameter in one.model.parameters())
    row = {
        "run": str(one.path), "model": one.checkpoint.family, "name": one.name, "weights": weights,
        "megabytes": 4 * weights / 1e6, "hours": one.checkpoint.training.get("hours"),
        "updates": one.checkpoint.training.get("updates"),
        "nats_a_note": bootstrap.interval(nats.sum(axis=1), rng).to_dict(),
        "nats": dict(zip(ARGUMENTS, nats.mean(axis=0).tolist(), strict=True)),
        "bits_a_second": bootstrap.interval(bits, rng).to_dict(),
    }  # fmt: skip
    if one.engine is not None:
        row["megabytes_exported"] = one.engine.bundle.size_bytes / 1e6
        row["nats_a_note_streamed"] = float(streamed_nats(one.engine, pieces, codec).mean())
    return row, nats.sum(axis=1)


def against(apart: NDArray[Any], works: list[str], rng: np.random.Generator) -> dict[str, Any]:
    """Return how a model stands against the first, in nats a note of the same pieces.

    Args:
        apart: Its nats less those of the first, ``(pieces,)``.
        works: Of each piece.
        rng: Of the interval.
    """
    means = [apart[[other == work for other in works]].mean() for work in sorted(set(works))]
    return {
        "nats_against_the_first": bootstrap.interval(apart, rng).to_dict(),
        "works_better_than_the_first": sum(bool(mean < 0) for mean in means),
    }


def _speeds(rivals: list[Rival]) -> list[dict[str, float]]:
    """Return notes a second of each, by batch."""
    engines = {str(at): one.engine for at, one in enumerate(rivals) if one.engine is not None}
    if not engines:
        return [{str(b): _speed(one.model, b) for b in BATCHES} for one in rivals]
    return list(notes_a_second(engines, BATCHES).values())


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
                    torch.ones(1, batch), torch.zeros(1, batch, 0))  # fmt: skip
    for _ in range(4):
        _, state = _logits(model, window, state)
    began = timer()
    for _ in range(_TIMED_STEPS):
        _, state = _logits(model, window, state)
    return _TIMED_STEPS * batch / (timer() - began)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as lines of Markdown."""
    lines = [
        "| model | nats a note | against the first | bits a second | weights, million | MB "
        "| notes a second, 1 | 16 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        nats, apart, bits = (
            f"{row[name]['value']:.3f} [{row[name]['low']:.3f}, {row[name]['high']:.3f}]"
            for name in ("nats_a_note", "nats_against_the_first", "bits_a_second")
        )
        speeds = row.get("notes_a_second", {})
        shown = [f"{speeds[str(b)]:,.0f}" if speeds else "–" for b in BATCHES]
        lines.append(
            f"| {row['name']} | {nats} | {apart if row is not rows[0] else '–'} | {bits} "
            f"| {row['weights'] / 1e6:.2f} "
            f"| {row.get('megabytes_exported', row['megabytes']):.1f} | {' | '.join(shown)} |"
        )
    return lines

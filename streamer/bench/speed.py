"""Engine against floor, ceiling and baselines, in turns, on one thread.

In: a bundle. Out: the report's ``engine`` and ``baselines``. :func:`measure_speed` starts a child
process for it, because the number of threads of numpy's BLAS is fixed when numpy is imported; the
child runs :func:`compare`.

- The floor of one candidate is the time to read the matrices of one note once: one matrix-vector
  product with as many bytes. A step has twenty small ones; the floor is the faster of both forms.
- The ceiling of sixteen is the same with sixteen rows: one matrix product of as many operations.
- Baselines come from other packages through the entry-point group :data:`BASELINES`: a function
  that takes the bundle and returns what plays a few notes and says how many. One whose libraries
  are missing is left out, and ``baselines.missing`` says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bench.operators import operator_rows
from streamer.bench.products import Contestant, Product, as_one, floors_of, multiplier
from streamer.bench.sections import floors, section_players, section_report
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.engine import Engine, State
from streamer.engine.noise import gumbel_noise
from streamer.engine.session import Runtime
from streamer.errors import EngineError
from streamer.system.installing import how_to_add

BASELINES = "perpetuo.baselines"

BATCHES = (1, 8, 16, 32)
TURN_NOTES = {1: 24, 8: 16, 16: 16, 32: 8}
"""Notes of a turn, by batch. A turn is a few milliseconds for each contestant: on a busy machine
the best of many short turns is one that nothing interrupted."""

SECONDS = 8.0
"""How long rounds are repeated; the best of each contestant counts."""

LEAST_ROUNDS = 5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_ONE_THREAD = dict.fromkeys(_THREADS, "1")


def measure_speed(
    path: Path, provider: str = "cpu", seconds: float | None = None
) -> dict[str, Any]:
    """Run :func:`compare` in a process of its own, with one thread for everything.

    Raises:
        EngineError: The process failed.
    """
    how_long = str(SECONDS if seconds is None else seconds)
    command = [sys.executable, "-m", "streamer.bench.speed", str(path.resolve()), provider]
    done = subprocess.run(
        [*command, how_long],
        env={**os.environ, **_ONE_THREAD},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        last = last.removeprefix(f"{EngineError.__module__}.{EngineError.__name__}: ")
        raise EngineError(f"the engine could not be measured: {last}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def compare(bundle: Bundle, provider: str = "cpu", seconds: float = SECONDS) -> dict[str, Any]:
    """Measure all contestants in turns; numpy must have been started with one thread.

    Args:
        bundle: Any; of kind ``window`` whole sections are measured (:mod:`.sections`).
        provider: ``cpu`` or ``cuda``.
        seconds: How long.

    Returns:
        ``{"engine": ..., "baselines": ...}``.
    """
    if bundle.manifest.kind == "window":
        both = {**section_players(bundle, provider), **floors(bundle)}
        return {"engine": section_report(bundle, _take_turns(both, seconds)), "baselines": {}}
    return _compare_steps(bundle, provider, seconds)


def _compare_steps(bundle: Bundle, provider: str, seconds: float) -> dict[str, Any]:
    """Measure what plays notes one after another."""
    engine = Engine(bundle, Runtime(provider))
    rng = np.random.Generator(np.random.SFC64(0))
    contestants: dict[str, Contestant] = {
        f"engine {batch}": _engine_player(engine, batch, rng) for batch in BATCHES
    }
    products = floors_of(bundle)
    for batch in (1, 16):
        turns = TURN_NOTES[batch]
        contestants[f"products {batch}"] = multiplier(products, batch, rng, turns)
        contestants[f"one product {batch}"] = multiplier(as_one(products), batch, rng, turns)
    found, missing = _baselines(bundle)
    times = _take_turns({**contestants, **found}, seconds)
    baselines: dict[str, Any] = {
        f"{name}_ms_per_note": round(min(times[name]) * 1000, 4) for name in found
    }
    if missing:
        baselines["missing"] = missing
    report = {**_step_report(times, products), "operators": operator_rows(bundle, provider)}
    return {"engine": report, "baselines": baselines}


def _step_report(times: dict[str, list[float]], products: list[Product]) -> dict[str, Any]:
    """Return the report's ``engine``: seconds of each turn, by contestant, beside the products."""
    floor = min(min(times["products 1"]), min(times["one product 1"]))
    ceiling = min(min(times["products 16"]), min(times["one product 16"]))
    best = {batch: min(times[f"engine {batch}"]) for batch in BATCHES}
    singles = np.asarray(times["engine 1"]) * 1000
    return {
        "ms_per_note": {
            "best": round(best[1] * 1000, 4),
            "p50": round(float(np.quantile(singles, 0.5)), 4),
            "p99": round(float(np.quantile(singles, 0.99)), 4),
        },
        "notes_per_second": round(1 / best[1], 1),
        "floor_ms_per_note": round(floor * 1000, 4),
        "ratio_to_floor": round(best[1] / floor, 3),
        "candidate_notes_per_second": {
            str(batch): round(batch / best[batch]) for batch in BATCHES[1:]
        },
        "gemm_16_ms_per_step": round(ceiling * 1000, 4),
        "ratio_to_gemm_16": round(best[16] / ceiling, 3),
        "weight_bytes_per_note": 4 * sum(rows * columns for rows, columns, _ in products),
        "rounds": len(times["engine 1"]),
    }


def _engine_player(engine: Engine, batch: int, rng: np.random.Generator) -> Contestant:
    codec = engine.bundle.codec
    notes = TURN_NOTES[batch]
    noise = gumbel_noise(rng, (notes, batch, codec.offsets[-1]), 1.0, codec)
    state: State = engine.initial_state(batch)

    def play() -> int:
        nonlocal state
        state = engine.next_block(state, noise).state
        return notes

    return play


def _baselines(bundle: Bundle) -> tuple[dict[str, Contestant], list[str]]:
    """Return the baselines that can run here, and a line on each that cannot."""
    found: dict[str, Contestant] = {}
    missing: list[str] = []
    for entry in sorted(entry_points(group=BASELINES), key=lambda e: e.name):
        try:
            found[entry.name] = entry.load()(bundle)
        except ModuleNotFoundError as error:
            missing.append(f"{entry.name}: {error.name} is not installed")
        except ImportError as error:
            missing.append(f"{entry.name}: cannot be loaded ({error})")
        except ValueError as error:
            missing.append(f"{entry.name}: {error}")
    if not found and not missing:
        missing.append(f"none is installed: {how_to_add('export')}")
    return found, missing


def _take_turns(contestants: dict[str, Contestant], seconds: float) -> dict[str, list[float]]:
    """Return seconds a note of every turn; each is played twice and the second counts.

    The first brings back into the caches what the others pushed out of them.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < end:
        for name, play in contestants.items():
            play()
            began = time.perf_counter()
            notes = play()
            times[name].append((time.perf_counter() - began) / notes)
        rounds += 1
    return times


def _main(arguments: list[str]) -> None:
    path, provider, seconds = arguments
    report = compare(load_bundle(Path(path)), provider, float(seconds))
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1:])

"""The soak: hours of real time with the bundle that ships, and what they leave behind.

    python -m tests.benchmarks.soak --hours 2 --out soak.json

A real ``perpetuo play`` runs as a service (``tests/service_manager.py``) into a JACK server with
the dummy driver and ``jack_midi_dump`` behind it, with endless recording, metrics and a watchdog.
Every ten seconds its memory, descriptors, threads and counters are read from outside. The JSON is
renewed each minute, so that it is of use before the end; the samples lie beside it, a line each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.jackserver import JackServer, Monitor, silenced
from tests.service_manager import CHECKOUT, Service
from tests.streams import unpaired

SAMPLE_SECONDS, WRITE_SAMPLES = 10.0, 6

SETTLING_SECONDS = 600.0
"""Left out of the slopes: caches fill, the allocator finds its size."""

Z95 = 1.96

SETTINGS = """
[port]
port = "{port}"
[model]
model = "{model}"
seed = 4
[record]
folder = "{folder}/recordings"
minutes = 5.0
limit_mb = 1.0
[log]
stats_seconds = 600
"""


def slope(times: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Return the least-squares slope of samples, an hour, and half its 95 % interval.

    Neighbouring samples are alike, so that they count as n (1 - r) / (1 + r) independent ones, r
    being the residuals' correlation at lag 1.
    """
    x, y = np.asarray(times) / 3600.0, np.asarray(values)
    if len(x) < 10:
        return {"per_hour": float("nan"), "half_interval": float("nan")}
    per_hour, start = np.polyfit(x, y, 1)
    rest = y - (per_hour * x + start)
    power = float(rest @ rest)
    r = float(rest[1:] @ rest[:-1]) / power if power else 0.0
    effective = max(len(x) * (1 - r) / (1 + r), 3.0) if r > 0 else float(len(x))
    variance = power / max(effective - 2, 1.0) / len(x)
    half = Z95 * float(np.sqrt(variance / x.var()))
    return {"per_hour": float(per_hour), "half_interval": half}


def lateness_ms(figures: dict[str, float], share: float) -> float:
    """Return the bound, ms, below which a share of all messages lies."""
    bounds = [(float(k[3:].replace("+Inf", "inf")), v) for k, v in figures.items() if "le=" in k]
    total = max((count for _, count in bounds), default=0.0)
    return min((b for b, count in bounds if count >= share * total), default=0.0) * 1000.0


def summary(samples: list[dict[str, float]]) -> dict[str, Any]:
    """Return what the samples say; memory in KiB, and ``later`` is the second half of the time."""
    if not samples:
        return {}
    hours = samples[-1]["seconds"] / 3600.0
    settled = [s for s in samples if s["seconds"] >= min(SETTLING_SECONDS, hours * 900.0)]
    times, last = [s["seconds"] for s in settled], samples[-1]
    found: dict[str, Any] = {"hours": hours, "samples": len(samples), "settled": len(settled)}
    for name in ("rss_kib", "anonymous_kib", "asked_kib"):
        values = [s.get(name, 0.0) for s in settled]
        found[name] = {
            "first": values[0], "last": values[-1], "least": min(values), "most": max(values),
            **slope(times, values),
            "later": slope(times[len(times) // 2 :], values[len(values) // 2 :]),
        }  # fmt: skip
    for name in ("threads", "descriptors"):
        values = [s[name] for s in settled]
        found[name] = {"least": min(values), "most": max(values)}
    for name in ("notes", "underruns", "stalls", "notes_late_dropped", "port_losses", "phrases"):
        found[name] = last[name]
    for name in ("load", "buffer_seconds"):
        values = [s[name] for s in samples[1:]] or [last[name]]
        found[name] = {"least": min(values), "mean": float(np.mean(values)), "most": max(values)}
    found["lateness_below_ms"] = {f"{q:g}": lateness_ms(last, q) for q in (0.5, 0.99, 0.999)}
    return found


def write(path: Path, report: dict[str, Any]) -> None:
    """Put the report in its place, whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def scrape(service: Service) -> dict[str, float]:
    """Return the figures, or none where a machine that is busy lets nobody answer in time."""
    try:
        return service.figures()
    except OSError:
        return {}


def soak(service: Service, seconds: float, out: Path, report: dict[str, Any]) -> None:
    """Sample until the time is over or the process ends, and keep the report up to date."""
    samples: list[dict[str, float]] = []
    began, pause, silent = time.monotonic(), threading.Event(), 0
    figures = service.figures(60.0)
    with out.with_suffix(".samples.jsonl").open("w", encoding="utf-8") as lines:
        while service.alive and (now := time.monotonic() - began) < seconds:
            if answer := scrape(service):
                figures = answer
            silent += not answer
            plain = {k: v for k, v in figures.items() if "{" not in k}
            load = os.getloadavg()[0]
            samples.append({"seconds": now, **service.resources(), "load": load, **plain})
            lines.write(json.dumps(samples[-1]) + "\n")
            lines.flush()
            if len(samples) % WRITE_SAMPLES == 0:
                write(out, {**report, **summary(samples)})
            pause.wait(max(began + len(samples) * SAMPLE_SECONDS - time.monotonic(), 0.0))
    signs = np.diff(service.signs) if len(service.signs) > 1 else np.zeros(1)
    report |= {
        **summary(samples),
        "alive_to_the_end": service.alive,
        "scrapes_unanswered": silent,
        "longest_sign_gap_seconds": float(signs.max()),
    }


def main() -> int:
    """Run the soak that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--port", choices=("jack", "null"), default="jack")
    parser.add_argument("--model", default="piano", help="bundle, by name or path")
    parser.add_argument("--out", type=Path, default=Path("soak.json"))
    args = parser.parse_args()
    # Ended from outside it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    report: dict[str, Any] = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "asked_hours": args.hours,
        "port": args.port,
        "model": args.model,
        "code": str(CHECKOUT),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
    }
    with tempfile.TemporaryDirectory(prefix="perpetuo-soak-") as name:
        folder = Path(name)
        jack = JackServer(folder) if args.port == "jack" else None
        monitor: Monitor | None = None
        if jack is not None:
            jack.start()
            monitor = jack.monitor()
        service = Service(
            folder,
            SETTINGS.format(port="mon" if jack else "null", model=args.model, folder=folder),
            environ=jack.env if jack else None,
        )
        try:
            report["start_seconds"] = service.start()
            soak(service, args.hours * 3600.0, args.out, report)
            sent = scrape(service).get("notes", report.get("notes", 0.0))
            report["status"] = service.stop()
            report["tracebacks"] = service.output.count("Traceback")
            report["recordings"] = len(list((folder / "recordings").glob("*.mid")))
            if monitor is not None:
                heard = monitor.listen(silenced)
                ons, again, down = unpaired(heard)
                report |= {"heard": ons, "struck_while_down": again, "left_sounding": down}
                report["lost"] = max(sent - ons, 0.0)
            write(args.out, report)
        finally:
            args.out.with_suffix(".log").write_text(service.output, encoding="utf-8")
            service.close()
            if jack is not None:
                jack.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

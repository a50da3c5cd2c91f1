"""What a start costs, beside another checkout's: ``python -m tests.benchmarks.starts OLD [NEW]``.

Each start is ``perpetuo play`` to a port that nobody hears, ended after its first notes, by turns
of the two checkouts, so that a busy machine is equally busy for both. Told are processor seconds
(user and system, which other programs touch least) and seconds by the wall; ratios are of medians.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENTRY = "import sys; from streamer.cli import main; sys.exit(main())"
WORDS = ("play", "--port", "null", "--input", "off", "--plain", "--seed", "1", "--for", "0.1")


def start(checkout: Path, home: Path, words: tuple[str, ...]) -> tuple[float, float]:
    """Return processor seconds and seconds of one start."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-c", ENTRY, *words], check=True, cwd=home, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(checkout), "HOME": str(home)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, time.monotonic() - began


def main() -> int:
    """Start both by turns, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=Path(__file__).parents[2])
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--model", default="piano")
    args = parser.parse_args()
    seen: dict[str, list[tuple[float, float]]] = {"old": [], "new": []}
    with tempfile.TemporaryDirectory() as home:
        for checkout in (args.old, args.new):
            compileall.compile_dir(checkout / "streamer", quiet=2)  # as what was installed is
        for turn in range(args.starts + 1):
            for name in seen:
                checkout = getattr(args, name).resolve()
                found = start(checkout, Path(home), (*WORDS, "--model", args.model))
                if turn:  # the first fills caches
                    seen[name].append(found)
    told = {
        name: {
            "processor_s": statistics.median(used for used, _ in taken),
            "wall_s": statistics.median(took for _, took in taken),
            "least_wall_s": min(took for _, took in taken),
        }
        for name, taken in seen.items()
    }
    told["ratio"] = {key: told["new"][key] / told["old"][key] for key in told["old"]}
    sys.stdout.write(json.dumps({**told, "load": os.getloadavg()[0]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A signal at every moment of a start: the status is right, and nobody reads a traceback.

    python -m tests.faults.startsweep --starts 300 --forks 1000

Real starts of the command, and starts in children forked from a process that has imported
everything, each signalled once, by turns with SIGTERM and SIGINT, at a moment drawn from its whole
life. One line sums up each kind; what went wrong follows.
"""

from __future__ import annotations

import argparse
import io
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from tests.bundles import write_tiny_bundle
from tests.faults import children

IMPORTING_SITE = "init_import_site"
NUMBERS = (signal.SIGTERM, signal.SIGINT)
MOST_SECONDS = 2.0
"""No process may outlive a signal by more."""


@dataclass
class Swept:
    """What came of a number of starts.

    Attributes:
        statuses: How they ended: a status, or ``by itself`` before the signal came.
        early: Interrupted by SIGINT while Python itself was starting, before a line of ours.
        slowest: Longest time from a signal to the end, seconds.
        most_seconds: What it may be.
        wrong: What should not be.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    early: int = 0
    slowest: float = 0.0
    most_seconds: float = MOST_SECONDS
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ended = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"{sum(self.statuses.values())} starts ({ended}), {self.early} of them in Python's own "
            f"start, at most {self.slowest:.2f} s after the signal; {len(self.wrong)} wrong"
        )


def commands(folder: Path) -> list[list[str]]:
    """Return what is started; each ends by itself."""
    bundle = str(write_tiny_bundle(folder / "bundle").path)
    common = ["--model", bundle, "--seed", "1"]
    play = ["play", "--port", "null", "--input", "off", "--for", "0.3", "--plain"]
    return [
        [*play, *common, "--record", "take.mid"],
        [
            "render",
            "out.mid",
            "--duration",
            "20",
            "--plot",
            "out.png",
            "--json",
            "out.json",
            *common,
        ],
        ["models", "--json"],
        ["check", "--model", bundle, "--port", "null"],
    ]


def sweep(
    count: int,
    words: list[list[str]],
    start: Callable[..., children.Ended],
    seed: int = 0,
    most_seconds: float = MOST_SECONDS,
) -> Swept:
    """Start ``count`` times, each in a folder of its own."""
    chance, found = random.Random(seed), Swept(most_seconds=most_seconds)
    with tempfile.TemporaryDirectory(prefix="perpetuo-starts-") as made:
        plain = [start(one, folder=Path(made)) for one in words]
        found.wrong += [
            f"{one}: {ended.status} {ended.stderr}"
            for one, ended in zip(words, plain, strict=True)
            if ended.status not in (0, 1) or ended.lost
        ]
        for turn in range(count):
            which = turn // len(NUMBERS) % len(words)
            number = NUMBERS[turn % len(NUMBERS)]
            delay = chance.uniform(0.0, plain[which].seconds * 1.1)
            folder = Path(made) / str(turn)
            folder.mkdir()
            ended = start(words[which], signal_at=(delay, number), folder=folder)
            _judge(
                found, ended, plain[which].status, number, folder, f"{words[which][0]} {delay:.3f}"
            )
    return found


def _judge(
    found: Swept, ended: children.Ended, by_itself: int, number: int, folder: Path, name: str
) -> None:
    """Add up how one start ended."""
    if ended.after_signal is None:
        found.statuses["by itself"] += 1
        right = ended.status == by_itself
    else:
        # One that ends in this very moment ends as it would have; before our first line the
        # system ends it, which a shell shows as the same status.
        right = ended.status in (128 + number, -number, by_itself)
        found.statuses[str(ended.status)] += 1
        found.slowest = max(found.slowest, ended.after_signal)
        # Python's own handler, which none of ours leads to; while it looks for its packages, it
        # ends with words of its own.
        own = ended.status == -number or (ended.status == 1 and IMPORTING_SITE in ended.stderr)
        if own and number == signal.SIGINT:
            found.early += 1
            return
    left = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    if not right or ended.lost or left or (ended.after_signal or 0.0) > found.most_seconds:
        found.wrong.append(
            f"{name} {signal.Signals(number).name}: status {ended.status} after "
            f"{ended.after_signal}, left {left}: {ended.stderr[-2000:]}"
        )


def forked(words: list[str], **how: object) -> children.Ended:
    """Start in a child of this process."""
    return children.fork(children.main_of(words), **how)  # type: ignore[arg-type]


def import_everything(words: list[list[str]]) -> None:
    """Let this process have all that the commands import, by running each of them."""
    from streamer.cli import main

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        for one in words:
            main([str(Path(folder) / w) if w.startswith(("out.", "take.")) else w for w in one])


def main() -> int:
    """Sweep as the command line says; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=300)
    parser.add_argument("--forks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perpetuo-starts-") as folder:
        words = commands(Path(folder))
        real = sweep(args.starts, words, children.command, args.seed)
        sys.stdout.write(f"real: {real}\n" + "".join(f"  {w}\n" for w in real.wrong))
        sys.stdout.flush()
        import_everything(words)
        fast = sweep(args.forks, words, forked, args.seed)
        sys.stdout.write(f"forked: {fast}\n" + "".join(f"  {w}\n" for w in fast.wrong))
    return 1 if real.wrong or fast.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

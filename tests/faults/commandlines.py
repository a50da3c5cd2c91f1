"""Random command lines, each in a child: right words, wrong values, strange files, odd orders.

    python -m tests.faults.commandlines --cases 10000 --seed 1 --seconds 600

Verbs and options are those that the parsers declare, so that a new option is tried without a line
here. Values are drawn from what the option takes, and from what nobody should give it. A child that
plays on gets a SIGTERM. Right are status 0, 1 and 2, and 143 after the signal, a line on stderr
where it is not 0, and no more memory than a Pi can spare; wrong are tracebacks and hangs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from streamer import cli
from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests import bandbundles, bundles
from tests.faults import children
from tests.faults.strangers import CPU_SECONDS, MOST_AFTER_SIGNAL, SPARE_MEGABYTES, Report
from tests.midifiles import write_midi

PLAYING_SECONDS = 1.0
"""After which a child that still runs is told to end: `play` does not by itself."""

MOST_WORDS = 9

ODD_WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "2", "64", "127", "128", "1e9", "1e400", "nan", "-inf",
    "99999999999999999999", "0x10", "1,2,3", "1,1,1,1,1", "a=b", "density=0.5", "density=9",
    "=", ",", ":", "::", "@", "null", "auto", "virtual", "file:", "file:out.mid", "synth", "jack",
    "off", "tunes", "piano", "nobody", "calm", "bach:0.7,jazz:0.3", "bach:-1", "x" * 999,
    "\u00e9\u4e2d\U0001f600", "a\nb", "--model", "--port", "--help", "--seed=5", "--no-exact", "-h",
    "127.0.0.1:0", "127.0.0.1:99999", "http://127.0.0.1:1/x", "https://", "mqtt://127.0.0.1:1",
    "/dev/null", "/dev/full", "/dev/zero", "/nonexistent/x", "/proc/self/mem", ".", "..", "/", "~",
    "out.mid", "out.wav", "out.json", "out.png", "folder", "fifo", "link", "song.mid", "empty.mid",
    "cut.mid", "noise.bin", "page.html", "bundle.zip", "settings.toml", "odd.toml", "take.mid",
)  # fmt: skip
"""Given to any option and in any place; the names are those of :func:`make_folder`."""

FITTING = {
    "port": ("null", "file:take.mid", "null@1", "null@1=10,2=off", "virtual"),
    "input": ("off", "auto", "nobody"),
    "seed": ("1", "7"),
    "duration": ("1", "3", "2.5"),
    "for_seconds": ("0.2", "0.5"),
    "config": ("settings.toml", "odd.toml"),
    "set": ("density=0.5", "tempo_scale=1.2", "transpose=-3", "scale=dorian"),
    "prime": ("song.mid",),
    "query": ("song.mid", "live"),
    "get": ("bundle.zip", "http://127.0.0.1:1/x.zip"),
    "record": ("take.mid",),
}
"""Of an option with this name, what it should obey."""

ALWAYS = {"play": ("--port", "null", "--input", "off", "--for", "0.4"), "bench": ("--seconds", "1")}
"""Words that half of a verb's lines begin with, so that they get somewhere."""


def make_folder(folder: Path) -> list[str]:
    """Put files of every kind into a folder; return bundles that can play."""
    made = [
        bundles.write_tiny_bundle(folder / "bundles"),
        bundles.write_tiny_tunes_bundle(folder / "bundles"),
        bundles.write_tiny_draw_bundle(folder / "bundles"),
        bundles.write_tiny_query_bundle(folder / "bundles"),
        bandbundles.write_tiny_band_bundle(folder / "bundles"),
    ]
    files = folder / "files"
    files.mkdir()
    write_midi(files / "song.mid", song())
    (files / "cut.mid").write_bytes((files / "song.mid").read_bytes()[:60])
    (files / "empty.mid").write_bytes(b"")
    (files / "noise.bin").write_bytes(random.Random(0).randbytes(4096))
    (files / "page.html").write_text("<!doctype html><title>404</title>")
    (files / "settings.toml").write_text('[port]\nport = "null"\n[controls]\ndensity = 0.5\n')
    (files / "odd.toml").write_text("[port]\nprt = 5\n[controls]\ndensity = nan\n[[x]]\n")
    (files / "folder").mkdir()
    os.mkfifo(files / "fifo")
    (files / "link").symlink_to("song.mid")
    packed = shutil.make_archive(str(files / "bundle"), "zip", made[0].path)
    assert Path(packed).exists()
    return [str(bundle.path) for bundle in made]


def song() -> NoteArray:
    """Return a melody of 64 notes."""
    notes = np.zeros(64, dtype=NOTE_DTYPE)
    notes["onset_ms"], notes["duration_ms"] = 500.0 * np.arange(64), 400.0
    notes["pitch"], notes["velocity"] = 60 + np.arange(64) % 12, 80
    return notes


class Lines:
    """Draws command lines.

    Args:
        bundles: Paths of bundles that can play.
    """

    def __init__(self, bundles: Sequence[str]) -> None:
        self._bundles = tuple(bundles)
        self.verbs = {name: list(_words_of(name)) for name in _verbs()}

    def draw(self, seed: int) -> list[str]:
        """Return the words that a seed gives."""
        chance = random.Random(seed)
        if chance.random() < 0.03:
            return [self._odd(chance) for _ in range(chance.randrange(4))]
        verb = chance.choice(list(self.verbs))
        words = [verb]
        if chance.random() < 0.6:
            words += ALWAYS.get(verb, ())
        options = self.verbs[verb]
        for _ in range(chance.randrange(MOST_WORDS)):
            words += self._one(chance, chance.choice(options)) if options else ()
        if chance.random() < 0.3:
            words.insert(chance.randrange(1, len(words) + 1), self._odd(chance))
        return words

    def _one(self, chance: random.Random, action: argparse.Action) -> list[str]:
        """Return an option with its values, or what stands without one."""
        counts = {None: 1, "?": chance.randrange(2), "*": chance.randrange(3), "+": 1, 0: 0}
        count = action.nargs if isinstance(action.nargs, int) else counts.get(action.nargs, 1)
        if chance.random() < 0.03:
            count = chance.randrange(3)
        values = [self._value(chance, action) for _ in range(count)]
        if not action.option_strings:
            return values
        name = chance.choice(action.option_strings)
        if chance.random() < 0.1 and values and name.startswith("--"):
            return [f"{name}={values[0]}", *values[1:]]
        return [name, *values]

    def _value(self, chance: random.Random, action: argparse.Action) -> str:
        name = action.dest.rpartition(".")[2]
        fitting = FITTING.get(name, ())
        if name in ("model", "bundle", "bundles"):
            fitting = self._bundles
        elif action.choices:
            fitting = tuple(str(choice) for choice in action.choices)
        if fitting and chance.random() < 0.75:
            return str(chance.choice(fitting))
        return self._odd(chance)

    def _odd(self, chance: random.Random) -> str:
        if chance.random() < 0.1:
            return chance.choice(self._bundles)
        return chance.choice(ODD_WORDS)


def _verbs() -> dict[str, cli.Parser]:
    """Return the parser of each verb of all packages that are installed."""
    top = cli.build_parser(["--help"])
    return next(dict(a.choices) for a in top._actions if isinstance(a, argparse._SubParsersAction))


def _words_of(name: str) -> Iterator[argparse.Action]:
    """Yield what a verb declares, its sub-verbs' too."""
    parser = _verbs()[name]
    assert parser.module is not None
    importlib.import_module(parser.module).add_arguments(parser)
    yield from parser._actions


def run(
    cases: int,
    seed: int = 0,
    seconds: float = float("inf"),
    most_after_signal: float = MOST_AFTER_SIGNAL,
) -> Report:
    """Run random command lines, each in a child and a fresh folder.

    Args:
        cases: How many.
        seed: Of the first; the next has the next number.
        seconds: No case begins later.
        most_after_signal: How long a child may take to end after a SIGTERM.
    """
    report, until = Report(refusals=(1, 2)), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="perpetuo-lines-") as made, _home(Path(made) / "home"):
        lines = Lines(make_folder(Path(made)))
        with contextlib.redirect_stdout(io.StringIO()):  # what they import is imported once
            cli.main(["render", "/dev/null", "--model", lines._bundles[0], "--duration", "2"])
            for verb in lines.verbs:
                cli.main([verb, "--help"])
        work = Path(made) / "work"
        for number in range(seed, seed + cases):
            if time.monotonic() > until:
                break
            report.tell()
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(Path(made) / "files", work, symlinks=True, copy_function=_copied)
            words = lines.draw(number)
            ended = children.fork(
                children.main_of(words),
                signal_at=(PLAYING_SECONDS, signal.SIGTERM),
                seconds=PLAYING_SECONDS + 30.0,
                memory_megabytes=SPARE_MEGABYTES,
                cpu_seconds=CPU_SECONDS,
                folder=work,
                with_output=words[:1] == ["check"],  # whose findings are its output
            )
            report.add(f"seed {number}, {words}", ended, most_after_signal)
    return report


def _copied(source: str, target: str) -> str:
    """Copy a file; a pipe is made anew."""
    if Path(source).is_fifo():
        os.mkfifo(target)
        return target
    return shutil.copy2(source, target, follow_symlinks=False)


@contextlib.contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Let settings, recordings and state of these lines lie where they harm nobody."""
    names = {"HOME": "", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state",
             "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}  # fmt: skip
    before = {name: os.environ.get(name) for name in names}
    os.environ |= {name: str(folder / part) for name, part in names.items()}
    folder.mkdir()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def main() -> int:
    """Run as the command line says; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    with contextlib.suppress(ImportError):
        import torch  # noqa: F401 - to import it takes longer than a child may
    report = run(args.cases, args.seed, args.seconds)
    sys.stderr.write(f"{report}\n" + "".join(f"  {line}\n" for line in report.wrong))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

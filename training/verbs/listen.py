"""``perpetuo listen-test``: a page that plays music blind, and what its listeners said."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from streamer.verbs.numbers import SEED
from training.listening.making import TestPlan
from training.listening.sound import SYNTHS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo listen-test``."""
    parser.description = (
        "Make a page that plays music of two or more systems blind, in random order, and takes "
        "marks on coherence, structure, creativity and musicality; or, with --read, say what its "
        "listeners thought. The page asks the network for nothing. Hand out the folder `page`; "
        "keep key.json, which says who plays."
    )
    parser.add_argument("systems", nargs="*", metavar="[NAME=]SOURCE",
                        help="a bundle, which is rendered; a folder of MIDI files; one "
                             "file")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, metavar="DIR", help="the new folder")
    parser.add_argument("--pairs", type=int, default=8, metavar="N",
                        help="pairs for each two systems (default 8)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=20.0, help="of each clip (default 20)")
    parser.add_argument("--seed", type=SEED, default=0, help="of excerpts and names (default 0)")
    parser.add_argument("--title", default="Listening test", help="what the page is called")
    parser.add_argument("--synth", choices=SYNTHS, default="auto",
                        help="what plays: FluidSynth where it is installed, else a small synth of "
                             "our own (default auto)")  # fmt: skip
    parser.add_argument("--soundfont", type=Path, metavar="FILE", help="for FluidSynth")
    read = parser.add_argument_group("what listeners said")
    read.add_argument("--read", type=Path, nargs="+", metavar="FILE",
                      help="files that the page saved, or a folder of them")  # fmt: skip
    read.add_argument("--key", type=Path, metavar="key.json",
                      help="of the test (default: beside the files, or in the folder "
                           "above)")  # fmt: skip
    read.add_argument("--partial", action="store_true",
                      help="leave out pairs that lack marks, and count the others")  # fmt: skip
    read.add_argument("--json", type=Path, metavar="FILE", help="write the figures")


def run(args: argparse.Namespace) -> int:
    """Make a test, or read one; return the exit status."""
    if args.read:
        _read(args)
        return 0
    if args.output is None:
        raise ConfigError(["name the new folder with -o DIR, or files of answers with --read"])
    if args.key or args.partial or args.json:
        raise ConfigError(["--key, --partial and --json belong to --read"])
    _make(args)
    return 0


def _make(args: argparse.Namespace) -> None:
    from training.listening.making import make_test

    plan = TestPlan(
        systems=tuple(args.systems), pairs=args.pairs, seconds=args.seconds, seed=args.seed,
        title=args.title, synth=args.synth, soundfont=args.soundfont,
    )  # fmt: skip

    def tell(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r\x1b[K{what} {done}/{total}{end}")

    key = make_test(plan, args.output, tell)
    print(f"{len(key['pairs'])} pairs of {', '.join(key['systems'])}, played by {key['sound']}")
    print(f"hand out {args.output / 'page'}; keep {args.output / 'key.json'} to yourself")


def _read(args: argparse.Namespace) -> None:
    from streamer.system.atomic import check_targets, write_whole
    from training.listening.answers import read_answers
    from training.listening.statistics import summarise

    if args.systems or args.output:
        raise ConfigError(["--read takes files of answers alone, no systems and no --output"])
    check_targets(json=args.json)
    found = summarise(read_answers(args.read, args.key, partial=args.partial))
    if args.json is not None:
        write_whole(args.json, json.dumps(found, indent=1) + "\n")
    for line in _lines(found):
        print(line)


def _lines(found: dict[str, Any]) -> list[str]:
    """Return the figures as lines for people."""
    from training.listening.statistics import ALPHA

    scales = list(next(iter(found["systems"].values())))
    wide = max(len(name) for name in found["systems"])
    lines = [
        f"{found['listeners']} listeners, {found['pairs']} pairs marked; an observation is a "
        + (found["unit"] if found["unit"] == "listener" else "pair (too few listeners)"),
        "",
        "mean ± standard error".ljust(wide + 2) + "".join(s.rjust(16) for s in scales),
    ]
    head = max(wide + 2, len("mean ± standard error") + 2)
    lines[-1] = "mean ± standard error".ljust(head) + "".join(s.rjust(16) for s in scales)
    for name, own in found["systems"].items():
        cells = "".join(_cell(own[scale]).rjust(16) for scale in scales)
        lines.append(name.ljust(head) + cells)
    least, tests = found["least_p_holm"], found["tests"]
    observed = max(row["count"] for row in tests)
    lines += ["", f"Wilcoxon signed-rank, p after Holm over {len(tests)} tests; the least that "
                  f"{observed} {found['unit']}s can reach is {least:.2g}"]  # fmt: skip
    if least >= ALPHA:
        lines.append(
            f"so that nothing can be found at {ALPHA:g}: {found['listeners_needed']} listeners "
            "are needed, or fewer systems"
        )
    for row in found["tests"]:
        a, b = row["systems"]
        if row["difference"] is None:
            lines.append(f"  {a} – {b}, {row['scale']}: never in one pair")
            continue
        lines.append(
            f"  {a} – {b}, {row['scale']}: {row['difference']:+.2f}, W = {row['w']:g}, "
            f"n = {row['n']}, p = {row['p']:.2g}, after Holm {row['p_holm']:.2g}"
        )
    if found["unheard"]:
        lines.append(f"{found['unheard']} clips were marked after less than 5 s of listening")
    return lines


def _cell(figure: dict[str, Any]) -> str:
    if figure["mean"] is None:
        return "–"
    error = "" if figure["se"] is None else f" ± {figure['se']:.2f}"
    return f"{figure['mean']:.2f}{error}"

"""``perpetuo evaluate``: files and bundles against real music."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError, DataError
from streamer.settings.controls import known_control
from streamer.settings.reading import parse_setting
from streamer.settings.settings import SHARED_TABLES
from streamer.verbs.options import add_setting
from training.evaluation import MEASURES
from training.evaluation.asked import is_bundle, label_of
from training.evaluation.measures import LEAST_NOTES

if TYPE_CHECKING:
    from training.lab.lab import Laboratory

MOST_PROBLEMS = 10
"""Lines on what was left out that the terminal shows; the reports hold all."""


_OWN = {
    "model.model": "the sources", "model.seed": "--seeds", "model.judge": "--judge",
    "model.ranking": "--ranking", "model.prime": "no option",
}  # fmt: skip
"""Settings that are no matter of ``--set``."""

_DRAWN = ("model", "controls", "filters", "expression")
"""Tables by which music is drawn and played, beside those of families."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo evaluate``."""
    parser.description = (
        "Measure music against real music: piece signature, two-sample test, returning figures, "
        "mutual information, information rate, distributions, copies of the training corpus, "
        "drift; with bootstrap intervals, beside real, shuffled, Markov and random music."
    )
    parser.add_argument("sources", nargs="+", metavar="[NAME=]SOURCE",
                        help="folder, archive or MIDI files; or a bundle (name, folder or .zip), "
                             "which is rendered")  # fmt: skip
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR|TENSORS.npz",
                        help="real music; half of its works is what all is compared with, the "
                             "other half the column “real” (of prepared tensors: the training "
                             "pieces, and the rest)")  # fmt: skip
    parser.add_argument("--train", type=Path, metavar="DIR|TENSORS.npz",
                        help="the training corpus, to find copies of")  # fmt: skip
    parser.add_argument("--model", metavar="BUNDLE",
                        help="also tell what this bundle thinks of all sets, in nats a "
                             "note")  # fmt: skip
    render = parser.add_argument_group("how bundles are rendered")
    render.add_argument("--seeds", type=_seeds, default=tuple(range(10)), metavar="0-9,12",
                        help="one render each (default 0-9)")  # fmt: skip
    render.add_argument("--minutes", type=_minutes, default=3.0,
                        help="length of each (default 3)")  # fmt: skip
    render.add_argument("--judge", choices=("none", "signature", "entropy", "both"),
                        default="none", help="as perpetuo play --judge")  # fmt: skip
    add_setting(render, "--ranking", "model.ranking", metavar="RULE",
                help="as perpetuo play --ranking")  # fmt: skip
    render.add_argument("--set", type=_setting, action="append", default=[], dest="drawing",
                        metavar="NAME=VALUE",
                        help="a control, as perpetuo render --set, or a setting, as "
                             "recall.echo_share=0.8")  # fmt: skip
    render.add_argument("--selection", action="store_true",
                        help="compare what the stream plays with what it drops and passes "
                             "over")  # fmt: skip
    out = parser.add_argument_group("what is written")
    out.add_argument("--json", type=Path, metavar="FILE")
    out.add_argument("--html", type=Path, metavar="FILE",
                     help="one page with the plots in it")  # fmt: skip
    out.add_argument("--plots", type=Path, metavar="DIR", help="the plots, one PNG each")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="the table alone")
    how = parser.add_argument_group("how it is done")
    how.add_argument("--no-controls", action="store_true",
                     help="leave out shuffled, Markov and random music")  # fmt: skip
    how.add_argument("--measures", type=_names, default=MEASURES, metavar="NAME,...",
                     help=f"only these of {', '.join(MEASURES)}")  # fmt: skip
    how.add_argument("--windows", type=_window_notes, default=(), metavar="16,64",
                     help="also let trees tell apart windows of so many notes, and name what "
                          "tells")  # fmt: skip
    how.add_argument("--encoder", type=Path, metavar="FILE.npz",
                     help="the space of the Fréchet distance and MMD: what perpetuo train encoder "
                          "wrote (default: the one that ships)")  # fmt: skip
    how.add_argument("--limit", type=_positive, metavar="N",
                     help="at most N pieces of each folder, evenly chosen")  # fmt: skip
    how.add_argument("--rates", type=_count, default=60, metavar="N",
                     help="pieces of each set whose information rate is computed "
                          "(default 60)")  # fmt: skip
    how.add_argument("--seed", type=_count, default=0, help="of all that is drawn (default 0)")
    how.add_argument("--processes", type=_positive, metavar="N",
                     help="default: one a core")  # fmt: skip


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return value


def _setting(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``: a control, or a setting with its table."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(
            f"must be NAME=VALUE, as recall.echo_share=0.8, not {text}"
        )
    try:
        full = name if "." in name else f"controls.{known_control(name).name}"
        if full in _OWN:
            raise ValueError(f"is said by {_OWN[full]} here")
        table = full.partition(".")[0]
        if table in SHARED_TABLES and table not in _DRAWN:
            raise ValueError(f"changes nothing that is measured; give one of {', '.join(_DRAWN)}")
        return full, parse_setting(full, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name} {error}") from error


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().replace("-", "_") for part in text.split(","))
    for name in names:
        if name not in MEASURES:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(MEASURES)}, not {name}")
    return names


def _window_notes(text: str) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.split(","))
    if any(value < LEAST_NOTES for value in values):
        raise argparse.ArgumentTypeError(f"must be {LEAST_NOTES} notes or more, not {text}")
    return values


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value <= 24 * 60:
        raise argparse.ArgumentTypeError(f"must be in range 0..1440, 0 excluded, not {text}")
    return value


def _seeds(text: str) -> tuple[int, ...]:
    """Read numbers and ranges: ``0-9,12``."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"must be like 0-9 or 3,5, not {text}")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text} holds no seed")
    return tuple(dict.fromkeys(seeds))


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write what was asked for; return the exit status."""
    from training.lab.lab import LabSettings, evaluate

    targets = [p for p in (args.json, args.html, args.markdown) if p is not None]
    for target in targets:
        if target.is_dir():
            raise DataError(f"{target}: is a folder; give the path of a file")
    drawing = dict(args.drawing)
    if getattr(args, "model.ranking") is not None:
        drawing["model.ranking"] = getattr(args, "model.ranking")
    if drawing and not any(is_bundle(Path(label_of(text)[1])) for text in args.sources):
        raise ConfigError(["--ranking and --set are of bundles that are rendered: none is named"])
    if drawing and args.selection:
        raise ConfigError(["--selection studies a bundle as it is: leave out --ranking and --set"])
    settings = LabSettings(
        tuple(args.sources), args.reference, args.train, args.model, args.seeds, args.minutes,
        not args.no_controls, args.limit, args.rates, args.seed, args.processes,
        args.measures, args.selection, args.judge, args.windows,
        args.encoder, drawing,
    )  # fmt: skip
    with _Bar() as bar:
        lab = evaluate(settings, bar)
    _print(lab)
    _write(lab, args)
    return 0


def _write(lab: Laboratory, args: argparse.Namespace) -> None:
    from streamer.system.atomic import atomic_file
    from training.lab.report import to_html, to_json, to_markdown

    forms = ((args.json, to_json), (args.html, to_html), (args.markdown, to_markdown))
    for target, make in forms:
        if target is not None:
            with atomic_file(target) as file:
                file.write(make(lab).encode())
    if args.plots is not None:
        from training.lab.plots import draw_plots

        for name, (_, image) in draw_plots(lab).items():
            with atomic_file(args.plots / f"{name}.png") as file:
                file.write(image)


def _print(lab: Laboratory) -> None:
    from rich.console import Console
    from rich.table import Table

    from training.lab.report import problems, table

    header, rows = table(lab)
    view = Table(box=None, header_style="bold", pad_edge=False)
    for i, cell in enumerate(header):
        view.add_column(cell, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        view.add_row(*row)
    console = Console(file=sys.stdout)
    if not console.is_terminal:  # a pipe has no width; nothing is to be cut off
        console.width = 28 + 32 * len(header)
    console.print(view)
    left_out = problems(lab)
    for line in left_out[:MOST_PROBLEMS]:
        sys.stderr.write(f"{line}\n")
    if len(left_out) > MOST_PROBLEMS:
        sys.stderr.write(f"and {len(left_out) - MOST_PROBLEMS} more (see --json)\n")


class _Bar:
    """A progress bar on stderr, silent where that is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)

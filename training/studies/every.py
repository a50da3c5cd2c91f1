"""``perpetuo study all``: each figure of docs/results, and the one command that makes it.

``--list`` prints the commands, of things that lie in a folder ``RUNS`` under the names of their
models. ``--quick`` runs those of :data:`QUICK` on made data: a corpus of a few kilobytes, a model
of a few thousand weights. What comes of that means nothing; that it comes does. docs/papers.md says
which figure of which paper each redraws.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
from dataclasses import dataclass
from pathlib import Path

from streamer.cli import main
from streamer.errors import ConfigError
from training.registry import tiny_corpus

PLACE = "RUNS"
"""The folder in the commands that are printed: ``RUNS/chain`` is a run, ``RUNS/chain.npz`` its
corpus, ``RUNS/chain-bundle`` what was exported of it."""


@dataclass(frozen=True)
class Figure:
    """A figure, or a table.

    Attributes:
        study: Word after ``perpetuo study``, or what else makes it.
        name: After ``--only``; "" where a command makes one thing alone.
        line: The command, with :data:`PLACE` for where things lie.
        redraws: Key of the paper and what of it; "" for what is ours.
    """

    study: str
    name: str
    line: tuple[str, ...]
    redraws: str = ""

    def command(self, place: str = PLACE) -> list[str]:
        """Return the command, of things that lie in ``place``."""
        return [word.replace(f"{PLACE}/", f"{place}/") for word in self.line]


def _figure(
    study: str, name: str, redraws: str = "", *, of: str = "checkpoint", more: tuple[str, ...] = ()
) -> Figure:
    """Return a figure of a study that has several."""
    what = f"RUNS/{study}" if of == "checkpoint" else f"RUNS/{study}-bundle"
    given = ("--tensors", f"RUNS/{study}.npz", "-o", "RUNS/figures", "--only", name)
    return Figure(
        study, name, ("perpetuo", "study", study, f"--{of}", what, *given, *more), redraws
    )


def _alone(study: str, *line: str) -> Figure:
    """Return what a command makes alone."""
    return Figure(study, "", line)


def _played(study: str) -> Figure:
    """Return a study of the chain's bundle beside its corpus."""
    given = ("--bundle", "RUNS/chain-bundle", "--tensors", "RUNS/chain.npz", "-o", "RUNS/figures")
    return _alone(study, "perpetuo", "study", study, *given)


_OTHER_MUSAE = ("--runs", "RUNS/musae-2")
_OTHER_TUNES = ("--runs", "RUNS/lm", "RUNS/vae")
_SEARCH = ("--tensors", "RUNS/draw.npz", "-o", "RUNS/search")

FIGURES = (
    _figure("chain", "tables", "Liu2025, table 1"),
    _figure("chain", "classes", "Liu2025, figure 1", of="bundle"),
    _figure("chain", "likelihood", "Liu2025, figure 2"),
    _figure("chain", "attention", "Liu2025, figure 3"),
    _figure("chain", "entropy", "Liu2025, figure 4"),
    _figure("chain", "planted"),
    _figure("chain", "selection", of="bundle"),
    _figure("chain", "music", of="bundle"),
    _figure("chain", "endless", of="bundle"),
    _played("ear"),
    _played("controls"),
    _played("playable"),
    _figure("draw", "figure1", "Sabathe2017, figure 1"),
    _figure("draw", "generated", "Sabathe2017, mean distance and Welch's t"),
    _figure("draw", "stream", "Sabathe2017, Welch's t of what is played", of="bundle"),
    _figure("draw", "figure4", "Sabathe2017, figure 4 and table II"),
    _figure("draw", "figure5", "Sabathe2017, figure 5"),
    _figure("draw", "figure6", "Sabathe2017, figure 6"),
    _alone("search", "perpetuo", "search", "draw", *_SEARCH),
    _figure("query", "similarity"),
    _figure("query", "figure2", "Dubnov2019, figures 2 and 3"),
    _figure("query", "figure4", "Dubnov2019, figure 4"),
    _figure("query", "figure5", "Dubnov2019, figure 5"),
    _figure("query", "figure6", "Dubnov2019, figure 6"),
    _figure("vrash", "likelihood", "Yamshchikov2020, figure 4", more=_OTHER_TUNES),
    _figure("vrash", "latent"),
    _figure("vrash", "information", "Yamshchikov2020, figure 6", more=_OTHER_TUNES),
    _figure("vrash", "filter", of="bundle"),
    _figure("vrash", "endless", of="bundle"),
    _figure("vrash", "edge", of="bundle"),
    _figure("musae", "reconstruction", "Valenti2020, table 1"),
    _figure("musae", "overfit"),
    _figure("musae", "compare", "Valenti2020, table 1", more=_OTHER_MUSAE),
    _figure("musae", "figure2", "Valenti2020, figure 2", of="bundle"),
    _figure("musae", "figure3", "Valenti2020, figure 3"),
    _figure("musae", "figure4", "Valenti2020, figure 4"),
    _figure("musae", "figure5", "Valenti2020, figure 5"),
    _figure("musae", "pairs", "Valenti2020, figure 5, all pairs", of="bundle"),
    _figure("musae", "genre"),
    _figure("musae", "control"),
    _figure("musae", "drawing"),
    _figure("musae", "restyle"),
    _alone("bench", "perpetuo", "study", "bench", "RUNS/chain", "RUNS/transformer", "RUNS/gated",
           "--tensors", "RUNS/chain.npz", "-o", "RUNS/figures"),
    _alone("chords", "perpetuo", "study", "chords", "--corpus", "POP909", "-o", "RUNS/figures"),
    _alone("speed", "perpetuo", "bench", "--model", "RUNS/chain-bundle", "--json"),
    _alone("evaluate", "perpetuo", "evaluate", "RUNS/chain-bundle", "--reference",
           "RUNS/chain.npz", "--windows", "16,64", "--json", "RUNS/figures/evaluate.json"),
    _alone("figure_one", "python", "-m", "training.evaluation.figure_one", "NAME=CORPUS",
           "-o", "RUNS/figures"),
    _alone("expression", "python", "-m", "training.studies.tunes.expression", "RUNS/vrash.npz",
           "-o", "RUNS/figures"),
    _alone("bass", "python", "-m", "training.studies.tunes.bass", "RUNS/vrash.npz", "POP909",
           "-o", "RUNS/figures"),
    _alone("filter_effect", "python", "-m", "training.studies.tunes.filter_effect",
           "RUNS/vrash-bundle", "RUNS/vrash.npz", "-o", "RUNS/figures/filter_effect.json"),
    _alone("band_touch", "python", "-m", "training.studies.bands.band_touch", "CORPUS",
           "--tensors", "RUNS/musae.npz", "-o", "RUNS/figures"),
)  # fmt: skip
"""Of the papers in their order, each beside what is ours of its family; then what is of none."""

QUICK = ("draw", "query")
"""Studies that ``--quick`` runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Print the command of each figure of docs/results (--list), or run those of "
        f"{' and '.join(QUICK)} on made data, to see that they come (--quick)."
    )
    parser.add_argument("--list", action="store_true", help="print the commands")
    parser.add_argument(
        "--quick", action="store_true", help=f"run those of {' and '.join(QUICK)} on made data"
    )
    parser.add_argument("--output", "-o", type=Path, metavar="DIR", help="of --quick")
    parser.add_argument("--only", nargs="+", metavar="STUDY", help="those of some studies")


def run(args: argparse.Namespace) -> int:
    """Print or run them; return the exit status: 1 where one did not come."""
    known = list(dict.fromkeys(figure.study for figure in FIGURES))
    wrong = [name for name in args.only or () if name not in known]
    if wrong:
        raise ConfigError([f"--only {name}: there is {', '.join(known)}" for name in wrong])
    chosen = [one for one in FIGURES if not args.only or one.study in args.only]
    if args.list:
        for figure in chosen:
            print(f"{shlex.join(figure.command())}  # {figure.redraws or 'ours'}")
        return 0
    if not args.quick or args.output is None:
        raise ConfigError(["give --list, or --quick with -o DIR; a figure in earnest is one of "
                           "the commands of --list"])  # fmt: skip
    return quick([one for one in chosen if one.study in QUICK], args.output)


def quick(figures: list[Figure], folder: Path) -> int:
    """Run figures on made data; return 1 where one did not come, and say why."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in dict.fromkeys(figure.study for figure in figures):
        tiny_corpus(model).save(folder / f"{model}.npz")
        _quietly(["train", model, "--preset", f"{model}-tiny", "--tensors",
                  f"{folder}/{model}.npz", "-o", f"{folder}/{model}", "--quiet", "--device", "cpu",
                  "--threads", "1"])  # fmt: skip
    failed = 0
    for figure in figures:
        status, said = _quietly(figure.command(str(folder))[1:])
        line = (said.strip().splitlines() or [""])[-1]
        failed += status != 0
        what = "made" if status == 0 else f"NOT MADE: {line}"
        print(f"{figure.study} {figure.name} ({figure.redraws or 'ours'}): {what}", flush=True)
    print(f"{len(figures) - failed} of {len(figures)} figures made, in {folder}/figures")
    return 1 if failed else 0


def _quietly(command: list[str]) -> tuple[int, str]:
    """Run a command; return its status and what it said on both streams."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(command)
    return status, said.getvalue()

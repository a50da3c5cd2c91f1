"""The verb ``perpetuo search MODEL``: many shapes, a little training each, one judge.

Source: [Sabathe2017].

Architectures are drawn at random from the model's space (:mod:`training.family`), each is trained
for the same time, and judged. Optuna draws and keeps the book (:mod:`training.run.book`): a search
that is stopped goes on where it was, and workers on several machines share one. Out:
``search.json``, and where the judge has categories a decision tree of what made the difference
(``tree.txt``, ``tree.png``).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError, DataError
from streamer.registry import opened
from streamer.system.atomic import write_whole
from streamer.system.installing import how_to_add
from streamer.verbs.numbers import MANY, SEED, THREADS, Number
from streamer.version import __version__
from training.family import Span
from training.registry import load_corpus, load_preset, make_task, models
from training.run.book import MOST_DEATHS, Book, TrialLost

if TYPE_CHECKING:
    from training.run.loop import Trainer
    from training.run.verdict import Judge, Verdict

logger = logging.getLogger(__name__)

MOST_WAIT_SECONDS = 5.0
"""Between two looks at what other workers do."""

FOREVER = 100_000
"""Epochs of a trial; its time is over long before."""

KEPT = 3
"""Trials whose weights are kept."""

TREE_DEPTH, LEAST_TO_SPLIT = 3, 10
"""As in [Sabathe2017]."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo search``."""
    parser.description = (
        "Draw architectures at random, train each for the same time, judge it, and say what made "
        "the difference. Stopped and started again with the same --output, it goes on."
    )
    parser.add_argument("model", choices=sorted(models()), help="what to search for")
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="prepared corpus, as perpetuo train takes it")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="where the book, search.json and the tree are kept")  # fmt: skip
    parser.add_argument("--preset", help="what is not searched (default: MODEL)")
    parser.add_argument("--trials", type=MANY, default=20, metavar="N",
                        help="architectures in all (default 20)")  # fmt: skip
    parser.add_argument("--budget", type=Number(0.1, 1e7), default=120.0, metavar="SECONDS",
                        help="training of each, CPU time on a CPU (default 120)")  # fmt: skip
    parser.add_argument("--range", action="append", default=[], metavar="NAME=LOW..HIGH",
                        help="narrow one entry, as in model.hidden=64..256")  # fmt: skip
    parser.add_argument("--storage", metavar="URL|FILE",
                        help="a book that several workers share: sqlite:///FILE, "
                             "postgresql://USER@HOST/NAME, or a journal file on a shared disk "
                             "(default: OUTPUT/book.journal, for one worker)")  # fmt: skip
    parser.add_argument("--grace", type=Number(0.1, 1e6), default=60.0, metavar="SECONDS",
                        help="a worker that shows no sign of life for so long is thought dead, "
                             "and its trial taken up (default 60)")  # fmt: skip
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=THREADS, help="CPU threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Search; return the exit status."""
    space = _space(args)
    load_preset(args.preset or args.model)
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError([f"perpetuo search needs optuna: {how_to_add('train')}"]) from error
    import torch

    from training.run.loop import StopTraining
    from training.run.ranks import refuse_others

    refuse_others("each worker's trials are trained")
    corpus = load_corpus(args.model, args.tensors)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    book = _book(args, space)
    done = book.finished()
    while len(done) < args.trials:
        gc.collect()  # a CUDA graph of the last trial keeps its memory in a ring of references
        trial = book.take(args.trials)
        if trial is None:  # others work on the last ones: they may yet die
            time.sleep(min(args.grace / 4, MOST_WAIT_SECONDS))
            done = book.finished()
            continue
        try:
            with book.alive(trial):
                told = _told(args, space, corpus, book, trial)
        except StopTraining as stop:
            book.give_back(trial)
            logger.warning("stopped after %d of %d; run it again to go on", len(done), args.trials)
            return 128 + stop.signum
        except TrialLost:
            book.say_lost(trial)
            continue
        except BaseException:
            book.give_back(trial)
            raise
        counts = book.tell(trial, told)
        done = book.finished()
        if counts:
            _report(args, space, done)
            print(_line(len(done), args.trials, told), flush=True)
    return _conclude(args, _report(args, space, done))


def _conclude(args: argparse.Namespace, report: dict[str, Any]) -> int:
    """Say which shape is the best."""
    best, trials = report["best"], report["trials"]
    if best is None:
        raise DataError(
            f"none of {len(trials)} shapes could be trained (the first: {trials[0]['failed']}); "
            "narrow them with --range, and begin another search with another --output"
        )
    print(f"best of {len(trials)}: {best['score']:.3f} with {_shown(best['chosen'])}")
    failed = len(trials) - len(_judged(trials))
    if failed:
        print(f"{failed} could not be trained; {args.output}/search.json says why of each")
    return 0


def _told(
    args: argparse.Namespace, space: dict[str, Span], corpus: Any, book: Book, trial: Any
) -> dict[str, Any]:
    """Return what is to be told of a trial: a shape that cannot be trained is a finding too."""
    from training.run.device import within_memory

    with book.drawing():
        chosen = _choose(trial, space)
    if book.deaths(trial) >= MOST_DEATHS:
        return _failed(chosen, f"{book.deaths(trial)} workers died in it")
    try:
        with within_memory():
            verdict, told = _try(args, chosen, corpus, book.origin(trial))
    except DataError as error:
        return _failed(chosen, str(error))
    return told if math.isfinite(verdict.score) else _failed(
        chosen, f"its score is {verdict.score}"
    )  # fmt: skip


def _failed(chosen: dict[str, float], why: str) -> dict[str, Any]:
    return {"chosen": chosen, "score": None, "category": "", "failed": why}


def _judged(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that have a score."""
    return [told for told in trials if told["score"] is not None]


def _book(args: argparse.Namespace, space: dict[str, Span]) -> Book:
    """Open the book; without --storage it is this folder's own, and what runs in it was cut off."""
    own = str(args.output / "book.journal")
    book = Book(
        args.model, args.storage or own, args.seed, args.grace, alone=args.storage is None
    )  # fmt: skip
    with args.tensors.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    book.agree({
        "the version of perpetuo": __version__, "--preset": args.preset or args.model,
        "--budget": args.budget, "--seed": args.seed, "--tensors (sha256)": digest,
        "--range": {name: [span.low, span.high] for name, span in space.items()},
    })  # fmt: skip
    return book


def _space(args: argparse.Namespace) -> dict[str, Span]:
    """Return the model's space, narrowed (ConfigError, all mistakes at once)."""
    space, problems = dict(models()[args.model].space), []
    for item in args.range:
        name, _, text = item.partition("=")
        low, dots, high = text.partition("..")
        if name not in space:
            problems.append(f"--range {item}: there is {', '.join(space)}")
            continue
        old = space[name]
        try:
            if not dots:
                raise ValueError("it must be LOW..HIGH")
            space[name] = Span(float(low), float(high), old.step, old.logarithmic)
        except ValueError as error:
            problems.append(f"--range {item}: {error}")
    if problems:
        raise ConfigError(problems)
    return space


def _choose(trial: Any, space: dict[str, Span]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, span in space.items():
        if span.step:
            found[name] = trial.suggest_int(
                name, int(span.low), int(span.high), step=1 if span.logarithmic else span.step,
                log=span.logarithmic,
            )  # fmt: skip
        else:
            found[name] = trial.suggest_float(name, span.low, span.high, log=span.logarithmic)
    return found


def _try(
    args: argparse.Namespace, chosen: dict[str, float], corpus: Any, number: int
) -> tuple[Verdict, dict[str, Any]]:
    """Train one architecture for its time and judge it."""
    import torch

    from training.run.device import choose_device, choose_precision
    from training.run.loop import LoopConfig, Trainer

    device = choose_device(args.device)
    torch.manual_seed(args.seed + number)
    try:
        preset = load_preset(args.preset or args.model, chosen)
        task = make_task(
            preset,
            corpus,
            args.seed + number,
            device,
            low_precision=choose_precision("auto", device),
        )
    except ConfigError as error:
        raise DataError(f"no model has this shape: {error}") from error
    folder = args.output / "trial"
    folder.mkdir(exist_ok=True)
    loop = LoopConfig(
        epochs=FOREVER,
        learning_rate=preset.loop.learning_rate,
        warmup=min(preset.loop.warmup, 50),
        final_share=1.0,
        weight_decay=preset.loop.weight_decay,
        clip=preset.loop.clip,
        average=0.995,
        patience=0,
        save_seconds=1e9,
    )
    trainer = Trainer(task, loop, folder, {})
    # On a CPU the time of the process: a busy machine must not favour one shape over another.
    timer = time.process_time if device.type == "cpu" else time.monotonic
    began = timer()
    trainer.run_for(args.budget, timer)
    seconds = timer() - began
    task.model.load_state_dict(trainer.averaged)
    judge: Judge = opened(models()[args.model].judge)
    verdict = judge(task, corpus)
    weights = sum(p.numel() for p in task.model.parameters())
    _keep(args.output, trainer, verdict)
    return verdict, {
        "chosen": chosen,
        "score": verdict.score,
        "category": verdict.category,
        "figures": verdict.figures,
        "updates": trainer.update,
        "seconds": round(seconds, 1),
        "parameters": weights,
    }


def _keep(folder: Path, trainer: Trainer, verdict: Verdict) -> None:
    """Keep the weights of the best few of this worker's trials, ``best-1.pt`` the best."""
    book = folder / "best.json"
    scores: list[float] = json.loads(book.read_text()) if book.is_file() else []
    place = sum(score <= verdict.score for score in scores)
    if place >= KEPT or not math.isfinite(verdict.score):
        return
    for old in range(min(len(scores), KEPT - 1), place, -1):
        (folder / f"best-{old}.pt").replace(folder / f"best-{old + 1}.pt")
    trainer.keep(folder / f"best-{place + 1}.pt", {"total": verdict.score})
    scores.insert(place, verdict.score)
    write_whole(book, json.dumps(scores[:KEPT]) + "\n")


def _report(
    args: argparse.Namespace, space: dict[str, Span], trials: list[dict[str, Any]]
) -> dict[str, Any]:
    """Write what is known so far; the best is None where nothing could be trained."""
    judged = _judged(trials)
    rows: dict[str, Any] = {
        "family": args.model,
        "seed": args.seed,
        "budget_seconds": args.budget,
        "space": {name: [span.low, span.high] for name, span in space.items()},
        "best": min(judged, key=lambda told: told["score"], default=None),
        "trials": trials,
    }
    labels = _labels(judged)
    if len({*labels}) > 1:
        rows["tree"] = _tree(judged, labels, list(space), args.output)
    write_whole(args.output / "search.json", json.dumps(rows, indent=1) + "\n")
    return rows


def _labels(trials: list[dict[str, Any]]) -> list[str]:
    """Return the category of each trial; where all are of one, or of none, thirds of the scores."""
    import numpy as np

    categories = [told["category"] for told in trials]
    if len({*categories}) > 1 or len(trials) < 3:
        return categories
    scores = [told["score"] for told in trials]
    low, high = np.quantile(scores, (1 / 3, 2 / 3)).tolist()
    return [
        "best third" if score <= low else "middle third" if score <= high else "last third"
        for score in scores
    ]


def _tree(trials: list[dict[str, Any]], labels: list[str], names: list[str], folder: Path) -> str:
    """Fit the paper's decision tree over the categories; write it, and return it as text."""
    from sklearn.tree import DecisionTreeClassifier, export_text

    inputs = [[told["chosen"][name] for name in names] for told in trials]
    tree = DecisionTreeClassifier(
        max_depth=TREE_DEPTH, min_samples_split=LEAST_TO_SPLIT, random_state=0
    ).fit(inputs, labels)
    text: str = export_text(tree, feature_names=names)
    (folder / "tree.txt").write_text(text)
    _draw_tree(tree, names, folder)
    return text


def _draw_tree(tree: Any, names: list[str], folder: Path) -> None:
    """Draw the tree where there is matplotlib; a search that is taken up again draws it later."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        logger.debug("no matplotlib: %s/tree.png is not drawn", folder)
        return
    from sklearn.tree import plot_tree

    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)  # a tree measures its texts while it is drawn
    plot_tree(
        tree, feature_names=names, class_names=list(tree.classes_), filled=True, impurity=False,
        ax=figure.subplots(), fontsize=8,
    )  # fmt: skip
    figure.savefig(folder / "tree.png", dpi=100)


def _line(count: int, trials: int, told: dict[str, Any]) -> str:
    if told["score"] is None:
        return f"{count}/{trials}: {told['failed']}, {_shown(told['chosen'])}"
    category = f" ({told['category']})" if told["category"] else ""
    return f"{count}/{trials}: {told['score']:.3f}{category}, {_shown(told['chosen'])}"


def _shown(chosen: dict[str, float]) -> str:
    return ", ".join(f"{name.partition('.')[2]} {value:.4g}" for name, value in chosen.items())

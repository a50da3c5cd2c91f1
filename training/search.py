"""The verb ``perpetuo search FAMILY``: many shapes, a little training each, one judge (paper 001).

Architectures are drawn at random from the family's space (:mod:`training.spaces`), each is trained
for the same time, and judged. Optuna draws and keeps the book: a search that is stopped goes on
where it was. Out: ``search.json``, and where the judge has categories a decision tree of what made
the difference (``tree.txt``, ``tree.png``).
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from streamer.errors import ConfigError, DataError
from training.families import FAMILIES, Preset, load_preset
from training.loop import LoopConfig, StopTraining, Trainer
from training.spaces import JUDGES, SPACES, Span, Verdict, judge_held_out
from training.train import choose_device, choose_precision

logger = logging.getLogger(__name__)

FOREVER = 100_000
"""Epochs of a trial; its time is over long before."""

TREE_DEPTH, LEAST_TO_SPLIT = 3, 10
"""As in paper 001."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo search``."""
    parser.description = (
        "Draw architectures at random, train each for the same time, judge it, and say what made "
        "the difference. Stopped and started again with the same --output, it goes on."
    )
    parser.add_argument("family", choices=sorted(SPACES), help="the family to search")
    parser.add_argument("--tensors", type=Path, required=True, metavar="FILE.npz",
                        help="prepared corpus, as perpetuo train takes it")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR",
                        help="where the book, search.json and the tree are kept")  # fmt: skip
    parser.add_argument("--preset", help="what is not searched (default: FAMILY)")
    parser.add_argument("--trials", type=int, default=20, metavar="N",
                        help="architectures in all (default 20)")  # fmt: skip
    parser.add_argument("--budget", type=float, default=120.0, metavar="SECONDS",
                        help="training of each, CPU time on a CPU (default 120)")  # fmt: skip
    parser.add_argument("--range", action="append", default=[], metavar="NAME=LOW..HIGH",
                        help="narrow one entry, as in model.hidden=64..256")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Search; return the exit status."""
    space = _space(args)
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            ["perpetuo search needs optuna: pip install 'perpetuo[train]'"]
        ) from error
    corpus = FAMILIES[args.family].load(args.tensors)
    if not corpus.indices("train"):
        raise DataError(f"{args.tensors}: no piece in the training split; prepare more files")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(optuna, args)
    done = _finished(study)
    while len(done) < args.trials:
        gc.collect()  # a CUDA graph of the last trial keeps its memory in a ring of references
        trial = study.ask()
        try:
            chosen = _choose(trial, space)
            verdict, told = _try(args, chosen, corpus, len(done))
        except StopTraining as stop:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            logger.warning("stopped after %d of %d; run it again to go on", len(done), args.trials)
            return 128 + stop.signum
        trial.set_user_attr("told", told)
        study.tell(trial, verdict.score)
        done = _finished(study)
        rows = _report(args, space, done)
        print(_line(len(done), args.trials, rows["trials"][-1]), flush=True)
    rows = _report(args, space, done)
    best = rows["best"]
    print(f"best of {len(done)}: {best['score']:.3f} with {_shown(best['chosen'])}")
    return 0


def _space(args: argparse.Namespace) -> dict[str, Span]:
    """Return the family's space, narrowed (ConfigError, all mistakes at once)."""
    space, problems = dict(SPACES[args.family]), []
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
    for option, value, least in (("--trials", args.trials, 1), ("--budget", args.budget, 0.1)):
        if value < least:
            problems.append(f"{option} must be {least} or more, not {value:g}")
    if problems:
        raise ConfigError(problems)
    return space


def _study(optuna: Any, args: argparse.Namespace) -> Any:
    """Open the book; a trial that a kill cut off is put aside."""
    backend = optuna.storages.journal.JournalFileBackend(str(args.output / "book.journal"))
    study = optuna.create_study(
        study_name=args.family,
        storage=optuna.storages.JournalStorage(backend),
        sampler=optuna.samplers.RandomSampler(seed=args.seed),
        load_if_exists=True,
    )
    cut = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    for trial in cut:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    # The sampler's draws begin anew with each start; those of trials already made are passed over.
    study.sampler = optuna.samplers.RandomSampler(seed=args.seed + 7919 * len(study.trials))
    return study


def _finished(study: Any) -> list[Any]:
    return [trial for trial in study.get_trials(deepcopy=False) if "told" in trial.user_attrs]


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
    preset = load_preset(args.preset or args.family, chosen)
    device = choose_device(args.device)
    torch.manual_seed(args.seed + number)
    task = _task(preset, corpus, args.seed + number, device)
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
    verdict = JUDGES.get(args.family, judge_held_out)(task, corpus)
    weights = sum(p.numel() for p in task.model.parameters())
    return verdict, {
        "chosen": chosen,
        "score": verdict.score,
        "category": verdict.category,
        "figures": verdict.figures,
        "updates": trainer.update,
        "seconds": round(seconds, 1),
        "parameters": weights,
    }


def _task(preset: Preset, corpus: Any, seed: int, device: torch.device) -> Any:
    family = FAMILIES[preset.family]
    try:
        config = {**preset.model, **family.from_corpus(corpus)}
        model = family.build(config, family.codec(corpus, preset.data)).to(device)
    except ValueError as error:
        raise ConfigError([f"preset {preset.name}: {error}"]) from error
    return family.task(
        model, corpus, preset.data, seed,
        low_precision=choose_precision("auto", device), compiled=False,
    )  # fmt: skip


def _report(args: argparse.Namespace, space: dict[str, Span], done: list[Any]) -> dict[str, Any]:
    """Write what is known so far."""
    trials = [trial.user_attrs["told"] for trial in done]
    rows: dict[str, Any] = {
        "family": args.family,
        "seed": args.seed,
        "budget_seconds": args.budget,
        "space": {name: [span.low, span.high] for name, span in space.items()},
        "best": min(trials, key=lambda told: told["score"]),
        "trials": trials,
    }
    labels = _labels(trials)
    if len({*labels}) > 1:
        rows["tree"] = _tree(trials, labels, list(space), args.output)
    (args.output / "search.json").write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _labels(trials: list[dict[str, Any]]) -> list[str]:
    """Return the category of each trial; where all are of one, or of none, thirds of the scores."""
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
    category = f" ({told['category']})" if told["category"] else ""
    return f"{count}/{trials}: {told['score']:.3f}{category}, {_shown(told['chosen'])}"


def _shown(chosen: dict[str, float]) -> str:
    return ", ".join(f"{name.partition('.')[2]} {value:.4g}" for name, value in chosen.items())

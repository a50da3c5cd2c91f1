"""A run's curves: the PNG, drawn anew after each epoch from ``metrics.jsonl``, and TensorBoard."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from training.run.unit import Unit

logger = logging.getLogger(__name__)


def write_curves(folder: Path, unit: Unit) -> None:
    """Draw the figures of training and of what is held out, epoch by epoch, to ``curves.png``.

    Args:
        folder: Run folder.
        unit: What the figures are counted in; those that are no nats are not labelled so.

    Without matplotlib nothing is drawn, and a debug line says so; the figures are in the JSONL.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.debug("no matplotlib: %s/curves.png is not drawn", folder)
        return
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    names = [n for n in rows[0]["train"] if n in rows[0]["valid"]]
    figure = Figure(figsize=(3.2 * len(names), 3.2), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    x = [row["epoch"] for row in rows]
    for axis, name in zip(axes, names, strict=True):
        axis.plot(x, [row["train"][name] for row in rows], label="train")
        axis.plot(x, [row["valid"][name] for row in rows], label="held out")
        axis.set_title(name)
        axis.set_xlabel("epoch")
        axis.set_ylabel(_label(name, unit, rows[0]["valid"]))
    axes[0].legend()
    figure.savefig(folder / "curves.png", dpi=100)


def _label(name: str, unit: Unit, figures: dict[str, float]) -> str:
    """Return what an axis counts."""
    if name in unit.weights:
        return f"nats a {unit.per}"
    if name == "total":
        return unit.formula(figures) + ("" if unit.beside else f", nats a {unit.per}")
    return ""


def write_events(folder: Path, row: dict[str, Any]) -> None:
    """Add one epoch to the TensorBoard events in ``folder``, where TensorBoard is installed.

    Args:
        folder: Run folder.
        row: A line of ``metrics.jsonl``.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.debug("no tensorboard: no events are written in %s", folder)
        return
    writer = SummaryWriter(str(folder))
    for part in ("train", "valid"):
        for name, value in row[part].items():
            writer.add_scalar(f"{part}/{name}", value, row["update"])
    writer.add_scalar("learning_rate", row["learning_rate"], row["update"])
    writer.close()

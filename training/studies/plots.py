"""The few kinds of plot that studies draw, and the writing of a study's two files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def subplots(rows: int, columns: int, width: float = 4.0) -> tuple[Any, Any]:
    """Return a figure and its axes, ``(rows, columns)``, without any display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, 3.0 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def bars(axis: Any, heights: NDArray[Any], title: str) -> None:
    """Draw a histogram that was counted already."""
    axis.bar(np.arange(len(heights)), heights, width=1.0)
    axis.set_title(title, fontsize=8)


def histograms(axis: Any, samples: Mapping[str, NDArray[Any]], title: str) -> None:
    """Draw distributions over each other on common cells."""
    both = np.concatenate(list(samples.values()))
    edges = np.linspace(float(both.min()), float(both.max()) + 1e-9, 31)
    for name, values in samples.items():
        axis.hist(values, bins=edges, density=True, alpha=0.5, label=name)
    axis.set_title(title, fontsize=8)
    axis.legend(fontsize=6)


def heat(axis: Any, values: NDArray[Any], rows: Sequence[str], columns: Sequence[str]) -> None:
    """Draw a table of numbers as colours, NaN left blank."""
    image = axis.imshow(values, aspect="auto", cmap="viridis")
    axis.set_yticks(range(len(rows)), rows)
    axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=7)
    axis.figure.colorbar(image, ax=axis)


def save(folder: Path, name: str, rows: dict[str, Any], figure: Any) -> dict[str, Any]:
    """Write ``name.json`` and ``name.png`` and return the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
    figure.savefig(folder / f"{name}.png", dpi=90)
    return rows

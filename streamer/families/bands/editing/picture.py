"""What a picture of a path over the flower shows, and who draws it.

In: latents, states and figures along a path. Out: a PNG, drawn by another package: the edge has no
matplotlib. A package gives its drawing through the entry-point group ``perpetuo.plots``: an entry
named :data:`BAND_PATH` is a function that takes a :class:`PathPicture` and a binary file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigError
from streamer.families.bands.codec import States
from streamer.system.atomic import atomic_file
from streamer.system.installing import how_to_add

PLOTS, BAND_PATH = "perpetuo.plots", "band_path"

Points = NDArray[np.floating]


@dataclass(frozen=True)
class PathPicture:
    """A path among songs of a band.

    Attributes:
        title: One line.
        genres: Place of each genre's petal in the first two dimensions; empty without a flower.
        reach: Standard deviation of a petal along its radius.
        sources: What was there before: name to places ``(n, 2)``.
        path: Where the music goes, ``(n, 2)``.
        rolls: Title and states ``(steps, 4)`` of what is shown as piano rolls.
        positions: Of the curves: α of each step, or the first bar of each window.
        axis: What the positions are.
        curves: Name to one number for each position.
    """

    title: str
    genres: dict[str, tuple[float, float]]
    reach: float
    sources: dict[str, Points]
    path: Points
    rolls: tuple[tuple[str, States], ...]
    positions: tuple[float, ...]
    axis: str
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)


Plotter = Callable[[PathPicture, BinaryIO], Any]


def plotter_for(verb: str) -> Plotter:
    """Return what draws, before any work is done.

    Args:
        verb: Named in the error line.

    Raises:
        ConfigError: Nothing that draws is installed.
    """
    needs = f"--plot needs matplotlib: {how_to_add('train')}, or leave perpetuo {verb} "
    needs += "without --plot"
    for entry in entry_points(group=PLOTS, name=BAND_PATH):
        try:
            loaded: Plotter = entry.load()
        except ModuleNotFoundError as error:
            raise ConfigError([needs]) from error
        return loaded
    raise ConfigError([needs])


def draw_path(plot: Plotter, picture: PathPicture, path: Path) -> None:
    """Write a picture whole or not at all.

    Raises:
        RecordingError: The file cannot be written.
    """
    with atomic_file(path) as file:
        plot(picture, file)

"""The picture of a path over the flower of genres; entry point ``band_path`` of ``perpetuo.plots``.

In: a :class:`streamer.families.bands.editing.picture.PathPicture`. Out: a PNG. The edge itself has
no matplotlib.
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Patch

from streamer.families.bands.codec import PITCHES, TRACKS, BandCodec, States
from streamer.families.bands.editing.picture import PathPicture

COLOURS = dict(zip(TRACKS, ("0.45", "tab:blue", "tab:orange", "tab:green"), strict=True))
SOURCE_COLOURS = ("tab:purple", "tab:red")
ROLL_COLUMNS = 2
ACROSS = 0.12
"""Width of a petal as drawn; its true one is too thin to see."""


def band_path(picture: PathPicture, file: BinaryIO) -> None:
    """Draw a picture into a file."""
    rows = -(-len(picture.rolls) // ROLL_COLUMNS)
    figure = Figure(figsize=(13, max(7.0, 1.55 * rows + 2.2)), layout="constrained")
    figure.suptitle(picture.title, fontsize=12)
    sides: Any = figure.subfigures(1, 2, width_ratios=(1.0, 1.15))
    left, right = sides
    above, below = left.subfigures(2, 1, height_ratios=(2.4, 1.0))
    _flower(above.subplots(), picture)
    _curves(below.subplots(), picture)
    axes = right.subplots(rows, ROLL_COLUMNS, squeeze=False, sharex=True, sharey=True)
    low, high = _span(picture)
    for number, axis in enumerate(axes.T.ravel() if rows > 1 else axes.ravel()):
        if number >= len(picture.rolls):
            axis.axis("off")
            continue
        title, states = picture.rolls[number]
        draw_roll(axis, states, title)
        axis.set_ylim(low - 1, high + 1)
    handles = [Patch(color=COLOURS[track], label=track) for track in TRACKS]
    right.legend(handles=handles, loc="outside lower center", ncols=len(TRACKS), fontsize=8)
    figure.savefig(file, dpi=100, format="png")


def _flower(axis: Any, picture: PathPicture) -> None:
    """Draw the petals with their genres, the songs' windows and the path."""
    for name, (x, y) in picture.genres.items():
        angle = math.degrees(math.atan2(y, x))
        axis.add_patch(
            Ellipse((x, y), 3 * picture.reach, ACROSS, angle=angle, color="0.9", zorder=0)
        )
        turned = angle if -90 <= angle <= 90 else angle + 180
        reach = 1.0 + 1.6 * picture.reach
        side = "left" if -90 <= angle <= 90 else "right"
        axis.text(
            x * reach, y * reach, name, rotation=turned, rotation_mode="anchor", fontsize=8,
            ha=side, va="center", color="0.3",
        )  # fmt: skip
    for (name, places), colour in zip(picture.sources.items(), SOURCE_COLOURS, strict=False):
        axis.scatter(places[:, 0], places[:, 1], s=90, label=name, zorder=3, facecolors="none",
                     edgecolors=colour, linewidths=1.6)  # fmt: skip
    path = np.asarray(picture.path)
    shades = np.linspace(0.15, 0.9, len(path))
    if len(picture.sources) > 1 or len(path) <= 2:
        axis.plot(path[:, 0], path[:, 1], color="0.5", linewidth=1, zorder=1)
    elif len(path) == len(next(iter(picture.sources.values()))):
        for one, other in zip(next(iter(picture.sources.values())), path, strict=True):
            axis.plot(*np.stack([one, other], axis=1), color="0.75", linewidth=0.6, zorder=1)
    axis.scatter(path[:, 0], path[:, 1], c=shades, cmap="viridis", s=26, zorder=4, vmin=0, vmax=1,
                 label="what is played", edgecolors="black", linewidths=0.4)  # fmt: skip
    points = np.concatenate([path, *picture.sources.values(), [[0.0, 0.0]]])
    reach = float(np.abs(points).max()) * 1.1
    if picture.genres:
        reach = max(reach, 1.0 + 3.4 * picture.reach)
    axis.set_xlim(-reach, reach)
    axis.set_ylim(-reach, reach)
    axis.set_aspect("equal")
    axis.tick_params(labelsize=7)
    axis.set_title("first two dimensions of the latent space", fontsize=9)
    axis.legend(fontsize=7, loc="lower left", framealpha=0.9)


def _curves(axis: Any, picture: PathPicture) -> None:
    for name, values in picture.curves.items():
        axis.plot(picture.positions, values, marker=".", label=name)
    axis.set_xlabel(picture.axis, fontsize=8)
    axis.set_ylim(0, 1.3 * axis.get_ylim()[1])
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, ncols=3, loc="upper center")


def draw_roll(axis: Any, states: States, title: str) -> None:
    """Draw a window as bars of pitch over time."""
    notes = BandCodec(4, max(len(states), 1)).decode(states)
    for place, track in enumerate(TRACKS):
        mine = notes[notes["track"] == place]
        axis.barh(
            mine["pitch"].astype(int), np.maximum(mine["length"] - 0.15, 0.4), left=mine["onset"],
            height=1.6, color=COLOURS[track], linewidth=0,
        )  # fmt: skip
    axis.set_title(title, fontsize=8, pad=2)
    axis.set_xlim(0, len(states))
    axis.set_xticks(range(0, len(states) + 1, 4), labels=[])
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(labelsize=6, length=2)


def _span(picture: PathPicture) -> tuple[int, int]:
    """Return the lowest and highest pitch of all rolls."""
    struck = [states[states < PITCHES] for _, states in picture.rolls]
    every = np.concatenate([*struck, np.array([48, 72], np.uint8)])
    return int(every.min()), int(every.max())

"""What is shown of a bundle of a band: a walk as rolls, and all pairs of genres; no checkpoint.

Source: [Valenti2020], figures 2 and 5. In: a bundle and the band file it was trained on. Encoded
and decoded by ONNX Runtime, as the stream and ``perpetuo interpolate`` do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import PITCHES, TRACKS, BandCodec, States
from streamer.families.bands.editing.editor import BandEditor
from streamer.families.bands.editing.walk import walk
from training.families.bands.bandset import BandSet
from training.studies import plots
from training.studies.bands.musae_bench import MOST_WINDOWS, BandSongs
from training.studies.bands.musae_latent import genre_pairs

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
WAYS = ("linear", "spherical")
"""The paper's line, and the arc that ``perpetuo interpolate`` goes."""

LEAST_STRIKES = 4
"""Notes that begin in each track of a window that is shown."""


@dataclass
class BundleBench(BandSongs):
    """A bundle and its corpus.

    Attributes:
        editor: Encodes and decodes with the bundle.
        bands: Its corpus.
        seed: Of all that is drawn.
        most: As of :class:`training.studies.bands.musae_bench.BandBench`.
    """

    editor: BandEditor
    bands: BandSet
    seed: int = 0
    most: int = MOST_WINDOWS

    @property
    def codec(self) -> BandCodec:
        """What a window is."""
        return self.editor.codec

    @property
    def genres(self) -> tuple[str, ...]:
        """Those that have a petal."""
        return tuple(genre.name for genre in self.editor.spec.genres)

    def encode(self, states: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the latents' means, ``(n, latent)``."""
        return self.editor.encode(states)


def figure2(bench: BundleBench, folder: Path) -> dict[str, Any]:
    """One walk between two songs that the model never saw, as rolls (paper, figure 2)."""
    from training.families.bands.plot import COLOURS, draw_roll

    states, names = _two_songs(bench)
    ends = bench.encode(states)
    figure, axes = plots.subplots(len(WAYS), len(ALPHAS) + 2, 2.4)
    rows: dict[str, Any] = {"songs": names, "alphas": list(ALPHAS), "ways": {}}
    span = _span(states)
    for line, way in zip(axes, WAYS, strict=True):
        z = np.stack([walk(ends[0], ends[1], alpha, way) for alpha in ALPHAS])
        played = bench.editor.play(z).states
        rows["ways"][way] = {
            "unlike_first": [float((one != states[0]).mean()) for one in played],
            "unlike_second": [float((one != states[1]).mean()) for one in played],
            "notes": [int((one < PITCHES).sum()) for one in played],
        }
        shown = [("first song", states[0]), *zip(map(_percent, ALPHAS), played, strict=True),
                 ("second song", states[1])]  # fmt: skip
        for axis, (title, one) in zip(line, shown, strict=True):
            draw_roll(axis, one, f"{way}: {title}" if axis is line[0] else title)
            axis.set_ylim(*span)
    rows["notes_of_songs"] = [int((one < PITCHES).sum()) for one in states]
    handles = [_patch(COLOURS[track], track) for track in TRACKS]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(TRACKS), fontsize=8)
    return plots.save(folder, "musae-figure2", rows, figure)


def pairs(bench: BundleBench, folder: Path) -> dict[str, Any]:
    """All pairs of genres on their two main components (paper, figure 5 and what is beside it)."""
    rows, found = genre_pairs(bench, np.random.default_rng(bench.seed))
    names: list[str] = rows["genres"]
    count = max(len(names), 2)
    figure, axes = plots.subplots(count, count, 1.25)
    figure.set_figheight(1.25 * count)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    for pair in found:
        column, line = sorted(names.index(name) for name in pair["genres"])
        below, above = axes[line][column], axes[column][line]
        below.set_frame_on(True)
        for marker, name in zip(".x", pair["genres"], strict=True):
            points = pair["points"][name]
            below.plot(points[:, 0], points[:, 1], marker, markersize=2, markeredgewidth=0.5)
        shade = float(np.clip(2.0 * pair["accuracy"] - 1.0, 0.0, 1.0))
        above.set_frame_on(True)
        above.set_facecolor((1.0 - 0.6 * shade, 1.0 - 0.2 * shade, 1.0 - 0.6 * shade))
        above.text(0.5, 0.5, f"{pair['accuracy']:.2f}", ha="center", va="center",
                   transform=above.transAxes, fontsize=9)  # fmt: skip
    for place, name in enumerate(names):
        axes[place][place].text(0.5, 0.5, name, ha="center", va="center", fontsize=7,
                                transform=axes[place][place].transAxes)  # fmt: skip
    figure.suptitle("below: training windows, column's genre •, row's ×; above: share of windows "
                    "of other works that a line tells apart", fontsize=9)  # fmt: skip
    return plots.save(folder, "musae-pairs", rows, figure)


def _two_songs(bench: BundleBench) -> tuple[States, list[str]]:
    """Return windows of two held-out works in which all tracks play, ``(2, steps, 4)``.

    They are played back about as well as the middle of such windows, so that neither luck nor the
    model's best shows.
    """
    windows = bench.held_out
    strikes = (windows.states < PITCHES).sum(axis=1)
    full = np.flatnonzero((strikes >= LEAST_STRIKES).all(axis=1))
    every = np.asarray([bench.bands.pieces[int(song)].work_key for song in windows.song])
    full = full if len({*every[full].tolist()}) > 1 else np.arange(len(windows))
    wrong = (_again(bench, windows.states[full]) != windows.states[full]).mean(axis=(1, 2))
    usual = full[np.argsort(np.abs(wrong - np.median(wrong)))]
    others = [int(i) for i in usual if every[i] != every[usual[0]]]
    chosen = [int(usual[0]), others[0] if others else int(usual[-1])]
    return windows.states[chosen], [bench.bands.pieces[int(windows.song[i])].file for i in chosen]


def _again(bench: BundleBench, states: States) -> States:
    """Return what the bundle plays back."""
    return bench.editor.play(bench.encode(states)).states


def _span(states: States) -> tuple[int, int]:
    """Return limits of the pitches that are drawn."""
    struck = states[states < PITCHES]
    return (int(struck.min()) - 4, int(struck.max()) + 5) if struck.size else (0, PITCHES)


def _percent(alpha: float) -> str:
    return f"α = {alpha:g}"


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


BUNDLE_STUDIES: dict[str, Callable[[BundleBench, Path], dict[str, Any]]] = {
    "figure2": figure2,
    "pairs": pairs,
}
"""Name to study; each needs a bundle."""

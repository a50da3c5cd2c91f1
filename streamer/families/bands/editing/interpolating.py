"""From one song to another through the latent space of a band ([Valenti2020], section 4.3).

In: two songs as bands, a number of steps. Out: passages that begin with the first song's own
reconstruction and end with the second's, and what was met on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.bandfile import BandPiece
from streamer.families.bands.codec import PITCHES, States
from streamer.families.bands.editing.editor import BandEditor, Played
from streamer.families.bands.editing.figures import metrics
from streamer.families.bands.editing.picture import PathPicture
from streamer.families.bands.editing.score import Passage
from streamer.families.bands.editing.walk import walk

SLOWEST_SONG_BPM, FASTEST_SONG_BPM = 30.0, 300.0
"""Tempos of a file that are taken as they are: one beyond is most likely a mistake in it."""

MOST_ROLLS = 6
"""Steps whose piano rolls fit a picture."""


@dataclass(frozen=True)
class Interpolation:
    """A walk between two songs.

    Attributes:
        alphas: Of each step, 0..1.
        originals: Windows of both songs, ``(2, windows, steps, 4)``.
        ends: Their latents, ``(2, windows, latent)``.
        z: Of each step and window, ``(steps, windows, latent)``.
        played: Of all steps, window after window.
        passages: The same as they are to be played.
    """

    alphas: NDArray[np.float64]
    originals: States
    ends: NDArray[np.float32]
    z: NDArray[np.float32]
    played: Played
    passages: tuple[Passage, ...]

    @property
    def states(self) -> States:
        """What each step plays, ``(steps, windows, window's steps, 4)``."""
        return self.played.states.reshape(*self.z.shape[:2], *self.originals.shape[2:])


def interpolate(
    editor: BandEditor,
    pieces: tuple[BandPiece, BandPiece],
    bars: tuple[int, int],
    steps: int,
    *,
    windows: int = 1,
    kind: str = "linear",
) -> Interpolation:
    """Walk from one song to another.

    Args:
        editor: Encodes and decodes.
        pieces: The songs.
        bars: First bar of each that is taken, as the pieces' states count, from 0.
        steps: 2 or more, with both ends.
        windows: Windows on end that are taken of each, and played in every step.
        kind: One of :data:`streamer.families.bands.editing.walk.WALKS`.

    Raises:
        ValueError: ``steps`` is below 2.
        EngineError: The bundle's graphs cannot be run.
    """
    if steps < 2:
        raise ValueError(f"steps must be 2 or more, not {steps}")
    originals = np.stack(
        [editor.windows(piece, bar, windows) for piece, bar in zip(pieces, bars, strict=True)]
    )
    z = editor.encode(originals.reshape(-1, *originals.shape[2:]))
    ends = z.reshape(2, windows, -1)
    alphas = np.linspace(0, 1, steps)
    way = np.stack([walk(ends[0], ends[1], alpha, kind) for alpha in alphas.tolist()])
    played = editor.play(way.reshape(steps * windows, -1))
    passages = []
    for step, alpha in enumerate(alphas.tolist()):
        tempo = [min(max(piece.bpm, SLOWEST_SONG_BPM), FASTEST_SONG_BPM) for piece in pieces]
        for window in range(windows):
            place = step * windows + window
            passages.append(
                Passage(
                    states=played.states[place],
                    entropies=played.entropies[place],
                    bpm=tempo[0] ** (1 - alpha) * tempo[1] ** alpha,
                    programs=pieces[int(alpha >= 0.5)].programs,
                    weights={},
                    mark=f"{alpha:.0%}" if window == 0 else "",
                )
            )
    return Interpolation(
        alphas=alphas,
        originals=originals,
        ends=ends,
        z=way,
        played=played,
        passages=tuple(passages),
    )


def interpolation_report(editor: BandEditor, found: Interpolation) -> dict[str, Any]:
    """Return what was met at each step: distances to both songs, doubt, figures of the music."""
    windows = found.originals.shape[1]
    flower = editor.spec.flower(editor.window.latent)
    names = {genre.petal: genre.name for genre in editor.spec.genres}
    names[flower.untagged] = "none"
    rows = []
    for step, alpha in enumerate(found.alphas.tolist()):
        states = found.states[step]
        mine = slice(step * windows, (step + 1) * windows)
        row: dict[str, Any] = {
            "alpha": round(alpha, 6),
            "bpm": round(found.passages[step * windows].bpm, 2),
            "programs": list(found.passages[step * windows].programs),
            "from_first": float((states != found.originals[0]).mean()),
            "from_second": float((states != found.originals[1]).mean()),
            "nats": float(found.played.entropies[mine].mean()),
            "notes": int((states < PITCHES).sum()),
            "plane": found.z[step, :, :2].mean(axis=0).round(5).tolist(),
            "figures": {
                name: round(float(values.mean()), 4)
                for name, values in metrics(states, editor.codec.beats).items()
            },
        }
        if editor.spec.prior == "flower":
            nearest = [int(petal) for petal in flower.nearest(found.z[step])]
            row["nearest"] = [names.get(petal, f"petal {petal}") for petal in nearest]
        rows.append(row)
    away = [row["from_first"] for row in rows]
    return {
        "reconstruction": {
            "first": 1.0 - rows[0]["from_first"],
            "second": 1.0 - rows[-1]["from_second"],
        },
        "monotone": bool(np.all(np.diff(away) >= 0)),
        "path": rows,
    }


def interpolation_picture(
    editor: BandEditor, found: Interpolation, report: dict[str, Any], names: tuple[str, str]
) -> PathPicture:
    """Return what ``--plot`` shows."""
    count = len(found.alphas)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_ROLLS)).round().astype(int))
    rolls = [(f"{names[0]}", found.originals[0, 0])]
    rolls += [(f"step {i + 1}, {found.alphas[i]:.0%}", found.states[i, 0]) for i in shown.tolist()]
    rolls.append((f"{names[1]}", found.originals[1, 0]))
    path = report["path"]
    return PathPicture(
        title=f"{names[0]} to {names[1]} in {count} steps",
        genres=petals_of(editor),
        reach=editor.spec.radial_sd,
        sources=dict(zip(names, found.ends[..., :2], strict=True))
        if names[0] != names[1]
        else {names[0]: found.ends[..., :2].reshape(-1, 2)},
        path=found.z[..., :2].mean(axis=1),
        rolls=tuple(rolls),
        positions=tuple(found.alphas.tolist()),
        axis="α",
        curves={
            f"unlike {names[0]}": tuple(row["from_first"] for row in path),
            f"unlike {names[1]} ": tuple(row["from_second"] for row in path),
            "doubt, nats": tuple(row["nats"] for row in path),
        },
    )


def petals_of(editor: BandEditor) -> dict[str, tuple[float, float]]:
    """Return where the petals of the genres lie; none where the prior is no flower."""
    if editor.spec.prior != "flower":
        return {}
    flower = editor.spec.flower(editor.window.latent)
    places = {genre.name: flower.mean(genre.petal) for genre in editor.spec.genres}
    return {name: (float(place[0]), float(place[1])) for name, place in places.items()}

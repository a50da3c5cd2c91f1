"""Distances between sets of music in the space of a small encoder of our own.

The encoder (:mod:`training.lab.encoder`) was taught to tell whether two excerpts are of one piece,
whatever their key; so what it keeps is manner. Excerpts come in as notes; vectors go out, and of
two sets of vectors the Fréchet distance of fitted Gaussians ([Heusel2017], as [Gui2024] has it for
music) and the maximum mean discrepancy ([Gretton2012]). numpy alone.

The distances are of this encoder and of no other: they compare sets within one report. A set
against other music of its own kind shows what 0 looks like with so few excerpts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.music.notes import NoteArray

NOTES = 64
"""Of an excerpt."""

FEATURES = 8
KERNEL = 5
LEAST_EXCERPTS = 24
"""Of a set whose spread is to be told; fewer say nothing of a covariance."""

MOST_EACH = 12
"""Excerpts of one piece, evenly placed."""

RIDGE = 1e-6

WEIGHTS = Path(__file__).parents[1] / "lab" / "encoder.npz"

Vectors = NDArray[np.float64]


def features(notes: NoteArray) -> NDArray[np.float32]:
    """Return what the encoder hears of an excerpt, ``(notes, 8)``, about 0 and of spread 1."""
    onset = notes["onset_ms"]
    pitch = notes["pitch"].astype(np.float64)
    step = np.diff(pitch, prepend=pitch[:1])
    shift = np.diff(onset, prepend=onset[:1])
    columns = (
        (pitch - pitch.mean()) / 12.0,
        np.full(len(notes), (pitch.mean() - 62.0) / 12.0),
        np.clip(step, -24, 24) / 8.0,
        np.log2(1.0 + np.maximum(shift, 0.0) / 20.0) / 2.0 - 1.0,
        np.log2(1.0 + np.maximum(notes["duration_ms"], 0.0) / 20.0) / 2.0 - 2.0,
        (notes["velocity"].astype(np.float64) - 64.0) / 20.0,
        notes["pedal"].astype(np.float64) - 0.5,
        (shift < 15.0) - 0.5,
    )
    return np.stack(columns, axis=1).astype(np.float32)


def excerpts_of(piece: NoteArray, most: int = MOST_EACH) -> list[NoteArray]:
    """Return excerpts of a piece that do not overlap, at most so many, evenly placed."""
    count = len(piece) // NOTES
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return [piece[i * NOTES : (i + 1) * NOTES] for i in chosen] if count else []


@dataclass(frozen=True)
class Encoder:
    """The encoder's weights.

    Attributes:
        layers: Kernel ``(KERNEL, in, out)`` and bias ``(out,)`` of each convolution over notes.
        out: ``(2 × channels, vector)`` and bias, of mean and maximum over the notes.
    """

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    out: tuple[NDArray[np.float32], NDArray[np.float32]]

    @staticmethod
    def load(path: Path = WEIGHTS) -> Encoder:
        """Read weights.

        Raises:
            DataError: There are none, or they are damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                count = int(data["layers"])
                pairs = [(data[f"k{i}"], data[f"b{i}"]) for i in range(count)]
                out = (data["out"], data["out_bias"])
        except FileNotFoundError as error:
            raise DataError(
                f"{path}: no encoder; train one with perpetuo train encoder --tensors FILE.npz"
            ) from error
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a whole encoder; train it again") from error
        layers = tuple((k.astype(np.float32), b.astype(np.float32)) for k, b in pairs)
        found = Encoder(layers, (out[0].astype(np.float32), out[1].astype(np.float32)))
        arrays = [a for pair in (*found.layers, found.out) for a in pair]
        if not count or not all(np.isfinite(a).all() for a in arrays):
            raise DataError(f"{path}: weights that are no numbers; train it again")
        return found

    def __call__(self, excerpts: Sequence[NoteArray]) -> Vectors:
        """Return the vectors of excerpts of :data:`NOTES` notes, ``(excerpts, vector)``."""
        if not excerpts:
            return np.zeros((0, self.out[0].shape[1]))
        x = np.stack([features(one) for one in excerpts])
        for kernel, bias in self.layers:
            x = _gelu(_convolved(x, kernel) + bias)
        pooled = np.concatenate((x.mean(axis=1), x.max(axis=1)), axis=1)
        return (pooled @ self.out[0] + self.out[1]).astype(np.float64)

    def of_pieces(self, pieces: Sequence[NoteArray]) -> Vectors:
        """Return the vectors of all excerpts of pieces."""
        return self([one for piece in pieces for one in excerpts_of(piece)])


def _convolved(x: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a convolution over notes, ``(excerpts, notes, out)``, with zeros beyond the ends."""
    half = len(kernel) // 2
    wide = np.pad(x, ((0, 0), (half, half), (0, 0)))
    count = x.shape[1]
    total: NDArray[np.float32] = wide[:, :count] @ kernel[0]
    for i in range(1, len(kernel)):
        total += wide[:, i : i + count] @ kernel[i]
    return total


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)
    return np.asarray(0.5 * x * (1 + np.tanh(inner)), np.float32)


def frechet(first: Vectors, second: Vectors) -> float:
    """Return the squared Fréchet distance of the Gaussians of two sets, 0 or more.

    Raises:
        DataError: A set has fewer than :data:`LEAST_EXCERPTS` vectors.
    """
    _enough(first, second)
    means = first.mean(axis=0), second.mean(axis=0)
    a, b = _covariance(first), _covariance(second)
    root = _root(a)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0.0, None)).sum()
    apart = float(((means[0] - means[1]) ** 2).sum())
    return max(0.0, apart + float(np.trace(a) + np.trace(b) - 2 * cross))


def mmd(first: Vectors, second: Vectors, scale: float | None = None) -> float:
    """Return the unbiased squared maximum mean discrepancy with a Gaussian kernel.

    Args:
        first: ``(n, vector)``.
        second: ``(m, vector)``.
        scale: The kernel's; None takes the median distance within ``second``.

    Raises:
        DataError: A set has fewer than :data:`LEAST_EXCERPTS` vectors.
    """
    _enough(first, second)
    n, m = len(first), len(second)
    if scale is None:
        within = _squares(second, second)[np.triu_indices(m, 1)]
        scale = float(np.sqrt(np.median(within))) or 1.0

    def kernel(a: Vectors, b: Vectors) -> Vectors:
        found: Vectors = np.exp(-_squares(a, b) / (2 * scale**2))
        return found

    same = (kernel(first, first).sum() - n) / (n * (n - 1))
    other = (kernel(second, second).sum() - m) / (m * (m - 1))
    return float(same + other - 2 * kernel(first, second).mean())


def _squares(a: Vectors, b: Vectors) -> Vectors:
    found = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(found, 0.0), dtype=np.float64)


def _covariance(vectors: Vectors) -> Vectors:
    found: Vectors = np.cov(vectors, rowvar=False)
    return found + RIDGE * np.eye(len(found))


def _root(matrix: Vectors) -> Vectors:
    values, axes = np.linalg.eigh(matrix)
    return np.asarray((axes * np.sqrt(np.clip(values, 0.0, None))) @ axes.T)


def _enough(*sets: Vectors) -> None:
    least = min(len(one) for one in sets)
    if least < LEAST_EXCERPTS:
        raise DataError(
            f"{least} excerpts of {NOTES} notes in a set; {LEAST_EXCERPTS} are the least: give "
            "more or longer pieces"
        )


def distances(own: Vectors, real: Vectors) -> dict[str, Any]:
    """Return both distances of a set from real music, and how many excerpts they rest on."""
    return {"frechet": frechet(own, real), "mmd": mmd(own, real), "excerpts": len(own)}

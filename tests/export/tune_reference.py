"""The melody models in plain numpy, written from the paper, not from the graph: tests trust it."""

import numpy as np
from numpy.typing import NDArray

from tests.export.reference import sigmoid

Arrays = dict[str, NDArray[np.float32]]


class ReferenceTune:
    """One candidate, float64; ``play`` goes on where it stopped."""

    def __init__(self, arrays: Arrays, z: NDArray[np.float32], style: NDArray[np.float32]) -> None:
        self.a = {name: array.astype(np.float64) for name, array in arrays.items()}
        self.z, self.style = z.astype(np.float64), style.astype(np.float64)
        self.sizes = [len(arrays[f"head_bb_{m}"]) for m in range(3)]
        self.first = [0, self.sizes[0], self.sizes[0] + self.sizes[1]]
        self.s = np.tanh(self.z @ self.a["start_z"] + self.a["start_b"])
        self.previous: list[int] | None = None

    def play(self, noise: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Play ``(notes, classes)`` of noise."""
        rows = [self._note(row) for row in noise]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _note(self, noise: NDArray[np.float32]) -> dict[str, object]:
        self._advance()
        classes: list[int] = []
        entropies, log_probs = [], []
        for m in range(3):
            u = self.s @ self.a[f"head_a_{m}"] + self.a[f"head_ab_{m}"]
            for j, k in enumerate(classes):
                u = u + self.a[f"head_rows_{m}"][self.first[j] + k]
            logits = np.tanh(u) @ self.a[f"head_b_{m}"] + self.a[f"head_bb_{m}"]
            log_p = logits - np.log(np.exp(logits).sum())
            k = int((logits + noise[self.first[m] : self.first[m] + self.sizes[m]]).argmax())
            classes.append(k)
            entropies.append(-(np.exp(log_p) * log_p).sum())
            log_probs.append(log_p[k])
        self.previous = classes
        return {"classes": classes, "entropies": entropies, "log_probs": log_probs}

    def _advance(self) -> None:
        """One step of the recurrent highway cell."""
        a = self.a
        x = a["bias_in"] + self.z @ a["cond_z"] + self.style @ a["cond_style"]
        if self.previous is None:
            x = x + a["prev_table"][-1]
        else:
            x = x + sum(
                a["prev_table"][f + k] for f, k in zip(self.first, self.previous, strict=True)
            )
        layer = 0
        while f"r_{layer}" in a:
            gates = self.s @ a[f"r_{layer}"] + (a[f"rb_{layer}"] if layer else x)
            h, t = np.split(gates, 2)
            self.s = self.s + sigmoid(t) * (np.tanh(h) - self.s)
            layer += 1


def encode(
    arrays: Arrays, classes: NDArray[np.int64], style: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and log-variance of one tune ``(notes, 3)``."""
    a = {name: array.astype(np.float64) for name, array in arrays.items()}
    x = np.concatenate([a[f"enc_table_{m}"][classes[:, m]] for m in range(3)], axis=1)
    sides = [_gru(a, d, x[::-1] if d else x) for d in range(2)]
    pooled = np.concatenate([*(s.mean(axis=0) for s in sides), *(s[-1] for s in sides)])
    out = pooled @ a["enc_out"] + a["enc_out_b"] + style @ a["enc_style"]
    mu, logvar = np.split(out, 2)
    return mu, logvar


def _gru(a: dict[str, NDArray[np.float64]], d: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """One direction of the GRU, gates z, r, h, the reset behind the product."""
    size = a["enc_r"].shape[2]
    b_in, b_state = np.split(a["enc_b"][d], 2)
    h = np.zeros(size)
    states = []
    for row in x:
        iz, ir, ih = np.split(a["enc_w"][d] @ row + b_in, 3)
        sz, sr, sh = np.split(a["enc_r"][d] @ h + b_state, 3)
        z, r = sigmoid(iz + sz), sigmoid(ir + sr)
        h = (1 - z) * np.tanh(ih + r * sh) + z * h
        states.append(h)
    return np.array(states)

"""The chained step in plain numpy, written from the paper, not from the graph: tests trust it."""

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import ChainCodec

Arrays = dict[str, NDArray[np.float32]]


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


class ReferenceChain:
    """One candidate, float64, in torch's gate order; ``play`` goes on where it stopped."""

    def __init__(self, arrays: Arrays, codec: ChainCodec) -> None:
        self.a = {name: array.astype(np.float64) for name, array in arrays.items()}
        self.codec = codec
        self.hidden = arrays["w_hh0"].shape[1]
        self.layers = sum(name.startswith("w_hh") for name in arrays)
        self.h = np.zeros((self.layers, 5, self.hidden))
        self.c = np.zeros((self.layers, 5, self.hidden))
        self.previous: list[int] | None = None
        self.velocity = 0.0

    def play(self, noise: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Play ``(notes, classes)`` of noise."""
        rows = [self._note(row) for row in noise]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _note(self, noise: NDArray[np.float32]) -> dict[str, object]:
        offsets = self.codec.offsets
        classes: list[int] = []
        entropies, log_probs = [], []
        for m in range(5):
            out = self._layers(m, classes)
            logits = out @ self.a[f"head_w_{m}"] + self.a[f"head_b_{m}"]
            log_p = logits - logits.max()
            log_p -= np.log(np.exp(log_p).sum())
            k = int((logits + noise[offsets[m] : offsets[m + 1]]).argmax())
            classes.append(k)
            entropies.append(-(np.exp(log_p) * log_p).sum())
            log_probs.append(log_p[k])
        change = self.a["velocity_centres"][classes[3]]
        self.velocity = float(np.clip(self.velocity + change, 20, 120))
        self.previous = classes
        return {
            "classes": classes,
            "entropies": entropies,
            "log_probs": log_probs,
            "velocities": self.velocity,
        }

    def _layers(self, m: int, classes: list[int]) -> NDArray[np.float64]:
        a, gates = self.a, slice(4 * self.hidden * m, 4 * self.hidden * (m + 1))
        offsets = self.codec.offsets
        x = a["bias0"][m].copy()
        if self.previous is not None:
            for j, k in enumerate(self.previous):
                x += a["prev_table"][offsets[j] + k, gates]
        if "velocity_table" in a:
            x += a["velocity_table"][int(self.velocity // 4), gates]
        for j, k in enumerate(classes):
            x += a[f"prefix_table_{m}"][offsets[j] + k]
        for layer in range(self.layers):
            if layer:
                x = self.h[layer - 1, m] @ a[f"w_ih{layer}"][m] + a[f"b{layer}"][m]
            i, f, g, o = np.split(x + self.h[layer, m] @ a[f"w_hh{layer}"][m], 4)
            self.c[layer, m] = sigmoid(f) * self.c[layer, m] + sigmoid(i) * np.tanh(g)
            self.h[layer, m] = sigmoid(o) * np.tanh(self.c[layer, m])
        return self.h[-1, m]

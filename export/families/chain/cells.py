"""The submodels of the chained step as nodes: stacked LSTM cells, and the time shift drawn twice.

Names of states and matrices are those of :mod:`export.families.chain.graph`.
"""

from __future__ import annotations

from export.families.chain.hands import keys_waiting, second_draw
from export.nodes import Nodes


def submodel(n: Nodes, layers: int, m: int, before: str) -> str:
    """All layers of one submodel; returns its top output, (batch, hidden)."""
    out = before
    for layer in range(layers):
        h = f"h{layer}_{m}"
        if layer == 0:
            gates = n("Gemm", [h, f"w0_{m}", before])
        else:
            both = n("Concat", [out, h], axis=1)
            gates = n("Gemm", [both, f"w{layer}_{m}", f"b{layer}_{m}"])
        out = _cell(n, gates, layer, m)
    return out


def _cell(n: Nodes, gates: str, layer: int, m: int, *, kept: bool = True) -> str:
    """One LSTM cell; returns its output, which with the cell goes on to the next note if kept."""
    h, c = f"h{layer}_{m}", f"c{layer}_{m}"
    i, f, g, o = n.many("Split", [gates], 4, axis=1, num_outputs=4)
    i, f, o = n("Sigmoid", [i]), n("Sigmoid", [f]), n("Sigmoid", [o])
    old = n("Mul", [f, c])
    added = n("Mul", [i, n("Tanh", [g])])
    cell = n("Add", [old, added], out=f"{c}_next" if kept else "")
    return n("Mul", [o, n("Tanh", [cell])], out=f"{h}_next" if kept else "")


def shift_twice(n: Nodes, layers: int, mine: str, first: tuple[str, str]) -> tuple[str, str]:
    """Draw a time shift; where its pitch's key is not ready then, another pitch and time shift.

    What does not hang on the pitch is computed once.

    Args:
        n: The body's nodes.
        layers: Of each submodel.
        mine: Layer-0 pre-activation of the time shift's submodel, but for the pitch's share.
        first: Logits of pitch with their noise, and the pitch.

    Returns:
        The pitch, ``(batch, 1)``, and the time shift's logits with their noise.
    """
    own = [n("Gemm", ["h0_1", "w0_1", mine])]
    own += [n("Gemm", [f"h{layer}_1", f"w{layer}_1", f"b{layer}_1"]) for layer in range(1, layers)]

    def logits(pitch: str, *, kept: bool) -> str:
        gates = n("Add", [own[0], n("GatherND", ["share_shift", pitch])])
        out = _cell(n, gates, 0, 1, kept=kept)
        for layer in range(1, layers):
            out = _cell(n, n("Gemm", [out, f"in{layer}_1", own[layer]]), layer, 1, kept=kept)
        return n("MatMul", [out, "head_w_1"], out="logits_1" if kept else "")

    trial = n("Add", [logits(first[1], kept=False), "noise_1"])
    pitch, noise, late = second_draw(n, keys_waiting(n), first, trial)
    return pitch, n("Add", [n("Add", [logits(pitch, kept=True), noise]), late])

"""The submodels of the chained step as nodes: stacked LSTM cells, and the time shift drawn twice.

Names of states and matrices are those of :mod:`export.families.chain.graph`.
"""

from __future__ import annotations

from export.families.chain.hands import keys_waiting, pitches_of_both, shifts_of_both
from export.families.chain.memory import MemoryNodes
from export.nodes import Nodes


def submodel(n: Nodes, layers: int, m: int, before: str) -> str:
    """All layers of one submodel; returns its top output, (batch, hidden)."""
    out = before
    for layer in range(layers):
        h, c = f"h{layer}_{m}", f"c{layer}_{m}"
        if layer == 0:
            gates = n("Gemm", [h, f"w0_{m}", before])
        else:
            both = n("Concat", [out, h], axis=1)
            gates = n("Gemm", [both, f"w{layer}_{m}", f"b{layer}_{m}"])
        out, _ = _cell(n, gates, c, axis=1, names=(f"{h}_next", f"{c}_next"))
    return out


def _cell(
    n: Nodes, gates: str, c: str, *, axis: int, names: tuple[str, str] = ("", "")
) -> tuple[str, str]:
    """Return output and cell of an LSTM cell, of its gates (on an axis) and its cell before."""
    i, f, g, o = n.many("Split", [gates], 4, axis=axis, num_outputs=4)
    i, f, o = n("Sigmoid", [i]), n("Sigmoid", [f]), n("Sigmoid", [o])
    cell = n("Add", [n("Mul", [f, c]), n("Mul", [i, n("Tanh", [g])])], out=names[1])
    return n("Mul", [o, n("Tanh", [cell])], out=names[0]), cell


def head_logits(
    n: Nodes, m: int, top: str, memory: MemoryNodes | None, *, twice: bool = False
) -> str:
    """Logits of an argument but for the head's bias, with what the memory offers.

    Args:
        n: The body's nodes.
        m: The argument.
        top: Output of its submodel.
        memory: What offers, where there is a memory.
        twice: Whether two rows a candidate are drawn, of which the caller keeps one.
    """
    offers = memory.offered(n, m, top, twice=twice) if memory is not None else []
    out = "" if twice else f"logits_{m}"
    logits = n("MatMul", [top, f"head_w_{m}"], out="" if offers else out)
    for offer in offers:
        logits = n("Add", [logits, offer], out=out if offer == offers[-1] else "")
    return logits


def shift_twice(
    n: Nodes, layers: int, before: str, noised: str, memory: MemoryNodes | None = None
) -> tuple[str, str]:
    """Draw pitch and time shift; where the pitch's key is not ready then, both of them anew.

    Both pitches are known before the first time shift, so that both time shifts are drawn at once,
    as two rows a candidate, ``(2, batch, ..)``, of which one is kept.

    Args:
        n: The body's nodes.
        layers: Of each submodel.
        before: Layer-0 pre-activation of the time shift's submodel, but for the pitch's share.
        noised: Logits of pitch with their noise.
        memory: What offers, where there is a memory.

    Returns:
        The pitch and the time shift, ``(batch, 1)`` each.
    """
    wait = keys_waiting(n)
    pitches = pitches_of_both(n, wait, noised)
    out, both = "", list[tuple[str, str]]()
    for layer in range(layers):
        h, w = f"h{layer}_1", f"w{layer}_1"
        own = n("Gemm", [h, w, f"b{layer}_1" if layer else before])
        more = n("MatMul", [out, f"in{layer}_1"]) if layer else ""
        more = more or n("GatherND", ["share_shift", pitches])
        out, cell = _cell(n, n("Add", [more, own]), f"c{layer}_1", axis=2)
        both += [(out, f"h{layer}_1_next"), (cell, f"c{layer}_1_next")]
    if memory is not None:
        memory.drawn(n, "pitch", pitches)
    logits = head_logits(n, 1, out, memory, twice=True)
    noise = n("Reshape", ["noise_1", "pair_shape"])
    shifts, kept = shifts_of_both(n, wait, pitches, n("Add", [logits, noise]))
    for name, target in (*both, (logits, "logits_1")):
        n("GatherND", [name, kept], out=target)
    return n("GatherND", [pitches, kept]), n("GatherND", [shifts, kept])

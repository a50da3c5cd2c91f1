"""From a bundle of the chain back to a checkpoint: for studies, new exports, further training.

Run folders get lost; a bundle holds all that plays. A learned projection has been folded into the
tables and stays folded (``embedding`` 0), which plays the same. Proven like an export: nothing is
written that does not play what the bundle plays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from export.families.chain.exporter import ChainPlayer
from export.families.chain.graph import GROUPS
from export.families.chain.rows import SHIFT, ungated
from export.parity import prove_parity
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.engine import Engine
from streamer.errors import DataError
from training.families.chain.trainable import CHAIN
from training.run.checkpoint import Checkpoint, save_checkpoint

Array = NDArray[np.float32]
FAMILY = "chain"
_HALF = "_half"


def unwrap(source: Path, target: Path) -> Checkpoint:
    """Write the checkpoint of a bundle of family ``chain``.

    Args:
        source: The bundle.
        target: The checkpoint's file.

    Raises:
        BundleError: The bundle cannot be read.
        DataError: It is of another family, or its graph is not the chain's.
        ParityError: The model does not play what the bundle plays.
    """
    bundle = load_bundle(source)
    manifest = bundle.manifest
    if manifest.family != FAMILY:
        raise DataError(f"{source}: a bundle of family {manifest.family}, not {FAMILY}")
    config = {**manifest.config.get("model", {}), "embedding": 0}
    model = CHAIN.build(config, bundle.codec).eval()
    try:
        weights = _weights(_initializers(bundle), model)
        model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
    except (KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"{source}: its graph is not that of {FAMILY}: {error}") from error
    prove_parity(ChainPlayer(model), Engine(bundle), manifest.seed or 0)
    checkpoint = Checkpoint(
        FAMILY,
        model.describe(),
        bundle.codec.to_dict(),
        model.state_dict(),
        _training(bundle),
        {k: v for k, v in manifest.metrics.items() if isinstance(v, float)},
        {},
        dict(manifest.metrics.get("unit", {})),
    )
    save_checkpoint(target, checkpoint)
    return checkpoint


def unwrap_checkpoint(source: Path, target: Path) -> str:
    """Write the checkpoint of a bundle (:func:`unwrap`, errors too); return what came of it."""
    checkpoint = unwrap(source, target)
    return f"{target}: family {checkpoint.family}, plays what {source} plays"


def _training(bundle: Bundle) -> dict[str, Any]:
    """Return what the manifest says of the training, in a checkpoint's form."""
    manifest = bundle.manifest
    corpora = {
        source.name: {"pieces": source.pieces, "notes": source.notes, "licences": {}}
        for source in manifest.sources
    }
    return {
        **manifest.config.get("training", {}),
        "corpus": corpora,
        "seed": manifest.seed,
        "versions": dict(manifest.versions),
        "from_bundle": manifest.name,
    }


def _initializers(bundle: Bundle) -> dict[str, Array]:
    """Return the weights by name, float32."""
    graph = onnx.load_from_string(bundle.graph_bytes(STEP_GRAPH)).graph
    bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return {
        tensor.name.removesuffix(_HALF): numpy_helper.to_array(tensor).astype(np.float32)
        for part in (graph, *bodies)
        for tensor in part.initializer
    }


def _weights(arrays: dict[str, Array], model: Any) -> dict[str, Array]:
    """Return the model's state dict."""
    hidden, layers, offsets = model.config.hidden, model.config.layers, model.codec.offsets
    # Bundles of the first layout hold one table of all submodels, and gates as torch has them.
    first = "pitch_rows" in arrays
    found: dict[str, Array] = {}
    for m in range(GROUPS):
        parts = _first_table(arrays, m, 4 * hidden) if first else _table(arrays, m, offsets)
        previous, prefix, bins = parts
        rows = [previous, prefix, bins] if model.config.absolute_velocity else [previous, prefix]
        found[f"tables.{m}"] = np.concatenate(rows)
        found[f"heads.{m}.weight"] = arrays[f"head_w_{m}"].T
        found[f"heads.{m}.bias"] = arrays["head_b"][offsets[m] : offsets[m + 1]]
    every = arrays["bias0"] if first else [ungated(arrays[f"bias0_{m}"]) for m in range(GROUPS)]
    found["bias.0"] = np.reshape(every, (GROUPS, 4 * hidden))
    for layer in range(layers):
        both = [_matrices(arrays, layer, m, hidden) for m in range(GROUPS)]
        found[f"w_hh.{layer}"] = np.stack([own for _, own in both])
        if layer:
            biases = [_gates(arrays, f"b{layer}_{m}", first=first) for m in range(GROUPS)]
            found[f"w_ih.{layer - 1}"] = np.stack([above for above, _ in both])
            found[f"bias.{layer}"] = np.stack(biases)
    return found


def _table(arrays: dict[str, Array], m: int, offsets: Any) -> tuple[Array, Array, Array]:
    """Return rows of the previous note, of this note's classes so far, and of velocity bins."""
    pitch, rest = ungated(arrays[f"pitch_rows_{m}"]), ungated(arrays[f"rest_rows_{m}"])
    others = offsets[-1] - len(pitch)
    apart = m == SHIFT and "share_shift" in arrays
    begin = len(rest) if apart else len(rest) - offsets[m]
    prefix = ungated(arrays["share_shift"]) if apart else rest[begin:]
    return np.concatenate([pitch, rest[:others]]), prefix, rest[others + 1 : begin]


def _first_table(arrays: dict[str, Array], m: int, gates: int) -> tuple[Array, Array, Array]:
    """Return what :func:`_table` does, of a bundle of the first layout."""
    own = slice(m * gates, (m + 1) * gates)
    previous = np.concatenate([arrays["pitch_rows"], arrays["other_rows"]])[:, own]
    # Of what class j adds, submodel m > j has the block m - j - 1.
    blocks = [_share(arrays, j)[:, (m - j - 1) * gates : (m - j) * gates] for j in range(m)]
    prefix = np.concatenate(blocks) if blocks else previous[:0]
    return previous, prefix, arrays.get("velocity_rows", previous[:0].repeat(GROUPS, 1))[:, own]


def _share(arrays: dict[str, Array], j: int) -> Array:
    """Return what a class of argument j adds to all later submodels, in the first layout."""
    share = arrays[f"share_{j}"]
    return np.hstack([arrays["share_shift"], share]) if not j and "share_shift" in arrays else share


def _gates(arrays: dict[str, Array], name: str, *, first: bool) -> Array:
    """Return a matrix or bias in torch's order of gates, whose sigmoids may lie apart."""
    if first:
        return arrays[name]
    if name in arrays:
        return ungated(arrays[name])
    return ungated(np.concatenate([arrays[f"{name}_s"], arrays[f"{name}_t"]], axis=-1))


def _matrices(arrays: dict[str, Array], layer: int, m: int, hidden: int) -> tuple[Array, Array]:
    """Return the matrices of a layer's input and of its own output; layer 0 has no input."""
    first = "pitch_rows" in arrays
    whole = _gates(arrays, f"w{layer}_{m}", first=first)
    if f"in{layer}_{m}" in arrays:
        return _gates(arrays, f"in{layer}_{m}", first=first), whole
    return whole[:-hidden], whole[-hidden:]

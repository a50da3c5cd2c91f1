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
from export.families.chain.memory import memory_weights
from export.families.chain.shape import GROUPS
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
    hidden, layers = model.config.hidden, model.config.layers
    gates, offsets = 4 * hidden, model.codec.offsets
    previous, velocity = _rows(arrays, offsets[-1])
    shares = [_share(arrays, j) for j in range(GROUPS - 1)]
    found: dict[str, Array] = {}
    for m in range(GROUPS):
        own = slice(m * gates, (m + 1) * gates)
        # Of what class j adds, submodel m > j has the block m - j - 1.
        prefix = [shares[j][:, (m - j - 1) * gates : (m - j) * gates] for j in range(m)]
        rows = [previous[:, own], *prefix]
        if model.config.absolute_velocity:
            rows.append(velocity[:, own])
        found[f"tables.{m}"] = np.concatenate(rows)
        found[f"heads.{m}.weight"] = arrays[f"head_w_{m}"].T
        found[f"heads.{m}.bias"] = arrays["head_b"][offsets[m] : offsets[m + 1]]
    found["bias.0"] = arrays["bias0"].reshape(GROUPS, gates)
    for layer in range(layers):
        both = [_matrices(arrays, layer, m, hidden) for m in range(GROUPS)]
        found[f"w_hh.{layer}"] = np.stack([own for _, own in both])
        if layer:
            found[f"w_ih.{layer - 1}"] = np.stack([above for above, _ in both])
            found[f"bias.{layer}"] = np.stack([arrays[f"b{layer}_{m}"] for m in range(GROUPS)])
    if model.config.asked:
        found["asked"] = arrays["asked_weights"]
    if model.config.memory:
        found |= {f"memory.{name}": v for name, v in memory_weights(arrays).items()}
    return found


def _rows(arrays: dict[str, Array], classes: int) -> tuple[Array, Array]:
    """Return what the note before and the velocity bin bring, one row a class and one a bin."""
    if "rows_table" in arrays:  # of a model that can be asked; two rows are of no note
        return arrays["rows_table"][:classes], arrays["rows_table"][classes + 2 :]
    previous = np.concatenate([arrays["pitch_rows"], arrays["other_rows"]])
    return previous, arrays.get("velocity_rows", previous[:0])


def _share(arrays: dict[str, Array], j: int) -> Array:
    """Return what a class of argument j adds to all later submodels."""
    share = arrays[f"share_{j}"]
    return np.hstack([arrays["share_shift"], share]) if not j and "share_shift" in arrays else share


def _matrices(arrays: dict[str, Array], layer: int, m: int, hidden: int) -> tuple[Array, Array]:
    """Return the matrices of a layer's input and of its own output; layer 0 has no input."""
    whole = arrays[f"w{layer}_{m}"]
    if f"in{layer}_{m}" in arrays:
        return arrays[f"in{layer}_{m}"], whole
    return whole[:-hidden], whole[-hidden:]

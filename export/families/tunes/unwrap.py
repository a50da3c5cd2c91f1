"""From a bundle of tunes back to a checkpoint: for studies, and for training that goes on.

Run folders get lost; a bundle holds all that plays. Tables that an export folded together cannot be
parted as they were, but any parting with the same sums is the same model: a class is its own row, a
style its own, and the unknown instrument is in the bias (others are gone). Proven like an export:
nothing is written that does not play what the bundle plays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from export.families.tunes.exporter import TunePlayer, function_cases
from export.families.tunes.graph import HALVES
from export.parity import prove_functions, prove_parity
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.engine import Engine
from streamer.errors import DataError
from streamer.families.tunes.spec import ENCODE_GRAPH, START_GRAPH
from training.families.tunes.model import Vrash
from training.families.tunes.trainable import VRASH
from training.run.checkpoint import Checkpoint, save_checkpoint

Array = NDArray[np.float32]
MODEL = "vrash"
_HALF = "_half"


def unwrap(source: Path, target: Path) -> Checkpoint:
    """Write the checkpoint of a bundle of family ``vrash``.

    Args:
        source: The bundle.
        target: The checkpoint's file.

    Raises:
        BundleError: The bundle cannot be read.
        DataError: It is of another family, or its model is one that this cannot part.
        ParityError: The model does not play what the bundle plays.
    """
    bundle = load_bundle(source)
    manifest = bundle.manifest
    config = manifest.config.get("model", {})
    if manifest.family != MODEL or config.get("encoder_style"):
        raise DataError(
            f"{source}: a bundle of family {manifest.family}; only {MODEL} becomes a checkpoint,"
            " where its encoder hears no style"
        )
    model = VRASH.build(config, bundle.codec).eval()
    arrays = _initializers(bundle)
    try:
        weights = {**_step(arrays, model), **_encoder(arrays)}
        model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
    except (KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"{source}: its graphs are not those of {MODEL}: {error}") from error
    prove_parity(TunePlayer(model), Engine(bundle), manifest.seed or 0)
    prove_functions(bundle, function_cases(model, bundle, 0))
    checkpoint = Checkpoint(
        MODEL,
        model.describe(),
        bundle.codec.to_dict(),
        model.state_dict(),
        {**manifest.config.get("training", {}), "from_bundle": manifest.name},
        {k: v for k, v in manifest.metrics.items() if isinstance(v, float)},
        {},
        manifest.metrics.get("unit", {}),
    )
    save_checkpoint(target, checkpoint)
    return checkpoint


def _initializers(bundle: Bundle) -> dict[str, Array]:
    """Return the weights of all graphs by name, float32."""
    found: dict[str, Array] = {}
    for name in (STEP_GRAPH, START_GRAPH, ENCODE_GRAPH):
        graph = onnx.load_from_string(bundle.graph_bytes(name)).graph
        bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        for part in (graph, *bodies):
            for tensor in part.initializer:
                value = numpy_helper.to_array(tensor)
                found[tensor.name.removesuffix(_HALF)] = value.astype(np.float32)
    return found


def _parted(sums: Array) -> tuple[Array, Array]:
    """Return rows of first and second place whose sums are these, ``(first, second, width)``."""
    return sums[:, 0], sums[0] - sums[0, 0]


def _step(arrays: dict[str, Array], model: Vrash) -> dict[str, Array]:
    """Return what plays."""
    config, sizes = model.config, model.sizes
    scale = np.float32(config.latent_scale)
    depth = range(config.depth)
    pitch, octave = _parted(arrays["pitch_rows"][: sizes[0]])
    none = arrays["pitch_rows"][sizes[0], 0]
    tables, rows = zip(
        *(_table(t, width) for t, width in zip(
            (pitch, octave, arrays["length_rows"][:-1]), config.embeddings, strict=True
        )),
        strict=True,
    )  # fmt: skip
    note_in = np.concatenate(rows)
    no_note, spare = np.zeros(len(note_in), np.float32), sizes[0]
    if config.embeddings[0] <= spare:
        raise ValueError("there is no room for the row of no note")
    no_note[spare], note_in[spare] = 1.0, none
    style_table, style_in = _table(arrays["cond_style"], config.style_size)
    second, third = _parted(arrays["rows_2"])
    bias = np.zeros((config.depth, 2 * config.hidden), np.float32)
    bias[0] = arrays["bias_in"]
    for layer in depth[1:]:
        bias[layer] = np.concatenate([arrays[f"rb_{layer}_{half}"] for half in HALVES])
    heads = range(len(sizes))
    head_bias = np.zeros((len(sizes), config.head), np.float32)
    head_bias[0] = arrays["head_ab_0"]
    out_bias = np.split(arrays["head_bb"], np.cumsum(sizes)[:-1])
    programmes = {
        name: np.zeros(tuple(value.shape), np.float32)
        for name, value in model.state_dict().items()
        if name.startswith("programme_")
    }
    return {
        **{f"embeddings.{m}": table for m, table in enumerate(tables)},
        **{f"head_out.{m}": arrays[f"head_b_{m}"] for m in heads},
        **{f"out_bias.{m}": out_bias[m] for m in heads},
        **programmes,
        "no_note": no_note,
        "note_in": note_in,
        "style_table": style_table,
        "style_in": style_in,
        "bias": bias,
        "recurrent": np.stack(
            [np.hstack([arrays[f"r_{layer}_{half}"] for half in HALVES]) for layer in depth]
        ),
        "start_bias": arrays["start_b"],
        "start_in": arrays["start_z"] / scale,
        "latent_in": arrays["cond_z"] / scale,
        "head_in": np.hstack([arrays[f"head_a_{m}"] for m in heads]),
        "head_bias": head_bias,
        "head_rows.0": arrays["rows_1"],
        "head_rows.1": np.concatenate([second, third]),
    }


def _table(rows: Array, width: int) -> tuple[Array, Array]:
    """Return a table ``(classes, width)`` and a matrix ``(width, columns)``: their product."""
    classes = len(rows)
    if classes <= width:
        matrix = np.zeros((width, rows.shape[1]), np.float32)
        matrix[:classes] = rows
        return np.eye(classes, width, dtype=np.float32), matrix
    left, values, right = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    if values[width] > 1e-3 * values[0]:
        raise ValueError(f"a table of {classes} rows is no product of width {width}")
    root = np.sqrt(values[:width])
    table, matrix = left[:, :width] * root, root[:, None] * right[:width]
    return table.astype(np.float32), matrix.astype(np.float32)


def _encoder(arrays: dict[str, Array]) -> dict[str, Array]:
    """Return what encodes: gates z, r, h of the operator as r, z, n."""

    def order(x: Array) -> Array:
        update, reset, new = np.split(x, 3, axis=-1)
        return np.concatenate((reset, update, new), axis=-1)

    own, state = np.split(arrays["enc_b"], 2, axis=-1)
    return {
        **{f"encoder.embeddings.{m}": arrays[f"table_{m}"] for m in range(3)},
        "encoder.w_in": order(arrays["enc_w"].transpose(0, 2, 1)),
        "encoder.w_state": order(arrays["enc_r"].transpose(0, 2, 1)),
        "encoder.b_in": order(own),
        "encoder.b_state": order(state),
        "encoder.out": arrays["enc_out"],
        "encoder.out_bias": arrays["enc_out_b"],
    }

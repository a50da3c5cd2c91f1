"""Reads a manifest and checks what must hold between its parts.

In: the bytes of ``manifest.json``. Out: a :class:`~streamer.bundle.manifest.Manifest` and its
codec. A part that only one family knows is read, and checked, by the family that registers its key.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamer.bundle.codecs import Codec, codec_from_dict
from streamer.bundle.manifest import (
    MOST_CANDIDATES,
    MOST_PHRASE_NOTES,
    PARTS,
    SCHEMA_VERSION,
    STEP_GRAPH,
    GraphSpec,
    Manifest,
    Statistics,
    shape_problems,
)
from streamer.errors import BundleError
from streamer.registry import Family, family_of, find, opened


class _Version(msgspec.Struct):
    schema_version: int


def decode_manifest(data: bytes, where: str) -> tuple[Manifest, Codec]:
    """Read and check a manifest.

    Args:
        data: The bytes of ``manifest.json``.
        where: The bundle's path, for error lines.

    Raises:
        BundleError: Not JSON, another schema, a wrong type, parts that contradict each other.
    """
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            remedy = "update perpetuo" if version > SCHEMA_VERSION else "export it again"
            raise BundleError(
                f"{where}: bundle schema {version}, but this perpetuo reads {SCHEMA_VERSION}; "
                f"{remedy}"
            )
        manifest = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(
            f"{where}: manifest.json cannot be read ({error}); export or copy the bundle again"
        ) from error
    codec = _codec(manifest, where)
    for problem in _problems(manifest, codec):
        raise BundleError(f"{where}: {problem}; export the bundle again")
    return manifest, codec


def _decode(data: bytes) -> Manifest:
    """Read a manifest of this schema, each part by the family that registers its key.

    Raises:
        msgspec.DecodeError: As of :func:`msgspec.json.decode`.
    """
    keys = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    shared = {key for key in Manifest.__struct_fields__ if key != PARTS}
    own = {key: value for key, value in keys.items() if key in shared}
    manifest = msgspec.json.decode(msgspec.json.encode(own), type=Manifest)
    parts = {key: _part(key, value) for key, value in keys.items() if key not in shared}
    return manifest.with_parts(**parts)


def _part(key: str, value: msgspec.Raw) -> Any:
    """Read a part of the manifest; None where there is none in it (``null``)."""
    family = find(lambda family: key in family.parts)
    if family is None:
        raise msgspec.ValidationError(f"Object contains unknown field `{key}`")
    kind = opened(family.parts[key])
    try:
        return msgspec.json.decode(value, type=kind | None)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(str(error).replace("`$", f"`$.{key}")) from error


def _codec(manifest: Manifest, where: str) -> Codec:
    try:
        codec = codec_from_dict(manifest.codec)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{where}: the codec's tables cannot be used ({error}); export the bundle again"
        ) from error
    if codec.fingerprint != manifest.codec_fingerprint:
        raise BundleError(
            f"{where}: codec {codec.name} has fingerprint {codec.fingerprint[:12]}, but the model "
            f"was trained with {manifest.codec_fingerprint[:12]}; export the bundle again"
        )
    return codec


def _problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what contradicts itself in a manifest, each as a line without path or remedy."""
    found = []
    names = [g.name for g in manifest.graphs]
    files = [g.file for g in manifest.graphs]
    if not names or len({*names}) != len(names) or len({*files}) != len(files):
        found.append(f"graphs need names and files of their own, not {names} in {files}")
    for graph in manifest.graphs:
        found.extend(_graph_problems(graph))
    found.extend(_default_problems(manifest.defaults))
    if manifest.kind == "step":
        found.extend(_step_problems(manifest, codec))
    family = family_of(manifest.family, codec.name)
    if family is not None:
        found.extend(_family_problems(manifest, codec, family))
    found.extend(_statistics_problems(manifest.statistics, codec))
    if manifest.kind == "step":
        found.extend(_further_problems(manifest))
    return found


def _default_problems(defaults: dict[str, Any]) -> list[str]:
    """What must hold of the numbers that say how much is drawn when a person says nothing."""
    found = []
    for name, most in (("candidates", MOST_CANDIDATES), ("phrase_notes", MOST_PHRASE_NOTES)):
        value = defaults.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            found.append(f"defaults.{name} must be a whole number in range 1..{most}")
    return found


def _family_problems(manifest: Manifest, codec: Codec, family: Family) -> list[str]:
    """What must hold of a bundle because of its family."""
    if manifest.kind != family.kind:
        return [
            f"a bundle of the family {family.name} is of kind {family.kind}, not {manifest.kind}"
        ]
    strange = [key for key in manifest.parts if key not in family.parts]
    if strange:
        return [f"the family {family.name} knows no part {', '.join(strange)}"]
    if family.problems is None:
        return []
    problems: list[str] = opened(family.problems)(manifest, codec)
    return problems


def _statistics_problems(statistics: Statistics, codec: Codec) -> list[str]:
    """What must hold of the ground truth."""
    found = []
    if statistics.arguments and len(statistics.arguments) != len(codec.sizes):
        found.append(
            f"statistics hold {len(statistics.arguments)} arguments, not {len(codec.sizes)}"
        )
    try:
        statistics.corpus_entropy()
    except ValueError as error:
        found.append(f"statistics: {error}")
    if any(len(values) != len(statistics.levels) for values in statistics.note.values()):
        found.append(f"statistics.note needs {len(statistics.levels)} quantiles each")
    if len({len(values) for values in statistics.moods.values()}) > 1:
        found.append("statistics.moods must be columns of equal length")
    for name in ("c_low", "c_high"):
        if len({len(row) for row in getattr(statistics, name)}) > 1:
            found.append(f"statistics.{name} must be rows of equal length")
    return found


def _step_problems(manifest: Manifest, codec: Codec) -> list[str]:
    """What must hold of the graph that plays notes one after another."""
    step = next((g for g in manifest.graphs if g.name == STEP_GRAPH), None)
    if step is None:
        return [f"a bundle of kind step needs a graph called {STEP_GRAPH}"]
    sizes = {t.name: t.shape[-1] for t in step.inputs if t.shape}
    found = []
    if sizes.get("noise") != codec.offsets[-1]:
        found.append(
            f"graph {step.name} must take noise of {codec.offsets[-1]} classes, as its codec"
        )
    rows: list[int | str] = ["notes", "batch"]
    wanted = {name: [*rows, len(codec.sizes)] for name in ("classes", "entropies", "log_probs")}
    wanted["noise"] = [*rows, codec.offsets[-1]]
    if any(tensor.name == "velocities" for tensor in step.outputs):
        wanted["velocities"] = rows
    return [*found, *shape_problems(step, wanted)]


def _further_problems(manifest: Manifest) -> list[str]:
    """What must hold of the inputs of the step that are neither its noise nor a state."""
    return [
        f"graph {step.name} must take {tensor.name} as a state, or of the shape "
        f"['notes', 'batch', width] or ['batch', width], not {tensor.shape}"
        for step in manifest.graphs
        if step.name == STEP_GRAPH
        for tensor in step.inputs
        if tensor.name not in (*step.state, "noise")
        and not (
            tensor.shape[:-1] in (["notes", "batch"], ["batch"])
            and isinstance(tensor.shape[-1], int)
        )
    ]


def _graph_problems(graph: GraphSpec) -> list[str]:
    found = []
    inputs = {t.name: t for t in graph.inputs}
    outputs = {t.name: t for t in graph.outputs}
    if not graph.file.endswith(".onnx"):
        found.append(f"graph {graph.name} must be a .onnx file, not {graph.file}")
    for name, after in graph.state.items():
        if name not in inputs or after not in outputs:
            found.append(f"graph {graph.name} has no state {name} -> {after}")
            continue
        # One row of a past may serve the batch; what comes out is of each.
        shape = ["batch" if size == "pasts" else size for size in inputs[name].shape]
        before = (inputs[name].dtype, shape)
        if before != (outputs[after].dtype, outputs[after].shape):
            found.append(f"state {name} of graph {graph.name} differs from {after}")
        if sum(inputs[name].shape.count(axis) for axis in ("batch", "pasts")) != 1:
            found.append(f"state {name} of graph {graph.name} needs one axis called batch or pasts")
    for name in graph.initial:
        if name not in graph.state:
            found.append(f"graph {graph.name} fills {name}, which is no state")
    return found

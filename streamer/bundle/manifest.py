"""The manifest of a bundle: its schema.

In: what ``manifest.json`` holds. Out: a :class:`Manifest`. :mod:`streamer.bundle.decoding` reads
it and :mod:`export.bundle` writes it: one definition for both, so that what is written can be read.

The schema is strict: an unknown key is refused, as is any schema version but this one. Nothing
here can be executed; it is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from streamer.errors import BundleError
from streamer.measures.entropy import CorpusEntropy

SCHEMA_VERSION = 1

PARTS = "parts"
"""The field of :class:`Manifest` that is no key of its JSON."""

STEP_GRAPH = "step"
"""Name of the graph that a ``step`` bundle plays from."""

MOST_CANDIDATES, MOST_PHRASE_NOTES = 64, 256
"""What a bundle may ask for; a person may ask for as much (``model.candidates``)."""

MOST_COUNTED = 10**12
"""Of notes, pieces and the like that a bundle tells of: more than there are."""

_Free = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]{0,31}$")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNTED)]
_Notes = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
_File = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Axis = Annotated[int, msgspec.Meta(ge=1, le=2**24)] | _Free
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]

P = TypeVar("P")


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a graph.

    Attributes:
        name: As in the graph.
        dtype: Element type.
        shape: A size for each axis, or the name of a size that is free: ``batch``, ``notes``.
    """

    name: str
    dtype: Literal["float32", "int64"]
    shape: Annotated[list[_Axis], msgspec.Meta(max_length=8)]


class GraphSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``.onnx`` file.

    Attributes:
        name: What it does, ``step`` for example.
        file: File name beside the manifest; no folders.
        sha256: Of the file's bytes, lower-case hexadecimal.
        opset: Version of the ONNX operators.
        inputs: All inputs.
        outputs: All outputs.
        state: Input name to the output that it takes at the next call.
        initial: Input name to the number that fills it before a piece; 0 where not named.
    """

    name: _Name
    file: _File
    sha256: _Sha256
    opset: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    inputs: Annotated[list[TensorSpec], msgspec.Meta(max_length=64)]
    outputs: Annotated[list[TensorSpec], msgspec.Meta(max_length=64)]
    state: dict[str, str] = {}
    initial: dict[str, float] = {}

    def input(self, name: str) -> TensorSpec:
        """Return an input by name (KeyError)."""
        return {t.name: t for t in self.inputs}[name]

    def output(self, name: str) -> TensorSpec:
        """Return an output by name (KeyError)."""
        return {t.name: t for t in self.outputs}[name]


def shape_problems(graph: GraphSpec, wanted: Mapping[str, Sequence[int | str]]) -> list[str]:
    """Return what inputs or outputs of a graph are not as they must be, a line for each.

    Args:
        graph: What the manifest says of it.
        wanted: Shape of each tensor that whoever runs the graph needs, by its name.
    """
    shapes = {tensor.name: tensor.shape for tensor in (*graph.inputs, *graph.outputs)}
    return [
        f"graph {graph.name} needs {name} of the shape {list(shape)}, not {shapes.get(name)}"
        for name, shape in wanted.items()
        if shapes.get(name) != list(shape)
    ]


class HistogramSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts over cells: ``len(edges) == len(counts) + 1``, edges ascending."""

    edges: list[float]
    counts: list[float]


class ArgumentStatistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure the model is of one argument of the corpus it was trained on.

    Attributes:
        mean: Histogram of the phrases' mean entropies, nats.
        variance: Of their population variances.
        moving_average_variance: Of the variances of their moving averages.
        entropy_mean: Mean entropy over all notes, nats.
        entropy_sd: Standard deviation over the phrases' means, nats.
    """

    mean: HistogramSpec
    variance: HistogramSpec
    moving_average_variance: HistogramSpec
    entropy_mean: float
    entropy_sd: float


class Statistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ground truth: the corpus's own training pieces, seen through the model.

    Attributes:
        phrase_notes: Notes of a phrase over which entropy statistics were taken.
        phrases: How many phrases were measured.
        arguments: One for each of the codec's arguments; empty when not measured.
        levels: Quantile levels of ``note``, 0..1, ascending.
        note: Quantiles over phrases at ``levels``: ``density`` (notes/s), ``pitch``,
            ``velocity``, ``velocity_sd``, ``duration_ms``, ``polyphony`` (keys held at an onset),
            ``longest_rest_ms``, ``pedal`` (share of notes), ``repetition`` (share of figures
            that came before).
        c_low: Low quantile of cell values, ``[layer][submodel]``.
        c_high: High quantile of cell values, ``[layer][submodel]``.
        moods: What single training pieces are like: columns of equal length, one row a piece, with
            the names of ``note``; empty when not measured.
    """

    phrase_notes: _Notes
    phrases: _Count = 0
    arguments: list[ArgumentStatistics] = []
    levels: list[float] = []
    note: dict[str, list[float]] = {}
    c_low: list[list[float]] = []
    c_high: list[list[float]] = []
    moods: dict[str, list[float]] = {}

    def corpus_entropy(self) -> CorpusEntropy | None:
        """Return the histograms as the rankings use them, or None when nothing was measured."""
        if not self.arguments:
            return None
        return CorpusEntropy.from_columns([msgspec.to_builtins(a) for a in self.arguments])


class JudgeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a judge holds a phrase against (:class:`streamer.selection.judges.JudgeReference`).

    Attributes:
        mean: Of the corpus's excerpts, one number a feature.
        precision: Inverse of their shrunk covariance, square.
        limit: Distance beyond which a phrase is dropped.
        notes: Notes of every excerpt.
    """

    mean: list[float]
    precision: list[list[float]]
    limit: float
    notes: _Notes


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One collection that the model was trained on.

    Attributes:
        name: As people know it.
        licence: SPDX identifier or the licence's own name.
        attribution: Whom to name, and where it lies.
        pieces: Pieces that were trained on.
        notes: Notes that were trained on.
    """

    name: str
    licence: str
    attribution: str = ""
    pieces: _Count = 0
    notes: _Count = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is known of a bundle.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        name: What ``--model`` takes.
        family: ``chain``, ``vrash``, ...
        kind: ``step``: the graph plays notes one after another; ``window``: a section at a time.
        codec: Class tables in plain form (:func:`streamer.bundle.codecs.codec_from_dict`).
        codec_fingerprint: Of the tables that the graphs were trained with.
        graphs: At least one.
        statistics: Ground truth for regulated ranking and for the drift bound.
        filters: Bounds of the hard filters, by the names of
            :class:`streamer.selection.filters.Limits`: a number, or least and greatest.
        judges: References of the judges that ``--judge`` asks for, by their names in
            :mod:`streamer.selection.judges`; empty when none was fitted.
        defaults: What plays when a setting says nothing: ``temperature``, ``phrase_notes``,
            ``candidates``.
        styles: Labels that ``--style`` takes; empty when the model has none.
        parts: What the bundle's family alone needs to know, by the keys that it registers
            (:attr:`streamer.registry.Family.parts`). In JSON each stands beside the other keys.
        expression: Tables of the performance layer; empty where a model has its own dynamics.
        corpus: One line on what it was trained on.
        sources: The collections, with their licences.
        licence: Of the weights, SPDX identifier.
        licence_notice: Terms and attributions in full.
        config: Of the model and of its training.
        seed: Of the training.
        metrics: Held-out figures, parity.
        versions: Of this program and of the libraries that made the bundle.
        created: Date, ISO 8601.
    """

    schema_version: int
    name: _Name
    family: _Name
    kind: Literal["step", "window"]
    codec: dict[str, Any]
    codec_fingerprint: _Sha256
    graphs: Annotated[list[GraphSpec], msgspec.Meta(max_length=64)]
    statistics: Statistics
    filters: dict[str, float | list[float]] = {}
    judges: dict[str, JudgeSpec] = {}
    defaults: dict[str, Any] = {}
    styles: Annotated[list[_Name], msgspec.Meta(max_length=128)] = []
    parts: dict[str, Any] = {}
    expression: dict[str, Any] = {}
    corpus: str = ""
    sources: list[Source] = []
    licence: str = ""
    licence_notice: str = ""
    config: dict[str, Any] = {}
    seed: int = 0
    metrics: dict[str, Any] = {}
    versions: dict[str, str] = {}
    created: str = ""

    def graph(self, name: str) -> GraphSpec:
        """Return a graph by its name.

        Raises:
            BundleError: There is none of that name.
        """
        for spec in self.graphs:
            if spec.name == name:
                return spec
        known = ", ".join(spec.name for spec in self.graphs)
        raise BundleError(f"bundle {self.name} has no graph {name!r} (it has {known})")

    def part(self, key: str, kind: type[P]) -> P | None:
        """Return a part of the family's own; None where the bundle has none.

        Raises:
            ValueError: It is of another type than ``kind``.
        """
        value = self.parts.get(key)
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"part {key} is no {kind.__name__}, but {type(value).__name__}")
        return value

    def with_parts(self, **parts: Any) -> Manifest:
        """Return a manifest with some parts put in the place of its own; None takes one away."""
        both = {**self.parts, **parts}
        kept = {key: value for key, value in both.items() if value not in (None, [])}
        return msgspec.structs.replace(self, parts=kept)


def manifest_json(manifest: Manifest) -> bytes:
    """Return the JSON of a manifest; :mod:`streamer.bundle.decoding` reads it."""
    keys: dict[str, Any] = {}
    for key in manifest.__struct_fields__:
        value = getattr(manifest, key)
        keys |= value if key == PARTS else {key: value}
    return msgspec.json.encode(keys)

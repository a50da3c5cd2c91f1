"""The manifest of a bundle: its schema, and what must hold between its parts.

In: the bytes of ``manifest.json``. Out: a :class:`Manifest`. Read by :mod:`streamer.bundle`,
written by :mod:`export.bundle`; one definition for both, so that what is written can be read.

The schema is strict: an unknown key is refused, as is any schema version but this one. Nothing
here can be executed; it is plain data.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from streamer.bandspec import BandSpec, band_problems
from streamer.codecs import Codec, codec_from_dict
from streamer.errors import BundleError
from streamer.selection.entropy import CorpusEntropy
from streamer.tunespec import (
    ALL_STYLES,
    ClassifierSpec,
    FingerprintSpec,
    TunesSpec,
    tunes_problems,
)
from streamer.windowspec import WindowSpec, window_problems

SCHEMA_VERSION = 1

STEP_GRAPH = "step"
"""Name of the graph that a ``step`` bundle plays from."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
_File = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a graph.

    Attributes:
        name: As in the graph.
        dtype: Element type.
        shape: A size for each axis, or the name of a size that is free: ``batch``, ``notes``.
    """

    name: str
    dtype: Literal["float32", "int64"]
    shape: list[int | str]


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
    opset: int
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    state: dict[str, str] = {}
    initial: dict[str, float] = {}

    def input(self, name: str) -> TensorSpec:
        """Return an input by name (KeyError)."""
        return {t.name: t for t in self.inputs}[name]

    def output(self, name: str) -> TensorSpec:
        """Return an output by name (KeyError)."""
        return {t.name: t for t in self.outputs}[name]


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
            ``longest_rest_ms``, ``pedal`` (share of notes).
        c_low: Low quantile of cell values, ``[layer][submodel]``.
        c_high: High quantile of cell values, ``[layer][submodel]``.
        moods: What single training pieces are like: columns of equal length, one row a piece, with
            the names of ``note``; empty when not measured.
    """

    phrase_notes: int
    phrases: int = 0
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
    notes: int


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
    pieces: int = 0
    notes: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is known of a bundle.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        name: What ``--model`` takes.
        family: ``chain``, ``vrash``, ...
        kind: ``step``: the graph plays notes one after another; ``window``: a section at a time.
        codec: Class tables in plain form (:func:`streamer.codecs.codec_from_dict`).
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
        tunes: Of families that play tunes: what their styles are like.
        window: Of families that compose a section at a time: what the generator needs to know.
        bands: Of families that play four tracks: those, and where genres lie.
        expression: Tables of the performance layer; empty where a model has its own dynamics.
        classifiers: Graphs that tell good phrases from others.
        fingerprint: Graph that tells what is copied from the corpus.
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
    family: str
    kind: Literal["step", "window"]
    codec: dict[str, Any]
    codec_fingerprint: _Sha256
    graphs: list[GraphSpec]
    statistics: Statistics
    filters: dict[str, float | list[float]] = {}
    judges: dict[str, JudgeSpec] = {}
    defaults: dict[str, Any] = {}
    styles: list[str] = []
    tunes: TunesSpec | None = None
    window: WindowSpec | None = None
    bands: BandSpec | None = None
    expression: dict[str, Any] = {}
    classifiers: list[ClassifierSpec] = []
    fingerprint: FingerprintSpec | None = None
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
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(
            f"{where}: manifest.json cannot be read ({error}); export or copy the bundle again"
        ) from error
    codec = _codec(manifest, where)
    for problem in _problems(manifest, codec):
        raise BundleError(f"{where}: {problem}; export the bundle again")
    return manifest, codec


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
    if manifest.kind == "step":
        found.extend(_step_problems(manifest, codec))
    else:
        shapes = {g.name: {t.name: t.shape for t in g.inputs} for g in manifest.graphs}
        found.extend(window_problems(manifest.window, shapes))
        latent = manifest.window.latent if manifest.window else None
        found.extend(band_problems(manifest.bands, latent))
    found.extend(_classifier_problems(manifest))
    statistics = manifest.statistics
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
    latent, width = (n if isinstance(n := sizes.get(x), int) else None for x in ("z", "style"))
    return found + tunes_problems(manifest.tunes, manifest.styles, latent, width)


def _classifier_problems(manifest: Manifest) -> list[str]:
    """Each classifier needs its graph and a style that there is; the fingerprint its graph."""
    names, styles = {g.name for g in manifest.graphs}, {ALL_STYLES, *manifest.styles}
    found = [
        f"classifier of {c.style} wants the graph {c.graph}, one of the styles {sorted(styles)}"
        for c in manifest.classifiers
        if c.graph not in names or c.style not in styles
    ]
    if manifest.fingerprint is not None and manifest.fingerprint.graph not in names:
        found.append(f"the fingerprint wants the graph {manifest.fingerprint.graph}")
    return found


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
        before = (inputs[name].dtype, inputs[name].shape)
        if before != (outputs[after].dtype, outputs[after].shape):
            found.append(f"state {name} of graph {graph.name} differs from {after}")
        if inputs[name].shape.count("batch") != 1:
            found.append(f"state {name} of graph {graph.name} needs one axis called batch")
    for name in graph.initial:
        if name not in graph.state:
            found.append(f"graph {graph.name} fills {name}, which is no state")
    return found

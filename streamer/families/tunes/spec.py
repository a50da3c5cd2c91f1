"""What a bundle of tunes says beyond its graphs: styles, their measures, classifiers, fingerprint.

Parts of the manifest (:mod:`streamer.bundle.manifest`), plain data. Written by the exporter from
the training tracks, read by the tune generator and the filters.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streamer.bundle.codecs import Codec
from streamer.bundle.manifest import MOST_COUNTED, STEP_GRAPH, Manifest, shape_problems
from streamer.errors import StreamerError
from streamer.families.tunes.codec import TUNE_ARGUMENTS

ALL_STYLES = "all"
"""Style of a classifier that judges tunes of every style."""

ENCODE_GRAPH, START_GRAPH = "encode", "start"
"""Graphs beside the step graph: notes to latent, latent to first state."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
_Beats = Annotated[float, msgspec.Meta(ge=1 / 64, le=64)]
_Tempo = Annotated[float, msgspec.Meta(ge=1, le=1000)]
_Notes = Annotated[float, msgspec.Meta(ge=1, le=10_000)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class KindSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tracks of a style that have unit and bar in common.

    Attributes:
        share: Of the style's tracks that are of any kind, 0..1.
        unit_beats: A unit of the tune, quarter notes.
        metre: Quarter notes in a bar.
        bpm: Quantiles of the tempo at the levels of :class:`TunesSpec`.
        mean: Mean latent of its tracks, ``(Z,)``; empty takes the style's.
        sd: Standard deviation over its tracks, ``(Z,)``, >= 0; empty takes the style's.
    """

    share: _Share
    unit_beats: _Beats
    metre: _Beats
    bpm: list[_Tempo]
    mean: list[float] = []
    sd: list[float] = []


class StyleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the training tracks of one style are like.

    Attributes:
        name: What ``--style`` takes.
        share: Of the training tracks, 0..1.
        tracks: How many there are.
        mean: Mean latent of its tracks, ``(Z,)``.
        sd: Standard deviation over its tracks, ``(Z,)``, >= 0.
        bpm: Quantiles of the tempo at the levels of :class:`TunesSpec`.
        unit_beats: Most common length of a unit, in quarter notes.
        metre: Most common number of quarter notes in a bar.
        notes: Quantiles of how many notes a track has, at the levels.
        pitch: Lowest and highest pitch that all but one note in a hundred lie in, MIDI.
        kinds: Units and bars that its tracks have; empty where only the most common are known.
        returned: Share of its tracks' figures of eight notes that came before in the track, 0..1.
        returns: Quantiles of that share over its tracks, of as many notes as tunes of a stream
            have, at the levels; empty where they were not measured.
        entropy: Mean and deviation over its phrases of the model's mean entropy, nats, a row
            for each argument of a note; empty when not measured.
        rules: Bounds of the rules for tunes where this style plays, over those of the bundle, by
            the names of :class:`streamer.families.tunes.context.TuneRules`.
    """

    name: _Name
    share: _Share
    tracks: Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNTED)]
    mean: list[float]
    sd: list[float]
    bpm: list[_Tempo]
    unit_beats: _Beats
    metre: _Beats
    notes: list[_Notes]
    pitch: tuple[int, int]
    kinds: list[KindSpec] = []
    returned: _Share = 1.0
    returns: list[_Share] = []
    entropy: list[list[float]] = []
    rules: dict[str, float | list[float]] = {}


class TunesSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a generator of tunes needs to know of the corpus.

    Attributes:
        styles: In the order of the graphs' ``style`` axis.
        levels: Quantile levels, 0..1, ascending; 0.5 is among them.
        crop_notes: The longest part of a track that the encoder was trained on.
    """

    styles: list[StyleSpec]
    levels: list[float]
    crop_notes: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 128

    def style(self, name: str) -> StyleSpec:
        """Return a style by its name.

        Raises:
            StreamerError: There is none of that name; the line lists those there are.
        """
        for style in self.styles:
            if style.name == name:
                return style
        known = ", ".join(style.name for style in self.styles)
        raise StreamerError(f"the bundle has no style {name!r}; it has {known}")


class ClassifierSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A graph that tells good phrases from others.

    Attributes:
        style: Which style it judges, or :data:`ALL_STYLES`.
        graph: Name of its graph in the bundle.
        threshold: Scores below it are dropped.
        method: How it was trained.
        labels: What it was trained on: labels made by us from real and spoilt music, or ratings by
            people.
        features: Names of its inputs' columns, in their order
            (:func:`streamer.families.tunes.features.feature_names`).
        notes: Most notes of a tune that it looks at, the last ones.
        least_notes: Tunes of fewer are kept unjudged.
        metrics: Held-out figures: ``auc``, ``precision``, ...
    """

    style: _Name
    graph: _Name
    threshold: float
    method: Literal["lr", "svc-linear", "svc-rbf"]
    labels: Literal["surrogate", "ratings"]
    features: list[str] = []
    notes: Annotated[int, msgspec.Meta(ge=2, le=128)] = 64
    least_notes: Annotated[int, msgspec.Meta(ge=2, le=128)] = 32
    metrics: dict[str, float] = {}


class FingerprintSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A graph that knows the runs of notes of the training tracks.

    It is read by :class:`streamer.families.tunes.fingerprint.Fingerprint`.

    Attributes:
        graph: Name of its graph in the bundle.
        bits: Of its table.
        notes: Notes of a run.
        each: Hashes of a run.
        limit: Most notes in a row that a tune may have in common with the training tracks.
        metrics: Held-out figures: what real tunes have in common with them.
    """

    graph: _Name
    bits: Annotated[int, msgspec.Meta(ge=8, le=2**32)]
    notes: Annotated[int, msgspec.Meta(ge=2, le=64)]
    each: Annotated[int, msgspec.Meta(ge=1, le=16)]
    limit: Annotated[int, msgspec.Meta(ge=2, le=10_000)]
    metrics: dict[str, float] = {}


Classifiers = list[ClassifierSpec]
"""Type of the manifest's part ``classifiers``."""


def tunes_of(manifest: Manifest) -> TunesSpec | None:
    """Return what a manifest says of styles; None where it says nothing."""
    return manifest.part("tunes", TunesSpec)


def classifiers_of(manifest: Manifest) -> list[ClassifierSpec]:
    """Return the classifiers of a manifest, possibly none."""
    return manifest.part("classifiers", list) or []


def fingerprint_of(manifest: Manifest) -> FingerprintSpec | None:
    """Return the fingerprint of the corpus in a manifest; None where there is none."""
    return manifest.part("fingerprint", FingerprintSpec)


def problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what contradicts itself in a manifest, each as a line without path or remedy."""
    del codec
    return [*_tunes_problems(manifest), *_judge_problems(manifest), *_graph_problems(manifest)]


def _graph_problems(manifest: Manifest) -> list[str]:
    """Graphs that hand on to each other need the same sizes."""
    graphs = {graph.name: graph for graph in manifest.graphs}
    step, found = graphs.get(STEP_GRAPH), list[str]()
    if step is None:
        return found
    own = {tensor.name: tensor.shape for tensor in step.inputs}
    unkept = [name for name in ("z", "style", "s") if name not in step.state]
    if unkept:
        found.append(f"graph {STEP_GRAPH} must hand on {', '.join(unkept)} from note to note")
    rows: list[int | str] = ["batch"]
    given: dict[str, list[int | str]] = {n: own[n] for n in ("z", "style") if n in own}
    if START_GRAPH in graphs and "s" in own:
        found += shape_problems(graphs[START_GRAPH], {**given, "s": own["s"]})
    if ENCODE_GRAPH in graphs and "z" in own:
        shapes = dict.fromkeys(("mu", "logvar"), own["z"])
        notes: list[int | str] = ["batch", "notes", len(TUNE_ARGUMENTS)]
        found += shape_problems(graphs[ENCODE_GRAPH], {"classes": notes, **shapes})
    for judge in classifiers_of(manifest):
        if judge.graph in graphs and judge.features:
            shapes = {"features": [*rows, len(judge.features)], "probability": rows}
            found += shape_problems(graphs[judge.graph], shapes)
    fingerprint = fingerprint_of(manifest)
    if fingerprint is not None and fingerprint.graph in graphs:
        shapes = {"places": [*rows, fingerprint.each], "known": rows}
        found += shape_problems(graphs[fingerprint.graph], shapes)
    return found


def _judge_problems(manifest: Manifest) -> list[str]:
    """Each classifier needs its graph and a style that there is; the fingerprint its graph."""
    names, styles = {g.name for g in manifest.graphs}, {ALL_STYLES, *manifest.styles}
    found = [
        f"classifier of {c.style} wants the graph {c.graph}, one of the styles {sorted(styles)}"
        for c in classifiers_of(manifest)
        if c.graph not in names or c.style not in styles
    ]
    fingerprint = fingerprint_of(manifest)
    if fingerprint is not None and fingerprint.graph not in names:
        found.append(f"the fingerprint wants the graph {fingerprint.graph}")
    return found


def _tunes_problems(manifest: Manifest) -> list[str]:
    tunes, styles = tunes_of(manifest), manifest.styles
    if tunes is None:
        return []
    found = []
    steps = (graph for graph in manifest.graphs if graph.name == STEP_GRAPH)
    sizes = {t.name: t.shape[-1] for graph in steps for t in graph.inputs if t.shape}
    latent, width = (n if isinstance(n := sizes.get(x), int) else None for x in ("z", "style"))
    names = [style.name for style in tunes.styles]
    if not names or names != styles or len({*names}) != len(names):
        found.append(f"tunes describes the styles {names}, but the bundle has {styles}")
    if width is not None and width != len(names):
        found.append(f"the graph takes {width} styles, but tunes describes {len(names)}")
    if 0.5 not in tunes.levels or sorted({*tunes.levels}) != tunes.levels:
        found.append("tunes.levels must ascend and hold 0.5")
    for style in tunes.styles:
        found.extend(f"tunes: style {style.name} {line}" for line in _odd(style, tunes, latent))
    return found


def _odd(style: StyleSpec, tunes: TunesSpec, latent: int | None) -> list[str]:
    found = []
    if len(style.mean) != len(style.sd) or (latent is not None and len(style.mean) != latent):
        found.append(f"needs {latent} latent means and deviations")
    if any(sd < 0 for sd in style.sd):
        found.append("has a deviation below 0")
    for name in ("bpm", "notes"):
        values = getattr(style, name)
        if len(values) != len(tunes.levels) or min(values, default=0) <= 0:
            found.append(f"needs {len(tunes.levels)} quantiles of {name}, all above 0")
    if not (style.unit_beats > 0 and style.metre > 0):
        found.append("needs unit_beats and metre above 0")
    if style.returns and len(style.returns) != len(tunes.levels):
        found.append(f"needs {len(tunes.levels)} quantiles of returns")
    if style.kinds and not sum(kind.share for kind in style.kinds) > 0:
        found.append("needs kinds whose shares sum to more than 0")
    for kind in style.kinds:
        found.extend(f"has a kind that {line}" for line in _odd_kind(kind, style, tunes))
    if style.entropy and (
        len(style.entropy) != len(TUNE_ARGUMENTS)
        or any(len(row) != 2 or not row[1] > 0 for row in style.entropy)
    ):
        found.append(f"needs mean and deviation above 0 of {len(TUNE_ARGUMENTS)} entropies")
    low, high = style.pitch
    if not 0 <= low <= high <= 127:
        found.append(f"needs pitches in range 0..127, not {low}..{high}")
    return found


def _odd_kind(kind: KindSpec, style: StyleSpec, tunes: TunesSpec) -> list[str]:
    found = []
    if not (kind.unit_beats > 0 and kind.metre > 0):
        found.append("needs unit_beats and metre above 0")
    if len(kind.bpm) != len(tunes.levels) or min(kind.bpm, default=0) <= 0:
        found.append(f"needs {len(tunes.levels)} quantiles of bpm, all above 0")
    if not len(kind.mean) == len(kind.sd) in (0, len(style.mean)):
        found.append(f"needs {len(style.mean)} latent means and deviations, or none")
    if any(sd < 0 for sd in kind.sd):
        found.append("has a deviation below 0")
    return found

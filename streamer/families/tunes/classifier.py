"""Two panels that judge tunes: a trained classifier, and the corpus's fingerprint.

Source: [Yamshchikov2020].

In: candidates, each with its :class:`TuneContext`. Out: for each None to keep it, ``classifier``
when its style's filter finds it less likely good than the bundle's threshold, ``plagiarism`` when
it has more notes in a row in common with the training tracks than real tunes have with each other.
All candidates of a draw run in one batch: an encoder where the filter wants latent coordinates, and
a small graph. Asked by the chooser after the rules; graphs and thresholds come from the bundle.

Neither can starve the stream: candidates are drawn again, and then reasons are given up in the
order of :data:`streamer.families.tunes.filters.TUNE_RELAX_ORDER`: ``classifier`` is one of the
first, ``plagiarism`` goes after the matters of taste.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Function
from streamer.engine.session import Array, Runtime
from streamer.families.tunes.codec import TuneArray, TuneCodec
from streamer.families.tunes.context import TuneContext
from streamer.families.tunes.features import TUNE_FEATURES, tune_features
from streamer.families.tunes.fingerprint import Fingerprint
from streamer.families.tunes.spec import (
    ALL_STYLES,
    ENCODE_GRAPH,
    ClassifierSpec,
    FingerprintSpec,
    classifiers_of,
    fingerprint_of,
)
from streamer.music.notes import Phrase
from streamer.selection.filters import Context, Panel

CLASSIFIER, PLAGIARISM = "classifier", "plagiarism"
"""The reasons."""

PURE_SHARE = 0.75
"""A style's own filter judges where the style has this weight; between styles that of all does."""

Graph = Callable[..., Mapping[str, Array]]
"""Named arrays in, named arrays out: :class:`streamer.engine.engine.Function`."""

Asked = Sequence[tuple[Phrase, Context]]


@dataclass
class TuneEncoder:
    """Latent coordinates of tunes, by the bundle's encoder.

    Attributes:
        graph: Runs ``encode``.
        codec: The classes that it takes.
        styled: Whether it takes the style too.
    """

    graph: Graph = field(repr=False)
    codec: TuneCodec
    styled: bool = True

    def __call__(
        self, tunes: Sequence[TuneArray], styles: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the mean of the posterior for each tune, ``(tunes, latent)``.

        Args:
            tunes: At least one, two notes or more each; those of equal length run together.
            styles: ``(tunes, styles)``.
        """
        sizes = np.array([len(tune) for tune in tunes])
        rows: list[NDArray[np.float64]] = [np.zeros(0)] * len(tunes)
        for size in np.unique(sizes).tolist():
            places = np.flatnonzero(sizes == size)
            classes = np.stack([self.codec.encode(tunes[i]) for i in places.tolist()])
            inputs: dict[str, Array] = {"classes": classes.astype(np.int64)}
            if self.styled:
                inputs["style"] = styles[places]
            for place, row in zip(places.tolist(), self.graph(**inputs)["mu"], strict=True):
                rows[place] = row.astype(np.float64)
        return np.stack(rows)


@dataclass
class ClassifierPanel:
    """The trained filters of a bundle, one for each style that has one.

    Attributes:
        styles: Names of the weights in a context's ``style``.
        specs: By style, or :data:`ALL_STYLES`.
        graphs: Of each of ``specs``.
        encode: Latent coordinates, where a filter wants them.
        probabilities: What was found of the candidates asked about last; NaN: not judged.
    """

    styles: tuple[str, ...]
    specs: Mapping[str, ClassifierSpec]
    graphs: Mapping[str, Graph] = field(repr=False)
    encode: TuneEncoder | None = field(default=None, repr=False)
    probabilities: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)

    def __call__(self, asked: Asked) -> list[str | None]:
        """Return why each candidate is dropped, None to keep it; a :data:`Panel`."""
        self.probabilities = np.full(len(asked), np.nan)
        thresholds = np.zeros(len(asked))
        by_style: dict[str, list[tuple[int, TuneContext]]] = {}
        for k, (_, context) in enumerate(asked):
            if isinstance(context, TuneContext):
                style = self._judge_of(context)
                if style and len(context.tune) >= self.specs[style].least_notes:
                    thresholds[k] = self.specs[style].threshold
                    by_style.setdefault(style, []).append((k, context))
        for style, own in by_style.items():
            places = [k for k, _ in own]
            self.probabilities[places] = self.probability(
                style, [c.tune for _, c in own], np.stack([c.style for _, c in own])
            )
        # NaN is below nothing: what was not judged is kept.
        return [CLASSIFIER if low else None for low in self.probabilities < thresholds]

    def probability(
        self, style: str, tunes: Sequence[TuneArray], weights: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return how likely each tune is good, by the filter of a style, 0..1.

        Args:
            style: A key of ``specs``.
            tunes: At least one; of each the last notes count.
            weights: Of the styles, ``(tunes, styles)``.
        """
        spec = self.specs[style]
        last = [tune[-spec.notes :] for tune in tunes]
        rows = tune_features(last)
        if len(spec.features) > len(TUNE_FEATURES) and self.encode is not None:
            rows = np.concatenate([rows, self.encode(last, weights)], axis=1)
        answer = self.graphs[style](features=rows.astype(np.float32))
        return np.asarray(answer["probability"], dtype=np.float64)

    def _judge_of(self, context: TuneContext) -> str | None:
        """Return whose filter judges a tune: its style's own, that of all, or none."""
        weights = np.asarray(context.style)
        total = float(weights.sum()) if len(weights) == len(self.styles) else 0.0
        if total > 0:
            best = int(weights.argmax())
            if weights[best] >= PURE_SHARE * total and self.styles[best] in self.specs:
                return self.styles[best]
        return ALL_STYLES if ALL_STYLES in self.specs else None


@dataclass
class PlagiarismPanel:
    """Drops what says too many notes after the corpus.

    Attributes:
        fingerprint: Of the training tracks.
        limit: Most notes in a row in common.
    """

    fingerprint: Fingerprint
    limit: int

    def __call__(self, asked: Asked) -> list[str | None]:
        """Return why each candidate is dropped, None to keep it; a :data:`Panel`.

        Only runs that reach into the candidate count: what was played is played.
        """
        contexts = [c if isinstance(c, TuneContext) else TuneContext() for _, c in asked]
        # A run longer than the limit begins at most ``limit`` notes before the candidate.
        tunes = [c.tune[-(c.fresh + self.limit) :] for c in contexts]
        runs = self.fingerprint.longest_runs(tunes, [c.fresh for c in contexts])
        return [PLAGIARISM if run > self.limit else None for run in runs.tolist()]


def tune_panels(bundle: Bundle, runtime: Runtime | None = None) -> tuple[Panel, ...]:
    """Return the panels that a bundle brings; none for a bundle without classifiers.

    Raises:
        EngineError: ONNX Runtime refuses a graph.
        BundleError: A graph is missing that a classifier needs.
        ValueError: The bundle's codec is not that of tunes.
    """
    manifest = bundle.manifest
    panels: list[Panel] = []
    fingerprint = fingerprint_of(manifest)
    if fingerprint is not None:
        panels.append(plagiarism_panel(bundle, fingerprint, runtime))
    if classifiers_of(manifest):
        panels.append(classifier_panel(bundle, runtime))
    return tuple(panels)


def classifier_panel(bundle: Bundle, runtime: Runtime | None = None) -> ClassifierPanel:
    """Return the classifiers of a bundle; errors as :func:`tune_panels`."""
    manifest = bundle.manifest
    specs = {spec.style: spec for spec in classifiers_of(manifest)}
    graphs = {style: Function(bundle, spec.graph, runtime) for style, spec in specs.items()}
    encode = None
    if any(len(spec.features) > len(TUNE_FEATURES) for spec in specs.values()):
        encode = bundle_encoder(bundle, runtime)
    return ClassifierPanel(tuple(manifest.styles), specs, graphs, encode)


def bundle_encoder(bundle: Bundle, runtime: Runtime | None = None) -> TuneEncoder:
    """Return the encoder of a bundle; errors as :func:`tune_panels`."""
    spec = bundle.manifest.graph(ENCODE_GRAPH)
    styled = any(tensor.name == "style" for tensor in spec.inputs)
    codec = codec_as(bundle.codec, TuneCodec)
    return TuneEncoder(Function(bundle, ENCODE_GRAPH, runtime), codec, styled)


def plagiarism_panel(
    bundle: Bundle, spec: FingerprintSpec, runtime: Runtime | None = None
) -> PlagiarismPanel:
    """Return the fingerprint of a bundle; errors as :func:`tune_panels`."""
    graph = Function(bundle, spec.graph, runtime)

    def known(places: NDArray[np.int64]) -> Array:
        return graph(places=places)["known"]

    return PlagiarismPanel(Fingerprint(known, spec.bits, spec.notes, spec.each), spec.limit)

"""What a bundle of a window family says beyond its graphs: tempo, threshold, latent, lengths.

Part of the manifest (:mod:`streamer.bundle.manifest`), plain data. Written by the exporter from the
training pieces, read by the window generator.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from streamer.bundle.codecs import Codec
from streamer.bundle.manifest import Manifest, shape_problems

_Count = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Tempo = Annotated[float, msgspec.Meta(ge=10, le=1000)]
_Metre = Annotated[float, msgspec.Meta(ge=0.25, le=64)]
_Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
_Above = Annotated[float, msgspec.Meta(gt=0)]

DECODE_GRAPH, ANSWER_GRAPH = "decode", "answer"
"""Graphs of a window bundle: latents to probabilities; a bar and bits to the answer's latent."""


class WindowSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the generator needs to know of model and corpus.

    Attributes:
        latent: Components of z.
        passes: Times that a section is written to; 1 where that means nothing.
        normalise: Whether a section's probabilities are spread to 0..1 before the threshold.
        alpha: A cell sounds when its probability is above; calibrated on the corpus.
        alpha_onset: The same for the layer of onsets.
        tie: A key that sounds when a bar begins goes on into it where the probability that it is
            held and not struck is above; one number a pitch, empty for no ties but those of
            ``alpha``. Calibrated on the corpus.
        walk: The step that the corpus takes from one section to the next, where 0 stays and 1
            forgets: as far the music goes while nobody moves the control.
        bpm: Tempo that plays when nothing is set, quarter notes a minute.
        metre: Quarter notes of a bar.
        overlap: Steps at a section's end in which its voices go over to the next section one after
            another; 0 joins sections end to end.
        longest_steps: No note is longer, steps.
        notes_per_beat: Low, middle and high quantile of the corpus's sections.
        mean: Of each latent component over the corpus; empty for the standard normal.
        variance: The same.
    """

    latent: _Count
    passes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    normalise: bool = False
    alpha: _Share = 0.5
    alpha_onset: _Share = 0.5
    tie: list[_Above] = []
    walk: _Share | None = None
    bpm: _Tempo = 120.0
    metre: _Metre = 4.0
    overlap: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    longest_steps: _Count = 64
    notes_per_beat: tuple[float, float, float] = (0.5, 3.0, 8.0)
    mean: list[float] = []
    variance: list[float] = []


def section_of(manifest: Manifest) -> WindowSpec | None:
    """Return what a manifest says of its sections; None where it says nothing."""
    return manifest.part("window", WindowSpec)


def problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what keeps a bundle of kind ``window`` from being played, a line for each."""
    del codec
    spec = section_of(manifest)
    shapes = {g.name: {t.name: t.shape for t in g.inputs} for g in manifest.graphs}
    if spec is None:
        return ["a bundle of kind window needs the part window"]
    if DECODE_GRAPH not in shapes:
        return [f"a bundle of kind window needs a graph called {DECODE_GRAPH}"]
    problems = []
    z = shapes[DECODE_GRAPH].get("z", [])
    if z[-1:] != [spec.latent]:
        problems.append(f"graph {DECODE_GRAPH} must take z of {spec.latent} components, not {z}")
    for name in ("mean", "variance"):
        values = getattr(spec, name)
        if len(values) not in (0, spec.latent):
            problems.append(f"window.{name} must be {spec.latent} numbers, not {len(values)}")
    if any(value < 0 for value in spec.variance):
        problems.append("window.variance must be 0 or more")
    for graph in manifest.graphs:
        if graph.name == ANSWER_GRAPH:
            problems.extend(shape_problems(graph, {"z": ["batch", spec.latent]}))
    if ANSWER_GRAPH in shapes and not spec.variance:
        problems.append("a bundle that answers needs window.mean and window.variance")
    return problems

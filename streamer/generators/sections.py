"""What all generators have in common that compose a section at a time.

In: a bundle, the settings, live controls. Out: how many sections are drawn and how one is chosen,
how far it is from one to the next, and notes that begin within their own section.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError
from streamer.generators.base import LEAST_MS, onset_within
from streamer.generators.drawing import chosen, ranking_of, usable
from streamer.generators.sectionspec import WindowSpec, section_of
from streamer.music.notes import Phrase
from streamer.selection.filters import Limits
from streamer.selection.limits import limits_for
from streamer.selection.ranking import RANKINGS, TYPICAL
from streamer.settings.controls import Controls
from streamer.settings.settings import Settings

_DEFAULT_WALK = Controls().walk


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How sections are drawn and chosen.

    Attributes:
        candidates: Sections drawn for each one played, 1 or more.
        redraws: How often all candidates may be dropped before the filters relax.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        limits: Bounds of the filters.
    """

    candidates: int = 8
    redraws: int = 3
    ranking: str = "mean"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.redraws < 0:
            raise ValueError("candidates must be 1 or more, redraws 0 or more")
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking}")


def window_of(bundle: Bundle) -> WindowSpec:
    """Return what the bundle says of its sections (BundleError where it says nothing)."""
    spec = section_of(bundle.manifest)
    if spec is None:
        raise BundleError(f"bundle {bundle.manifest.name} composes no sections")
    return spec


def window_settings(bundle: Bundle, settings: Settings) -> WindowSettings:
    """Return how sections are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model = settings.model
    known = bundle.manifest.statistics.corpus_entropy() is not None
    with usable(bundle):
        return WindowSettings(
            redraws=model.redraws,
            ranking=ranking_of(bundle, model, TYPICAL if known else "mean"),
            limits=limits_for(bundle.manifest, settings.filters),
            **chosen(bundle, model, "candidates"),
        )


def turned(walk: float) -> tuple[float, float]:
    """Return cosine and sine of a step that goes ``walk`` of the way, 0 (nowhere) to 1 (anew)."""
    angle = walk * math.pi / 2
    return math.cos(angle), math.sin(angle)


def step_angle(controls: Controls, usual: float | None = None) -> tuple[float, float]:
    """Return cosine and sine of a step.

    Args:
        controls: ``walk``: 0 stays where it is, 1 forgets where it was.
        usual: The step that the corpus takes from one section to the next, 0..1: how far a control
            at its default goes. None takes the control as it is.
    """
    walk = controls.walk
    if usual is not None:
        walk = walk ** (math.log(usual) / math.log(_DEFAULT_WALK))
    return turned(walk)


def in_order(phrase: Phrase) -> Phrase:
    """Return a phrase whose notes begin within it and ascend, wherever a player moved them to."""
    notes = []
    for note in phrase.notes:
        onset_ms = onset_within(note.onset_ms, phrase.start_ms, phrase.end_ms)
        if onset_ms != note.onset_ms:
            long_ms = max(note.end_ms - onset_ms, LEAST_MS)
            note = replace(note, onset_ms=onset_ms, duration_ms=long_ms)
        notes.append(note)
    order = sorted(range(len(notes)), key=lambda i: notes[i].onset_ms)
    return replace(phrase, notes=tuple(notes[i] for i in order), entropies=phrase.entropies[order])

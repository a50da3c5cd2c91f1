"""Does selection choose better music? Phrases the stream plays against those it does not.

A bundle and real pieces come in; for the phrases that were played, kept but passed over, and
dropped, measures that the selection does not use go out, with intervals.

The measures: how real a phrase looks to a forest that learned real excerpts from unselected ones of
other seeds; how far its signature and its note entropies lie from the corpus. A judge that is
switched on uses one of the latter two itself, which the report marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.engine.engine import Engine
from streamer.errors import DataError
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.source import step_settings
from streamer.music.notes import NoteArray, Phrase, to_array
from streamer.selection.filters import Context, Filter, first_reason
from streamer.selection.judges import JUDGED_NOTES, VECTORS, JudgeReference
from streamer.selection.judges import describe as judged
from streamer.selection.judging import filters_for
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Judging, Settings
from training.evaluation import bootstrap
from training.evaluation.excerpts import describe, excerpts
from training.evaluation.judges import fit_judges

PHRASES = 24
"""Phrases that are played with each seed."""

LEARNED_SEEDS = 10
"""Seeds, apart from those measured, from which the forest learns what unselected music is like."""

FOREST_TREES = 200
_EACH = 12


@dataclass
class _Candidate:
    """A phrase that was drawn: what it is heard as, and what became of it."""

    phrase: Phrase
    window: NoteArray
    reason: str | None
    seed: int
    fate: str = "passed over"


@dataclass
class _Recorder:
    """A filter that drops nothing and remembers everything."""

    filters: tuple[Filter, ...]
    seed: int
    seen: list[_Candidate] = field(default_factory=list)

    def __call__(self, phrase: Phrase, context: Context) -> str | None:
        window = to_array((*context.recent, *phrase.notes)[-JUDGED_NOTES:])
        reason = first_reason(phrase, context, self.filters)
        if len(window) == JUDGED_NOTES:
            self.seen.append(_Candidate(phrase, window, reason, self.seed))
        return None


def selection_study(
    bundle_name: str,
    real: Sequence[NoteArray],
    works: Sequence[str],
    rng: np.random.Generator,
    seeds: Sequence[int] = range(8),
    judge: Judging = "none",
) -> dict[str, Any]:
    """Compare what is played with what is not.

    Args:
        bundle_name: Name or path of a bundle.
        real: Pieces that the bundle was not trained on, best.
        works: The work of each.
        rng: Resamples, and the forest's seed.
        seeds: Streams to listen to; values are averaged over each, so that a stream is one unit.
        judge: As ``perpetuo play --judge``.

    Returns:
        For each fate (``played``, ``passed over``, ``dropped``, and ``kept``: the first two) and
        measure the interval over streams; ``kept - dropped``, ``played - dropped`` and
        ``played - passed over``, paired by stream; and counts.

    Raises:
        DataError: There is too little real music.
    """
    base = Settings()
    settings = replace(base, model=replace(base.model, model=bundle_name, judge=judge))
    bundle = load_bundle(bundle_name)
    engine = Engine(bundle)
    references = {
        name: JudgeReference.from_dict(data) for name, data in fit_judges(real, works=works).items()
    }
    looks_real = _learn(engine, settings, real, rng)
    candidates: list[_Candidate] = []
    for seed in seeds:
        candidates += _listen(engine, settings, int(seed))
    values = {"realness": looks_real([c.window for c in candidates])}
    for name in VECTORS:
        values[f"{name}_distance"] = np.asarray(
            [references[name].distance(judged(name, c.window)) for c in candidates]
        )
    fates = np.asarray([c.fate for c in candidates])
    streams = np.asarray([c.seed for c in candidates])
    reasons = [c.reason for c in candidates if c.reason is not None]
    return {
        "bundle": bundle.manifest.name,
        "judge": judge,
        "used_by_the_selection": [f"{n}_distance" for n in VECTORS if judge in (n, "both")],
        "candidates": {f: int((fates == f).sum()) for f in ("played", "passed over", "dropped")},
        "dropped": {reason: reasons.count(reason) for reason in sorted({*reasons})},
        "measures": {
            name: _compare(column, fates, streams, rng) for name, column in values.items()
        },
    }


def _compare(
    values: NDArray[np.float64],
    fates: NDArray[np.str_],
    streams: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Average over each stream, then resample streams."""
    masks = {fate: fates == fate for fate in ("played", "passed over", "dropped")}
    masks["kept"] = ~masks["dropped"]
    means = {
        fate: np.asarray([
            float(values[mask & (streams == s)].mean()) if (mask & (streams == s)).any()
            else float("nan")
            for s in np.unique(streams)
        ])
        for fate, mask in masks.items()
    }  # fmt: skip
    found = {fate: bootstrap.interval(v, rng).to_dict() for fate, v in means.items()}
    pairs = (("kept", "dropped"), ("played", "dropped"), ("played", "passed over"))
    for one, other in pairs:
        away = means[one] - means[other]
        found[f"{one} - {other}"] = bootstrap.interval(away, rng).to_dict()
    return found


def _listen(engine: Engine, settings: Settings, seed: int, plain: bool = False) -> list[_Candidate]:
    """Play one stream and return every candidate; ``plain`` takes the first, whatever it is."""
    filters = () if plain else filters_for(engine.bundle, settings)
    recorder = _Recorder(filters, seed)
    drawn = step_settings(engine.bundle, settings)
    drawn = replace(drawn, candidates=1) if plain else drawn
    generator = StepGenerator(
        engine,
        drawn,
        np.random.Generator(np.random.SFC64(seed)),
        LiveControls(settings.controls),
        (recorder, *filters),
    )
    phrases = [generator.next_phrase() for _ in range(PHRASES)]
    played = {id(phrase) for phrase in phrases}
    for candidate in recorder.seen:
        if id(candidate.phrase) in played:
            candidate.fate = "played"
        elif candidate.reason is not None:
            candidate.fate = "dropped"
    return recorder.seen


def _learn(
    engine: Engine, settings: Settings, real: Sequence[NoteArray], rng: np.random.Generator
) -> Any:
    """Return a function from excerpts to how real they look, 0..1."""
    from sklearn.ensemble import ExtraTreesClassifier

    positive = [e for p in real for e in excerpts(p, JUDGED_NOTES, _EACH)]
    negative = [
        c.window
        for seed in range(LEARNED_SEEDS)
        for c in _listen(engine, settings, 1_000_000 + seed, plain=True)
    ]
    count = min(len(positive), len(negative))
    if count < 2 * JUDGED_NOTES:
        raise DataError(
            f"{len(positive)} excerpts of real music are too few to learn from; give more pieces"
        )
    keep = rng.permutation(len(positive))[:count], rng.permutation(len(negative))[:count]
    samples = [positive[i] for i in keep[0]] + [negative[i] for i in keep[1]]
    forest = ExtraTreesClassifier(
        FOREST_TREES, min_samples_leaf=2, random_state=int(rng.integers(2**31)), n_jobs=-1
    )
    forest.fit(_rows(samples), np.repeat([True, False], count))

    def realness(windows: Sequence[NoteArray]) -> NDArray[np.float64]:
        return np.asarray(forest.predict_proba(_rows(windows))[:, -1])

    return realness


def _rows(samples: Sequence[NoteArray]) -> NDArray[np.float64]:
    return np.concatenate(list(describe(samples).values()), axis=1)

"""Ground truth for a bundle of tunes: the training tracks, seen through the model and as music.

In: a melody model and the tune file it was trained on. Out: parts of the manifest: entropy
statistics over phrases, bounds of the rules for tunes, and what each style is like (latents, tempo,
unit, bar, length, range, how much of it returns).

Entropies are teacher-forced over whole tracks, each with a latent drawn from its own posterior, as
in training; phrases are taken as they come, without overlap. A corpus is sampled by whole tracks,
with a fixed seed, until there is enough.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.families.tunes.kinds import (
    STYLE_LEVELS,
    Encoder,
    kinds_of,
    latents_of,
    quantiles,
    return_levels,
    returned_share,
    spread,
)
from export.statistics import LEVELS, argument_columns
from streamer.bundle.manifest import Statistics
from streamer.errors import DataError
from streamer.families.tunes.codec import END, UNIT_PARTS
from streamer.families.tunes.filters import on_beat_share
from streamer.families.tunes.spec import StyleSpec, TunesSpec
from training.families.tunes.crops import whole_tracks
from training.families.tunes.model import Vrash
from training.families.tunes.tuneset import TuneInfo, TuneSet

Rules = dict[str, float | list[float]]

TUNE_PHRASE_NOTES = 16
MOST_TUNE_NOTES = 100_000
"""Enough for 6,000 phrases, 200 in each cell of a histogram; half a minute on one core."""

RARE_IN_STYLE = (0.01, 0.99)
"""What one phrase in a hundred of a style goes beyond is dropped as broken."""

OFF_BEAT = 0.05
"""The same for phrases off the beat: some tracks of a corpus are so as a whole."""

STYLE_NOTES = 25_000
"""Enough of one style for its mean entropies."""

LEAST_SPREAD = 0.05
"""Of a style's mean entropies, nats."""

PITCH_LEVELS = (0.005, 0.995)
HEARD_NOTES = 256
"""Latents are those of what training lets the encoder hear of a track."""

_ROWS = 32


def measure_tune_statistics(
    model: Vrash,
    tunes: TuneSet,
    phrase_notes: int = TUNE_PHRASE_NOTES,
    max_notes: int = MOST_TUNE_NOTES,
) -> Statistics:
    """Run the model over training tracks, teacher-forced, and take statistics.

    Args:
        model: A torch ``Vrash`` in evaluation mode.
        tunes: What it was trained on.
        phrase_notes: Notes of a phrase.
        max_notes: No further track is taken once there are this many notes.

    Raises:
        DataError: The tunes are not those of the model, or none is as long as a phrase.
    """
    check_corpus(model, tunes)
    tracks = _sample(tunes, phrase_notes, max_notes)
    if not tracks:
        raise DataError(
            f"no training track has {phrase_notes} notes; give the tunes that it was trained on"
        )
    entropies = _entropies(model, tunes, tracks)
    phrases = [part for track in entropies for part in _phrases(track, phrase_notes)]
    music = _music(tunes, tracks, phrase_notes)
    note = {name: np.quantile(values, LEVELS).round(4).tolist() for name, values in music.items()}
    return Statistics(phrase_notes, len(phrases), argument_columns(phrases), list(LEVELS), note)


def check_corpus(model: Vrash, tunes: TuneSet) -> None:
    """Refuse tunes that the model was not trained on (DataError)."""
    if tunes.codec.fingerprint != model.codec.fingerprint or tunes.styles != model.styles:
        raise DataError(
            f"the tunes have codec {tunes.codec.fingerprint[:12]} and styles "
            f"{', '.join(tunes.styles)}, the checkpoint {model.codec.fingerprint[:12]} and "
            f"{', '.join(model.styles)}; give the tunes that it was trained on"
        )


def rules_of(tunes: TuneSet, tracks: list[int], phrase_notes: int = TUNE_PHRASE_NOTES) -> Rules:
    """Return bounds of the rules for tunes: what hardly a phrase of these tracks goes beyond.

    Named as the fields of :class:`streamer.families.tunes.context.TuneRules`; none where no track
    is as long as a phrase.
    """
    tracks = [i for i in tracks if _length(tunes, i) >= phrase_notes]
    if not tracks:
        return {}
    music = _music(tunes, tracks, phrase_notes)
    least, most = (
        {name: round(float(np.quantile(values, level)), 3) for name, values in music.items()}
        for level in RARE_IN_STYLE
    )
    return {
        "same_pitch_run": most["same_pitch_run"],
        "same_pitch_share": most["same_pitch_share"],
        "on_beat_share": round(float(np.quantile(music["on_beat_share"], OFF_BEAT)), 3),
        "leap": most["leap"],
        "span": most["span"],
        "density": [least["density"], most["density"]],
        "longest_beats": most["longest_beats"],
    }


def widest(rules: list[Rules]) -> Rules:
    """Return rules that allow what any of these allows."""
    found: Rules = {}
    for name in {name for each in rules for name in each}:
        values = [each[name] for each in rules if name in each]
        if name == "density":
            pairs = np.asarray(values)
            found[name] = [float(pairs[:, 0].min()), float(pairs[:, 1].max())]
        elif name == "on_beat_share":
            found[name] = min(values)
        else:
            found[name] = max(values)
    return dict(sorted(found.items()))


def measure_styles(
    model: Vrash, tunes: TuneSet, phrase_notes: int = TUNE_PHRASE_NOTES
) -> TunesSpec:
    """Return what each style is like.

    Raises:
        DataError: A style has no training track.
    """
    total = len(tunes.indices("train"))
    styles = [_style(model, tunes, name, total, phrase_notes) for name in tunes.styles]
    return TunesSpec(styles=styles, levels=list(STYLE_LEVELS), crop_notes=HEARD_NOTES)


def _style(model: Vrash, tunes: TuneSet, name: str, total: int, phrase_notes: int) -> StyleSpec:
    tracks = tunes.indices("train", name)
    if not tracks:
        raise DataError(
            f"style {name} has no training track; prepare more files, or train without that style"
        )
    means, variances = latents_of(_encoder(model), tunes, tracks, HEARD_NOTES)
    mean, sd = spread(means, variances)
    infos = [tunes.tracks[i] for i in tracks]
    unit, metre = _commonest(infos)
    alike = [t for t in infos if (t.unit_beats, t.metre) == (unit, metre)]
    pitch = np.concatenate([tunes.tune(i)["pitch"] for i in tracks])
    low, high = np.quantile(pitch, PITCH_LEVELS).round().astype(int)
    return StyleSpec(
        name=name,
        share=len(tracks) / total,
        tracks=len(tracks),
        mean=mean.round(5).tolist(),
        sd=sd.round(5).tolist(),
        bpm=quantiles([t.bpm for t in alike]),
        unit_beats=unit,
        metre=metre,
        notes=quantiles([_length(tunes, i) for i in tracks]),
        pitch=(int(low), int(high)),
        kinds=kinds_of(infos, means, variances),
        returned=returned_share(tunes, tracks),
        returns=return_levels(tunes, tracks),
        entropy=_style_entropy(model, tunes, tracks, phrase_notes),
        rules=rules_of(tunes, tracks, phrase_notes),
    )


def _encoder(model: Vrash) -> Encoder:
    """Return a model's encoder over single tunes, in numpy."""

    @torch.no_grad()
    def encode(classes: NDArray[Any], style: NDArray[np.float32]) -> tuple[Any, Any]:
        mean, log_variance = model.encode(torch.from_numpy(classes), torch.from_numpy(style))
        return mean.numpy(), log_variance.numpy()

    return encode


def _style_entropy(
    model: Vrash, tunes: TuneSet, tracks: list[int], phrase_notes: int
) -> list[list[float]]:
    """Return mean and deviation of the phrases' mean entropies, a row for each argument."""
    some = _sample(tunes, phrase_notes, STYLE_NOTES, tracks)
    if not some:
        return []
    entropies = _entropies(model, tunes, some)
    means = [part.mean(axis=0) for track in entropies for part in _phrases(track, phrase_notes)]
    table = np.stack([np.mean(means, axis=0), np.maximum(np.std(means, axis=0), LEAST_SPREAD)])
    found: list[list[float]] = table.T.astype(np.float64).round(4).tolist()
    return found


def _commonest(infos: list[TuneInfo]) -> tuple[float, float]:
    """Return the unit and bar that most tracks have together: a tempo is theirs, not of others."""
    return Counter((t.unit_beats, t.metre) for t in infos).most_common(1)[0][0]


def _length(tunes: TuneSet, index: int) -> int:
    return int(tunes.offsets[index + 1] - tunes.offsets[index])


def _sample(
    tunes: TuneSet, phrase_notes: int, max_notes: int, tracks: list[int] | None = None
) -> list[int]:
    """Return training tracks in a shuffled but fixed order, until there are enough notes."""
    tracks = tunes.indices("train") if tracks is None else tracks
    found, total = [], 0
    for index in np.random.default_rng(0).permutation(tracks).tolist():
        if _length(tunes, index) < phrase_notes:
            continue
        found.append(index)
        total += _length(tunes, index)
        if total >= max_notes:
            break
    return found


@torch.no_grad()
def _entropies(model: Vrash, tunes: TuneSet, tracks: list[int]) -> list[NDArray[np.float32]]:
    """Return the entropies of each track, ``(notes, 3)``."""
    random = torch.Generator().manual_seed(0)
    found: list[NDArray[np.float32]] = []
    # Tracks of like length lie in one batch.
    ordered = sorted(tracks, key=lambda i: (_length(tunes, i), i))
    for start in range(0, len(ordered), _ROWS):
        crops = whole_tracks(tunes, ordered[start : start + _ROWS])
        mean, log_variance = model.encode(crops.classes, crops.style, crops.lengths)
        drawn = torch.randn(mean.shape, generator=random)
        z = mean + drawn * (0.5 * log_variance).exp()
        rows = model.note_rows(crops.previous().transpose(0, 1))
        begin = model.start(z, crops.style)
        states, _ = model.states(rows, model.condition(z, crops.style), begin)
        columns = []
        for logits in model.logits(states, crops.classes.transpose(0, 1)):
            log_p = torch.log_softmax(logits, dim=-1)
            columns.append(-(log_p.exp() * log_p).sum(-1))
        table = torch.stack(columns, -1).numpy()
        found += [table[:n, row].copy() for row, n in enumerate(crops.lengths.tolist())]
    return found


def _phrases(track: NDArray[Any], notes: int) -> list[NDArray[Any]]:
    return [track[start : start + notes] for start in range(0, len(track) - notes + 1, notes)]


def _music(tunes: TuneSet, tracks: list[int], phrase_notes: int) -> dict[str, NDArray[np.float64]]:
    """Return one figure a phrase for each rule, as the rules count them."""
    rows: list[dict[str, float]] = []
    for index in tracks:
        beat = UNIT_PARTS / tunes.tracks[index].unit_beats
        for phrase in _phrases(tunes.rows(index), phrase_notes):
            rows.append(_figures(phrase, beat))
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}


def _figures(phrase: NDArray[Any], beat: float) -> dict[str, float]:
    pitch, length = phrase["pitch"].astype(np.int64), phrase["length"].astype(np.float64)
    quarters = max(float(length[length != END].sum()) / beat, 1e-3)
    position = phrase["position"].astype(np.float64)
    changes = np.flatnonzero(np.diff(pitch, prepend=-1, append=-1))
    return {
        "density": len(phrase) / quarters,
        "pitch": float(pitch.mean()),
        "span": float(pitch.max() - pitch.min()),
        "leap": float(np.abs(np.diff(pitch)).max()),
        "longest_beats": float(length.max()) / beat,
        "on_beat_share": on_beat_share(position),
        "same_pitch_run": float(np.diff(changes).max()),
        "same_pitch_share": float(np.unique(pitch, return_counts=True)[1].max()) / len(pitch),
    }

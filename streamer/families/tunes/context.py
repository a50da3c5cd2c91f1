"""What the filters of tunes may look at: the tune as it would be with the candidate.

Made by the tune generator, one for each candidate; read by the rules in
:mod:`streamer.families.tunes.filters` and the panels in :mod:`streamer.families.tunes.classifier`.
Filters of other families see the :class:`Context` in it. Times are in twelfths of the tune's unit,
as in :mod:`streamer.families.tunes.codec`; pitches are in the key that the model writes in, which
is not the one that sounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, TUNE_DTYPE, UNIT_PARTS, TuneArray
from streamer.selection.filters import Context, Limits
from streamer.settings.controls import Controls


@dataclass(frozen=True, slots=True)
class TuneRules:
    """What the rules for tunes allow; a bundle or a person may say otherwise.

    Attributes:
        same_pitch_run: Most notes in a row on one pitch.
        same_pitch_share: Greatest share of a phrase on one pitch, 0..1.
        on_beat_share: Least share of a phrase's onsets that fall on a beat or between two, 0..1.
        leap: Largest step from note to note, semitones.
        span: Largest distance between two pitches of a phrase, semitones.
        density: Least and greatest notes a quarter of a phrase.
        longest_beats: Longest time from one onset to the next, quarters.
        loop_notes: Longest figure, in notes, that counts as a loop when nothing else is heard.
        returned_share: Greatest share of a phrase's figures that other tunes lately had, 0..1.
    """

    same_pitch_run: int = 6
    same_pitch_share: float = 0.5
    on_beat_share: float = 0.2
    leap: int = 16
    span: int = 29
    density: tuple[float, float] = (0.3, 8.0)
    longest_beats: float = 8.0
    loop_notes: int = 8
    returned_share: float = 0.3


def _no_notes() -> TuneArray:
    return np.zeros(0, dtype=TUNE_DTYPE)


def _no_onsets() -> NDArray[Any]:
    return np.zeros(0)


def _no_style() -> NDArray[Any]:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TuneContext(Context):
    """A context with its tune.

    Attributes:
        tune: Notes of the tune so far and after them the candidate's; at least the last 128 of
            them. Where the candidate ends the tune, up to its end.
        fresh: How many of them are the candidate's, the last ones.
        style: Weights of the bundle's styles, ``(styles,)``, >= 0, in the manifest's order.
        z: The tune's latent, ``(latent,)``.
        onsets: Where each of the candidate's notes begins, counted from a bar line, ``(fresh,)``.
        beat: Length of a quarter, above 0.
        bar: Length of a bar, above 0.
        transpose: What is added to a pitch to make it sound, semitones.
        heard: How many of the candidate's figures other tunes of the last minutes had, 0..1.
        closing: Pitch classes on which the tune may close; empty where any will do.
        rules: Bounds of the rules for tunes.
    """

    tune: TuneArray = field(default_factory=_no_notes)
    fresh: int = 0
    style: NDArray[Any] = field(default_factory=_no_style)
    z: NDArray[Any] = field(default_factory=_no_style)
    onsets: NDArray[Any] = field(default_factory=_no_onsets)
    beat: float = float(UNIT_PARTS)
    bar: float = 4.0 * UNIT_PARTS
    transpose: int = 0
    heard: float = 0.0
    closing: tuple[int, ...] = ()
    rules: TuneRules = field(default_factory=TuneRules)

    @property
    def own(self) -> TuneArray:
        """The candidate's own notes."""
        return self.tune[len(self.tune) - self.fresh :]

    @property
    def ends(self) -> bool:
        """Whether the tune ends with the candidate."""
        return bool(len(self.tune)) and bool(self.tune["length"][-1] == END)


def limits_under(limits: Limits, controls: Controls) -> Limits:
    """Return the bounds of what is written; the performer moves it into the range anyway."""
    if controls.transpose == 0 and controls.low == 0 and controls.high == 127:
        return limits
    return replace(limits, pitch_low=0, pitch_high=127)

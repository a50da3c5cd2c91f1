"""What can be set about streams of tunes: ``[tunes]``; a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from streamer.settings.schema import Range

Keys = Literal["related", "free"]


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """How tunes follow each other, and what a phrase of one must hold.

    Rules that are not set are the bundle's; see :class:`streamer.families.tunes.context.TuneRules`.

    Attributes:
        least_notes: No tune is shorter, notes.
        most_notes: No tune is longer, notes.
        least_rest_bars: Rest between two tunes, bars, after the last note has been held.
        most_rest_bars: Longest rest between two tunes, bars, at least ``least_rest_bars``.
        keys: ``related`` moves each tune to a key near to that of the one before; ``free`` leaves
            the key to the model.
        walk: How far the latent of a long tune moves with each phrase, in deviations of its style.
        tonality: How strongly a tune keeps to the notes that it has, 0 leaves that to the model.
        return_strength: How strongly a phrase of the tune is put forward when it returns, nats;
            ``controls.recall`` says how often.
        memory_minutes: How long other tunes are remembered, so that none comes twice.
        trained_filters: Whether the bundle's classifiers and its fingerprint of the corpus judge.
        same_pitch_run: Most notes in a row on one pitch.
        same_pitch_share: Greatest share of a phrase on one pitch.
        on_beat_share: Least share of a phrase's notes that fall on a beat or between two.
        leap: Largest step from note to note, semitones.
        span: Largest distance between two pitches of a phrase, semitones.
        longest_beats: Longest time from note to note, quarters.
        returned_share: Greatest share of a phrase's figures that other tunes lately had.
    """

    least_notes: Annotated[int, Range(4, 4096, "notes")] = 24
    most_notes: Annotated[int, Range(8, 8192, "notes")] = 192
    least_rest_bars: Annotated[int, Range(0, 16, "bars")] = 1
    most_rest_bars: Annotated[int, Range(0, 16, "bars")] = 2
    keys: Keys = "related"
    walk: Annotated[float, Range(0, 1)] = 0.2
    tonality: Annotated[float, Range(0, 4)] = 0.5
    return_strength: Annotated[float, Range(0, 50, "nats")] = 9.0
    memory_minutes: Annotated[float, Range(1, 1440, "minutes")] = 30.0
    trained_filters: bool = True
    same_pitch_run: Annotated[int, Range(1, 64, "notes")] | None = None
    same_pitch_share: Annotated[float, Range(0, 1)] | None = None
    on_beat_share: Annotated[float, Range(0, 1)] | None = None
    leap: Annotated[int, Range(1, 127, "semitones")] | None = None
    span: Annotated[int, Range(1, 127, "semitones")] | None = None
    longest_beats: Annotated[float, Range(0.25, 64, "quarters")] | None = None
    returned_share: Annotated[float, Range(0, 1)] | None = None

    def __post_init__(self) -> None:
        for low, high in (("least_notes", "most_notes"), ("least_rest_bars", "most_rest_bars")):
            least, most = getattr(self, low), getattr(self, high)
            if least > most:
                raise ValueError(f"{low} ({least}) must not be above {high} ({most})")

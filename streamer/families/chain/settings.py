"""What can be set about how earlier figures come back: ``[recall]``; a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Range


@dataclass(frozen=True, slots=True)
class RecallSettings:
    """How figures of the last minutes come back; ``controls.recall`` says how often (ours).

    Attributes:
        strength: Added to the pitches of the figure in each note's choice, nats; rhythm, touch and
            pedal are left to the model.
        least_notes: Notes of the shortest figure.
        most_notes: Notes of the longest figure, at least ``least_notes``.
        memory_seconds: How far back figures are taken from.
        octave_share: Share of figures that come back an octave higher or lower.
        echo_share: Share of candidates that are offered the last few notes again, where an ear
            picks among those with and without; 0 offers none.
        echo_strength: Added to the pitches of an echo, half as much to its rhythm, nats.
    """

    strength: Annotated[float, Range(0, 50, "nats")] = 9.0
    least_notes: Annotated[int, Range(4, 64, "notes")] = 8
    most_notes: Annotated[int, Range(4, 64, "notes")] = 16
    memory_seconds: Annotated[float, Range(10, 3600, "s")] = 300.0
    octave_share: Annotated[float, Range(0, 1)] = 0.15
    echo_share: Annotated[float, Range(0, 1)] = 0.5
    echo_strength: Annotated[float, Range(0, 50, "nats")] = 3.0

    def __post_init__(self) -> None:
        if self.least_notes > self.most_notes:
            raise ValueError(
                f"least_notes ({self.least_notes}) must not be above most_notes ({self.most_notes})"
            )

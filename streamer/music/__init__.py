"""Notes, phrases and the beat that is felt: the vocabulary of all three packages.

A :class:`Note` is one note with times in ms, a :class:`Phrase` what is chosen and played as a
whole, a :data:`NoteArray` many notes as rows of a numpy array, a :class:`Grid` where the beats of
a phrase lie, a :class:`Pulse` where the music is in beats. All are plain values, for any thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.music.notes import (
        ARGUMENTS,
        NOTE_DTYPE,
        PIANO_HIGH,
        PIANO_LOW,
        Grid,
        Note,
        NoteArray,
        Phrase,
        ProgramChange,
        from_array,
        sort_notes,
        to_array,
    )
    from streamer.music.pulse import Pulse
    from streamer.music.scales import OCTAVE, SCALE_STEPS, Scale, fold, scale_targets
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        notes=(
            "ARGUMENTS NOTE_DTYPE PIANO_HIGH PIANO_LOW Grid Note NoteArray Phrase ProgramChange "
            "from_array sort_notes to_array"
        ),
        pulse="Pulse",
        scales="OCTAVE SCALE_STEPS Scale fold scale_targets",
    )

__all__ = [
    "ARGUMENTS", "NOTE_DTYPE", "OCTAVE", "PIANO_HIGH", "PIANO_LOW", "SCALE_STEPS", "Grid",
    "Note", "NoteArray", "Phrase", "ProgramChange", "Pulse", "Scale", "fold", "from_array",
    "scale_targets", "sort_notes", "to_array",
]  # fmt: skip

"""Measures of notes that selection and evaluation share.

In: note arrays, rolls, or a model's entropies. Out: numbers: entropy sequences and how likely
they are in a corpus (:class:`CorpusEntropy`), entropies of the notes themselves
(:func:`note_entropies`), figures that come back (:func:`loop_period`), and a piece's signature
with its distance from a corpus (:class:`SignatureReference`). One definition each, so that what
the stream is filtered by is what the laboratory measures. Pure functions, for any thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.measures.entropy import STATISTICS, CorpusEntropy, Histogram, sequence_statistics
    from streamer.measures.note_entropy import WHOLE_FEATURES, WINDOW_FEATURES, note_entropies
    from streamer.measures.repetition import (
        FIGURE_NOTES,
        figure_return_share,
        longest_repeat,
        loop_period,
    )
    from streamer.measures.signature import (
        FEATURES,
        Roll,
        SignatureReference,
        note_signature,
        roll_of_matrix,
        roll_of_notes,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        entropy="STATISTICS CorpusEntropy Histogram sequence_statistics",
        note_entropy="WHOLE_FEATURES WINDOW_FEATURES note_entropies",
        repetition="FIGURE_NOTES figure_return_share longest_repeat loop_period",
        signature="FEATURES Roll SignatureReference note_signature roll_of_matrix roll_of_notes",
    )

__all__ = [
    "FEATURES", "FIGURE_NOTES", "STATISTICS", "WHOLE_FEATURES", "WINDOW_FEATURES",
    "CorpusEntropy", "Histogram", "Roll", "SignatureReference", "figure_return_share",
    "longest_repeat", "loop_period", "note_entropies", "note_signature", "roll_of_matrix",
    "roll_of_notes", "sequence_statistics",
]  # fmt: skip

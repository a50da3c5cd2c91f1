"""Corpora of MIDI files: what they are, how pieces are found, told apart, cleaned and split.

In: folders, archives, lists of labels. Out: jobs and pieces for the readers of the families
(:func:`find_jobs`, :func:`read_corpus`), splits that keep a composition together
(:func:`split_works`), and the reasons for which files were left out. Readers work in several
processes.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.corpora.bars import tempo_of
    from training.corpora.corpus import FoundPieces, Piece, Selection, read_corpus, read_piece
    from training.corpora.prepared import Corpus
    from training.corpora.reading import FILE_REASONS
    from training.corpora.recipes import FREE_LICENCES, Recipe, recipe_for
    from training.corpora.sources import Job, corpus_of, find_jobs
    from training.corpora.swing import written_onsets
    from training.corpora.works import split_works, work_key
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        bars="tempo_of",
        corpus="FoundPieces Piece Selection read_corpus read_piece",
        prepared="Corpus",
        reading="FILE_REASONS",
        recipes="FREE_LICENCES Recipe recipe_for",
        sources="Job corpus_of find_jobs",
        swing="written_onsets",
        works="split_works work_key",
    )

__all__ = [
    "FILE_REASONS", "FREE_LICENCES", "Corpus", "FoundPieces", "Job", "Piece", "Recipe",
    "Selection", "corpus_of", "find_jobs", "read_corpus", "read_piece", "recipe_for",
    "split_works", "tempo_of", "work_key", "written_onsets",
]  # fmt: skip

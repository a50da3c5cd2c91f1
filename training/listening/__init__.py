"""Listening tests: music to a page that plays it blind, and answers to what listeners prefer.

In: two or more systems (bundles, folders of MIDI files). Out: a folder with a page that asks the
network for nothing (:func:`make_test`), and of the files that listeners send back means, standard
errors and Wilcoxon signed-rank tests (:func:`read_answers`, :func:`summarise`).
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.listening.answers import SCALES, Answers, read_answers
    from training.listening.making import TestPlan, make_test
    from training.listening.statistics import holm, signed_rank, summarise
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        answers="SCALES Answers read_answers",
        making="TestPlan make_test",
        statistics="holm signed_rank summarise",
    )

__all__ = [
    "SCALES", "Answers", "TestPlan", "holm", "make_test", "read_answers", "signed_rank",
    "summarise",
]  # fmt: skip

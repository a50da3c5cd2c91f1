"""Measures of music, so that every model is judged on the same work.

In: pieces as note arrays. Out: figures with confidence intervals: distances of signatures and
distributions, a two-sample test, mutual information, information rate, drift, copied runs, and the
baselines and controls that they are held against. numpy, and scikit-learn where a classifier is
asked; no torch.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.evaluation.bootstrap import difference, interval
    from training.evaluation.compare import Reference, make_reference
    from training.evaluation.information_rate import FRAME_MS, FRAMES, RateCurve, rate_curve
    from training.evaluation.judges import fit_judges
    from training.evaluation.markov import MarkovModel
    from training.evaluation.measures import MEASURES
    from training.evaluation.musicset import MusicSet, measure_sets
    from training.evaluation.mutual_information import InformationCurve, information_curve
    from training.evaluation.piece import measure_piece
    from training.evaluation.plagiarism import CorpusIndex
    from training.evaluation.signature import fit_reference
    from training.evaluation.two_sample import auc, describe_pieces, two_sample_test
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        bootstrap="difference interval",
        compare="Reference make_reference",
        information_rate="FRAMES FRAME_MS RateCurve rate_curve",
        judges="fit_judges",
        markov="MarkovModel",
        measures="MEASURES",
        musicset="MusicSet measure_sets",
        mutual_information="InformationCurve information_curve",
        piece="measure_piece",
        plagiarism="CorpusIndex",
        signature="fit_reference",
        two_sample="auc describe_pieces two_sample_test",
    )

__all__ = [
    "FRAMES", "FRAME_MS", "MEASURES", "CorpusIndex", "InformationCurve", "MarkovModel",
    "MusicSet", "RateCurve", "Reference", "auc", "describe_pieces", "difference", "fit_judges",
    "fit_reference", "information_curve", "interval", "make_reference", "measure_piece",
    "measure_sets", "rate_curve", "two_sample_test",
]  # fmt: skip

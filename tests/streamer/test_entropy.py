"""Entropy sequences: the three statistics and their likelihood in the corpus."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.measures.entropy import (
    CorpusEntropy,
    Histogram,
    moving_average,
    sequence_statistics,
)

ROUNDING = 1e-12
"""Sums of some hundred doubles differ in the last digits with their order; measured below 1e-14."""


def test_expanding_mean_averages_everything_so_far() -> None:
    """The moving average of the paper's authors starts at the first value."""
    assert [2.0, 3.0, 4.0] == moving_average(np.array([2.0, 4.0, 6.0])).tolist()


def test_windowed_mean_forgets_what_is_older_than_the_window() -> None:
    """With a window of two, the first value stands alone and later ones are averaged in pairs."""
    assert [2.0, 3.0, 5.0, 1.0] == moving_average(np.array([2.0, 4.0, 6.0, -4.0]), 2).tolist()


def test_window_longer_than_the_sequence_is_the_expanding_mean() -> None:
    """Nothing is forgotten before the window is full."""
    values = np.array([1.0, 5.0, 3.0])
    assert moving_average(values).tolist() == moving_average(values, 9).tolist()


def test_window_below_one_is_refused() -> None:
    """The legal range is named."""
    with pytest.raises(ValueError, match="window must be 1 or more, not 0"):
        moving_average(np.ones(3), 0)


def test_statistics_are_mean_population_variance_and_variance_of_the_moving_average() -> None:
    """Worked by hand: 1, 3 has mean 2, variance 1, and expanding means 1, 2 of variance 1/4."""
    found = sequence_statistics(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert [[2.0, 5.0], [1.0, 0.0], [0.25, 0.0]] == found.tolist()


def test_statistics_need_a_note() -> None:
    """An empty phrase has no entropy."""
    with pytest.raises(ValueError, match="at least 1 note"):
        sequence_statistics(np.zeros((0, 5)))


@given(arrays(np.float64, (7, 3, 5), elements=st.floats(0, 5)))
def test_candidates_are_measured_each_by_itself(entropies: np.ndarray) -> None:
    """A batch of candidates gives what each gives alone."""
    together = sequence_statistics(entropies)
    for k in range(3):
        alone = sequence_statistics(entropies[:, k])
        assert np.allclose(alone, together[:, k], rtol=0, atol=ROUNDING)


def test_likelihood_is_the_cell_over_the_largest_cell_and_zero_outside() -> None:
    """Cells are half-open, but the last one holds its upper edge."""
    histogram = Histogram((0.0, 1.0, 2.0, 3.0), (2.0, 8.0, 4.0))
    values = np.array([-0.1, 0.0, 0.99, 1.0, 2.5, 3.0, 3.1])
    assert [0.0, 0.25, 0.25, 1.0, 0.5, 0.5, 0.0] == histogram.likelihood(values).tolist()


def test_empty_histogram_holds_nothing_likely() -> None:
    """Counts of zero divide by no zero."""
    assert [0.0] == Histogram((0.0, 1.0), (0.0,)).likelihood(np.array([0.5])).tolist()


@pytest.mark.parametrize(
    ("edges", "counts", "line"),
    [
        ((0.0, 1.0), (1.0, 1.0), "one edge more than counts"),
        ((1.0, 1.0), (1.0,), "must ascend"),
        ((0.0, 1.0), (-1.0,), "0 or more"),
    ],
)
def test_histogram_that_is_none_is_refused(
    edges: tuple[float, ...], counts: tuple[float, ...], line: str
) -> None:
    """Each defect is named."""
    with pytest.raises(ValueError, match=line):
        Histogram(edges, counts)


@given(arrays(np.float64, (3, 40, 5), elements=st.floats(0, 10)))
def test_measured_corpus_holds_every_phrase_it_was_measured_on(statistics: np.ndarray) -> None:
    """No phrase of the corpus itself is unlikely to the point of zero."""
    corpus = CorpusEntropy.measure(statistics)
    assert sum(sum(h.counts) for row in corpus.histograms for h in row) == 3 * 5 * 40
    assert (corpus.likelihood(statistics) > 0).all()


def test_corpus_reads_the_manifest_by_name() -> None:
    """One record an argument, one histogram a statistic."""
    cell = {"edges": [0, 1, 2], "counts": [1, 3]}
    argument = {"mean": cell, "variance": cell, "moving_average_variance": cell}
    corpus = CorpusEntropy.from_columns([argument] * 5)
    assert corpus.arguments == 5
    assert (1 / 3, 1.0) == tuple(corpus.likelihood(np.full((3, 5), [0.5] * 4 + [1.5]))[0, 3:])

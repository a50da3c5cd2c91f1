"""The paper's three rankings, worked by hand and by property."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.measures.entropy import CorpusEntropy, Histogram
from streamer.pipeline import open_source
from streamer.selection.ranking import (
    RANKINGS,
    merge_first_common,
    rank_information,
    rank_mean,
    rank_regulated,
    rank_typical,
    regulated_first_common,
    regulated_score,
)
from streamer.settings.settings import ModelSettings, Settings
from tests.bandbundles import write_tiny_band_bundle
from tests.bundles import (
    write_tiny_bundle,
    write_tiny_draw_bundle,
    write_tiny_tunes_bundle,
)

ROUNDING = 1e-12


def corpus(arguments: int = 5) -> CorpusEntropy:
    """A corpus whose entropy lies in 1..2 more often than in 0..1, for every statistic."""
    histogram = Histogram((0.0, 1.0, 2.0), (1.0, 4.0))
    return CorpusEntropy(((histogram,) * arguments,) * 3)


def statistics(*candidates: tuple[float, float, float]) -> np.ndarray:
    """One (mean, variance, moving-average variance) a candidate, equal for five arguments."""
    return np.repeat(np.array(candidates).T[:, :, None], 5, axis=2)


def test_ranking_a_puts_the_surest_first() -> None:
    """Ascending mean entropy over the five arguments."""
    found = rank_mean(statistics((1.5, 0, 0), (0.5, 0, 0), (1.0, 0, 0)))
    assert [1, 2, 0] == found.tolist()


def test_ranking_a_keeps_the_order_of_equal_candidates() -> None:
    """A seed repeats only when ties are settled the same way every time."""
    assert [0, 1, 2] == rank_mean(statistics((1, 0, 0), (1, 0, 0), (1, 0, 0))).tolist()


def test_regulated_score_is_the_specs_formula() -> None:
    """mean - (0.1 P_mean + 0.1 P_var + 0.05 P_avgvar) x mean over the candidates."""
    found = regulated_score(statistics((0.9, 0.5, 1.5), (1.1, 1.5, 5.0)), corpus())
    first = 0.9 - (0.1 * 0.25 + 0.1 * 0.25 + 0.05 * 1.0) * 1.0
    second = 1.1 - (0.1 * 1.0 + 0.1 * 1.0 + 0.05 * 0.0) * 1.0
    assert np.allclose([first, second], found, rtol=0, atol=ROUNDING)


def test_ranking_b_prefers_what_the_corpus_does_among_nearly_equal_candidates() -> None:
    """The surer candidate lies where the corpus seldom does, and loses by a little."""
    near = statistics((0.99, 0.5, 0.5), (1.01, 1.5, 1.5))
    assert [0, 1] == rank_mean(near).tolist()
    assert [1, 0] == rank_regulated(near, corpus()).tolist()


def test_ranking_b_still_prefers_much_surer_candidates() -> None:
    """Regulation perturbs the order and does not make it."""
    far = statistics((0.5, 0.5, 0.5), (1.5, 1.5, 1.5))
    assert [0, 1] == rank_regulated(far, corpus()).tolist()


def test_typical_ranking_prefers_the_corpus_s_own_uncertainty_to_less_and_to_more() -> None:
    """A fifth of the corpus lies at 0.5 and the rest at 1.5: 1.3 on average."""
    assert [1, 2, 0] == rank_typical(
        statistics((0.4, 0, 0), (1.2, 0, 0), (1.9, 0, 0)), corpus()
    ).tolist()
    mean, spread = corpus().histograms[0][0].middle_and_spread
    assert (1.3, 1.0) == (pytest.approx(mean), pytest.approx(spread))


def test_ranking_c_maximises_variance_less_mean() -> None:
    """The informational measure."""
    assert [2, 0, 1] == rank_information(statistics((1, 1, 0), (2, 1, 0), (1, 3, 0))).tolist()


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ([0, 1, 2], [0, 2, 1], [0, 2, 1]),
        ([0, 1, 2], [1, 0, 2], [1, 0, 2]),
        ([0, 1, 2, 3], [3, 2, 1, 0], [2, 1, 3, 0]),
        ([4, 0, 1, 2, 3], [3, 1, 4, 2, 0], [1, 4, 2, 3, 0]),
    ],
)
def test_first_common_member_of_growing_prefixes_goes_first(
    first: list[int], second: list[int], merged: list[int]
) -> None:
    """Two members that become common at once go in the order of the second ranking."""
    assert merged == merge_first_common(np.array(first), np.array(second)).tolist()


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_head_of_the_merge_is_in_the_shortest_prefixes_that_share_a_member(
    first: list[int], second: list[int]
) -> None:
    """The definition, said again by search."""
    head = int(merge_first_common(np.array(first), np.array(second))[0])
    length = next(n for n in range(1, 8) if {*first[:n]} & {*second[:n]})
    assert head in {*first[:length]} & {*second[:length]}


@pytest.mark.parametrize("ranking", RANKINGS.values(), ids=RANKINGS.keys())
@given(values=arrays(np.float64, (3, 6, 5), elements=st.floats(0, 3)))
def test_every_ranking_orders_all_candidates(ranking: object, values: np.ndarray) -> None:
    """Each candidate stands in the order once."""
    assert list(range(6)) == sorted(ranking(values, corpus()).tolist())  # type: ignore[operator]


def test_regulated_first_common_merges_a_and_b() -> None:
    """The paper's pick follows from its two orders."""
    values = statistics((0.99, 0.5, 0.5), (1.01, 1.5, 1.5), (1.9, 1.5, 1.5))
    merged = merge_first_common(rank_mean(values), rank_regulated(values, corpus()))
    assert merged.tolist() == regulated_first_common(values, corpus()).tolist()


@pytest.mark.parametrize(
    "write", [write_tiny_bundle, write_tiny_tunes_bundle, write_tiny_draw_bundle,
              write_tiny_band_bundle],
)  # fmt: skip
def test_an_ear_that_is_not_there_is_warned_of_and_the_usual_ranking_plays(
    tmp_path, caplog, write
) -> None:
    bundle = write(tmp_path)
    played = []
    for ranking in ("ear", None):
        settings = Settings(model=ModelSettings(seed=1, ranking=ranking))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            played.append(open_source(bundle, settings).next_phrase().notes)
        warned = [line for line in caplog.messages if "has no ear: its candidates" in line]
        assert [bool(ranking)] == [bool(warned)]
    assert played[0] == played[1]

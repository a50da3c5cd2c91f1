"""Ways between two latents: where they begin and end, and what lies between."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.bands.editing.walk import WALKS, walk


@pytest.mark.parametrize("kind", WALKS)
def test_every_way_begins_with_the_first_and_ends_with_the_second(kind: str) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 5, 8))
    assert walk(one, other, 0.0, kind) == pytest.approx(one, abs=1e-5)
    assert walk(one, other, 1.0, kind) == pytest.approx(other, abs=1e-5)
    assert walk(one, other, np.linspace(0, 1, 5), kind).shape == (5, 8)


def test_the_straight_way_is_the_equation_of_the_paper_put_right() -> None:
    assert walk(np.array([0.0, 4.0]), np.array([4.0, 0.0]), 0.25).tolist() == [1.0, 3.0]


def test_an_arc_keeps_its_length_where_the_straight_way_loses_it() -> None:
    one, other = np.eye(6)[2], np.eye(6)[3]
    assert np.linalg.norm(walk(one, other, 0.5)) == pytest.approx(0.707, abs=1e-3)
    assert np.linalg.norm(walk(one, other, 0.5, "spherical")) == pytest.approx(1.0)


def test_around_the_flower_goes_by_the_circle_and_the_shorter_way() -> None:
    one, other = np.array([0.0, -1, 0, 0]), np.array([-1.0, 0.0, 0, 0])
    middle = walk(one, other, 0.5, "flower")
    assert middle[:2] == pytest.approx([-0.7071, -0.7071], abs=1e-3)
    beyond = walk(np.array([-0.9, 0.1, 0, 0]), np.array([-0.9, -0.1, 0, 0]), 0.5, "flower")
    assert beyond[0] < -0.9


@pytest.mark.parametrize("kind", WALKS)
def test_there_is_a_way_between_equal_opposite_and_no_places(kind: str) -> None:
    here = np.array([1.0, 0.0, 0.5, 0.0])
    for one, other in ((here, here), (here, -here), (here, 0 * here), (0 * here, 0 * here)):
        found = walk(one, other, np.linspace(0, 1, 5), kind)
        assert np.isfinite(found).all()
        assert found[-1] == pytest.approx(other, abs=1e-5)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="walk must be one of linear, spherical, flower"):
        walk(np.zeros(3), np.zeros(3), 0.5, "sideways")

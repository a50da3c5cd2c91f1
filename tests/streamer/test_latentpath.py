"""Paths: steps of the size asked for, places that stay where the corpus is, answers in order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streamer.families.windows.bitchannel import FULL_RATE, full_bits
from streamer.families.windows.controls import WindowControls
from streamer.families.windows.path import AnswerPath, PassesPath, WalkPath
from streamer.generators.sectionspec import WindowSpec
from streamer.settings.controls import Controls

SPEC = WindowSpec(latent=8, passes=5, mean=[3.0] * 8, variance=[4.0, 1.0, 0.25, 0, 1, 1, 1, 1])


class Graph:
    """Remembers what it was asked, and answers with cells of the right number."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        self.asked.append(inputs)
        batch = inputs["z"].shape[-2] if "z" in inputs else len(inputs["rates"])
        cells = np.zeros((batch, 16, 12), np.float32)
        if "z" in inputs:
            return {"probabilities": cells}
        return {"z": np.full((batch, 8), 9.0)}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_long_walk_stays_a_draw_from_the_corpus() -> None:
    graph = Graph()
    path, chance = WalkPath(graph, SPEC, rng()), rng(1)
    for _ in range(4000):
        path.take(path.propose(2, Controls(walk=0.6), chance), 0)
    z = np.stack([asked["z"][0] for asked in graph.asked])[100:]
    assert z.mean(0) == pytest.approx([3.0] * 8, abs=0.25)
    assert z.std(0) == pytest.approx(np.sqrt(SPEC.variance), rel=0.15, abs=1e-6)


@pytest.mark.parametrize(("walk", "near"), [(0.0, 1.0), (0.5, 0.707), (1.0, 0.0)])
def test_the_step_is_as_long_as_the_control_says(walk: float, near: float) -> None:
    spec = WindowSpec(latent=400, passes=5)
    graph = Graph()
    path = PassesPath(graph, spec, rng())
    before = path.propose(1, Controls(walk=0), rng(1)).latents[0]
    after = path.propose(1, Controls(walk=walk), rng(2)).latents[0]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] == pytest.approx(near, abs=0.05)
    assert after.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("share", "passes"), [(0.0, 1), (0.5, 2), (1.0, 5)])
def test_the_canvas_is_written_as_often_as_the_control_says(share: float, passes: int) -> None:
    graph = Graph()
    places = PassesPath(graph, SPEC, rng()).propose(
        3, Controls(groups=(WindowControls(refinement=share),)), rng()
    )
    assert graph.asked[0]["z"].shape == (passes, 3, 8)
    assert places.latents.shape == (3, 5, 8)


@pytest.mark.parametrize("kind", [PassesPath, WalkPath])
def test_the_temperature_that_is_set_widens_the_latents_as_the_control_does(kind: Any) -> None:
    spec, asked = WindowSpec(latent=8), []
    for set_to, moved_to in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0)):
        graph = Graph()
        kind(graph, spec, rng(), set_to).propose(3, Controls(temperature=moved_to), rng(1))
        asked.append(graph.asked[0]["z"])
    assert np.allclose(asked[0], asked[1])
    assert np.allclose(asked[0], math.sqrt(2.0) * asked[2])


def test_candidates_differ_and_the_one_that_is_taken_is_gone_on_from() -> None:
    path = PassesPath(Graph(), SPEC, rng())
    places = path.propose(3, Controls(walk=1), rng())
    assert len(np.unique(places.latents.reshape(3, -1), axis=0)) == 3
    path.take(places, 2)
    still = path.propose(1, Controls(walk=0), rng())
    assert np.allclose(still.latents[0], places.latents[2])


def bar(mark: float) -> np.ndarray:
    cells = np.zeros((16, 12, 2), np.float32)
    cells[0, 0, 0] = mark
    return cells


def test_bars_are_answered_in_order_and_then_the_walk_goes_on_from_the_last() -> None:
    answer, decode = Graph(), Graph()
    path = AnswerPath(answer, WalkPath(decode, SPEC, rng()), SPEC, [bar(1), bar(2)])
    kinds = []
    for _ in range(3):
        places = path.propose(4, Controls(walk=0), rng())
        kinds.append(places.answers)
        path.take(places, 1)
    assert kinds == [True, True, False]
    assert [asked["cells"][0, 0, 0, 0] for asked in answer.asked] == [1, 2]
    # The last answer's latent was 9 everywhere: the walk goes on there, as far out as bars are.
    away = (decode.asked[-1]["z"][0] - 3.0)[:3]
    assert (away > 0).all()


def test_a_bar_that_was_not_taken_is_asked_again() -> None:
    answer = Graph()
    path = AnswerPath(answer, WalkPath(Graph(), SPEC, rng()), SPEC, [bar(1), bar(2)])
    path.propose(4, Controls(), rng())
    path.propose(4, Controls(), rng())
    assert [asked["cells"][0, 0, 0, 0] for asked in answer.asked] == [1, 1]
    path.ask(bar(3))
    assert path.waiting == 3


@pytest.mark.parametrize(
    ("bits", "total"), [(0, 0), (3, 3), (None, full_bits(8)), (1024, full_bits(8))]
)
def test_bits_reach_the_channel_as_the_control_says(bits: int | None, total: int) -> None:
    answer = Graph()
    path = AnswerPath(answer, WalkPath(Graph(), SPEC, rng()), SPEC, [bar(1)])
    path.propose(2, Controls(groups=(WindowControls(bits=bits),)), rng())
    rates = answer.asked[0]["rates"]
    assert rates.sum(1).tolist() == [total, total]
    assert rates.max() <= FULL_RATE
    if total == 3:
        assert rates[0, :3].tolist() == [2, 1, 0]

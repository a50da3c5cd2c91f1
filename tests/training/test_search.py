"""``perpetuo search``: trials of the space, one judge for all, a book that is gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from tests.scores import scores
from training.models.draw_task import DrawData
from training.spaces import (
    SILENT,
    SPACES,
    Span,
    section_distances,
    section_reference,
    whole_rolls,
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pieces = [
        [(i * 0.5, 0.5 + (i % 3) * 0.5, int(48 + rng.integers(0, 24))) for i in range(200)]
        for _ in range(6)
    ]
    path = tmp_path / "scores.npz"
    scores(*pieces).save(path)
    return path


def search(corpus: Path, out: Path, *more: str) -> int:
    return main(
        ["search", "draw", "--tensors", str(corpus), "-o", str(out), "--preset", "draw-tiny",
         "--budget", "0.2", "--threads", "1", "--device", "cpu",
         "--range", "model.hidden=8..16", "--range", "model.latent=2..8",
         "--range", "model.passes=2..4", *more]
    )  # fmt: skip


def test_every_trial_is_of_the_space_and_the_best_is_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(corpus, tmp_path / "out", "--trials", "3") == 0
    report = json.loads((tmp_path / "out" / "search.json").read_text())
    assert len(report["trials"]) == 3
    for told in report["trials"]:
        assert 8 <= told["chosen"]["data.beats"] <= 20
        assert 8 <= told["chosen"]["model.hidden"] <= 16
        assert told["updates"] > 0
        assert np.isfinite(told["score"])
    assert report["best"]["score"] == min(told["score"] for told in report["trials"])
    assert "best of 3" in capsys.readouterr().out


def test_a_search_goes_on_where_it_was_and_draws_others(corpus: Path, tmp_path: Path) -> None:
    assert search(corpus, tmp_path / "out", "--trials", "1") == 0
    assert search(corpus, tmp_path / "out", "--trials", "2") == 0
    trials = json.loads((tmp_path / "out" / "search.json").read_text())["trials"]
    assert len(trials) == 2
    assert trials[0]["chosen"] != trials[1]["chosen"]


def test_mistakes_are_told_all_at_once(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = search(
        corpus, tmp_path / "out", "--trials", "0", "--range", "model.hiden=3..4",
        "--range", "model.hidden=9..4",
    )  # fmt: skip
    assert status == 1
    told = capsys.readouterr().err
    assert "--trials must be 1 or more" in told
    assert "model.hiden" in told
    assert "must ascend, not 9..4" in told


def test_real_sections_lie_nearer_than_random_ones_and_silence_farthest(corpus: Path) -> None:
    from training.data.scores import ScoreSet
    from training.data.sections import chunks

    codec = DrawData(steps_per_beat=4, beats=8).codec()
    known = ScoreSet.load(corpus)
    reference = section_reference(known, codec)
    real = chunks(known, known.indices("train"), codec).cells(slice(0, 40))[..., 0]
    noise = np.random.default_rng(1).random((40, codec.steps, 128)) < 0.05
    near = section_distances(whole_rolls(real, codec), reference)
    far = section_distances(noise, reference)
    assert np.median(near) < np.median(far)
    assert section_distances(np.zeros((1, codec.steps, 128)), reference)[0] == SILENT


@pytest.mark.parametrize("family", sorted(SPACES))
def test_every_space_changes_entries_that_the_family_has(family: str) -> None:
    from training.families import load_preset

    middle = {
        name: int((s.low + s.high) / 2) if s.step else (s.low + s.high) / 2
        for name, s in SPACES[family].items()
    }
    assert load_preset(family, middle).family == family


def test_where_all_are_of_one_category_the_tree_parts_thirds_of_the_scores() -> None:
    from training.search import _labels

    same = [{"category": "rare", "score": float(score)} for score in (5, 1, 9, 2, 8, 4)]
    assert _labels(same) == ["middle third", "best third", "last third", "best third",
                             "last third", "middle third"]  # fmt: skip
    same[0]["category"] = "unusual"
    assert _labels(same)[:2] == ["unusual", "rare"]


def test_a_range_that_no_number_is_in_is_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Span(3, 2)
    with pytest.raises(ValueError, match="above 0"):
        Span(0, 2, logarithmic=True)

"""``perpetuo search``: trials of the space, one judge for all, a book that is gone on with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.cli import main
from streamer.errors import DataError
from tests.scores import scores
from training.families.windows.draw_task import DrawData
from training.families.windows.judge import (
    SILENT,
    section_distances,
    section_reference,
    whole_rolls,
)
from training.family import Span
from training.registry import load_preset, models
from training.run.book import Book
from training.run.checkpoint import load_checkpoint
from training.run.verdict import Verdict


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
    for place in (1, 2, 3):
        kept = load_checkpoint(tmp_path / "out" / f"best-{place}.pt")
        scores = sorted(told["score"] for told in report["trials"])
        assert kept.metrics["total"] == scores[place - 1]
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
        corpus, tmp_path / "out", "--range", "model.hiden=3..4", "--range", "model.hidden=9..4",
    )  # fmt: skip
    assert status == 1
    told = capsys.readouterr().err
    assert "model.hiden" in told
    assert "must ascend, not 9..4" in told


def test_a_shape_that_no_model_has_is_a_finding_and_the_search_goes_on(corpus, tmp_path, capsys):
    assert 1 == search(corpus, tmp_path / "out", "--trials", "2", "--range", "model.hidden=-9..-4")
    assert "none of 2 shapes could be trained" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "search.json").read_text())
    for told in report["trials"]:
        assert told["failed"].startswith("no model has this shape: ")
        assert "hidden must be 1 or more" in told["failed"]


def test_real_sections_lie_nearer_than_random_ones_and_silence_farthest(corpus: Path) -> None:
    from training.families.windows.scoreset import ScoreSet
    from training.families.windows.sections import chunks

    codec = DrawData(steps_per_beat=4, beats=8).codec()
    known = ScoreSet.load(corpus)
    reference = section_reference(known, codec)
    real = chunks(known, known.indices("train"), codec).cells(slice(0, 40))[..., 0]
    noise = np.random.default_rng(1).random((40, codec.steps, 128)) < 0.05
    near = section_distances(whole_rolls(real, codec), reference)
    far = section_distances(noise, reference)
    assert np.median(near) < np.median(far)
    assert section_distances(np.zeros((1, codec.steps, 128)), reference)[0] == SILENT


def test_a_shape_that_cannot_be_trained_is_a_finding_and_never_the_best(
    corpus, tmp_path, capsys, monkeypatch
):
    ends = [
        DataError("loss is not finite at update 3"), MemoryError(), float("nan"), 7.0,
        RuntimeError("[x] DefaultCPUAllocator: can't allocate memory: 8 GB"),
    ]  # fmt: skip

    def tried(_args: Any, chosen: dict[str, float], *_: Any) -> tuple[Verdict, dict[str, Any]]:
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        return Verdict(end, "", {}), {"chosen": chosen, "score": end, "category": ""}

    left = list(ends)
    monkeypatch.setattr("training.verbs.search._try", tried)
    assert 0 == search(corpus, tmp_path / "out", "--trials", str(len(ends)))
    report = json.loads((tmp_path / "out" / "search.json").read_text())
    assert [None, None, None, 7.0, None] == [told["score"] for told in report["trials"]]
    assert [
        "loss is not finite at update 3",
        "out of memory (no more is to be had); give it a smaller data.batch or a smaller model",
        "its score is nan",
    ] == [told["failed"] for told in report["trials"][:3]]
    assert report["trials"][4]["failed"].startswith("out of memory ([x] DefaultCPUAllocator")
    assert 7.0 == report["best"]["score"]
    out = capsys.readouterr().out
    assert "best of 5: 7.000" in out
    assert "4 could not be trained" in out


def test_where_nothing_can_be_trained_is_one_line(corpus, tmp_path, capsys, monkeypatch):
    def tried(*_: Any) -> None:
        raise DataError("there are too few sections")

    monkeypatch.setattr("training.verbs.search._try", tried)
    assert 1 == search(corpus, tmp_path / "out", "--trials", "2")
    err = capsys.readouterr().err
    assert "none of 2 shapes could be trained (the first: there are too few sections)" in err
    assert 1 == err.count("\n")


def test_a_mistake_of_ours_in_a_trial_leaves_its_shape_to_the_next(corpus, tmp_path, monkeypatch):
    def tried(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("training.verbs.search._try", tried)
    with pytest.raises(ZeroDivisionError):
        search(corpus, tmp_path / "out", "--trials", "1")
    book = Book("draw", str(tmp_path / "out" / "book.journal"), 0, 60.0)
    assert 0 == Book.origin(book.take(1))


@pytest.mark.parametrize("name", sorted(models()))
def test_every_space_changes_entries_that_the_model_has(name: str) -> None:
    middle = {
        entry: int((s.low + s.high) / 2) if s.step else (s.low + s.high) / 2
        for entry, s in models()[name].space.items()
    }
    assert middle
    assert load_preset(name, middle).model == name


def test_where_all_are_of_one_category_the_tree_parts_thirds_of_the_scores() -> None:
    from training.verbs.search import _labels

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


def test_a_search_that_cannot_load_optuna_says_why_and_not_that_it_is_not_there(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    (tmp_path / "optuna.py").write_text(
        "raise ImportError('libz.so: failed to map segment from shared object', name='zlib')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["search", "draw", "--tensors", "x.npz", "-o", str(tmp_path / "s")]
    assert 1 == main(words)
    err = capsys.readouterr().err
    assert "failed to map segment" in err
    assert "train extra" not in err
    assert "install" not in err

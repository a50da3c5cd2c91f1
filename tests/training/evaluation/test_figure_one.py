"""Figure 1 of [Sabathe2017] as a command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.midifiles import write_midi
from tests.training.evaluation.pieces import tune
from training.corpora.corpus import Piece
from training.evaluation.figure_one import figure_one, main


def corpus(first: int, lower: int) -> list[Piece]:
    pieces = []
    for i in range(40):
        notes = tune(first + i, 900)
        notes["pitch"] -= lower
        notes["duration_ms"] *= 1 + lower / 5
        pieces.append(Piece("made", f"{i}.mid", f"work {first + i}", "", notes))
    return pieces


def test_distances_rise_from_held_out_over_another_style_to_chance() -> None:
    report = figure_one({"high": corpus(0, 0), "low": corpus(200, 10)}, np.random.default_rng(0))
    assert report["high"]["ordered"] == {"low": True}
    assert report["high"]["sets"]["held-out"]["median"] < 4.5


def test_the_command_writes_json_and_a_plot(tmp_path: Path) -> None:
    for name, lower in (("a", 0), ("b", 10)):
        folder = tmp_path / name
        folder.mkdir()
        for i in range(6):
            notes = tune(i, 1500)
            notes["pitch"] -= lower
            write_midi(folder / f"piece {chr(97 + i)}.mid", notes)
    out = tmp_path / "out"
    assert main([f"a={tmp_path / 'a'}", f"b={tmp_path / 'b'}", "-o", str(out)]) == 0
    assert set(json.loads((out / "measures-figure1.json").read_text())) == {"a", "b"}
    assert (out / "measures-figure1.png").stat().st_size > 1000


def test_a_corpus_that_is_missing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"a={tmp_path / 'nowhere'}", "-o", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1

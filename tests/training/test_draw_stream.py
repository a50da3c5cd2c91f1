"""``perpetuo study draw --bundle``: the stream itself beside held-out pieces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.music.notes import Note
from tests.bundles import write_tiny_bundle, write_tiny_draw_bundle
from tests.scores import scores
from training.families.windows.scoreset import ScoreSet
from training.studies.windows.draw_stream import ROLL_STEPS, DrawStage, off, roll_of_notes


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of broken chords, long enough for a hundred samples."""
    chance = np.random.default_rng(0)
    made = scores(
        *([(i * 0.5, 0.5, 45 + k + int(chance.integers(0, 24))) for i in range(900)]
          for k in range(8))
    )  # fmt: skip
    held = [
        *made.pieces[:6],
        *(type(piece)(**{**vars_of(piece), "split": "valid"}) for piece in made.pieces[6:]),
    ]
    path = tmp_path_factory.mktemp("corpus") / "scores.npz"
    ScoreSet.from_pieces([made.notes(i) for i in range(8)], held).save(path)
    return path


def vars_of(piece: object) -> dict[str, object]:
    return {name: getattr(piece, name) for name in piece.__dataclass_fields__}  # type: ignore[attr-defined]


def test_notes_fill_their_cells_and_what_lies_beyond_is_cut_off() -> None:
    notes = [
        Note(pitch=60, onset_ms=100.0, duration_ms=200.0, velocity=64),
        Note(pitch=61, onset_ms=50.0, duration_ms=1.0, velocity=64),
        Note(pitch=62, onset_ms=50.0 * (ROLL_STEPS - 1), duration_ms=999.0, velocity=64),
        Note(pitch=63, onset_ms=50.0 * ROLL_STEPS, duration_ms=100.0, velocity=64),
    ]
    roll = roll_of_notes(notes, 50.0)
    assert (ROLL_STEPS, 128) == roll.shape
    assert [2, 3, 4, 5] == np.flatnonzero(roll[:, 60]).tolist()
    assert [1] == np.flatnonzero(roll[:, 61]).tolist()
    assert [ROLL_STEPS - 1] == np.flatnonzero(roll[:, 62]).tolist()
    assert 6 == roll.sum()


def test_streams_are_measured_and_the_same_seed_gives_the_same(
    corpus: Path, tmp_path: Path
) -> None:
    bundle = write_tiny_draw_bundle(tmp_path / "bundle").path
    command = ["study", "draw", "--bundle", str(bundle), "--tensors", str(corpus)]
    told = []
    for name in ("one", "two"):
        assert 0 == main([*command, "-o", str(tmp_path / name), "--streams", "4", "--seed", "5"])
        told.append(json.loads((tmp_path / name / "draw-stream.json").read_text()))
    assert told[0] == told[1]
    assert 4 == told[0]["generated"]["count"]
    assert told[0]["held_out"]["count"] > 0
    assert 0.0 <= told[0]["p"] <= 1.0
    assert told[0]["not_told_apart"] is (told[0]["p"] > 0.05)
    assert (tmp_path / "one/draw-stream.png").stat().st_size > 1000


def test_music_that_lies_higher_is_told_by_its_pitch(corpus: Path, tmp_path: Path) -> None:
    stage = DrawStage(tmp_path, ScoreSet.load(corpus))
    rolls = np.zeros((2, ROLL_STEPS, 128), np.bool_)
    rolls[:, ::4, 100], rolls[:, 1::4, 104] = True, True
    away = off(stage, rolls)
    assert away["pitch_mean"] > 3
    assert away["pitch_sd"] < -3


def test_what_cannot_be_measured_is_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle").path
    command = ["study", "draw", "--bundle", str(bundle), "--tensors", str(corpus)]
    command += ["-o", str(tmp_path)]
    for more, said in (
        ([], f"{bundle}: has no beats; give a bundle of family draw"),
        (["--only", "figure5"], "figure5: needs --checkpoint"),
    ):
        assert 1 == main([*command, *more])
        err = capsys.readouterr().err
        assert said in err
        assert 1 == err.count("\n")

"""What a corpus's players do is found again in the tables, and played back alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.expression.expression import Expression
from streamer.expression.tables import DEFAULT, VELOCITY_FEATURES, read_tables
from streamer.families.tunes.codec import END
from training.expression import BORROWED_DRIFT, Played, fit_expression, played_tracks
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet
from training.studies.tunes.expression import expression

BAR_ACCENT, HEIGHT, SPREAD, MEMORY = 6.0, 12.0, 6.0, 0.6
SWING, DRIFT_MS, BPM = 0.12, 15.0, 120.0

NEAR_SPREAD = 0.15
"""Played and held-out spreads are within this share of each other; 0.03 is measured."""


def drift(rng: np.random.Generator, notes: int, spread: float, memory: float) -> np.ndarray:
    found = np.empty(notes)
    at = rng.normal()
    for i in range(notes):
        at = memory * at + np.sqrt(1 - memory**2) * rng.normal()
        found[i] = at
    return spread * found


def played(rng: np.random.Generator, notes: int) -> np.ndarray:
    """A track of eighths and quarters with accents, height, swing and drifts."""
    rows = np.zeros(notes, dtype=TRACK_DTYPE)
    rows["length"] = rng.choice([12, 12, 24], notes)
    rows["length"][-1] = END
    rows["pitch"] = rng.integers(58, 75, notes)
    onset = np.concatenate([[0.0], np.cumsum(rows["length"][:-1] / 24.0)])
    rows["position"] = onset % 4.0
    pitch = rows["pitch"].astype(float)
    velocity = 75 + BAR_ACCENT * (rows["position"] == 0) + HEIGHT * (pitch - pitch.mean()) / 12
    rows["velocity"] = np.clip(np.rint(velocity + drift(rng, notes, SPREAD, MEMORY)), 1, 127)
    rows["articulation"] = rng.uniform(0.5, 1.0, notes)
    late = SWING * (onset % 1.0 == 0.5) + drift(rng, notes, DRIFT_MS, 0.0) * BPM / 60_000
    rows["deviation"] = late
    return rows


def written(rng: np.random.Generator, notes: int) -> np.ndarray:
    rows = played(rng, notes)
    rows["velocity"], rows["articulation"], rows["deviation"] = 80, 1.0, 0.0
    return rows


def info(number: int, style: str, split: str) -> TuneInfo:
    return TuneInfo(
        f"{number}.mid", "c", f"{style} {number}", "", split, style, 0, 0.5, BPM, 4.0, "1"
    )


@pytest.fixture(scope="module")
def tunes() -> TuneSet:
    """Twelve played tracks and twelve written ones, two of each held out."""
    rng = np.random.default_rng(5)
    tracks, infos = [], []
    for number in range(12):
        split = "test" if number >= 10 else "train"
        tracks += [played(rng, 400), written(rng, 100)]
        infos += [info(number, "jazz", split), info(number, "score", split)]
    return TuneSet.from_tracks(tracks, infos)


def test_effects_drift_and_swing_are_found_again(tunes: TuneSet) -> None:
    jazz = read_tables(fit_expression(tunes), "x")["jazz"]
    effect = dict(zip(VELOCITY_FEATURES, jazz.velocity_effects.tolist(), strict=True))
    others = [effect[name] for name in ("half", "beat", "offbeat")]
    assert effect["bar"] - np.mean(others) == pytest.approx(BAR_ACCENT, abs=1.0)
    assert effect["pitch"] == pytest.approx(HEIGHT, abs=1.5)
    assert jazz.velocity_sd == pytest.approx(SPREAD, rel=0.1)
    assert jazz.velocity_rho == pytest.approx(MEMORY, abs=0.06)
    assert jazz.timing_level[0] == 0
    assert jazz.timing_level[3] == pytest.approx(SWING, abs=0.01)
    assert jazz.timing_sd == pytest.approx(DRIFT_MS, rel=0.1)
    assert jazz.articulation[1] == pytest.approx(
        [0.525, 0.6, 0.675, 0.75, 0.825, 0.9, 0.975], abs=0.03
    )


def test_a_style_that_is_only_written_is_played_like_the_others_but_straight(
    tunes: TuneSet,
) -> None:
    tables = read_tables(fit_expression(tunes), "x")
    score, default = tables["score"], tables[DEFAULT]
    assert score.to_dict() == default.to_dict()
    assert (score.timing_level == 0).all()
    assert score.timing_sd == pytest.approx(BORROWED_DRIFT * tables["jazz"].timing_sd, rel=0.01)
    assert score.velocity_sd == pytest.approx(tables["jazz"].velocity_sd, rel=0.01)


def test_the_tables_are_small_plain_data(tunes: TuneSet) -> None:
    assert len(json.dumps(fit_expression(tunes))) < 50_000


def test_held_out_tracks_played_from_the_tables_spread_as_they_did(tunes: TuneSet) -> None:
    tables = read_tables(fit_expression(tunes), "x")
    player = Expression(tables, np.random.default_rng(0))
    real, ours = [], []
    for track in played_tracks(tunes, "test"):
        if track.style != "jazz":
            continue
        notes = _play(player, track)
        late = np.array([note.onset_ms for note in notes]) * BPM / 60_000 - track.onset
        velocity = np.array([note.velocity for note in notes], dtype=float)
        real.append([track.velocity.std(), track.late.std(), _neighbours(track.velocity)])
        ours.append([velocity.std(), late.std(), _neighbours(velocity)])
    expected, found = np.mean(real, axis=0), np.mean(ours, axis=0)
    assert found == pytest.approx(expected, rel=NEAR_SPREAD)


def _neighbours(values: np.ndarray) -> float:
    return float(np.corrcoef(values[:-1], values[1:])[0, 1])


def _play(player: Expression, track: Played) -> list:  # type: ignore[type-arg]
    notes: list = []  # type: ignore[type-arg]
    for start in range(0, len(track.pitch), 16):
        part = slice(start, start + 16)
        notes += player.line(
            track.pitch[part].astype(np.int64), track.onset[part], track.length[part],
            bar_beats=track.bar_beats, beat_ms=60_000 / track.bpm, style={"jazz": 1.0},
            fresh=start == 0,
        )  # fmt: skip
    return notes


def test_the_study_writes_what_held_out_players_and_ours_do(tunes: TuneSet, tmp_path: Path) -> None:
    rows = expression(tunes, tmp_path)
    assert set(rows["styles"]) == {"jazz"}
    velocity = rows["styles"]["jazz"]["velocity"]
    assert velocity["tracks"] == 2
    assert velocity["ks"] < 0.15  # 0.03 is measured
    assert json.loads((tmp_path / "expression.json").read_text()) == rows
    assert (tmp_path / "expression.png").stat().st_size > 1000


def test_a_corpus_without_players_teaches_nothing() -> None:
    rng = np.random.default_rng(0)
    tunes = TuneSet.from_tracks([written(rng, 50)], [info(0, "score", "train")])
    assert fit_expression(tunes) == {}


def test_onsets_keep_their_places_where_lengths_were_folded() -> None:
    rows = written(np.random.default_rng(0), 6)
    rows["length"] = [12, 12, 72, 12, 12, END]
    rows["position"] = [3.5, 0.0, 0.5, 3.0, 3.5, 0.0]
    tunes = TuneSet.from_tracks([rows], [info(0, "score", "train")])
    track = played_tracks(tunes)[0]
    assert track.onset.tolist() == [3.5, 4.0, 4.5, 7.0, 7.5, 8.0]

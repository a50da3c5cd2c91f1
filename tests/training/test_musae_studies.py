"""Studies of MusAE: do their figures tell a model that can from one that cannot?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.families.bands.codec import HOLD, SILENCE, BandCodec
from streamer.families.bands.editing.figures import metrics
from tests.bandsongs import band_set
from training.families.bands.bandset import BandSet
from training.families.bands.model import Musae, MusaeConfig
from training.studies.bands import musae, musae_genre, musae_latent
from training.studies.bands.musae import compare, figure4, overfit, reconstruction
from training.studies.bands.musae_bench import BandBench
from training.studies.bands.musae_drawing import drawing, in_one_key
from training.studies.bands.musae_genre import alike, control, features, genre
from training.studies.bands.musae_latent import figure5
from training.studies.bands.musae_restyle import restyle

CODEC = BandCodec(4, 32)
GENRES = ("jazz", "rock")


class Oracle(Musae):
    """A model whose first latents say which made window is meant, and which plays just that."""

    def __init__(self, bands: BandSet, *, told: bool = True) -> None:
        super().__init__(MusaeConfig(hidden=4, layers=1, latent=3), CODEC, GENRES)
        self.told = told
        self.window = {
            name: np.stack([bands.song(i)[:32] for i in bands.indices("train")
                            if bands.pieces[i].tags == (name,)])
            for name in GENRES
        }  # fmt: skip

    def encode(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rock = (states < HOLD).sum(dim=(1, 2)) < 30
        z = torch.zeros(len(states), 3)
        z[:, 0] = torch.where(rock, -1.0, 1.0) if self.told else 0.0
        return z, torch.full_like(z, -14)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        shown = torch.zeros(len(z), 32, 4, 130)
        for i, row in enumerate(z[:, 0].tolist()):
            name = GENRES[int(row < 0)] if self.told else GENRES[i % 2]
            states = torch.from_numpy(self.window[name][0]).long()
            shown[i].scatter_(-1, states[..., None], 50.0)
        return shown


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musae_latent, "LEAST_WINDOWS", 4)
    monkeypatch.setattr(musae_genre, "LEAST_WINDOWS", 4)
    monkeypatch.setattr(musae_genre, "GENRE_TREES", 10)
    monkeypatch.setattr(musae_genre, "PER_PETAL", 10)
    monkeypatch.setattr(musae_genre, "PER_STOP", 10)


def bench(model: Any, bands: BandSet, **more: Any) -> BandBench:
    return BandBench(model.eval(), bands, most=60, **more)


def untrained(bands: BandSet, **config: Any) -> BandBench:
    torch.manual_seed(0)
    shape = MusaeConfig(**{"hidden": 12, "layers": 1, "latent": 6, **config})
    return bench(Musae(shape, CODEC, GENRES), bands)


def test_figures_of_a_window_are_those_that_can_be_counted() -> None:
    states = np.full((2, 32, 4), SILENCE, np.uint8)
    states[0, [0, 4, 8], 1] = [40, 43, 38]
    states[0, 1:4, 1] = HOLD
    found = metrics(states, 8.0)
    assert found["bass notes a beat"].tolist() == [3 / 8, 0]
    assert found["bass length"].tolist() == [2.0, 0.0]
    assert found["bass step"].tolist() == [4.0, 0.0]
    assert found["bass pitch"][0] == pytest.approx(121 / 3)
    assert found["bass silence"].tolist() == [1 - 6 / 32, 1.0]
    assert features(states, 8.0).shape == (2, len(found) + 6 + 64)


def test_the_judge_knows_a_model_that_plays_what_it_is_asked_for(tmp_path: Path) -> None:
    bands = band_set(14)
    told = genre(bench(Oracle(bands), bands), tmp_path)
    assert told["recognised"]["real, other songs"]["mean"] > 0.9
    assert told["recognised"]["real, other works"]["mean"] > 0.9
    assert told["recognised"]["generated, petal"]["mean"] > 0.9
    assert told["recognised"]["generated, stream"]["mean"] > 0.9
    deaf = genre(bench(Oracle(bands, told=False), bands), tmp_path)
    assert deaf["recognised"]["generated, petal"]["mean"] == pytest.approx(0.5, abs=0.05)
    assert not deaf["met"]
    assert deaf["chance"] == 0.5


def test_what_is_in_one_key_is_counted_and_drums_are_not_heard(tmp_path: Path) -> None:
    states = np.full((1, 12, 4), HOLD, np.uint8)
    states[0, :, 0] = 37
    states[0, :8, 1] = [60, 62, 64, 65, 67, 69, 71, 72]
    assert in_one_key(states) == 1.0
    states[0, 8:, 1] = [61, 63, 66, 68]
    assert in_one_key(states) == pytest.approx(8 / 12)


def test_a_model_that_plays_in_a_genre_is_heard_so_however_latents_are_drawn(
    tmp_path: Path,
) -> None:
    bands = band_set(14)
    told = drawing(bench(Oracle(bands), bands), tmp_path)
    assert min(told["clean_heard_by_factors"].values()) > 0.9
    keys = told["in_one_key_by_nats"]
    assert keys["4"] >= keys["0"] - 1e-9
    assert (tmp_path / "musae-drawing.png").exists()


def test_windows_are_held_against_the_one_of_the_corpus_that_is_most_like_them() -> None:
    corpus = np.arange(8 * 16 * 4, dtype=np.uint8).reshape(8, 16, 4) % 130
    states = corpus[:2].copy()
    states[1, :4] = 129
    found = alike(states, corpus, np.random.default_rng(0))
    assert found["copies"] == 0.5
    assert found["mean"] == pytest.approx((1 + 0.75) / 2, abs=0.02)


def test_the_style_control_of_a_model_that_does_not_listen_moves_nothing(tmp_path: Path) -> None:
    bands = band_set(14)
    pair = control(bench(Oracle(bands), bands), tmp_path)["pairs"][0]
    assert pair["genres"] == ["jazz", "rock"]
    assert pair["progress"][0] == pytest.approx(0)
    assert pair["progress"][-1] == pytest.approx(1)
    assert pair["monotone"]
    assert "bass length" in pair["figures"]
    deaf = control(bench(Oracle(bands, told=False), bands), tmp_path)
    assert deaf["pairs"][0]["figures"] == {}
    assert not deaf["met"]


def test_a_way_between_latents_that_say_nothing_is_no_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(musae, "BLENDED_PAIRS", 40)
    bands = band_set(14)
    told = figure4(bench(Oracle(bands), bands), tmp_path)
    assert told["monotone"]
    assert told["rise"] > 0.3
    deaf = figure4(bench(Oracle(bands, told=False), bands), tmp_path)
    assert abs(deaf["rise"]) < 0.05
    assert not deaf["met"]


def test_a_line_tells_genres_apart_that_lie_apart_and_no_others(tmp_path: Path) -> None:
    bands = band_set(14)
    apart = figure5(bench(Oracle(bands), bands), tmp_path)
    assert apart["best"] > 0.95
    together = figure5(bench(Oracle(bands, told=False), bands), tmp_path)
    assert together["best"] == pytest.approx(0.5, abs=0.1)


def test_runs_stand_side_by_side_in_one_table(tmp_path: Path) -> None:
    bands = band_set(12)
    first = untrained(bands)
    first.runs = [untrained(bands, prior="normal")]
    told = compare(first, tmp_path)
    assert [run["prior"] for run in told["runs"]] == ["flower", "normal"]
    assert set(told["best_of_2_bars"]) == {"flower", "normal"}
    assert isinstance(told["mixture_not_below_normal_2_bars"], bool)
    assert told["paper"]["16"]["flower"]["mean"] == 0.853


def test_validation_and_test_songs_have_rows_of_their_own(tmp_path: Path) -> None:
    told = reconstruction(untrained(band_set(12)), tmp_path)
    assert told["valid"]["windows"] == told["held out"]["windows"] == 14
    assert "test" not in told
    assert told["met"] is False


def test_a_model_comes_nearer_to_what_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(musae, "OVERFIT_RATE", 0.01)
    one = untrained(band_set(3), hidden=16)
    one.updates = 100
    told = overfit(one, tmp_path)
    assert told["updates"] == 100
    nats = [row[3] for row in told["curve"]]
    assert len(nats) == 2
    assert nats[1] < nats[0] < 4.87  # ln 130 is what a guess costs
    assert not told["met"]


def test_a_song_that_is_moved_is_asked_for_its_genre_and_for_itself(tmp_path: Path) -> None:
    bands = band_set(14)
    told = restyle(bench(Oracle(bands), bands), tmp_path)
    assert set(told["middles"]) == {"all music", "the song", "its genre"}
    curve = told["middles"]["the song"]
    # Both genres are asked for in turn: by nothing half of the songs are there already.
    assert curve["genre_heard"][0] == pytest.approx(0.5, abs=0.1)
    assert curve["genre_heard"][-1] > 0.9
    assert len(curve["song_known"]) == 5

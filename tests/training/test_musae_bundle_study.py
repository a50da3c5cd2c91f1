"""``perpetuo study musae --bundle``: a walk between songs as rolls, and all pairs of genres."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer.cli import main
from streamer.families.bands.codec import BandCodec
from tests.bandbundles import write_tiny_band_bundle
from tests.bandsongs import band_set
from training.studies.bands import musae_latent
from training.studies.bands.musae_bundle import ALPHAS, BundleBench, figure2


class Parrot:
    """An editor whose latents are the numbers of windows, and which plays the nearest of them."""

    codec = BandCodec(4, 32)
    spec = SimpleNamespace(genres=())

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def encode(self, states: Any) -> Any:
        first = len(self.heard)
        self.heard.extend(states)
        return np.arange(first, len(self.heard), dtype=np.float32)[:, None]

    def play(self, z: Any) -> Any:
        return SimpleNamespace(states=np.stack([self.heard[round(float(x))] for x in z[:, 0]]))


def test_a_walk_begins_with_one_held_out_song_and_ends_with_another(tmp_path: Path) -> None:
    bands = band_set()
    rows = figure2(BundleBench(Parrot(), bands), tmp_path)  # type: ignore[arg-type]
    one, other = rows["songs"]
    held_out = {piece.file for piece in bands.pieces if piece.split != "train"}
    assert {one, other} <= held_out
    assert one != other
    for way in rows["ways"].values():
        assert len(ALPHAS) == len(way["notes"])
        assert 0.0 == way["unlike_first"][0]
        assert 0.0 == way["unlike_second"][-1]
        assert rows["notes_of_songs"] == [way["notes"][0], way["notes"][-1]]
    assert (tmp_path / "musae-figure2.png").stat().st_size > 10_000


def test_all_pairs_of_genres_of_a_bundle_are_drawn_without_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(musae_latent, "LEAST_WINDOWS", 4)
    band_set().save(tmp_path / "bands.npz")
    bundle = write_tiny_band_bundle(tmp_path / "bundle").path
    command = ["study", "musae", "--bundle", str(bundle), "--tensors", str(tmp_path / "bands.npz")]
    assert 0 == main([*command, "-o", str(tmp_path / "out")])
    told = json.loads((tmp_path / "out/musae-pairs.json").read_text())
    assert [["jazz", "rock"]] == [pair["genres"] for pair in told["pairs"]]
    assert 0.0 <= told["pairs"][0]["accuracy"] <= 1.0
    assert {"musae-figure2.png", "musae-pairs.png"} == {
        path.name for path in (tmp_path / "out").glob("*.png")
    }


def test_what_a_study_needs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    band_set().save(tmp_path / "bands.npz")
    command = ["study", "musae", "--tensors", str(tmp_path / "bands.npz"), "-o", str(tmp_path)]
    for more, said in (
        ([], "give --checkpoint, --bundle or both"),
        (["--only", "pairs"], "pairs: needs --bundle"),
        (["--only", "figure3"], "figure3: needs --checkpoint"),
    ):
        assert 1 == main([*command, *more])
        err = capsys.readouterr().err
        assert said in err
        assert 1 == err.count("\n")

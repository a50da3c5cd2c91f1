"""Studies of the tune families: what they count is what is there."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.families.tunes.filters import add_filters
from streamer import cli
from streamer.errors import ConfigError, DataError
from streamer.families.tunes.codec import END, to_tune
from tests.bundles import write_tiny_tunes_bundle
from tests.training.made_tunes import made_tunes
from tests.tunesets import orderly_tunes
from training.evaluation.plagiarism import CorpusIndex
from training.families.tunes.latent import styles_apart
from training.families.tunes.model import VARIANTS, Vrash, VrashConfig
from training.families.tunes.tuneset import TuneSet
from training.run.checkpoint import Checkpoint, save_checkpoint
from training.studies.tunes import vrash, vrash_information, vrash_stream
from training.studies.tunes.verb import add_arguments, run
from training.studies.tunes.vrash import TuneBench, latent, likelihood, long_tunes
from training.studies.tunes.vrash_endless import as_played, endless, note_symbols, returned_flags
from training.studies.tunes.vrash_information import information
from training.studies.tunes.vrash_stream import TuneStage, edge, judged


def renamed(tunes: TuneSet) -> TuneSet:
    """Call the held-out tracks ``test``."""
    splits = {"valid": "test"}
    tracks = [replace(t, split=splits.get(t.split, t.split)) for t in tunes.tracks]
    return replace(tunes, tracks=tuple(tracks))


def small(family: str, tunes: TuneSet, seed: int = 0) -> Vrash:
    torch.manual_seed(seed)
    config = VrashConfig(
        family=family, hidden=8, depth=2, latent=3, embeddings=(3, 2, 3), head=6, encoder_hidden=4
    )
    return Vrash(config, tunes.codec, tunes.styles).eval()


@pytest.fixture(scope="module")
def bench() -> TuneBench:
    tunes = renamed(made_tunes())
    runs = tuple(small(family, tunes, seed) for seed in (1, 2) for family in VARIANTS)
    return TuneBench(small("vrash", tunes), tunes, runs, samples=2, drawn=6)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> TuneStage:
    """A tiny untrained bundle with filters, and a corpus that is told from its surrogates."""
    folder = tmp_path_factory.mktemp("stage")
    tunes = orderly_tunes(notes=140)
    tunes.save(folder / "tunes.npz")
    bundle = write_tiny_tunes_bundle(folder)
    command = ["train", "filter", "--tunes", str(folder / "tunes.npz"), "--method", "lr"]
    assert cli.main([*command, "-o", str(folder / "filters")]) == 0
    add_filters(bundle.path, folder / "filters", bundle.path)
    return TuneStage(bundle.path, tunes, hours=1.0, count=16, seconds=0.2)


def test_likelihood_adds_up_and_tells_bounds_apart(
    bench: TuneBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = likelihood(bench, tmp_path)
    sizes = bench.tunes.codec.sizes
    assert rows["uniform"]["total"] == pytest.approx(float(np.log(sizes).sum()))
    assert rows["unigram_of_the_style"]["total"] < rows["uniform"]["total"]
    for family in VARIANTS:
        row = rows[family]
        parts = row["pitch_class"] + row["octave"] + row["length"]
        assert row["total"] == pytest.approx(parts + row.get("kl", 0.0))
        assert len(row["seeds"]) == 2
    assert rows["lm"]["importance"] == rows["lm"]["total"]
    assert "cost_of_shuffling" in rows["vrash"]
    # No order is claimed that the figures do not have.
    ratio = rows["order"]["vrash_over_lm"]["importance"]
    assert rows["order"]["within_3_percent"]["importance"] == (abs(ratio - 1) <= 0.03)
    assert json.loads((tmp_path / "likelihood.json").read_text()) == rows
    assert (tmp_path / "likelihood.png").stat().st_size > 1000
    # The same models again cost nothing and give the same; others are measured.
    monkeypatch.setattr(vrash, "importance_nats", None)
    assert likelihood(bench, tmp_path) == rows
    with pytest.raises(TypeError):
        likelihood(replace(bench, seed=1), tmp_path)


def test_latent_study_has_every_pair_of_styles(bench: TuneBench, tmp_path: Path) -> None:
    rows = latent(bench, tmp_path)
    assert [*rows["steering"]] == ["down to up"]
    assert len(rows["steering"]["down to up"]["stops"]) == 5
    assert len(rows["runs"]) == 2
    follows = rows["steering"]["down to up"]["monotone"]
    assert rows["pairs_that_follow"] == int(follows["pitch_class"] and follows["interval"])
    apart = rows["apart"]["down and up"]
    assert {*apart["drawn"]} == {*apart["real"]} == {"pitch_class", "interval", "length"}


class Copyist:
    """Writes the training tracks of a style, or always those of the first."""

    def __init__(self, tunes: TuneSet, *, deaf: bool) -> None:
        self._tunes, self._deaf = tunes, deaf

    def spread(self, style: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(2), torch.ones(2)

    def tunes(
        self, z: torch.Tensor, style: torch.Tensor, notes: int, seed: int
    ) -> list[np.ndarray]:
        name = self._tunes.styles[0 if self._deaf else int(style[0].argmax())]
        found = self._tunes.indices("train", name)
        return [self._tunes.codec.encode(self._tunes.tune(i)) for i in found]


def test_styles_are_as_far_apart_as_what_is_drawn_of_them(bench: TuneBench) -> None:
    (pair,) = styles_apart(Copyist(bench.tunes, deaf=False), bench.tunes).values()
    assert pair["drawn"] == pair["real"]
    assert 0 < pair["real"]["interval"] <= 1
    (pair,) = styles_apart(Copyist(bench.tunes, deaf=True), bench.tunes).values()
    assert pair["drawn"] == dict.fromkeys(("pitch_class", "interval", "length"), 0.0)


def test_long_tunes_never_end_and_are_the_same_for_a_seed(bench: TuneBench) -> None:
    codec = bench.tunes.codec
    known = (torch.zeros(4, 3), torch.zeros(4, 3))
    drawn = [long_tunes(bench.model, known, "up", 3, 40, 7) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*drawn, strict=True))
    assert all(len(t) == 40 and (t[:, 2] != codec.end_class).all() for t in drawn[0])


def test_long_tunes_take_latents_as_training_drew_them(
    bench: TuneBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Around the mean of each track, as widely as its own posterior."""
    seen: list[torch.Tensor] = []
    start = bench.model.start

    def look(z: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        seen.append(z)
        return start(z, style)

    monkeypatch.setattr(bench.model, "start", look)
    known = (torch.tensor([[5.0, 0, 0], [-5.0, 0, 0]]), torch.full((2, 3), math.log(0.25)))
    long_tunes(bench.model, known, "up", 400, 1, 7)
    (z,) = seen
    assert z[:, 0].abs().mean().item() == pytest.approx(5.0, abs=0.2)
    assert z[:, 1].std().item() == pytest.approx(0.5, abs=0.05)


def test_figure_six_compares_vrash_with_lm_and_the_bundle_with_its_filter(
    bench: TuneBench, stage: TuneStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunes = renamed(orderly_tunes(notes=140))
    runs = tuple(small(family, tunes) for family in VARIANTS)
    monkeypatch.setattr(vrash_information, "STYLES", ("bach",))
    bench = TuneBench(runs[2], tunes, runs, stage.bundle, drawn=4)
    rows = information(bench, tmp_path, notes=80, least_pairs=40)
    ways = ("unfiltered", "filtered")
    assert set(rows["curves"]) == {
        "real bach", "lm bach run 0", "vrash bach run 2", *(f"bundle bach {w}" for w in ways)
    }  # fmt: skip
    told = rows["vrash_against_lm"]["pitch"]
    assert told["no_less"] == (told["vrash"] >= told["lm"])
    assert rows["curves"]["real bach"]["pitch"]["distances"][0] == 1
    assert rows["notes"]["bundle bach unfiltered"] == 2 * 80


def test_a_figure_that_comes_back_in_time_counts_and_one_that_overlaps_does_not() -> None:
    tune = to_tune([60, 62, 64, 65, 67, 69, 71, 72] * 2, [12] * 15 + [END])
    onsets = np.arange(16) * 250.0
    (flags,) = returned_flags([tune], [onsets])
    assert flags.tolist() == [False] * 8 + [True]
    late = onsets + np.where(np.arange(16) >= 8, 400_000.0, 0.0)
    assert not returned_flags([tune], [late])[0].any()
    # The same figure in another key and another tune; a scale repeats no figure within itself.
    moved = to_tune([65, 67, 69, 70, 72, 74, 76, 77], [12] * 7 + [END])
    first, second = returned_flags([tune[:8], moved], [onsets[:8], onsets[:8] + 9_000.0])
    assert first.tolist() == [False]
    assert second.tolist() == [True]
    still = to_tune([60] * 12, [12] * 11 + [END])
    assert not returned_flags([still], [np.arange(12) * 250.0])[0].any()


def test_a_copy_in_another_key_is_found_and_another_rhythm_is_none() -> None:
    pitches, lengths = [60, 64, 62, 67, 65, 71, 60, 69, 72], [12, 6, 6, 24, 12, 6, 6, 12, END]
    index = CorpusIndex([to_tune(pitches, lengths)], code=note_symbols)
    moved = to_tune([p + 5 for p in pitches], lengths)
    other = to_tune(pitches, [6] * 8 + [END])
    assert [copy.notes for copy in index.longest_copies([moved, other])] == [9, 3]


def test_a_track_is_played_at_its_own_tempo() -> None:
    tunes = made_tunes()
    notes = as_played(tunes, 1)  # units of half a quarter at 100 quarters a minute
    assert notes["onset_ms"][:3].tolist() == [0.0, 300.0, 600.0]


def test_endless_counts_tunes_pauses_and_what_comes_back(stage: TuneStage, tmp_path: Path) -> None:
    rows = endless(replace(stage, hours=0.1), tmp_path)
    assert rows["tunes"] > 3
    assert rows["tunes_twice"] == 0
    assert rows["pause_bars"]["0"] > 0
    returned = rows["returned_in_5_minutes"]
    assert 0 <= returned["stream"] <= 1
    assert returned["no_higher"] == (returned["stream"] <= returned["corpus_by_the_same_styles"])
    assert rows["longest_run_in_common"]["held_out"]["excerpts"] > 0
    assert len(rows["by_hour"]["pitch_mean"]) == rows["hours"] == 1
    assert (tmp_path / "endless.png").stat().st_size > 1000


def test_the_filter_is_judged_by_kind_and_by_what_it_keeps(
    stage: TuneStage, tmp_path: Path
) -> None:
    report = tmp_path / "filters.json"
    report.write_text(json.dumps({"table1": [{"style": "bach", "method": "lr"}]}))
    rows = judged(replace(stage, filters=report), tmp_path)
    assert rows["styles"]["all"]["auc"] > 0.9
    assert set(rows["styles"]["bach"]["auc_against"]) == {"shuffled", "looped", "random"}
    assert rows["table1"] == [{"style": "bach", "method": "lr"}]
    assert rows["effect"]["bach"]["kept"] + rows["effect"]["bach"]["dropped"] == 16
    report.write_text("{}")
    with pytest.raises(DataError, match="no report with a table 1"):
        judged(replace(stage, filters=report), tmp_path)


def test_a_bundle_without_filters_has_none_to_judge(stage: TuneStage, tmp_path: Path) -> None:
    bare = write_tiny_tunes_bundle(tmp_path)
    with pytest.raises(DataError, match="has no filters"):
        judged(replace(stage, bundle=bare.path), tmp_path)


def test_edge_tells_shares_and_ratios(
    stage: TuneStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = {
        "engine": {"ms_per_note": {"best": 0.1}},
        "baselines": {"torch_eager_ms_per_note": 0.9, "missing": ["five_sessions: none"]},
    }
    monkeypatch.setattr(vrash_stream, "measure_speed", lambda *_, **__: speed)
    monkeypatch.setattr(vrash_stream, "measure_process", lambda *_: {"cpu_percent": 0.5})
    monkeypatch.setattr(vrash_stream, "MINUTES", 2)
    rows = edge(stage, tmp_path)
    assert rows["times_as_fast_as"] == pytest.approx({"torch_eager_ms_per_note": 9.0})
    assert (rows["share_met"], rows["ratio_met"]) == (True, False)
    assert 0 < rows["share_of_a_core_rendering"]["least"] < 1


def command(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(options)


def test_the_verb_compares_runs_and_refuses_those_of_another_corpus(
    bench: TuneBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.tunes.save(tmp_path / "tunes.npz")
    for name, model in (("lm", small("lm", bench.tunes)), ("vrash", bench.model)):
        told = (model.describe(), bench.tunes.codec.to_dict(), model.state_dict())
        save_checkpoint(tmp_path / f"{name}.pt", Checkpoint(name, *told, {}, {}, {}))
    files = ["--tensors", str(tmp_path / "tunes.npz"), "--output", str(tmp_path / "out")]
    both = ["--checkpoint", str(tmp_path / "vrash.pt"), "--runs", str(tmp_path / "lm.pt")]
    assert run(command(*files, *both, "--only", "latent")) == 0
    assert capsys.readouterr().out.startswith("latent: ")
    with pytest.raises(ConfigError, match="of family lm, not vrash"):
        run(command(*files, "--checkpoint", str(tmp_path / "lm.pt"), "--only", "latent"))
    renamed(orderly_tunes()).save(tmp_path / "other.npz")
    other = ["--tensors", str(tmp_path / "other.npz"), "--output", str(tmp_path / "out")]
    with pytest.raises(ConfigError, match="other class tables or styles than"):
        run(command(*other, *both, "--only", "latent"))
    with pytest.raises(ConfigError, match="needs --bundle"):
        run(command(*files, *both, "--only", "edge"))

"""From MIDI files to the bundle of a band: prepare, train, export, load."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import numpy as np
import pytest

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.cli import main
from streamer.engine.engine import Function
from streamer.families.bands.codec import STATES, TRACKS, BandCodec
from streamer.families.bands.spec import ENCODE_GRAPH, bands_of
from streamer.generators.sectionspec import DECODE_GRAPH, section_of
from tests.bandsongs import song_file
from training.families.bands.bandset import BandSet
from training.studies.bands import musae, musae_latent
from training.studies.bands.musae_all import BAND_STUDIES


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rows = ["file,genre"]
    for i in range(12):
        name = f"{'abcdefghijkl'[i]} song.mid"
        song_file(folder / "midi" / name, i)
        rows.append(f"{name},{('jazz', 'rock')[i % 2]}")
    (folder / "midi" / "labels.csv").write_text("\n".join(rows))
    out = folder / "bands.npz"
    options = ["--valid", "0.2", "--test", "0.2", "--licence", "CC0-1.0"]
    assert main(["prepare", "bands", str(folder / "midi"), "-o", str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def run(bands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "musae"
    command = ["train", "musae", "--preset", "musae-tiny", "--tensors", str(bands)]
    command += ["--output", str(folder), "--threads", "1", "--quiet", "--device", "cpu"]
    assert main([*command, "--set", "loop.epochs=1"]) == 0
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path, bands: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("bundles") / "band"
    command = ["export", str(run), "--name", "band", "-o", str(target)]
    assert main([*command, "--statistics-from", str(bands)]) == 0
    return load_bundle(target)


def test_the_bundle_says_where_the_genres_lie(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.kind, manifest.family) == ("window", "musae")
    assert bundle.codec == BandCodec(4, 32)
    assert bands_of(manifest) is not None
    assert section_of(manifest) is not None
    assert [(g.name, g.petal) for g in bands_of(manifest).genres] == [("jazz", 0), ("rock", 16)]
    assert all(len(factor) == 8 for g in bands_of(manifest).genres for factor in g.factors)
    assert all(g.factors and np.any(g.factors[0]) for g in bands_of(manifest).genres)
    assert manifest.styles == ["jazz", "rock"]
    assert [t.name for t in bands_of(manifest).tracks] == list(TRACKS)
    assert [t.program for t in bands_of(manifest).tracks] == [0, 33, 25, 48]
    assert bands_of(manifest).tracks[0].low == 36
    assert len(section_of(manifest).mean) == section_of(manifest).latent == 8
    assert len(manifest.statistics.arguments) == len(TRACKS)
    assert section_of(manifest).bpm == pytest.approx(120, abs=0.1)
    assert "| rock | 16 |" in bundle.card
    assert manifest.licence == "CC-BY-4.0"


def test_the_graphs_read_a_window_and_play_four_tracks(bundle: Bundle, bands: Path) -> None:
    errors = bundle.manifest.metrics["parity"]["functions"]
    assert {"encode.mean", "encode.log_variance", "decode.bass", "decode.strings"} <= set(errors)
    assert max(errors.values()) < 1e-4
    encode, decode = (Function(bundle, name) for name in (ENCODE_GRAPH, DECODE_GRAPH))
    states = BandCodec(4, 32).window(BandSet.load(bands).song(0), 0)
    z = encode(states=np.stack([states, states]))["mean"]
    shown = decode(z=z)
    assert set(shown) == set(TRACKS)
    for track in TRACKS:
        assert shown[track].shape == (2, 32, STATES)
        assert np.allclose(shown[track].sum(-1), 1.0, atol=1e-5)
        assert np.allclose(shown[track][0], shown[track][1], atol=1e-6)


def test_a_band_without_its_corpus_is_not_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--name", "band", "-o", str(tmp_path / "band")]) == 1
    assert "--statistics-from" in capsys.readouterr().err


def test_the_band_plays_on_four_channels(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    command = ["render", str(out), "--duration", "20", "--seed", "1"]
    assert main([*command, "--model", str(bundle.path), "--style", "jazz:0.6,rock:0.4"]) == 0
    struck = [m.channel for m in mido.MidiFile(out).tracks[0] if m.type == "note_on"]
    assert set(struck) <= {9, 0, 1, 2}
    assert len(struck) > 10


def test_what_the_paper_shows_is_written_as_numbers_and_pictures(
    run: Path, bands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(musae, "BLENDED_PAIRS", 16)
    monkeypatch.setattr(musae_latent, "PER_PETAL", 4)
    monkeypatch.setattr(musae_latent, "LEAST_WINDOWS", 4)
    command = ["study", "musae", "--checkpoint", str(run), "--tensors", str(bands)]
    command += ["--runs", str(run / "best.pt"), "--windows", "40", "--updates", "2"]
    shown = [
        name for name in BAND_STUDIES if name not in ("genre", "control", "drawing", "restyle")
    ]
    assert main([*command, "-o", str(tmp_path), "--only", *shown]) == 0
    told = {name: json.loads((tmp_path / f"musae-{name}.json").read_text()) for name in shown}
    for row in told["reconstruction"]["held out"]["table"]:
        assert row["gap"] == pytest.approx((row["accuracy"] - row["hold"]) / (1 - row["hold"]))
    assert told["reconstruction"]["paper"]["melody"] == 0.991
    assert told["overfit"]["updates"] == 2
    assert len(told["figure4"]["latent"]) == 11
    assert told["figure4"]["data"][0] == 0.0
    assert len(told["figure3"]["relative"]) == 32
    assert told["figure3"]["nearest_chance"] == pytest.approx(1 / 33)
    assert told["figure5"]["pairs"][0]["genres"] == ["jazz", "rock"]
    assert [r["name"] for r in told["compare"]["runs"]] == ["musae", "musae"]
    assert all((tmp_path / f"musae-{name}.png").stat().st_size > 1000 for name in told)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--only", "compare"], "compare: needs --runs, further runs to compare with"),
        (["--only", "genre"], "has 32 windows of 2 works among the training songs; prepare more"),
        (["--device", "cuda"], "--device cuda: torch sees no CUDA device; use --device cpu"),
    ],
)
def test_a_study_that_cannot_be_says_why_in_one_line(
    run: Path,
    bands: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    command = ["study", "musae", "--checkpoint", str(run), "--tensors", str(bands)]
    assert main([*command, "-o", str(tmp_path), *more]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1

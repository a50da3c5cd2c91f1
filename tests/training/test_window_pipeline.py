"""From MIDI files to music, for the families that compose bars."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import pytest

from streamer.bundle.bundle import load_bundle
from streamer.cli import main
from streamer.generators.sectionspec import section_of
from streamer.midi.midifile import read_midi


def piece(path: Path, first: int) -> None:
    """Write broken chords in 4/4 at a tempo that moves."""
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
    for i in range(256):
        if i % 16 == 0:
            track.append(mido.MetaMessage("set_tempo", tempo=500_000 + 1000 * (i % 7)))
        pitch = first + (0, 4, 7, 12)[i % 4] + (0, 5, 7, 0)[i // 16 % 4] + i * i % 3
        track.append(mido.Message("note_on", note=pitch, velocity=70))
        track.append(mido.Message("note_off", note=pitch, time=240))
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for i in range(12):
        piece(folder / "midi" / f"{'abcdefghijkl'[i]} song.mid", 52 + i)
    out = folder / "scores.npz"
    options = ["--valid", "0.2", "--test", "0.2", "--licence", "CC0-1.0"]
    assert main(["prepare", "scores", str(folder / "midi"), "-o", str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def runs(scores: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for family in ("draw", "query"):
        command = ["train", family, "--preset", f"{family}-tiny", "--tensors", str(scores)]
        command += ["--output", str(folder / family), "--threads", "1", "--quiet"]
        # Long enough to know that music differs from bar to bar.
        assert main([*command, "--device", "cpu", "--set", "loop.epochs=12"]) == 0
    return {family: folder / family for family in ("draw", "query")}


@pytest.fixture(scope="module")
def bundles(
    runs: dict[str, Path], scores: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    for family, run in runs.items():
        command = ["export", str(run), "--name", family, "-o", str(folder / family)]
        assert main([*command, "--statistics-from", str(scores)]) == 0
    return {family: folder / family for family in runs}


@pytest.mark.parametrize("family", ["draw", "query"])
def test_a_trained_model_plays(family: str, bundles: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    command = ["render", str(out), "--model", str(bundles[family]), "--duration", "30"]
    assert main([*command, "--seed", "3"]) == 0
    notes = read_midi(out)
    assert len(notes) > 10
    assert notes["onset_ms"].max() < 30_000
    again = tmp_path / "again.mid"
    assert main(["render", str(again), *command[2:], "--seed", "3"]) == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("family", ["draw", "query"])
def test_the_bundle_says_what_it_is_of(family: str, bundles: dict[str, Path]) -> None:
    bundle = load_bundle(bundles[family])
    manifest = bundle.manifest
    assert manifest.kind == "window"
    assert manifest.sources[0].licence == "CC0-1.0"
    assert section_of(manifest) is not None
    assert section_of(manifest).metre == 4
    assert 118 < section_of(manifest).bpm < 122
    assert 0 < section_of(manifest).alpha < 1
    errors = manifest.metrics["parity"]["functions"]
    assert errors
    assert max(errors.values()) < 1e-4
    assert family in bundle.card or manifest.name in bundle.card


def test_a_query_is_answered_and_more_bits_are_another_answer(
    bundles: dict[str, Path], scores: Path, tmp_path: Path
) -> None:
    asked = scores.parent / "midi" / "a song.mid"
    found = {}
    for bits in ("1", "1024"):
        out = tmp_path / f"{bits}.mid"
        command = ["render", str(out), "--model", str(bundles["query"]), "--duration", "20"]
        assert main([*command, "--query", str(asked), "--bits", bits, "--seed", "1"]) == 0
        found[bits] = out.read_bytes()
    assert len(set(found.values())) == 2


def test_what_the_papers_show_is_written_as_numbers_and_pictures(
    runs: dict[str, Path], scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--tensors", str(scores), "-o", str(tmp_path)]
    assert main(["study", "query", "--checkpoint", str(runs["query"]), *common]) == 0
    shown = json.loads((tmp_path / "query-similarity.json").read_text())
    assert shown["one_bar_without_bits"]
    assert shown["bits"] == [0, 16, 64, 256, 1024, "full"]
    command = ["study", "draw", "--checkpoint", str(runs["draw"]), *common]
    assert main([*command, "--only", "figure1", "generated"]) == 0
    medians = json.loads((tmp_path / "draw-figure1.json").read_text())["medians"]
    assert medians["held-out"] < medians["random 20..100"] < medians["random 0..127"]
    for name in ("query-similarity", "query-figure4", "query-figure5", "query-figure6",
                 "draw-figure1", "draw-generated"):  # fmt: skip
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    capsys.readouterr()
    assert main(["study", "query", "--checkpoint", str(runs["draw"]), *common]) == 1
    assert "is of family draw, not query" in capsys.readouterr().err


def test_options_of_other_corpora_are_no_options_of_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["prepare", "scores", str(tmp_path), "-o", str(tmp_path / "x.npz")]
    assert main([*command, "--piano-only", "--codec", "fitted"]) == 2
    told = capsys.readouterr().err
    assert "--piano-only" in told
    assert "--codec" in told

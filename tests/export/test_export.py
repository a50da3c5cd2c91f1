"""From a checkpoint to a bundle: all of it, or nothing and one line."""

import json
from pathlib import Path

import pytest

from export import parity
from export.bundle import describe_graph, make_manifest, write_bundle
from export.parity import ParityError
from export.pipeline import ExportOptions, export_checkpoint
from streamer.bundle.bundle import load_bundle
from streamer.bundle.manifest import Statistics
from streamer.cli import main
from streamer.errors import BundleError, ConfigError, DataError
from streamer.selection.limits import limits_for
from streamer.settings.settings import FilterSettings
from tests.bundles import write_tiny_bundle
from tests.export.conftest import make_checkpoint, make_model


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proven over nine notes: the proof has tests of its own."""
    monkeypatch.setattr(parity, "RUNS", ((1, 9),))


@pytest.mark.usefixtures("quick")
def test_export_writes_manifest_graph_and_card(
    checkpoint: Path, tensors: Path, tmp_path: Path
) -> None:
    options = ExportOptions(
        name="made", target=tmp_path / "out", tensors=tensors, remarks="It *sings*."
    )
    bundle = export_checkpoint(checkpoint, options).bundle
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "CARD.md", "chain.onnx", "manifest.json", "manifest.sha256",
    ]  # fmt: skip
    manifest = bundle.manifest
    assert (manifest.name, manifest.family, manifest.kind) == ("made", "chain", "step")
    assert manifest.licence == "CC-BY-SA-4.0"
    assert manifest.seed == 5
    assert manifest.metrics["parity"]["notes"] == 9
    assert manifest.metrics["total"] == 12.5
    assert manifest.statistics.phrases == 2 + 3
    assert manifest.config["model"]["hidden"] == 8
    assert "prepared" not in manifest.config["training"]
    for words in ("Bernd Krueger", "CC-BY-SA-4.0", "12.500", "9 notes identical", "It *sings*."):
        assert words in bundle.card
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("quick")
def test_exported_thresholds_are_those_the_filters_take(
    checkpoint: Path, tensors: Path, tmp_path: Path
) -> None:
    options = ExportOptions(target=tmp_path / "out", tensors=tensors)
    bundle = export_checkpoint(checkpoint, options).bundle
    assert set(bundle.manifest.filters) == {
        "mean_pitch", "density", "velocity", "polyphony", "longest_rest_ms",
    }  # fmt: skip
    limits = limits_for(bundle.manifest, FilterSettings())
    assert limits.density == tuple(bundle.manifest.filters["density"])


@pytest.mark.usefixtures("quick")
def test_export_again_replaces_the_bundle(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("first", "second"):
        export_checkpoint(checkpoint, ExportOptions(name=name, target=target))
    assert load_bundle(target).manifest.name == "second"
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("quick")
def test_export_never_overwrites_what_is_no_bundle(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is no bundle"):
        export_checkpoint(checkpoint, ExportOptions(target=tmp_path))
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("quick")
def test_failed_parity_leaves_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)  # no two numbers are as near as that
    with pytest.raises(ParityError):
        export_checkpoint(checkpoint, ExportOptions(target=tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_failure_while_writing_keeps_the_old_bundle(tmp_path: Path) -> None:
    old = write_tiny_bundle(tmp_path)
    graph = old.graph_bytes("step")
    spec = describe_graph("step", "chain.onnx", graph)
    manifest = make_manifest("tiny", old.codec, [spec], Statistics(32))
    with pytest.raises(BundleError, match="SHA-256"):
        write_bundle(old.path, manifest, {"chain.onnx": graph + b"\x00"}, "")
    assert load_bundle(old.path).manifest == old.manifest
    assert [f.name for f in tmp_path.iterdir()] == ["tiny"]


def test_half_written_checkpoint_gives_one_line_and_status_1(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "best.pt"
    data = checkpoint.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    assert main(["export", str(broken), "-o", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "half-written" in captured.err
    assert not (tmp_path / "out").exists()


def test_checkpoint_that_is_not_there_gives_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "none.pt")]) == 1
    assert "no such checkpoint" in capsys.readouterr().err


def test_options_out_of_range_are_all_named(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--temperature", "9", "--candidates", "0", "--phrase-notes", "1", "--default", "x"]
    assert main(["export", str(checkpoint), *arguments]) == 1
    line = capsys.readouterr().err
    for name in arguments[::2]:
        assert name in line


def test_default_that_nothing_reads_is_refused(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that would do nothing is a mistake, and the line names those that do something."""
    assert main(["export", str(checkpoint), "--default", "mod_notes=5"]) == 1
    line = capsys.readouterr().err
    assert "--default mod_notes: of chain there is" in line
    assert "mood_notes" in line


def test_verb_exports_and_says_what_came_of_it(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mine"
    assert main(["export", str(checkpoint), "-o", str(target), "--name", "mine"]) == 0
    out = capsys.readouterr().out
    assert "parity over 2,560 notes" in out
    assert json.loads((target / "manifest.json").read_text())["name"] == "mine"


@pytest.mark.usefixtures("quick")
def test_defaults_travel_in_the_bundle(checkpoint: Path, tmp_path: Path) -> None:
    options = ["--temperature", "1,0.9,1,0.8,1", "--candidates", "8", "--default", "anew_notes=99"]
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "out"), *options]) == 0
    defaults = load_bundle(tmp_path / "out").manifest.defaults
    assert defaults["temperature"] == [1, 0.9, 1, 0.8, 1]
    assert (defaults["candidates"], defaults["anew_notes"]) == (8, 99)


@pytest.mark.usefixtures("quick")
def test_defaults_that_the_edge_cannot_play_by_are_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    options = ExportOptions(target=tmp_path / "out", defaults={"anew_notes": -1})
    with pytest.raises(BundleError, match="anew_notes"):
        export_checkpoint(checkpoint, options)
    assert list(tmp_path.iterdir()) == []


def test_name_that_no_bundle_can_have_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--name"):
        export_checkpoint(checkpoint, ExportOptions(name="My Model", target=tmp_path / "x"))


def test_diverged_weights_are_refused(tmp_path: Path) -> None:
    model = make_model()
    model.w_hh[0].data[0, 0, 0] = float("nan")
    path = make_checkpoint(tmp_path / "best.pt", model)
    with pytest.raises(DataError, match=r"w_hh\.0 holds NaN or infinity"):
        export_checkpoint(path, ExportOptions(target=tmp_path / "out"))


@pytest.mark.parametrize("hands", [True, False])
def test_a_bundle_becomes_a_checkpoint_that_plays_the_same(hands: bool, tmp_path: Path) -> None:
    """With the law of two hands or without; the bundle exported from it has the same graph."""
    first = export_checkpoint(
        make_checkpoint(tmp_path / "a.pt", make_model(hands=hands)),
        ExportOptions(name="first", target=tmp_path / "first"),
    )
    assert 0 == main(["bundle", "unwrap", str(tmp_path / "first"), f"{tmp_path}/b.pt"])
    again = export_checkpoint(
        tmp_path / "b.pt", ExportOptions(name="again", target=tmp_path / "again")
    )
    assert first.bundle.graph_bytes("step") == again.bundle.graph_bytes("step")
    assert first.bundle.manifest.sources == again.bundle.manifest.sources

"""From a checkpoint of a melody model to a bundle that plays the same."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from export import parity
from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.tunes import exporter as tunes
from export.families.tunes.exporter import TunePlayer, function_cases
from export.families.tunes.kinds import restate
from export.families.tunes.unwrap import unwrap
from export.parity import FunctionCase, ParityError, prove_functions, prove_parity
from export.pipeline import ExportOptions, export_checkpoint
from export.wrap import round_to_half
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.manifest import Statistics
from streamer.cli import main
from streamer.engine.engine import Engine
from streamer.errors import BundleError, DataError
from streamer.families.tunes.spec import tunes_of
from tests.bundles import tiny_tune_codec, write_tiny_bundle
from tests.export.tune_corpus import make_tune_checkpoint, make_tune_model, make_tunes
from training.families.tunes.model import VARIANTS, Vrash
from training.families.tunes.nats import evaluate_tunes
from training.registry import model_from_checkpoint
from training.run.checkpoint import load_checkpoint


def bundle_of(model: Vrash, folder: Path) -> Bundle:
    built = tunes._build(model, {})
    specs = [describe_graph(*graph) for graph in built]
    manifest = make_manifest("draft", tiny_tune_codec(), specs, Statistics(16), family="vrash")
    return write_bundle(folder / "draft", manifest, {g.file: g.model for g in built}, "")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer notes than the proof of an export takes."""
    monkeypatch.setattr(parity, "RUNS", ((1, 48), (3, 40), (16, 12)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tunes") / "tunes.npz"
    make_tunes().save(path)
    return path


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("family", VARIANTS)
@pytest.mark.parametrize(
    "config", [{}, {"depth": 1}, {"encoder_style": True}, {"latent_scale": 0.3}], ids=str
)
def test_every_form_of_the_model_plays_the_same_in_torch_and_onnx(
    family: str, config: dict[str, object], tmp_path: Path
) -> None:
    model = make_tune_model(family, **config)
    round_to_half(model)
    bundle = bundle_of(model, tmp_path)
    result = prove_parity(TunePlayer(model), Engine(bundle))
    assert result.notes == 48 + 3 * 40 + 16 * 12
    assert result.log_prob_error < 1e-5
    errors = prove_functions(bundle, function_cases(model, bundle, 0))
    assert max(errors.values()) < 1e-5
    encoder = set() if family == "lm" else {"encode.mu", "encode.logvar"}
    assert set(errors) == {"start.s", *encoder}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "weight", ["recurrent", "bias", "head_rows.1", "latent_in", "style_table", "no_note"]
)
def test_any_weight_of_the_step_that_differs_is_found(weight: str, tmp_path: Path) -> None:
    model = make_tune_model()
    with torch.no_grad():
        model.no_note.normal_()
    engine = Engine(bundle_of(model, tmp_path))
    with torch.no_grad():
        model.get_parameter(weight).mul_(1.1)
    with pytest.raises(ParityError, match="nothing was exported"):
        prove_parity(TunePlayer(model), engine)


@pytest.mark.parametrize(
    "weight", ["start_in", "encoder.w_in", "encoder.b_state", "encoder.out", "encoder.embeddings.1"]
)
def test_any_weight_of_the_other_graphs_that_differs_is_found(weight: str, tmp_path: Path) -> None:
    model = make_tune_model()
    bundle = bundle_of(model, tmp_path)
    with torch.no_grad():
        model.get_parameter(weight).mul_(1.1)
    with pytest.raises(ParityError, match=r"(start|encode)\.\w+ differs"):
        prove_functions(bundle, function_cases(model, bundle, 0))


def test_function_that_answers_with_another_number_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(make_tune_model(), tmp_path)
    inputs = {"z": np.zeros((1, 4)), "style": np.zeros((1, 2))}
    case = FunctionCase("start", inputs, {"s": np.full((1, 8), np.nan)})
    with pytest.raises(ParityError, match=r"start\.s differs by nan"):
        prove_functions(bundle, [case])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("family", VARIANTS)
def test_export_writes_all_graphs_styles_and_rules(
    family: str, corpus: Path, tmp_path: Path
) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model(family))
    options = ExportOptions(name="made", target=tmp_path / "out", tensors=corpus)
    bundle = export_checkpoint(checkpoint, options).bundle
    manifest = bundle.manifest
    assert (manifest.family, manifest.kind, manifest.styles) == (family, "step", ["bach", "jazz"])
    wanted = ["step", "start"] if family == "lm" else ["step", "start", "encode"]
    assert [graph.name for graph in manifest.graphs] == wanted
    assert tunes_of(manifest) is not None
    assert tunes_of(manifest).style("jazz").tracks == 2
    assert manifest.filters["leap"] == 3
    assert manifest.defaults["phrase_notes"] == 16
    assert len(manifest.statistics.arguments) == 3
    for words in (
        "highway",
        "Public Domain",
        "Weimar",
        "| jazz | 2 | 102 |",
        "3.600",
        "start.s within",
    ):
        assert words in bundle.card


def test_tunes_without_their_corpus_are_refused(tmp_path: Path) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model())
    with pytest.raises(DataError, match="--statistics-from"):
        export_checkpoint(checkpoint, ExportOptions(target=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("short")
def test_verb_exports_a_melody_model(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model())
    command = ["export", str(checkpoint), "-o", str(tmp_path / "out"), "--name", "mine"]
    options = ["--statistics-from", str(corpus), "--temperature", "1,1,0.8"]
    assert main([*command, *options]) == 0
    assert "parity over 360 notes" in capsys.readouterr().out
    assert load_bundle(tmp_path / "out").manifest.defaults["temperature"] == [1, 1, 0.8]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("temperature", "said"),
    [([1.0] * 5, "takes one temperature, or 3"), (99.0, "temperature must be 3 numbers above 0")],
)
def test_temperature_that_the_edge_cannot_play_by_is_refused(
    temperature: object, said: str, corpus: Path, tmp_path: Path
) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model())
    options = ExportOptions(
        target=tmp_path / "out", tensors=corpus, defaults={"temperature": temperature}
    )
    with pytest.raises(BundleError, match=said):
        export_checkpoint(checkpoint, options)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("short")
def test_tables_of_the_performance_layer_travel_in_the_bundle_and_are_checked(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model())
    options = ExportOptions(target=tmp_path / "out", tensors=corpus)
    # Nothing in the made tunes was played.
    assert export_checkpoint(checkpoint, options).bundle.manifest.expression == {}
    monkeypatch.setattr(tunes, "fit_expression", lambda tunes: {"version": 99})
    with pytest.raises(BundleError, match="expression tables are of version 99"):
        export_checkpoint(checkpoint, options)
    assert load_bundle(tmp_path / "out").manifest.expression == {}


@pytest.mark.usefixtures("short")
def test_styles_of_a_bundle_are_measured_anew_and_all_else_stays(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the bundle's own encoder: what an export would have said of its styles."""
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model())
    options = ExportOptions(name="made", target=tmp_path / "out", tensors=corpus)
    whole = export_checkpoint(checkpoint, options).bundle
    told = tunes_of(whole.manifest)
    assert told is not None
    bare = [msgspec.structs.replace(s, kinds=[], returns=[], returned=1.0) for s in told.styles]
    manifest = whole.manifest.with_parts(tunes=msgspec.structs.replace(told, styles=bare))
    models = {g.file: whole.graph_bytes(g.name) for g in manifest.graphs}
    write_bundle(tmp_path / "old", manifest, models, whole.card)
    assert main(["bundle", "restate", str(tmp_path / "old"), str(corpus)]) == 0
    assert "kinds of unit and bar of its styles: bach" in capsys.readouterr().out
    again = load_bundle(tmp_path / "old").manifest
    assert again.graphs == whole.manifest.graphs
    measured = tunes_of(again)
    assert measured is not None
    for new, old in zip(measured.styles, told.styles, strict=True):
        assert (new.returned, new.returns, len(new.kinds)) == (
            old.returned, old.returns, len(old.kinds),
        )  # fmt: skip
        for mine, theirs in zip(new.kinds, old.kinds, strict=True):
            assert mine.mean == pytest.approx(theirs.mean, abs=1e-3)


@pytest.mark.usefixtures("short")
def test_only_tunes_with_an_encoder_are_measured_anew(corpus: Path, tmp_path: Path) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model("lm"))
    options = ExportOptions(name="made", target=tmp_path / "out", tensors=corpus)
    export_checkpoint(checkpoint, options)
    with pytest.raises(DataError, match="no bundle of tunes with an encoder"):
        restate(tmp_path / "out", corpus, tmp_path / "out")


@pytest.mark.usefixtures("short")
def test_bundle_becomes_a_checkpoint_again_that_plays_and_costs_the_same(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tune_model(embeddings=(14, 9, 5), latent_scale=0.5)
    round_to_half(model)
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", model)
    options = ExportOptions(name="made", target=tmp_path / "out", tensors=corpus)
    export_checkpoint(checkpoint, options)
    assert main(["bundle", "unwrap", str(tmp_path / "out"), str(tmp_path / "again.pt")]) == 0
    assert "plays what" in capsys.readouterr().out
    again = model_from_checkpoint(load_checkpoint(tmp_path / "again.pt"))
    tunes, held = make_tunes(), [5, 6]
    costs = [evaluate_tunes(one, tunes, held)["total"] for one in (model, again)]
    # The instrument is unknown in both.
    assert costs[0] == pytest.approx(costs[1], abs=1e-4)


@pytest.mark.usefixtures("short")
def test_only_vrash_becomes_a_checkpoint_again(corpus: Path, tmp_path: Path) -> None:
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", make_tune_model("lm"))
    options = ExportOptions(name="made", target=tmp_path / "out", tensors=corpus)
    export_checkpoint(checkpoint, options)
    with pytest.raises(DataError, match="family lm; only vrash becomes a checkpoint"):
        unwrap(tmp_path / "out", tmp_path / "again.pt")
    assert not (tmp_path / "again.pt").exists()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("what", ["restate", "unwrap"])
def test_old_spellings_of_what_is_done_with_a_bundle_say_the_new_one_once(
    what: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tune_model(embeddings=(14, 9, 5), latent_scale=0.5)
    round_to_half(model)
    checkpoint = make_tune_checkpoint(tmp_path / "best.pt", model)
    export_checkpoint(checkpoint, ExportOptions(target=tmp_path / "out", tensors=corpus))
    option, file = {
        "restate": ("--statistics-from", corpus),
        "unwrap": ("--to-checkpoint", tmp_path / "again.pt"),
    }[what]
    assert main(["export", str(tmp_path / "out"), option, str(file)]) == 0
    said = capsys.readouterr()
    assert said.err.count("the old spelling works in this version only") == 1
    assert f"is now perpetuo bundle {what} " in said.err
    assert said.out.count("\n") == 1


@pytest.mark.parametrize(
    ("what", "done", "whose"),
    [
        ("restate", "measured anew", "lm, vae, vrash, draw, query"),
        ("filter", "filtered", "lm, vae, vrash"),
    ],
)
def test_a_family_that_cannot_do_it_says_whose_bundles_can(
    what: str, done: str, whose: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path)
    assert main(["bundle", what, str(bundle.path), str(tmp_path / "x")]) == 1
    said = capsys.readouterr().err
    assert f"bundles of chain cannot be {done}" in said
    assert f"those of {whose} can" in said
    assert said.count("\n") == 1


def test_a_bundle_is_not_exported_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path)
    assert main(["export", str(bundle.path)]) == 1
    assert "is a bundle already; see perpetuo bundle --help" in capsys.readouterr().err

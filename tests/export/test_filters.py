"""Filters in a bundle: proven against scikit-learn, named in manifest and card, run at the edge."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from export.bundle import write_bundle
from export.families.tunes.classifier_graph import (
    PROBABILITY_TOLERANCE,
    ClassifierParityError,
    build_classifier_graph,
    prove,
)
from export.families.tunes.filters import CARD_HEADING, add_filters, with_section
from export.families.tunes.fingerprint_graph import build_fingerprint_graph
from streamer import cli
from streamer.bundle.bundle import load_bundle
from streamer.bundle.onnxfile import read_graph_facts
from streamer.engine.session import open_session
from streamer.errors import DataError
from streamer.families.tunes.classifier import tune_panels
from streamer.families.tunes.context import TuneContext
from streamer.families.tunes.fingerprint import known_in
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.spec import classifiers_of, fingerprint_of
from streamer.music.notes import Note, Phrase
from tests.bundles import TINY_STYLES, write_tiny_bundle, write_tiny_tunes_bundle
from tests.tunesets import orderly_tunes
from training.families.tunes.classifiers import METHODS, fit
from training.families.tunes.surrogates import surrogate_phrases

PHRASE = Phrase((Note(60, 0.0, 1.0, 64),), np.zeros((1, 3), dtype=np.float32), 0.0, 1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tune file, a tiny bundle, and filters trained with its encoder."""
    folder = tmp_path_factory.mktemp("filters")
    orderly_tunes().save(folder / "tunes.npz")
    bundle = write_tiny_tunes_bundle(folder)
    assert cli.main(["train", "filter", "--tunes", str(folder / "tunes.npz"), "--encoder",
                     str(bundle.path), "-o", str(folder / "filters")]) == 0  # fmt: skip
    return folder


def fitted(method, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 48)) * rng.uniform(0.1, 9, 48)
    good = x[:, 0] + x[:, 1] ** 2 > 1
    works = np.array([f"w{i // 3}" for i in range(300)])
    return fit(method, tuple(f"f{i}" for i in range(48)), x, good, works, rng), x


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 7])
def test_graph_answers_as_scikit_learn(method, batch):
    classifier, x = fitted(method)
    model = build_classifier_graph(classifier).SerializeToString()
    assert prove(classifier, model) <= PROBABILITY_TOLERANCE
    session, _ = open_session(model)
    rows = (x[:batch] * 3).astype(np.float32)
    answers = session.run(["probability"], {"features": rows})[0]
    assert answers.shape == (batch,)
    assert answers == pytest.approx(classifier.probability(rows), abs=PROBABILITY_TOLERANCE)
    assert read_graph_facts(model).inputs[0].shape == ("batch", 48)


def test_another_graph_is_refused():
    classifier, _ = fitted("svc-rbf")
    other, _ = fitted("svc-rbf", 1)
    model = build_classifier_graph(other).SerializeToString()
    with pytest.raises(ClassifierParityError, match=r"off by .*more than 1e-05"):
        prove(classifier, model)


def test_fingerprint_graph_looks_bits_up():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, 500).astype(np.uint8)
    places = rng.integers(0, 4000, (1000, 3))
    session, _ = open_session(build_fingerprint_graph(table, 3).SerializeToString())
    answers = session.run(["known"], {"places": places})[0]
    assert answers.tolist() == known_in(table)(places).tolist()
    assert 0 < answers.sum() < 1000


def test_a_bundle_with_filters_says_what_they_are(made, tmp_path):
    added = add_filters(made / "tiny-tunes", made / "filters", tmp_path / "with")
    manifest = added.bundle.manifest
    assert [(c.style, c.labels) for c in classifiers_of(manifest)] == [
        (style, "surrogate") for style in ("bach", "jazz", "all")
    ]
    assert all(c.metrics["parity"] <= PROBABILITY_TOLERANCE for c in classifiers_of(manifest))
    assert all(len(c.features) == 20 for c in classifiers_of(manifest))
    assert fingerprint_of(manifest) is not None
    card = added.bundle.card
    assert "**surrogate labels**, not on what people like" in card
    assert "| bach | svc-rbf |" in card
    assert card.startswith("# tiny-tunes")


def test_the_edge_drops_what_the_training_called_bad(made, tmp_path):
    bundle = add_filters(made / "tiny-tunes", made / "filters", tmp_path / "with").bundle
    panels = {type(panel).__name__: panel for panel in tune_panels(bundle)}
    phrases = surrogate_phrases(orderly_tunes(), ("test",), np.random.default_rng(5), style="jazz")
    weights = np.array([style == "jazz" for style in TINY_STYLES], dtype=np.float32)
    asked = [
        (PHRASE, TuneContext(tune=tune, fresh=len(tune), style=weights)) for tune in phrases.tunes
    ]
    reasons = np.array([r == "classifier" for r in panels["ClassifierPanel"](asked)])
    assert reasons[~phrases.good].mean() > 0.9
    assert reasons[phrases.good].mean() < 0.3
    assert {*panels["PlagiarismPanel"](asked)} <= {None, "plagiarism"}


def test_the_edge_gives_the_probability_that_training_gave(made, tmp_path):
    from training.families.tunes.classifiers import Classifier
    from training.families.tunes.filter_fit import describe
    from training.verbs.filter import open_encoder

    bundle = add_filters(made / "tiny-tunes", made / "filters", tmp_path / "with").bundle
    phrases = surrogate_phrases(orderly_tunes(), ("test",), np.random.default_rng(5), style="jazz")
    encoder = open_encoder(str(bundle.path))
    rows = describe(phrases, encoder.encode, encoder.styles, 4000, np.random.default_rng(0)).rows
    wanted = Classifier.load(made / "filters" / "classifier-jazz.npz").probability(rows)
    panel = next(p for p in tune_panels(bundle) if hasattr(p, "probabilities"))
    weights = np.array([style == "jazz" for style in TINY_STYLES], dtype=np.float32)
    panel([(PHRASE, TuneContext(tune=t, fresh=16, style=weights)) for t in phrases.tunes])
    assert panel.probabilities == pytest.approx(wanted, abs=PROBABILITY_TOLERANCE)


def test_filters_are_replaced_and_the_rest_of_the_bundle_stays(made, tmp_path):
    once = add_filters(made / "tiny-tunes", made / "filters", tmp_path / "one").bundle
    twice = add_filters(once.path, made / "filters", once.path).bundle
    assert twice.manifest == once.manifest
    assert twice.card == once.card
    assert twice.card.count(CARD_HEADING) == 1
    plain = load_bundle(made / "tiny-tunes").manifest
    assert twice.manifest.graphs[: len(plain.graphs)] == plain.graphs


def test_a_section_takes_the_place_of_an_older_one():
    card = f"# a\n\n{CARD_HEADING}\n\nold\n\n## Remarks\n\nmine\n"
    assert with_section(card, f"{CARD_HEADING}\n\nnew") == (
        f"# a\n\n{CARD_HEADING}\n\nnew\n\n## Remarks\n\nmine\n"
    )


def refused(made, bundle, filters, tmp_path) -> str:
    with pytest.raises(DataError) as caught:
        add_filters(bundle, filters, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_filters_made_with_another_encoder_are_refused(made, tmp_path):
    other = write_tiny_tunes_bundle(tmp_path, "other", seed=1)
    assert "was made with the encoder" in refused(made, other.path, made / "filters", tmp_path)


def test_filters_of_styles_that_are_not_there_are_refused(made, tmp_path):
    filters = shutil.copytree(made / "filters", tmp_path / "filters")
    report = json.loads((filters / "filters.json").read_text())
    report["classifiers"][0]["style"] = "rock"
    (filters / "filters.json").write_text(json.dumps(report))
    assert "has filters for rock" in refused(made, made / "tiny-tunes", filters, tmp_path)


def test_a_bundle_that_plays_no_tunes_takes_no_filters(made, tmp_path):
    other = write_tiny_bundle(tmp_path, "piano-like")
    assert "plays no tunes" in refused(made, other.path, made / "filters", tmp_path)


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"classifiers": 3}'])
def test_a_folder_without_filters_is_one_line(made, text, tmp_path):
    if text is not None:
        (tmp_path / "filters.json").write_text(text)
    assert "perpetuo train filter" in refused(made, made / "tiny-tunes", tmp_path, tmp_path)


def test_a_manifest_that_names_a_missing_fingerprint_is_refused(made, tmp_path):

    from streamer.errors import BundleError
    from streamer.families.tunes.spec import FingerprintSpec

    bundle = load_bundle(made / "tiny-tunes")
    spec = FingerprintSpec(graph="nothing", bits=8, notes=8, each=4, limit=16)
    manifest = bundle.manifest.with_parts(fingerprint=spec)
    models = {g.file: bundle.graph_bytes(g.name) for g in manifest.graphs}
    with pytest.raises(BundleError, match="the fingerprint wants the graph nothing"):
        write_bundle(tmp_path / "odd", manifest, models, "")


def test_the_verb_adds_filters_to_a_bundle(made, tmp_path, capsys):
    out = tmp_path / "with"
    arguments = ["bundle", "filter", str(made / "tiny-tunes"), str(made / "filters")]
    assert cli.main([*arguments, "-o", str(out)]) == 0
    assert "filters of bach, jazz, all (surrogate labels), within" in capsys.readouterr().out
    assert len(classifiers_of(load_bundle(out).manifest)) == 3
    arguments[-1] = str(tmp_path)
    assert cli.main([*arguments, "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert "perpetuo train filter" in error
    assert error.count("\n") == 1


def test_the_stream_plays_with_the_filters_of_its_bundle_and_without(made, tmp_path):
    from dataclasses import replace

    from streamer.pipeline import open_source
    from streamer.settings.settings import Settings

    bundle = add_filters(made / "tiny-tunes", made / "filters", tmp_path / "with").bundle
    dropped = {}
    for on in (True, False):
        base = Settings()
        model = replace(base.model, model=str(bundle.path), style="jazz", seed=1)
        tunes = TuneSettings(trained_filters=on, least_notes=48)
        source = open_source(settings=replace(base, model=model, stages={"tunes": tunes}))
        for _ in range(12):
            assert source.next_phrase().notes
        dropped[on] = dict(source.generator.stats.dropped)
    # What an untrained model writes is chance: the filter drops it, and the stream goes on.
    assert dropped[True]["classifier"] > 0
    assert "classifier" not in dropped[False]

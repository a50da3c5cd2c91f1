"""Panels that judge tunes: each by its style's filter, in one batch, and copies of the corpus."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.tunes.classifier import (
    ClassifierPanel,
    PlagiarismPanel,
    TuneEncoder,
    tune_panels,
)
from streamer.families.tunes.codec import END, TuneCodec, to_tune
from streamer.families.tunes.context import TuneContext
from streamer.families.tunes.features import TUNE_FEATURES, feature_names, tune_features
from streamer.families.tunes.fingerprint import Fingerprint, known_in, make_bits
from streamer.families.tunes.spec import ClassifierSpec
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import Context
from tests.bundles import write_tiny_tunes_bundle

STYLES = ("bach", "jazz")
PHRASE = Phrase((Note(60, 0.0, 1.0, 64),), np.zeros((1, 3), dtype=np.float32), 0.0, 1.0)
VARIED = TUNE_FEATURES.index("pitch")


def line(seed: int, notes: int = 64, span: int = 20):
    rng = np.random.default_rng(seed)
    return to_tune(rng.integers(55, 55 + span, notes), rng.choice([6, 12, 24], notes))


def asked(tunes, weights=(1.0, 0.0), fresh=16):
    style = np.asarray(weights, dtype=np.float32)
    return [(PHRASE, TuneContext(tune=tune, fresh=fresh, style=style)) for tune in tunes]


class Graphs:
    """A classifier that answers the entropy of pitches over 8, and remembers what it was asked."""

    def __init__(self, *styles: str, threshold: float = 0.25, latent: int = 0, notes: int = 64):
        self.seen: list[tuple[str, np.ndarray]] = []
        self.specs = {
            style: ClassifierSpec(
                style=style, graph=f"classifier-{style}", threshold=threshold, method="lr",
                labels="surrogate", features=list(feature_names(latent)), notes=notes,
            )
            for style in styles
        }  # fmt: skip

    def panel(self, encode: TuneEncoder | None = None) -> ClassifierPanel:
        def graph(style):
            def run(features):
                self.seen.append((style, features))
                return {"probability": features[:, VARIED] / 8}

            return run

        graphs = {style: graph(style) for style in self.specs}
        return ClassifierPanel(STYLES, self.specs, graphs, encode)


def test_what_is_below_the_threshold_is_dropped_and_all_run_in_one_batch():
    graphs = Graphs("bach")
    dull, varied = to_tune([60, 62] * 32, [12] * 64), line(0)
    panel = graphs.panel()
    assert panel(asked([dull, varied, dull])) == ["classifier", None, "classifier"]
    assert [(style, rows.shape) for style, rows in graphs.seen] == [("bach", (3, 16))]
    assert panel.probabilities == pytest.approx(
        [1 / 8, tune_features([varied])[0, VARIED] / 8, 1 / 8]
    )


@pytest.mark.parametrize(
    ("weights", "judge"),
    [
        ((1.0, 0.0), "bach"),
        ((0.0, 3.0), "jazz"),
        ((0.8, 0.2), "bach"),
        ((0.5, 0.5), "all"),
        ((0.0, 0.0), "all"),
        ((), "all"),
    ],
)
def test_a_styles_own_filter_judges_it_and_between_styles_that_of_all(weights, judge):
    graphs = Graphs("bach", "jazz", "all")
    graphs.panel()(asked([line(0)], weights))
    assert [style for style, _ in graphs.seen] == [judge]


def test_a_style_without_a_filter_of_its_own_or_of_all_is_kept():
    graphs = Graphs("bach", threshold=1.0)
    assert graphs.panel()(asked([line(0)], (0.0, 1.0))) == [None]
    assert graphs.seen == []


def test_too_few_notes_are_kept_unjudged():
    graphs = Graphs("bach", threshold=1.0)
    panel = graphs.panel()
    assert panel(asked([line(0, 31), line(0, 32)])) == [None, "classifier"]
    assert np.isnan(panel.probabilities).tolist() == [True, False]


def test_the_last_notes_of_a_long_tune_are_judged():
    graphs = Graphs("bach", notes=40)
    tune = line(0, 128)
    graphs.panel()(asked([tune]))
    assert graphs.seen[0][1][0] == pytest.approx(tune_features([tune[-40:]])[0], rel=1e-6)


def test_other_music_and_no_candidates_at_all_pass():
    panel = Graphs("bach", "all", threshold=1.0).panel()
    assert panel([(PHRASE, Context())]) == [None]
    assert panel([]) == []


def test_latent_coordinates_come_behind_the_entropies_whatever_the_tunes_lengths():
    calls = []

    def encode(classes, style):
        calls.append((classes.shape, style.shape))
        return {"mu": np.stack([classes[:, 0, 0], classes[:, -1, 0]], axis=1).astype(np.float32)}

    codec = TuneCodec(4, 4, (6, 12, 24))
    graphs = Graphs("bach", latent=2)
    tunes = [line(0, 64), line(1, 40), line(2, 64)]
    graphs.panel(TuneEncoder(encode, codec))(asked(tunes))
    assert sorted(calls) == [((1, 40, 3), (1, 2)), ((2, 64, 3), (2, 2))]
    wanted = [[tune["pitch"][0] % 12, tune["pitch"][-1] % 12] for tune in tunes]
    assert graphs.seen[0][1][:, 16:].tolist() == wanted


def test_copies_of_the_corpus_beyond_the_limit_are_dropped():
    corpus = [line(seed, 200) for seed in range(4)]
    table = make_bits(corpus)
    panel = PlagiarismPanel(Fingerprint(known_in(table), 8 * len(table)), limit=16)
    copied = np.concatenate([line(10, 48), corpus[2][60:80]])
    moved = copied.copy()
    moved["pitch"] += 3
    short = np.concatenate([line(10, 48), corpus[2][60:74]])
    before = np.concatenate([corpus[2][60:80], line(11, 16)])
    found = panel(asked([copied, moved, short, before, line(12)]))
    assert found == ["plagiarism", "plagiarism", None, None, None]


def test_a_copy_that_began_before_the_candidate_is_found():
    corpus = [line(0, 200)]
    table = make_bits(corpus)
    panel = PlagiarismPanel(Fingerprint(known_in(table), 8 * len(table)), limit=24)
    assert panel(asked([corpus[0][:128]], fresh=4)) == ["plagiarism"]
    assert panel([(PHRASE, Context())]) == [None]


def test_a_closing_note_has_no_length_to_compare():
    tune = line(0, 20)
    tune["length"][-1] = END
    table = make_bits([line(0, 20)])
    panel = PlagiarismPanel(Fingerprint(known_in(table), 8 * len(table)), limit=16)
    assert panel(asked([tune])) == ["plagiarism"]


def test_a_bundle_without_filters_has_no_panels(tmp_path):
    assert tune_panels(write_tiny_tunes_bundle(tmp_path)) == ()

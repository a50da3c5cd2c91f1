"""From a bundle and a corpus to an ear in the bundle: trained, exported, played, studied."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.families.chain.ear import EarParityError, build_ear_graph, prove
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.cli import main
from streamer.families.chain.codec import published_codec
from streamer.families.chain.ear import Ear, EarSpec, ear_of
from streamer.families.chain.hands import RESTRIKE_MS
from streamer.families.chain.hearing import FEATURES
from streamer.music.notes import NOTE_DTYPE
from streamer.pipeline import open_source
from streamer.settings.settings import ModelSettings, Settings
from tests.bundles import write_tiny_bundle
from training.corpora.normalise import NormaliseOptions, normalise
from training.families.chain.ear import EarConfig, hear, train_ear
from training.families.chain.ear_file import read_ear
from training.families.chain.ear_pairs import (
    CONTEXT,
    EACH,
    PHRASE,
    Pairs,
    as_drawn,
    heard_pairs,
)
from training.families.chain.tiny import tiny_pieces
from training.studies.chain.controls import line
from training.studies.chain.ear import variety
from training.studies.chain.playable import count_broken, hand_figures

FLOAT16 = 2e-3  # 1e-3 measured: what an ear learns from is kept in float16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path, Path]:
    """A tiny bundle, a tiny corpus, and the ear that the verb makes of them."""
    folder = tmp_path_factory.mktemp("ear")
    bundle = write_tiny_bundle(folder, hands=True)
    tiny_pieces().save(folder / "tiny.npz")
    train = ["train", "ear", "--bundle", str(bundle.path), "--corpus", str(folder / "tiny.npz")]
    assert main([*train, "-o", str(folder / "made"), "--epochs", "1", "--hidden", "5"]) == 0
    return bundle, folder / "tiny.npz", folder / "made"


@pytest.fixture(scope="module")
def hearing(made: tuple[Bundle, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with its ear."""
    target = tmp_path_factory.mktemp("hearing") / "tiny"
    bundle, _, folder = made
    assert main(["bundle", "ear", str(bundle.path), str(folder), "-o", str(target)]) == 0
    return target


def pairs(places: int, seed: int) -> Pairs:
    """Numbers by chance, in which what was drawn lies lower in one column."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (0.2 * rng.standard_normal((*shape, FEATURES))).astype(np.float16)

    real, own = draw(places, PHRASE), draw(places, EACH, PHRASE)
    own[..., 3] -= 1
    works = np.array([f"work {i % 7}" for i in range(places)])
    return Pairs(draw(places, CONTEXT), real, own, works)


def test_an_ear_learns_what_tells_the_model_from_music() -> None:
    judge = train_ear(
        pairs(200, 0), pairs(40, 1), EarConfig(hidden=8, epochs=4, batch=20, learning_rate=0.03), 0
    )
    found = hear(judge, pairs(60, 2))
    assert found.auc(PHRASE) > 0.9
    assert found.paired() > 0.9
    assert found.real[-1].mean() > 0 > found.own[-1].mean()


def test_the_bundle_says_what_its_ear_is_and_plays_with_it(hearing: Path) -> None:
    bundle = load_bundle(hearing)
    spec = ear_of(bundle.manifest)
    assert spec is not None
    assert (spec.hidden, spec.features, spec.context) == (5, FEATURES, CONTEXT)
    assert {"auc_8", "auc_16", "auc_32", "paired"} <= spec.metrics.keys()
    assert "perpetuo train ear --bundle tiny" in bundle.card
    model = ModelSettings(model=str(hearing), seed=1)
    played = [
        [source.next_phrase().notes for _ in range(3)]
        for ranking in (None, "ear", "any")
        for source in [open_source(settings=Settings(model=replace(model, ranking=ranking)))]
    ]
    assert played[0] == played[1] != played[2]


def test_an_ear_takes_the_place_of_an_older_one(
    made: tuple[Bundle, Path, Path], hearing: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    assert main(["bundle", "ear", str(hearing), str(made[2]), "-o", str(again)]) == 0
    first, second = load_bundle(hearing), load_bundle(again)
    assert second.manifest == first.manifest
    assert second.card == first.card


def test_a_bundle_may_be_named_and_what_came_with_the_program_stays_as_it_was(
    made: tuple[Bundle, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of a card, word for word, and once more."""
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    shutil.copytree(made[0].path, shipped / "tiny")
    here.mkdir()
    monkeypatch.setattr("streamer.bundle.bundle.SHIPPED", shipped)
    monkeypatch.chdir(here)
    for _ in range(2):
        assert 0 == main(["bundle", "ear", "tiny", str(made[2])])
        assert ear_of(load_bundle(here / "tiny").manifest) is not None
        assert ear_of(load_bundle(shipped / "tiny").manifest) is None
    assert 0 == main(["bundle", "unwrap", "tiny", "tiny.pt"])
    assert (here / "tiny.pt").is_file()


def test_a_bundle_that_nobody_knows_is_one_line(
    made: tuple[Bundle, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == main(["bundle", "ear", "pianno", str(made[2])])
    err = capsys.readouterr().err
    assert "no bundle is called 'pianno'; did you mean piano" in err
    assert 1 == err.count("\n")


def test_a_graph_that_answers_otherwise_is_refused(made: tuple[Bundle, Path, Path]) -> None:
    ear = read_ear(made[2])
    model = build_ear_graph(ear).SerializeToString()
    assert prove(ear, model) < 1e-4
    with pytest.raises(EarParityError, match="nothing was written"):
        prove(replace(ear, logits=ear.logits + 1), model)


def test_an_ear_of_another_bundle_is_refused(
    made: tuple[Bundle, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_tiny_bundle(tmp_path, seed=9)
    assert main(["bundle", "ear", str(other.path), str(made[2])]) == 1
    assert "was made for the graph" in capsys.readouterr().err
    assert ear_of(load_bundle(other.path).manifest) is None


def test_a_folder_without_an_ear_is_one_line(
    made: tuple[Bundle, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "ear", str(made[0].path), str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--places", "0"], "--places: must be a whole number in range 1.."),
        (["--hidden", "2"], "--hidden: must be a whole number in range 4..512"),
        (["--epochs", "0"], "--epochs: must be a whole number in range 1.."),
    ],
)
def test_what_cannot_be_is_one_line(
    more: list[str], said: str, made: tuple[Bundle, Path, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    args = ["--bundle", str(made[0].path), "--corpus", str(made[1]), "-o", str(tmp_path / "x")]
    assert main(["train", "ear", *args, *more]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_real_notes_come_out_as_drawn_ones_do() -> None:
    """Times lie anywhere in their classes, so that no ear reads the resolution of files."""
    codec, piece = published_codec(), tiny_pieces().notes(0)
    drawn = as_drawn(piece, codec, np.random.default_rng(0))
    same = codec.encode(piece)[:, [0, 1, 4]] == codec.encode(drawn)[:, [0, 1, 4]]
    assert same.all()
    assert not np.array_equal(drawn["onset_ms"], piece["onset_ms"])


def test_training_and_play_tell_an_ear_the_same_of_the_same_notes(
    made: tuple[Bundle, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that the stream plays phrase by phrase, and places of it that an ear learns from."""
    many, told = 7 * PHRASE, []
    rng = np.random.default_rng(0)
    piece = np.zeros(many, dtype=NOTE_DTYPE)
    piece["pitch"] = 60 + np.cumsum(rng.integers(-3, 4, many)) % 12
    piece["onset_ms"] = np.cumsum(rng.choice([0, 120, 250, 500], many))
    piece["duration_ms"] = rng.choice([100, 300, 900], many)
    piece["velocity"], piece["pedal"] = rng.integers(30, 90, many), rng.random(many) < 0.5

    def graph(notes: np.ndarray, state: np.ndarray) -> dict[str, np.ndarray]:
        told.append(notes[:, 0])
        return {"logit": np.zeros(1), "state_out": state}

    spec = EarSpec(graph="ear", hidden=3, features=FEATURES, context=CONTEXT, floor=0.0)
    ear = Ear(spec, graph)
    for start in range(0, len(piece), PHRASE):
        phrase = piece[start : start + PHRASE]
        ear.commit(phrase, ear.hear([phrase]).features[0])
    monkeypatch.setattr("training.families.chain.ear_pairs.as_drawn", lambda piece, *_: piece)
    found = heard_pairs(made[0], [piece], ["work"], np.random.default_rng(0), most=10)
    assert 6 == len(found)
    for place in range(len(found)):
        context, phrase = told[2 * place + 2 : 2 * place + 4]
        np.testing.assert_allclose(found.past[place], context, atol=FLOAT16)
        np.testing.assert_allclose(found.real[place], phrase, atol=FLOAT16)


def test_study_ear_tells_what_is_heard_and_what_it_costs(
    made: tuple[Bundle, Path, Path], hearing: Path, tmp_path: Path
) -> None:
    args = ["--bundle", str(hearing), "--tensors", str(made[1]), "-o", str(tmp_path)]
    assert main(["study", "ear", *args, "--streams", "1", "--minutes", "0.1"]) == 0
    rows = json.loads((tmp_path / "ear.json").read_text())
    assert 0 <= rows["held_out"]["auc"] <= 1
    assert rows["cost"]["hear_ms"] > 0
    assert rows["variety"].keys() == {"ear", "any", "corpus"}


def test_study_playable_counts_what_hands_cannot_do(
    made: tuple[Bundle, Path, Path], tmp_path: Path
) -> None:
    args = ["--bundle", str(made[0].path), "--tensors", str(made[1]), "-o", str(tmp_path)]
    more = ["--streams", "1", "--minutes", "0.1", "--notes", "100"]
    assert main(["study", "playable", *args, *more]) == 0
    rows = json.loads((tmp_path / "playable.json").read_text())
    assert rows["drawn"]["broken"] == 0
    assert rows["stream"]["again_within_60_ms"] == 0
    assert rows["stream"]["no_length"] == 0


def test_restrikes_notes_of_no_length_and_chords_are_found() -> None:
    piece = np.zeros(16, dtype=NOTE_DTYPE)
    piece["pitch"] = [60, 60, *range(40, 54)]
    piece["onset_ms"] = [0, 50, *[1000] * 14]
    piece["duration_ms"] = [0.5, *[300] * 15]
    found = hand_figures([piece])
    assert found["again_within_60_ms"] == found["no_length"] == 100 / 16
    assert found["largest_chord"] == 14


def test_the_law_is_counted_on_classes() -> None:
    """A key struck at once twice, and a chord that no two hands span."""
    codec = published_codec()
    apart = int(np.searchsorted(codec.shift.edges, RESTRIKE_MS * 2))
    good = np.zeros((3, 1, 5), dtype=np.int64)
    good[:, 0, 1] = apart
    assert count_broken(good, codec) == 0
    twice, wide = good.copy(), good.copy()
    twice[1, 0, 1] = 0
    wide[:, 0, 0], wide[:, 0, 1] = [0, 80, 40], 0
    assert count_broken(twice, codec) == 1
    assert count_broken(wide, codec) == 1


def test_variety_is_spread_and_share_of_figures_that_are_new() -> None:
    piece = tiny_pieces().notes(0)
    flat = piece.copy()
    flat["pitch"] = 60
    assert variety([flat])["distinct_figures"] < 0.1 < variety([piece])["distinct_figures"]
    assert variety([flat])["pitch_sd"] == 0


def test_a_corpus_is_mended_where_hands_could_not_play_it() -> None:
    """A key that is heard twice within 60 ms is one strike, until the later one ends."""
    piece = np.zeros(15, dtype=NOTE_DTYPE)
    piece["pitch"] = [60, 60, 60, *range(40, 52)]
    piece["onset_ms"] = [0, 40, 100, *[1000] * 12]
    piece["duration_ms"] = [30, 60, 0.5, *[200] * 12]
    piece["velocity"] = [50, 60, 50, *range(30, 42)]
    options = NormaliseOptions(restrike_ms=60.0, shortest_ms=10.0, chord_keys=10)
    kept, counts = normalise(piece, options)
    assert counts == {"restrike": 1, "chord": 2, "brief": 1}
    assert kept["onset_ms"][:2].tolist() == [0, 100]
    assert kept["duration_ms"][:2].tolist() == [100, 10]
    assert sorted(kept["velocity"][2:].tolist()) == list(range(32, 42))
    assert not normalise(kept, options)[1]


def test_study_controls_tells_what_was_asked_and_what_was_played(
    made: tuple[Bundle, Path, Path], tmp_path: Path
) -> None:
    args = ["--bundle", str(made[0].path), "--tensors", str(made[1]), "-o", str(tmp_path)]
    assert main(["study", "controls", *args, "--streams", "1", "--minutes", "0.05"]) == 0
    rows = json.loads((tmp_path / "controls.json").read_text())
    assert rows.keys() == {"density", "steady density"}
    for row in rows.values():
        assert row["played"][2] == 1.0
        assert row["slope"] > 0
        assert row["moved_with_it"].keys() <= {"duration_ms", "velocity", "pitch", "pedal"}


def test_slope_and_correlation_are_of_a_line() -> None:
    asked = np.log(np.array([0.5, 1.0, 2.0]))
    assert line(asked, 0.7 * asked + 3) == pytest.approx({"slope": 0.7, "correlation": 1.0})

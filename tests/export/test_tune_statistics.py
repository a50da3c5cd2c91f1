"""What a bundle says of its tunes is what the model and the corpus say."""

import dataclasses

import numpy as np
import pytest
import torch

from export.families.tunes.statistics import (
    HEARD_NOTES,
    STYLE_LEVELS,
    measure_styles,
    measure_tune_statistics,
    rules_of,
    widest,
)
from streamer.errors import DataError
from streamer.families.tunes.codec import UNIT_PARTS
from streamer.families.tunes.context import TuneRules
from tests.bundles import tiny_tune_codec
from tests.export.tune_corpus import make_info, make_track, make_tune_model, make_tunes
from training.families.tunes.crops import heard_window, padded
from training.families.tunes.tuneset import TuneSet

TUNES = make_tunes()


def test_phrases_are_counted_from_the_start_of_each_training_track() -> None:
    statistics = measure_tune_statistics(make_tune_model(), TUNES)
    assert statistics.phrases == 40 // 16 + 70 // 16 + 33 // 16 + 50 // 16 + 45 // 16
    assert statistics.phrase_notes == 16
    assert len(statistics.arguments) == 3
    for argument in statistics.arguments:
        assert sum(argument.mean.counts) == statistics.phrases


def test_entropies_are_those_of_the_model_stepping_over_the_same_notes() -> None:
    """lm has no latent, so that nothing is drawn."""
    model = make_tune_model("lm")
    one = TuneSet.from_tracks([make_track(16, 0)], [make_info(0, "bach")], tiny_tune_codec())
    one = dataclasses.replace(one, styles=model.styles)
    statistics = measure_tune_statistics(model, one)
    classes = torch.from_numpy(one.codec.encode(one.tune(0)).astype(np.int64))
    style, z = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 4)
    previous, s = torch.full((1, 3), -1), model.start(z, style)
    entropies = []
    for note in classes:
        noise = torch.zeros(1, one.codec.offsets[-1])
        noise[0, note + torch.tensor(one.codec.offsets[:3])] = 1e6
        out = model.step(previous, s, z, style, noise)
        assert torch.equal(out.classes[0], note)
        previous, s = out.classes, out.s
        entropies.append(out.entropies[0].numpy())
    means = [argument.entropy_mean for argument in statistics.arguments]
    assert means == pytest.approx(np.mean(entropies, axis=0), abs=1e-5)


def test_same_model_and_tunes_give_the_same_statistics() -> None:
    model = make_tune_model()
    assert measure_tune_statistics(model, TUNES) == measure_tune_statistics(model, TUNES)


def test_sampling_stops_when_there_are_enough_notes() -> None:
    assert measure_tune_statistics(make_tune_model(), TUNES, max_notes=1).phrases < 5


def test_tunes_of_another_codec_or_other_styles_are_refused() -> None:
    model = make_tune_model()
    other = dataclasses.replace(TUNES, styles=("bach", "polka"))
    with pytest.raises(DataError, match="polka"):
        measure_tune_statistics(model, other)
    with pytest.raises(DataError, match="no training track has 100 notes"):
        measure_tune_statistics(model, TUNES, phrase_notes=100)


def test_rules_are_named_as_the_rules_for_tunes_are_and_hold_for_the_corpus() -> None:
    rules = rules_of(TUNES, TUNES.indices("train"))
    assert set(rules) <= {field.name for field in dataclasses.fields(TuneRules)}
    assert rules["leap"] == 3
    assert rules["longest_beats"] == 1
    low, high = rules["density"]  # type: ignore[misc]
    assert 1 < low < high < 2.2
    assert 0.1 < rules["on_beat_share"] <= 1  # type: ignore[operator]


def test_rules_of_all_styles_allow_what_any_of_them_allows() -> None:
    wild = make_track(64, 9)
    wild["pitch"] = np.where(np.arange(64) % 2, 55, 75)
    tunes = TuneSet.from_tracks([TUNES.rows(1), wild], [TUNES.tracks[1], make_info(9, "zydeco")])
    tame, leaping = (rules_of(tunes, [i]) for i in range(2))
    assert (tame["leap"], leaping["leap"], leaping["span"]) == (3, 20, 20)
    both = widest([tame, leaping, {}])
    assert (both["leap"], both["span"]) == (20, 20)
    assert both["on_beat_share"] == min(tame["on_beat_share"], leaping["on_beat_share"])  # type: ignore[type-var]
    pairs = np.array([tame["density"], leaping["density"]])
    assert both["density"] == [pairs[:, 0].min(), pairs[:, 1].max()]


def test_tracks_shorter_than_a_phrase_give_no_rules() -> None:
    assert rules_of(TUNES, [0], phrase_notes=99) == {}


def test_styles_say_what_their_training_tracks_are_like() -> None:
    spec = measure_styles(make_tune_model(), TUNES)
    bach, jazz = spec.styles
    assert (bach.name, bach.tracks, bach.share) == ("bach", 3, 0.6)
    assert (jazz.unit_beats, jazz.metre) == (1.0, 4.0)
    # The tempo is that of the tracks with the commonest bar; number 4 is in three.
    assert bach.bpm[STYLE_LEVELS.index(0.5)] == 101
    assert bach.notes[STYLE_LEVELS.index(0.5)] == 40
    assert 0 <= bach.returned <= 1
    assert [2, 2, 2] == [len(row) for row in bach.entropy]
    assert all(mean > 0 < spread for mean, spread in bach.entropy)
    assert (bach.rules["leap"], jazz.rules["longest_beats"]) == (3, 1)
    low, high = jazz.pitch
    assert 55 <= low < high <= 79
    assert UNIT_PARTS == 12


def test_latents_of_a_style_spread_as_training_drew_them() -> None:
    model = make_tune_model()
    bach = measure_styles(model, TUNES).styles[0]
    means, variances = [], []
    rng = np.random.default_rng(0)
    for index in TUNES.indices("train", "bach"):
        heard = padded([heard_window(TUNES, index, HEARD_NOTES, rng)])
        with torch.no_grad():
            mu, log_variance = model.encode(heard, torch.tensor([[1.0, 0.0]]))
        means.append(mu[0].numpy())
        variances.append(log_variance[0].exp().numpy())
    assert bach.mean == pytest.approx(np.mean(means, axis=0), abs=1e-4)
    spread = np.sqrt(np.var(means, axis=0) + np.mean(variances, axis=0))
    assert bach.sd == pytest.approx(spread, abs=1e-4)


def test_kinds_hold_unit_bar_tempo_and_latent_of_the_tracks_that_share_them() -> None:
    kinds = {(1.0, 4.0): range(12), (0.333333, 3.0): range(12, 18), (0.583333, 4.0): range(18, 28)}
    infos = [
        make_info(i, "bach", unit_beats=unit, metre=metre)
        for (unit, metre), own in kinds.items()
        for i in own
    ]
    infos += [make_info(40, "bach", metre=5.0), make_info(41, "jazz")]
    tunes = TuneSet.from_tracks([make_track(40, i) for i in range(30)], infos, TUNES.codec)
    bach = measure_styles(make_tune_model(), tunes).styles[0]
    # Bars of one track are an accident, and sevenths of a bar are no twelfths.
    assert [(k.unit_beats, k.metre) for k in bach.kinds] == [(1.0, 4.0), (pytest.approx(1 / 3), 3)]
    assert [k.share for k in bach.kinds] == [
        pytest.approx(2 / 3, abs=1e-3),
        pytest.approx(1 / 3, abs=1e-3),
    ]
    assert [k.bpm[STYLE_LEVELS.index(0.5)] for k in bach.kinds] == [105.5, 114.5]
    assert UNIT_PARTS / bach.kinds[1].unit_beats == 36.0
    assert all(len(k.mean) == len(k.sd) == len(bach.mean) for k in bach.kinds)
    assert bach.kinds[0].mean != bach.kinds[1].mean


def test_returns_are_those_of_beginnings_as_long_as_a_tune() -> None:
    """A track of which all but the first eight notes came before, and one that never repeats."""
    again, never = make_track(72, 0), make_track(72, 1)
    again["pitch"] = np.tile(60 + np.arange(8), 9)
    again["length"][:-1] = 12
    never["pitch"] = 60 + np.random.default_rng(7).integers(0, 12, 72)
    infos = [make_info(0, "bach"), make_info(1, "bach"), make_info(2, "jazz")]
    tunes = TuneSet.from_tracks([again, never, make_track(40, 2)], infos, TUNES.codec)
    bach = measure_styles(make_tune_model(), tunes).styles[0]
    assert len(bach.returns) == len(STYLE_LEVELS)
    assert bach.returns[0] < 0.1
    assert bach.returns[-1] > 0.75


def test_style_without_a_training_track_is_named() -> None:
    infos = [make_info(0, "bach"), make_info(1, "jazz", "test")]
    tunes = TuneSet.from_tracks([make_track(40, 0), make_track(40, 1)], infos, TUNES.codec)
    with pytest.raises(DataError, match="style jazz has no training track"):
        measure_styles(make_tune_model(), tunes)

"""Ground truth is measured on whole training pieces, phrase by phrase, as the model hears them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.families.chain.statistics import measure_statistics
from export.statistics import LEVELS
from streamer.engine.noise import force_classes
from streamer.errors import DataError
from streamer.families.chain.codec import fitted_codec
from tests.export.conftest import make_model, make_piece
from training.families.chain.tensors import PieceInfo, TensorSet


@pytest.fixture
def made(tensors: Path) -> TensorSet:
    return TensorSet.load(tensors)


def test_histograms_count_every_whole_phrase_of_the_training_pieces(made: TensorSet) -> None:
    statistics = measure_statistics(make_model(), made, phrase_notes=16)
    # 70, 100 and 20 notes; the piece of the test split is not looked at.
    assert statistics.phrases == 4 + 6 + 1
    for argument in statistics.arguments:
        for histogram in (argument.mean, argument.variance, argument.moving_average_variance):
            assert len(histogram.counts) == 30
            assert sum(histogram.counts) == statistics.phrases


def test_entropies_are_those_of_playing_the_piece_step_by_step(made: TensorSet) -> None:
    model = make_model()
    one = TensorSet.from_pieces([made.notes(0)], [made.pieces[0]], made.codec)
    statistics = measure_statistics(model, one, phrase_notes=32)
    classes = made.codec.encode(made.notes(0)).astype(np.int64)
    velocities = made.notes(0)["velocity"].astype(np.float32)
    h, c, _ = model.initial_state(1)
    previous, velocity, entropies = torch.full((1, 5), -1), torch.zeros(1), []
    for note, loudness in zip(classes[:64], velocities, strict=False):
        noise = force_classes(np.zeros((1, 1, 362), np.float32), note[None], made.codec)
        out = model.step(previous, velocity, h, c, torch.from_numpy(noise[0]))
        entropies.append(out.entropies[0].numpy())
        previous, h, c = out.classes, out.h, out.c
        velocity = torch.tensor([loudness])
    found = [a.entropy_mean for a in statistics.arguments]
    assert found == pytest.approx(np.mean(entropies, axis=0), abs=1e-4)


def test_music_is_described_by_quantiles_over_phrases(made: TensorSet) -> None:
    statistics = measure_statistics(make_model(), made)
    assert statistics.levels == list(LEVELS)
    names = {
        "density", "pitch", "velocity", "velocity_sd", "duration_ms", "pedal", "polyphony",
        "longest_rest_ms", "repetition",
    }  # fmt: skip
    assert set(statistics.note) == names
    for values in statistics.note.values():
        assert values == sorted(values)
    # Shifts are drawn evenly below 400 ms: about five notes a second.
    middle = statistics.note["density"][LEVELS.index(0.5)]
    assert 4 < middle < 6.5


def test_cells_are_bounded_a_layer_and_submodel(made: TensorSet) -> None:
    statistics = measure_statistics(make_model(), made)
    low, high = np.array(statistics.c_low), np.array(statistics.c_high)
    assert low.shape == high.shape == (2, 5)
    assert (low < high).all()


def test_same_tensors_give_the_same_statistics(made: TensorSet) -> None:
    assert measure_statistics(make_model(), made) == measure_statistics(make_model(), made)


def test_no_more_pieces_are_taken_than_are_needed(made: TensorSet) -> None:
    few = measure_statistics(make_model(), made, phrase_notes=16, max_notes=40)
    assert few.phrases < 11


def test_tensors_of_another_codec_are_refused(made: TensorSet) -> None:
    other = TensorSet.from_pieces(
        [made.notes(0)], [made.pieces[0]], fitted_codec([make_piece(3000, 0)])
    )
    with pytest.raises(DataError, match="codec"):
        measure_statistics(make_model(), other)


def test_tensors_without_a_phrase_are_refused(made: TensorSet) -> None:
    info = PieceInfo("a.mid", "made", "a", "", "train")
    short = TensorSet.from_pieces([make_piece(5, 0)], [info], made.codec)
    with pytest.raises(DataError, match="no training piece has 32 notes"):
        measure_statistics(make_model(), short)

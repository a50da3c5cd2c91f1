"""The query VAE: its bound, its training on a few bars, its graphs with the channel inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.families.windows.query_graph import build_answer_graph, build_decode_graph
from streamer.engine.session import open_session
from streamer.errors import DataError
from streamer.families.windows.bitchannel import allocate, full_bits, transmit
from streamer.families.windows.codec import RollCodec
from tests.scores import scores
from training.families.windows.query import Query, QueryConfig
from training.families.windows.query_task import QueryData, QueryTask, _transposed

CODEC = RollCodec("bars", 4, 16, 48, 71, onsets=True)


def model(layers: int = 1) -> Query:
    torch.manual_seed(0)
    return Query(QueryConfig(hidden=20, layers=layers, latent=6), CODEC).eval()


def task(net: Query | None = None) -> QueryTask:
    pieces = [[(i * 0.5, 0.5, 50 + k + 4 * (i % 4)) for i in range(64)] for k in range(4)]
    return QueryTask(net or model(), scores(*pieces), QueryData(batch=8, transpose=2), seed=1)


def cells(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return (rng.random((n, *CODEC.shape)) < 0.1).astype(np.float32)


def test_training_learns_the_corpus_and_counts_the_latent_at_its_weight() -> None:
    run = task()
    before = run.evaluate()
    assert before["total"] == pytest.approx(before["cells"] + before["latent"])
    optimizer = torch.optim.Adam(run.model.parameters(), lr=0.01)
    for epoch in range(30):
        for batch in run.batches(epoch):
            optimizer.zero_grad()
            run.train_step(batch, None).loss.backward()
            optimizer.step()
    assert run.evaluate()["total"] < 0.9 * before["total"]


def test_every_parameter_learns() -> None:
    net = model(layers=2)
    logits, nats = net(torch.from_numpy(cells(3)), torch.randn(3, 6))
    (logits.sum() + nats.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_bars_are_moved_by_semitones_and_stay_where_notes_would_fall_off() -> None:
    bar = np.zeros((3, *CODEC.shape), np.uint8)
    bar[:, 0, 2] = 1
    moved = _transposed(bar, np.array([1, -2, -3]))
    assert [np.flatnonzero(b[0, :, 0]).tolist() for b in moved] == [[3], [0], [2]]
    high = np.zeros((1, *CODEC.shape), np.uint8)
    high[:, 5, 23] = 1
    assert np.array_equal(_transposed(high, np.array([1])), high)


def test_a_corpus_without_such_bars_is_refused_with_a_remedy() -> None:
    waltz = scores([(i * 1.0, 1.0, 60) for i in range(30)], metre=(3, 4))
    with pytest.raises(DataError, match="4/4"):
        QueryTask(model(), waltz, QueryData(), seed=1)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_graphs_do_what_model_and_channel_do(layers: int) -> None:
    net, bars = model(layers), cells(5)
    arrays, rng = net.export_arrays(), np.random.default_rng(0)
    mean, variances = rng.normal(size=6).astype(np.float32), rng.random(6).astype(np.float32)
    with torch.no_grad():
        z, _ = net.encode(torch.from_numpy(bars))
    answer, _ = open_session(build_answer_graph(arrays, CODEC, mean, variances).SerializeToString())
    decode, _ = open_session(build_decode_graph(arrays, CODEC).SerializeToString())
    for bits in (0, 3, 20, full_bits(6)):
        rates = np.tile(allocate(variances, bits), (5, 1))
        noise = rng.normal(size=(5, 6)).astype(np.float32)
        sent = transmit(z.numpy(), rates, mean, variances, noise)
        feeds = {"cells": bars, "rates": rates.astype(np.float32), "noise": noise}
        (arrived,) = answer.run(None, feeds)
        assert np.abs(arrived - sent).max() < 1e-5
        (heard,) = decode.run(None, {"z": arrived})
        with torch.no_grad():
            wanted = torch.sigmoid(net.decode(torch.from_numpy(arrived)))
        assert np.abs(heard.reshape(5, -1) - wanted.numpy()).max() < 1e-5


def test_without_bits_every_query_gets_one_and_the_same_answer() -> None:
    arrays, bars = model().export_arrays(), cells(9)
    graph = build_answer_graph(arrays, CODEC, np.ones(6), np.ones(6))
    answer, _ = open_session(graph.SerializeToString())
    noise = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    feeds = {"cells": bars, "rates": np.zeros((9, 6), np.float32), "noise": noise}
    (z,) = answer.run(None, feeds)
    assert len(np.unique(z, axis=0)) == 1


def test_statistics_of_another_latent_are_refused() -> None:
    with pytest.raises(ValueError, match="6 numbers"):
        build_answer_graph(model().export_arrays(), CODEC, np.ones(5), np.ones(6))

"""DRAW: its bound, its decoder, its training on a few sections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.families.windows.draw_graph import build_draw_graph
from streamer.engine.session import open_session
from streamer.families.windows.codec import RollCodec
from tests.scores import scores
from training.families.windows.draw import Draw, DrawConfig
from training.families.windows.draw_task import DrawData, DrawTask
from training.kernels.repeated import Repeated

CODEC = RollCodec("roll", 4, 16, 48, 71)


def model(**more: int) -> Draw:
    torch.manual_seed(0)
    return Draw(DrawConfig(passes=5, latent=4, hidden=12, **more), CODEC)


def corpus() -> DrawTask:
    pieces = [[(i * 0.5, 0.5, 50 + k + 4 * (i % 4)) for i in range(64)] for k in range(4)]
    return DrawTask(model(), scores(*pieces), DrawData(batch=8, transpose=0), seed=1)


def test_reading_with_two_products_is_reading_section_and_error_side_by_side() -> None:
    net = model()
    x, noise = torch.rand(3, CODEC.cells).round(), torch.zeros(1, 3, 4)
    canvas = net.canvas.expand(3, -1)
    both = torch.cat([net.read_section.weight + 0, net.read_missing.weight], dim=1)
    joined = torch.cat([x, x - torch.sigmoid(canvas)], dim=1) @ both.T + net.read_section.bias
    apart = net.read_section(x) + net.read_missing(x) - net.read_missing(torch.sigmoid(canvas))
    assert torch.allclose(joined, apart, atol=1e-5)
    logits, nats = net(x, noise)
    assert logits.shape == (3, CODEC.cells)
    assert nats.shape == (1, 3)


def test_the_latent_costs_nothing_where_it_says_nothing_and_more_elsewhere() -> None:
    net = model()
    torch.nn.init.zeros_(net.latent.weight)
    torch.nn.init.zeros_(net.latent.bias)
    _, nats = net(torch.zeros(2, CODEC.cells), torch.zeros(5, 2, 4))
    assert torch.allclose(nats, torch.zeros(5, 2))
    torch.nn.init.constant_(net.latent.bias, 0.5)
    _, nats = net(torch.zeros(2, CODEC.cells), torch.zeros(5, 2, 4))
    # Mean 0.5 and log standard deviation 0.5: a half of (0.25 + e - 1 - 1) for each of four.
    assert nats[0, 0].item() == pytest.approx(4 * 0.5 * (0.25 + np.e - 2), rel=1e-4)


def test_canvases_grow_towards_what_decoding_gives() -> None:
    net, z = model(), torch.randn(5, 2, 4)
    canvases = net.canvases(z)
    assert torch.allclose(canvases[-1], net.decode(z), atol=1e-5)
    assert torch.allclose(canvases[2], net.decode(z[:3]), atol=1e-5)


def test_every_parameter_learns() -> None:
    net = model()
    logits, nats = net(torch.ones(2, CODEC.cells), torch.randn(5, 2, 4))
    (logits.sum() + nats.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_training_learns_the_corpus() -> None:
    task = corpus()
    before = task.evaluate()["total"]
    optimizer = torch.optim.Adam(task.model.parameters(), lr=0.01)
    for epoch in range(12):
        for batch in task.batches(epoch):
            optimizer.zero_grad()
            task.train_step(batch, None).loss.backward()
            optimizer.step()
    assert task.evaluate()["total"] < 0.8 * before


def test_the_same_epoch_gives_the_same_batches_and_another_gives_others() -> None:
    task = corpus()
    first, again, other = (torch.cat(list(task.batches(e))) for e in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("rank", [0, 6])
def test_the_graph_draws_what_the_model_draws(rank: int) -> None:
    net = model(write_rank=rank).eval()
    session, _ = open_session(build_draw_graph(net.export_arrays(), CODEC).SerializeToString())
    for passes, batch in ((5, 3), (1, 1), (2, 7)):
        z = torch.randn(passes, batch, 4)
        (got,) = session.run(None, {"z": z.numpy()})
        wanted = torch.sigmoid(net.decode(z)).reshape(batch, 16, 24)
        assert np.abs(got - wanted.detach().numpy()).max() < 1e-5


def test_arrays_that_do_not_fit_the_codec_are_refused() -> None:
    with pytest.raises(ValueError, match="canvas"):
        build_draw_graph(model().export_arrays(), RollCodec())


def test_a_repeated_matrix_has_the_gradient_of_the_same_matrix_applied_each_time() -> None:
    found = {}
    for repeated in (True, False):
        torch.manual_seed(1)
        linear, x = torch.nn.Linear(3, 3, bias=False), torch.ones(2, 3)
        apply = Repeated(linear.weight) if repeated else linear
        for _ in range(4):
            x = torch.tanh(apply(x)) + x
        x.square().sum().backward()
        found[repeated] = linear.weight.grad
    assert torch.allclose(found[True], found[False], atol=1e-5)


def test_a_repeated_matrix_refuses_a_first_step_that_leads_to_no_other() -> None:
    apply = Repeated(torch.ones(3, 3, requires_grad=True))
    first = apply(torch.ones(1, 3, requires_grad=True))
    apply(torch.ones(1, 3))
    with pytest.raises(RuntimeError, match="lead to all"):
        first.sum().backward()

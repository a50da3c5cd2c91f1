"""Baselines: causal, blind to other pieces, learning, and measured beside the chain."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.cli import main
from streamer.families.chain.codec import published_codec
from tests.training.test_chain_training import made_tensors
from training.baselines.nets import NETS, BaselineConfig, NoteModel, build
from training.baselines.task import logits_of, note_nats
from training.families.chain.batches import Window, windows
from training.families.chain.model import Chain, ChainConfig
from training.run.checkpoint import Checkpoint, save_checkpoint
from training.run.ranks import Ranks
from training.run.team import share

SMALL = {"width": 16, "layers": 2, "heads": 2, "memory": 16, "dropout": 0.0}


def model_of(net: str) -> NoteModel:
    torch.manual_seed(0)
    return build({**SMALL, "net": net}, published_codec()).eval()


def window_of(steps: int, starts: tuple[int, ...] = (0,)) -> Window:
    (window,) = list(windows([*made_tensors(4).iterate("train")][:1], published_codec(), batch=1,
                             steps=120))  # fmt: skip
    window = Window(*(x[:steps] for x in window))
    for at in starts:
        window.previous[at], window.keep[at], window.velocity[at] = -1, 0, 0
    return window


@pytest.mark.parametrize("net", sorted(NETS))
def test_no_note_is_told_by_what_comes_after_it(net):
    model, window = model_of(net), window_of(30)
    before, _ = logits_of(model, window, model.initial_state(1))
    changed = Window(*(x.clone() for x in window))
    changed.current[20, 0, 2] = (changed.current[20, 0, 2] + 1) % 5
    changed.previous[21, 0, 2] = changed.current[20, 0, 2]
    after, _ = logits_of(model, changed, model.initial_state(1))
    for m in range(5):
        torch.testing.assert_close(before[m][:20], after[m][:20])
        same = torch.allclose(before[m][20], after[m][20])
        assert same is (m <= 2)  # the order of the arguments
    assert not torch.allclose(before[0][21], after[0][21])


@pytest.mark.parametrize("net", sorted(NETS))
def test_a_piece_is_told_the_same_in_one_window_in_several_and_behind_another(net):
    """Within the memory; what lies before a piece's first note is not seen."""
    model, whole = model_of(net), window_of(24)
    wanted, _ = logits_of(model, whole, model.initial_state(1))
    state, found = model.initial_state(1), []
    for start in range(0, 24, 12):
        logits, state = logits_of(model, Window(*(x[start : start + 12] for x in whole)), state)
        found.append(logits[1])
    torch.testing.assert_close(torch.cat(found), wanted[1], atol=1e-5, rtol=1e-5)
    joined = Window(*(torch.cat((window_of(10)[i], x)) for i, x in enumerate(whole)))
    behind, _ = logits_of(model, joined, model.initial_state(1))
    torch.testing.assert_close(behind[1][10:], wanted[1], atol=1e-5, rtol=1e-5)
    _, before = logits_of(model, window_of(10), model.initial_state(1))
    carried, _ = logits_of(model, whole, before)
    torch.testing.assert_close(carried[1], wanted[1], atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baselines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)  # curves take long to draw
        _train(folder)
    return folder


def _train(folder: Path) -> None:
    made_tensors(8).save(folder / "tensors.npz")
    for net in sorted(NETS):
        line = ["train", "baseline", net, "--tensors", str(folder / "tensors.npz"), "--width", "16"]
        line += ["-o", str(folder / net), "--layers", "1", "--epochs", "4", "--batch", "4"]
        line += ["--steps", "24", "--device", "cpu", "--threads", "1", "--rate", "0.01"]
        assert 0 == main(line)
    tensors = made_tensors(8)
    chain = Chain(ChainConfig(hidden=4), tensors.codec)
    weights = {name: value.clone() for name, value in chain.state_dict().items()}
    about = (chain.describe(), tensors.codec.to_dict())
    save_checkpoint(folder / "chain.pt", Checkpoint("chain", *about, weights, {}, {}, {}))


def test_baselines_learn_on_the_chains_splits_and_stand_beside_it(runs, capsys):
    tensors = str(runs / "tensors.npz")
    names = [str(runs / name) for name in (*sorted(NETS), "chain.pt")]
    line = ["study", "bench", *names, "--tensors", tensors, "--split", "valid", "--no-speed"]
    assert 0 == main([*line, "-o", str(runs / "bench")])
    assert "| transformer |" in capsys.readouterr().out
    rows = json.loads((runs / "bench/bench.json").read_text())["models"]
    assert ["gated", "transformer", "chain"] == [row["model"] for row in rows]
    untrained = sum(np.log(size) for size in published_codec().sizes)
    for row in rows[:2]:
        assert row["nats_a_note"]["value"] < 0.85 * untrained
        last = json.loads((runs / row["model"] / "metrics.jsonl").read_text().splitlines()[-1])
        total = last["valid"]["total"]
        assert row["nats_a_note"]["value"] == pytest.approx(total, rel=0.05)
    assert rows[2]["nats_a_note"]["value"] == pytest.approx(untrained, rel=0.2)
    for row in rows:
        assert row["bits_a_second"]["value"] > 0


def test_a_baseline_is_refused_by_what_wants_a_chain_with_a_line(runs, tmp_path, capsys):
    """It is exported and set beside others, and no more."""
    line = ["train", "chain", "--preset", "chain-tiny", "--start-from", str(runs / "gated")]
    line += ["--tensors", str(runs / "tensors.npz"), "-o", str(tmp_path / "run")]
    assert 1 == main(line)
    err = capsys.readouterr().err
    assert "checkpoint of gated: a baseline can be exported (perpetuo export)" in err
    assert 1 == err.count("\n")


def test_a_shape_that_cannot_be_is_one_line(runs, tmp_path, capsys):
    line = ["train", "baseline", "transformer", "--tensors", str(runs / "tensors.npz"), "-o"]
    assert 1 == main([*line, str(tmp_path / "run"), "--width", "6"])
    err = capsys.readouterr().err
    assert "heads must divide the width 6, not be 4" in err
    assert 1 == err.count("\n")


@pytest.mark.parametrize("net", sorted(NETS))
def test_rows_of_a_baseline_can_be_shared_out(net):
    model = model_of(net)
    batch = next(iter(windows([*made_tensors(6).iterate("train")], published_codec(), batch=4,
                              steps=20)))  # fmt: skip
    whole, carry = logits_of(model, batch, model.initial_state(4))
    parts = [share(batch, 1, Ranks(rank, 2))[0] for rank in range(2)]
    found = [logits_of(model, part, model.initial_state(2)) for part in parts]
    torch.testing.assert_close(whole[0], torch.cat([one[0][0] for one in found], 1))
    assert [2, 2] == [one[1][0].shape[1] for one in found]
    assert 4 == carry[0].shape[1]
    assert (20, 4, 5) == tuple(note_nats(whole, batch).shape)
    assert BaselineConfig(net=net).net == net

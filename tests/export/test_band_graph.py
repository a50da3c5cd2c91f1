"""Graphs of a band say what torch says, for the paper's decoders and for those that unfold."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from export.families.bands.graph import build_decode_graph, build_encode_graph
from streamer.families.bands.codec import TRACKS, BandCodec
from training.families.bands.model import Musae, MusaeConfig

CODEC = BandCodec(4, 16)
NEAR = 1e-5
"""Greatest difference of a probability or latent; seen: 4e-7."""

PAPER = MusaeConfig(hidden=12, layers=3, latent=6)
UNFOLDED = MusaeConfig(hidden=12, layers=2, latent=6, unfold=4, parts=4)


@pytest.mark.parametrize("config", [PAPER, UNFOLDED], ids=["paper", "unfolded"])
def test_the_graphs_of_a_band_give_what_torch_gives(config: MusaeConfig) -> None:
    torch.manual_seed(0)
    model = Musae(config, CODEC, ["jazz", "rock"]).eval()
    states = np.random.default_rng(0).integers(0, 130, (3, *CODEC.shape))
    with torch.no_grad():
        mean, log_variance = model.encode(torch.from_numpy(states))
        shown = torch.softmax(model.decode(mean), dim=-1).numpy()
    arrays = model.export_arrays()
    encode, decode = (
        onnxruntime.InferenceSession(graph.SerializeToString())
        for graph in (
            build_encode_graph(arrays, CODEC, parts=config.parts),
            build_decode_graph(arrays, CODEC),
        )
    )
    said = encode.run(["mean", "log_variance"], {"states": states})
    np.testing.assert_allclose(said[0], mean.numpy(), atol=NEAR)
    np.testing.assert_allclose(said[1], log_variance.numpy(), atol=NEAR)
    played = decode.run(list(TRACKS), {"z": mean.numpy()})
    np.testing.assert_allclose(np.stack(played, axis=2), shown, atol=NEAR)

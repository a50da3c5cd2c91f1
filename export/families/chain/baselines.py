"""What the engine is compared with on a bundle of the chain: the same model in plainer forms.

In: a bundle. Out: a function that plays a few notes, one candidate, and says how many.

- ``torch_eager``: five ``nn.LSTM`` with one-hot inputs, note by note, sampled with entropies: the
  paper's model as one writes it down.
- ``torch_tables``: this project's own torch module, ``Chain.step``, which gathers rows of tables in
  place of one-hot products, as the engine does.
- ``five_sessions``: one ONNX Runtime session for each submodel with one-hot inputs and LSTM
  operators, sampled in Python: what exporting five ``nn.LSTM`` as they are gives.

Weights are random: only speed is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from export.threads import on_one_thread
from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.noise import gumbel_noise
from streamer.engine.session import open_session
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import ARGUMENTS

_NOTES = 2
_GROUPS = len(ARGUMENTS)


def torch_eager(bundle: Bundle) -> Callable[[], int]:
    """Return a player of five ``nn.LSTM`` on one thread.

    Raises:
        ImportError: torch is not installed.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    hidden, layers = _shape(bundle)
    sizes, offsets = bundle.codec.sizes, bundle.codec.offsets
    networks = [nn.LSTM(offsets[-1] + offsets[m], hidden, layers) for m in range(_GROUPS)]
    heads = [nn.Linear(hidden, size) for size in sizes]
    noise = torch.from_numpy(_noise(bundle))

    @torch.no_grad()
    def play() -> int:
        previous = torch.zeros(1, offsets[-1])
        states: list[Any] = [None] * _GROUPS
        for slice_ in noise:
            current: list[Any] = []
            for m, (network, head) in enumerate(zip(networks, heads, strict=True)):
                x = torch.cat([previous, *current], dim=1)[None]
                out, states[m] = network(x, states[m])
                logits = head(out[0])
                chosen = (logits + slice_[:, offsets[m] : offsets[m + 1]]).argmax(dim=1)
                log_p = F.log_softmax(logits, dim=1)
                (log_p.exp() * log_p).sum(dim=1)
                current.append(F.one_hot(chosen, sizes[m]).float())
            previous = torch.cat(current, dim=1)
        return _NOTES

    return on_one_thread(play)


def torch_tables(bundle: Bundle) -> Callable[[], int]:
    """Return a player of the torch module's ``step`` on one thread, with tables where it can.

    Raises:
        ImportError: torch is not installed.
    """
    import torch

    from training.families.chain.model import Chain, ChainConfig

    hidden, layers = _shape(bundle)
    told = bundle.manifest.config.get("model", {})
    config = ChainConfig(hidden, layers, bool(told.get("absolute_velocity")))
    model = Chain(config, codec_as(bundle.codec, ChainCodec)).eval()
    noise = torch.from_numpy(_noise(bundle))

    def play() -> int:
        previous, velocity = torch.zeros(1, _GROUPS, dtype=torch.long), torch.zeros(1)
        h, c, _ = model.initial_state(1)
        for slice_ in noise:
            out = model.step(previous, velocity, h, c, slice_)
            previous, velocity, h, c = out.classes, out.velocity, out.h, out.c
        return _NOTES

    return on_one_thread(play)


def five_sessions(bundle: Bundle) -> Callable[[], int]:
    """Return a player of five sessions and a Python loop.

    Raises:
        ImportError: onnx is not installed.
    """
    hidden, layers = _shape(bundle)
    offsets = bundle.codec.offsets
    widths = [offsets[-1] + offsets[m] for m in range(_GROUPS)]
    sessions = [
        open_session(_submodel(width, hidden, layers, size))[0]
        for width, size in zip(widths, bundle.codec.sizes, strict=True)
    ]
    noise = _noise(bundle)

    def play() -> int:
        previous = [0] * _GROUPS
        state = [np.zeros((2 * layers, 1, 1, hidden), np.float32) for _ in range(_GROUPS)]
        for slice_ in noise:
            current: list[int] = []
            for m, session in enumerate(sessions):
                x = np.zeros((1, 1, widths[m]), np.float32)
                for j, one in enumerate(previous):
                    x[0, 0, offsets[j] + one] = 1
                for j, one in enumerate(current):
                    x[0, 0, offsets[-1] + offsets[j] + one] = 1
                logits, state[m] = session.run(None, {"x": x, "state": state[m]})
                current.append(int((logits[0] + slice_[0, offsets[m] : offsets[m + 1]]).argmax()))
            previous = current
        return _NOTES

    return play


def _submodel(width: int, hidden: int, layers: int, classes: int) -> bytes:
    """Return one submodel as an export of ``nn.LSTM`` and ``nn.Linear`` would be."""
    from onnx import helper

    from export.nodes import FLOAT, Graph, make_model, value

    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32) * 0.1

    g = Graph()
    parts = g.many("Split", ["state"], 2 * layers, axis=0, num_outputs=2 * layers)
    flat = g.constant("flat", [0], np.int64)
    out, after = "x", []
    for layer in range(layers):
        weights = [
            g.constant(f"w{layer}", draw(1, 4 * hidden, width if layer == 0 else hidden)),
            g.constant(f"r{layer}", draw(1, 4 * hidden, hidden)),
            g.constant(f"b{layer}", draw(1, 8 * hidden)),
        ]
        h, c = (g("Squeeze", [parts[2 * layer + k], flat]) for k in range(2))
        names = [g.fresh() for _ in range(3)]
        g.many("LSTM", [out, *weights, "", h, c], names, hidden_size=hidden)
        direction = g.constant(f"direction{layer}", [1], np.int64)
        out = g("Squeeze", [names[0], direction])
        after += [g("Unsqueeze", [name, flat]) for name in names[1:]]
    head = [g.constant("head", draw(hidden, classes)), g.constant("head_b", draw(classes))]
    g("Gemm", [g("Squeeze", [out, flat]), *head], out="logits")
    g("Concat", after, out="state_out", axis=0)
    shape = [2 * layers, 1, 1, hidden]
    graph = helper.make_graph(
        g.nodes,
        "submodel",
        [value("x", FLOAT, [1, 1, width]), value("state", FLOAT, shape)],
        [value("logits", FLOAT, [1, classes]), value("state_out", FLOAT, shape)],
        g.initializers,
    )
    return bytes(make_model(graph).SerializeToString())


def _noise(bundle: Bundle) -> Any:
    """Return ``(_NOTES, 1, classes)``."""
    shape = (_NOTES, 1, bundle.codec.offsets[-1])
    return gumbel_noise(np.random.default_rng(0), shape, 1.0, bundle.codec)


def _shape(bundle: Bundle) -> tuple[int, int]:
    """Return hidden width and layers."""
    layers, _, _, hidden = bundle.manifest.graph(STEP_GRAPH).input("h").shape
    return int(hidden), int(layers)

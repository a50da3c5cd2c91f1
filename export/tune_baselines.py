"""What the engine is compared with on a bundle of tunes: the same model stepped by torch.

In: a bundle. Out: a function that plays a few notes, one candidate, and says how many. Called by
:mod:`export.baselines`. Weights are random: only speed is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamer.bundle import Bundle
from streamer.codecs import codec_as
from streamer.manifest import STEP_GRAPH
from streamer.noise import gumbel_noise
from streamer.tunes import TuneCodec

NOTES = 4


def torch_eager(bundle: Bundle) -> Callable[[], int]:
    """Return a player of ``Vrash.step`` as it stands, on one thread.

    Raises:
        ImportError: torch is not installed.
    """
    return _player(bundle, _model(bundle))


def torch_tables(bundle: Bundle) -> Callable[[], int]:
    """Return a player of ``Vrash.step`` with all that is the same for every note taken once.

    As the engine does it: the table of the previous note's rows, and what latent and style give.

    Raises:
        ImportError: torch is not installed.
    """
    model = _model(bundle)
    table, before = model._note_table().detach(), model.condition
    found: dict[str, Any] = {}

    def condition(z: Any, style: Any) -> Any:
        return found.setdefault("condition", before(z, style).detach())

    model._note_table = lambda: table
    model.condition = condition
    return _player(bundle, model)


def _model(bundle: Bundle) -> Any:
    """Return an untrained model of the bundle's shape."""
    import torch

    from training.models.vrash import Vrash, VrashConfig

    torch.set_num_threads(1)
    told = dict(bundle.manifest.config.get("model", {}))
    styles = told.pop("styles", bundle.manifest.styles)
    model = Vrash(VrashConfig(**told), codec_as(bundle.codec, TuneCodec), styles)
    return model.eval().requires_grad_(False)


def _player(bundle: Bundle, model: Any) -> Callable[[], int]:
    import torch

    spec = bundle.manifest.graph(STEP_GRAPH)
    sizes = {name: int(spec.input(name).shape[1]) for name in ("z", "style")}
    z, style = torch.zeros(1, sizes["z"]), torch.ones(1, sizes["style"]) / sizes["style"]
    shape = (NOTES, 1, bundle.codec.offsets[-1])
    noise = torch.from_numpy(gumbel_noise(np.random.default_rng(0), shape, 1.0, bundle.codec))
    first = model.start(z, style)

    def play() -> int:
        previous, s = torch.full((1, 3), -1, dtype=torch.long), first
        for slice_ in noise:
            out = model.step(previous, s, z, style, slice_)
            previous, s = out.classes, out.s
        return NOTES

    return play

"""What the engine is compared with on a bundle of tunes: the same model stepped by torch.

In: a bundle. Out: a function that plays a few notes, one candidate, and says how many. Weights are
random: only speed is compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from export.threads import on_one_thread
from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.noise import gumbel_noise
from streamer.families.tunes.codec import TuneCodec
from training.families.tunes.model import Vrash, VrashConfig

_NOTES = 4


def torch_eager(bundle: Bundle) -> Callable[[], int]:
    """Return a player of ``Vrash.step`` as it stands, on one thread."""
    return _player(bundle, _model(bundle))


def torch_tables(bundle: Bundle) -> Callable[[], int]:
    """Return a player of ``Vrash.step`` with all that is the same for every note taken once.

    As the engine does it: the table of the previous note's rows, and what latent and style give.
    """
    return _player(bundle, _model(bundle), constants=True)


def _model(bundle: Bundle) -> Vrash:
    """Return an untrained model of the bundle's shape."""
    told = dict(bundle.manifest.config.get("model", {}))
    styles = told.pop("styles", bundle.manifest.styles)
    model = Vrash(VrashConfig(**told), codec_as(bundle.codec, TuneCodec), styles)
    return model.eval().requires_grad_(False)


def _player(bundle: Bundle, model: Vrash, *, constants: bool = False) -> Callable[[], int]:
    spec = bundle.manifest.graph(STEP_GRAPH)
    sizes = {name: int(spec.input(name).shape[1]) for name in ("z", "style")}
    z, style = torch.zeros(1, sizes["z"]), torch.ones(1, sizes["style"]) / sizes["style"]
    shape = (_NOTES, 1, bundle.codec.offsets[-1])
    noise = torch.from_numpy(gumbel_noise(np.random.default_rng(0), shape, 1.0, bundle.codec))
    first = model.start(z, style)
    once = model.constants(z, style) if constants else None

    def play() -> int:
        previous, s = torch.full((1, 3), -1, dtype=torch.long), first
        for slice_ in noise:
            out = model.step(previous, s, z, style, slice_, once)
            previous, s = out.classes, out.s
        return _NOTES

    return on_one_thread(play)

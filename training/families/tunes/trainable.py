"""How the three melody models are made of a preset and tunes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.bundle.codecs import Codec, codec_as
from streamer.families.tunes.codec import TuneCodec
from training.families.tunes.model import Vrash, VrashConfig
from training.families.tunes.task import VrashData, VrashTask
from training.families.tunes.tuneset import TuneSet
from training.run.task import Task
from training.run.trainable import Trainable


def _task(
    model: Vrash, tunes: TuneSet, data: Mapping[str, Any], seed: int, **_options: bool
) -> Task:
    return VrashTask(model, tunes, VrashData(**data), seed)  # always float32, nothing to compile


def _trainable(name: str) -> Trainable[Vrash, TuneSet]:
    def build(config: Mapping[str, Any], codec: Codec) -> Vrash:
        own = {"family": name, **config}
        if own["family"] != name:
            raise ValueError(f"model.family must be {name}, not {own['family']!r}")
        styles = own.pop("styles")
        return Vrash(VrashConfig(**own), codec_as(codec, TuneCodec), styles)

    return Trainable(
        config=VrashConfig,
        data=VrashData,
        build=build,
        task=_task,
        codec=lambda tunes, _data: tunes.codec,
        from_corpus=lambda tunes: {"styles": list(tunes.styles)},
    )


LM, VAE, VRASH = (_trainable(name) for name in ("lm", "vae", "vrash"))

"""How the chain is made of a preset and piano pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.bundle.codecs import Codec, codec_as
from streamer.families.chain.codec import ChainCodec
from training.families.chain.model import Chain, ChainConfig
from training.families.chain.task import ChainData, ChainTask
from training.families.chain.tensors import TensorSet
from training.run.task import Task
from training.run.trainable import Trainable


def _build(config: Mapping[str, Any], codec: Codec) -> Chain:
    return Chain(ChainConfig(**config), codec_as(codec, ChainCodec))


def _task(
    model: Chain, tensors: TensorSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return ChainTask(model, tensors, ChainData(**data), seed, **options)


CHAIN: Trainable[Chain, TensorSet] = Trainable(
    config=ChainConfig,
    data=ChainData,
    build=_build,
    task=_task,
    codec=lambda tensors, _data: tensors.codec,
)

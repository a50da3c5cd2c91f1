"""How the band is made of a preset and songs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.bundle.codecs import Codec, codec_as
from streamer.families.bands.codec import BandCodec
from training.families.bands.bandset import BandSet
from training.families.bands.genres import circle_of
from training.families.bands.model import Musae, MusaeConfig
from training.families.bands.task import MusaeData, MusaeTask
from training.run.task import Task
from training.run.trainable import Trainable

MOST_GENRES = 32
"""Genres that have a petal; rarer ones are untagged ([Valenti2020], section 3.3)."""


def _build(config: Mapping[str, Any], codec: Codec) -> Musae:
    own = dict(config)
    genres = own.pop("genres")
    return Musae(MusaeConfig(**own), codec_as(codec, BandCodec), genres)


def _task(
    model: Musae, bands: BandSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return MusaeTask(model, bands, MusaeData(**data), seed, **options)


def _codec(bands: BandSet, data: Mapping[str, Any]) -> Codec:
    del bands
    return MusaeData(**data).codec()


def _genres(bands: BandSet) -> dict[str, Any]:
    tags = [bands.pieces[i].tags for i in bands.indices("train")]
    return {"genres": circle_of(tags, MOST_GENRES)}


MUSAE = Trainable(
    config=MusaeConfig,
    data=MusaeData,
    build=_build,
    task=_task,
    codec=_codec,
    from_corpus=_genres,
)

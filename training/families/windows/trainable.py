"""How the two models of sections are made of a preset and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.bundle.codecs import Codec, codec_as
from streamer.families.windows.codec import RollCodec
from training.families.windows.draw import Draw, DrawConfig
from training.families.windows.draw_task import DrawData, DrawTask
from training.families.windows.query import Query, QueryConfig
from training.families.windows.query_task import QueryData, QueryTask
from training.families.windows.scoreset import ScoreSet
from training.run.task import Task
from training.run.trainable import Trainable


def _draw(config: Mapping[str, Any], codec: Codec) -> Draw:
    return Draw(DrawConfig(**config), codec_as(codec, RollCodec))


def _draw_task(
    model: Draw, scores: ScoreSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return DrawTask(model, scores, DrawData(**data), seed, **options)


def _draw_codec(scores: ScoreSet, data: Mapping[str, Any]) -> Codec:
    del scores
    return DrawData(**data).codec()


def _query(config: Mapping[str, Any], codec: Codec) -> Query:
    return Query(QueryConfig(**config), codec_as(codec, RollCodec))


def _query_task(
    model: Query, scores: ScoreSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return QueryTask(model, scores, QueryData(**data), seed, **options)


def _query_codec(scores: ScoreSet, data: Mapping[str, Any]) -> Codec:
    del scores
    return QueryData(**data).codec()


DRAW = Trainable(config=DrawConfig, data=DrawData, build=_draw, task=_draw_task, codec=_draw_codec)
QUERY = Trainable(
    config=QueryConfig, data=QueryData, build=_query, task=_query_task, codec=_query_codec
)

"""The registry of families, and how a preset becomes a model.

A family is its model and its task in ``training/models``, one entry here and two presets in
``training/presets``: ``<family>.toml`` and ``<family>-tiny.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from streamer.bands import BandCodec
from streamer.codec import ChainCodec
from streamer.codecs import Codec, codec_as
from streamer.errors import ConfigError, DataError
from streamer.tunes import TuneCodec
from streamer.windows import RollCodec
from training.checkpoint import Checkpoint
from training.data.bands import BandSet
from training.data.genres import circle_of
from training.data.scores import ScoreSet
from training.data.tensors import TensorSet
from training.data.tunes import TuneSet
from training.loop import LoopConfig
from training.models.base import Task
from training.models.chain import Chain, ChainConfig
from training.models.chain_task import ChainData, ChainTask
from training.models.draw import Draw, DrawConfig
from training.models.draw_task import DrawData, DrawTask
from training.models.musae import Musae, MusaeConfig
from training.models.musae_task import MusaeData, MusaeTask
from training.models.query import Query, QueryConfig
from training.models.query_task import QueryData, QueryTask
from training.models.vrash import VARIANTS, Vrash, VrashConfig
from training.models.vrash_task import VrashData, VrashTask


@dataclass(frozen=True)
class Preset:
    """A named set of choices.

    Attributes:
        name: File name without ``.toml``.
        family: Registry name.
        model: Fields of the family's configuration.
        data: How the corpus is cut.
        loop: Optimiser and schedule.
    """

    name: str
    family: str
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True)
class Family:
    """What the verbs need of a family.

    Attributes:
        build: Configuration as plain data and codec -> an untrained model.
        task: Model, corpus, data choices, seed, low_precision, compiled -> :class:`Task`.
        sections: The dataclasses that a preset's ``model`` and ``data`` tables fill.
        load: Reads the prepared corpus that the family trains on.
        from_corpus: What the configuration holds beside the preset's choices, of the corpus.
        codec: Corpus and a preset's data choices -> what the model's classes mean.
    """

    build: Callable[[Mapping[str, Any], Codec], Any]
    task: Callable[..., Task]
    sections: tuple[type, type]
    load: Callable[[Path], Any]
    from_corpus: Callable[[Any], dict[str, Any]] = lambda _corpus: {}
    codec: Callable[[Any, Mapping[str, Any]], Codec] = lambda corpus, _data: corpus.codec


def _chain(config: Mapping[str, Any], codec: Codec) -> Chain:
    return Chain(ChainConfig(**config), codec_as(codec, ChainCodec))


def _chain_task(
    model: Chain, tensors: TensorSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return ChainTask(model, tensors, ChainData(**data), seed, **options)


def _vrash(family: str) -> Callable[[Mapping[str, Any], Codec], Vrash]:
    def build(config: Mapping[str, Any], codec: Codec) -> Vrash:
        own = {"family": family, **config}
        if own["family"] != family:
            raise ValueError(f"model.family must be {family}, not {own['family']!r}")
        styles = own.pop("styles")
        return Vrash(VrashConfig(**own), codec_as(codec, TuneCodec), styles)

    return build


def _vrash_task(
    model: Vrash, tunes: TuneSet, data: Mapping[str, Any], seed: int, **_options: bool
) -> Task:
    return VrashTask(model, tunes, VrashData(**data), seed)  # always float32, nothing to compile


def _styles(tunes: TuneSet) -> dict[str, Any]:
    return {"styles": list(tunes.styles)}


def _draw(config: Mapping[str, Any], codec: Codec) -> Draw:
    return Draw(DrawConfig(**config), codec_as(codec, RollCodec))


def _draw_task(
    model: Draw, scores: ScoreSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return DrawTask(model, scores, DrawData(**data), seed, **options)


def _query(config: Mapping[str, Any], codec: Codec) -> Query:
    return Query(QueryConfig(**config), codec_as(codec, RollCodec))


def _query_task(
    model: Query, scores: ScoreSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return QueryTask(model, scores, QueryData(**data), seed, **options)


MOST_GENRES = 32
"""Genres that have a petal; rarer ones are untagged (paper 004, section 3.3)."""


def _musae(config: Mapping[str, Any], codec: Codec) -> Musae:
    own = dict(config)
    genres = own.pop("genres")
    return Musae(MusaeConfig(**own), codec_as(codec, BandCodec), genres)


def _musae_task(
    model: Musae, bands: BandSet, data: Mapping[str, Any], seed: int, **options: bool
) -> Task:
    return MusaeTask(model, bands, MusaeData(**data), seed, **options)


def _genres(bands: BandSet) -> dict[str, Any]:
    tags = [bands.pieces[i].tags for i in bands.indices("train")]
    return {"genres": circle_of(tags, MOST_GENRES)}


FAMILIES: dict[str, Family] = {
    "chain": Family(_chain, _chain_task, (ChainConfig, ChainData), TensorSet.load),
    **{
        name: Family(_vrash(name), _vrash_task, (VrashConfig, VrashData), TuneSet.load, _styles)
        for name in VARIANTS
    },
    "draw": Family(
        _draw,
        _draw_task,
        (DrawConfig, DrawData),
        ScoreSet.load,
        codec=lambda _scores, data: DrawData(**data).codec(),
    ),
    "query": Family(
        _query,
        _query_task,
        (QueryConfig, QueryData),
        ScoreSet.load,
        codec=lambda _scores, data: QueryData(**data).codec(),
    ),
    "musae": Family(
        _musae,
        _musae_task,
        (MusaeConfig, MusaeData),
        BandSet.load,
        _genres,
        codec=lambda _bands, data: MusaeData(**data).codec(),
    ),
}


def presets() -> list[str]:
    """Return the names of the presets that ship."""
    folder = resources.files("training") / "presets"
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def load_preset(name: str, overrides: Mapping[str, Any] | None = None) -> Preset:
    """Read a preset and apply ``section.key`` overrides.

    Raises:
        ConfigError: Unknown preset, section or key; all mistakes at once.
    """
    if name not in presets():
        raise ConfigError([f"unknown preset {name!r}; there are {', '.join(presets())}"])
    text = (resources.files("training") / "presets" / f"{name}.toml").read_text()
    data = tomllib.loads(text)
    problems: list[str] = []
    for key, value in (overrides or {}).items():
        section, _, item = key.partition(".")
        if section not in {"model", "data", "loop"} or not item:
            problems.append(f"{key}: must be model.KEY, data.KEY or loop.KEY")
            continue
        data.setdefault(section, {})[item] = value
    family = data["family"]
    model_fields, data_fields = FAMILIES[family].sections
    kinds = {"model": model_fields, "data": data_fields, "loop": LoopConfig}
    for section, kind in kinds.items():
        legal = [f.name for f in fields(kind)]
        for key in data.get(section, {}):
            if key not in legal:
                problems.append(f"{section}.{key}: unknown key; there are {', '.join(legal)}")
    if problems:
        raise ConfigError(problems)
    loop = LoopConfig(**data.get("loop", {}))
    return Preset(name, family, data.get("model", {}), data.get("data", {}), loop)


def model_from_checkpoint(checkpoint: Checkpoint) -> Any:
    """Rebuild a trained model, in evaluation mode.

    Raises:
        DataError: Unknown family, or weights that do not fit the configuration.
    """
    if checkpoint.family not in FAMILIES:
        raise DataError(
            f"checkpoint of family {checkpoint.family!r}; this version knows {', '.join(FAMILIES)}"
        )
    try:
        model = FAMILIES[checkpoint.family].build(checkpoint.config, checkpoint.codec_tables())
        model.load_state_dict(checkpoint.weights, strict=True)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"checkpoint does not fit its configuration: {first}") from error
    return model.eval()

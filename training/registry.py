"""The families that can be trained, and how a preset becomes a model.

In: the name of a model, of a kind of corpus or of a preset. Out: what its family registers
(:mod:`training.family`), and what its dotted names stand for, imported when it is asked for; torch
comes with a model and not with this module.

A family of this program is one line of :data:`FAMILIES`; one from outside is a package with an
entry point of the group :data:`GROUP`, whose name is the family's and whose value
``module:attribute`` is its :class:`training.family.TrainingFamily`.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError, DataError
from streamer.registry import from_other_packages, opened
from training.family import CorpusKind, ModelKind, StudyKind, TrainingFamily

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import torch

    from training.corpora.prepared import Corpus
    from training.run.checkpoint import Checkpoint
    from training.run.loop import LoopConfig
    from training.run.task import Task
    from training.run.trainable import ExportableModel, Trainable

FAMILIES = ("chain", "tunes", "windows", "bands")
"""Families of this program; each is ``FAMILY`` in ``training.families.<name>.family``."""

GROUP = "perpetuo.training_families"


@cache
def families() -> tuple[TrainingFamily, ...]:
    """Return all families that are installed, those of this program first."""
    ours = [opened(f"training.families.{name}.family:FAMILY") for name in FAMILIES]
    return (*ours, *from_other_packages(GROUP, TrainingFamily, FAMILIES))


def models() -> dict[str, ModelKind]:
    """Return what can be trained, by name."""
    return {model.name: model for family in families() for model in family.models}


def corpora() -> dict[str, CorpusKind]:
    """Return the kinds of corpora, by the word after ``perpetuo prepare``."""
    return {family.corpus.name: family.corpus for family in families()}


def studies() -> dict[str, StudyKind]:
    """Return the studies, by the word after ``perpetuo study``."""
    return {study.name: study for family in families() for study in family.studies}


def family_of(model: str) -> TrainingFamily:
    """Return the family of a model.

    Raises:
        ConfigError: There is no model of that name.
    """
    for family in families():
        if any(model == one.name for one in family.models):
            return family
    raise ConfigError([f"unknown model {model!r}; there is {', '.join(models())}"])


def trainable(model: str) -> Trainable[Any, Any]:
    """Return how a model is made and trained (ConfigError where there is none of that name)."""
    family_of(model)
    found: Trainable[Any, Any] = opened(models()[model].trainable)
    return found


def load_corpus(model: str, path: Path) -> Corpus:
    """Read the prepared corpus that a model is trained on.

    Raises:
        ConfigError: There is no model of that name.
        DataError: The file is missing, damaged or of another kind, or has nothing to train on.
    """
    kind: type[Corpus] = opened(family_of(model).corpus.type)
    corpus = kind.load(path)
    if not corpus.indices("train"):
        raise DataError(f"{path}: no piece in the training split; prepare more files")
    return corpus


def tiny_corpus(model: str) -> Corpus:
    """Return a made corpus on which the model's tiny preset can be trained, exported and played."""
    corpus: Corpus = opened(family_of(model).corpus.tiny)()
    return corpus


@dataclass(frozen=True)
class Preset:
    """A named set of choices.

    Attributes:
        name: File name without ``.toml``.
        model: Name of the model, ``family`` in the file.
        config: Fields of the model's configuration.
        data: How the corpus is cut.
        loop: Optimiser and schedule.
    """

    name: str
    model: str
    loop: LoopConfig
    config: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


def _presets() -> dict[str, Traversable]:
    """Return the files of all presets, by name; a family's own folder comes first met."""
    found: dict[str, Traversable] = {}
    for place in dict.fromkeys(family.presets for family in families()):
        package, _, folder = place.partition(":")
        for file in (importlib.resources.files(package) / folder).iterdir():
            if file.name.endswith(".toml"):
                found.setdefault(file.name.removesuffix(".toml"), file)
    return found


def presets() -> list[str]:
    """Return the names of the presets that ship with the families."""
    return sorted(_presets())


def load_preset(name: str, overrides: Mapping[str, Any] | None = None) -> Preset:
    """Read a preset and apply ``section.key`` overrides.

    Raises:
        ConfigError: Unknown preset, section or key, or a value that there cannot be; all mistakes
            at once.
    """
    from training.run.loop import LoopConfig
    from training.run.values import wrong_kinds

    files = _presets()
    if name not in files:
        raise ConfigError([f"unknown preset {name!r}; there are {', '.join(sorted(files))}"])
    data = tomllib.loads(files[name].read_text(encoding="utf-8"))
    problems: list[str] = []
    for key, value in (overrides or {}).items():
        section, _, item = key.partition(".")
        if section not in {"model", "data", "loop"} or not item:
            problems.append(f"{key}: must be model.KEY, data.KEY or loop.KEY")
            continue
        data.setdefault(section, {})[item] = value
    kind = trainable(data["family"])
    tables = {"model": kind.config, "data": kind.data, "loop": LoopConfig}
    for section, table in tables.items():
        legal = [f.name for f in fields(table)]
        for key in data.get(section, {}):
            if key not in legal:
                problems.append(f"{section}.{key}: unknown key; there are {', '.join(legal)}")
        problems += wrong_kinds(table, data.get(section, {}), section)
    if problems:
        raise ConfigError(problems)
    try:
        loop = LoopConfig(**data.get("loop", {}))
    except ValueError as error:
        raise ConfigError([f"preset {name}: {error}"]) from error
    return Preset(
        name=name,
        model=data["family"],
        loop=loop,
        config=data.get("model", {}),
        data=data.get("data", {}),
    )


def _begin_with(model: ExportableModel, start_from: ExportableModel) -> None:
    """Load weights; parts that a model says may be new keep the values they begin with."""
    weights = start_from.state_dict()
    new = tuple(getattr(model, "may_be_new", ()))
    if new:
        own = model.state_dict()
        weights |= {k: v for k, v in own.items() if k not in weights and k.startswith(new)}
    model.load_state_dict(weights, strict=True)


def make_task(
    preset: Preset,
    corpus: Corpus,
    seed: int,
    device: torch.device,
    *,
    start_from: ExportableModel | None = None,
    low_precision: bool = False,
    compiled: bool = False,
) -> Task:
    """Return what the training loop trains: an untrained model of a preset, on its device.

    Args:
        preset: What is wanted.
        corpus: Of the model's kind.
        seed: Decides order and augmentation.
        device: Where.
        start_from: Begin with the weights of this model.
        low_precision: bfloat16 products, where the model can.
        compiled: Fuse what can be compiled, where the model can.

    Raises:
        ConfigError: The preset has a value that there cannot be.
        DataError: The corpus has nothing to train on, or the weights do not fit.
    """
    kind = trainable(preset.model)
    try:
        model = kind.untrained(preset.config, preset.data, corpus).to(device)
        if start_from is not None:
            _begin_with(model, start_from)
        return kind.task(
            model, corpus, preset.data, seed, low_precision=low_precision, compiled=compiled
        )
    except ValueError as error:
        raise ConfigError([f"preset {preset.name}: {error}"]) from error
    except RuntimeError as error:
        if start_from is None:
            raise
        raise DataError(
            f"--start-from: the shape of its weights is not that of preset {preset.name}"
        ) from error


def model_from_checkpoint(checkpoint: Checkpoint) -> ExportableModel:
    """Rebuild a trained model, in evaluation mode.

    Raises:
        DataError: Unknown model, or weights that do not fit the configuration.
    """
    if checkpoint.training.get("baseline"):
        raise DataError(
            f"checkpoint of {checkpoint.family}: a baseline can be exported (perpetuo export) and "
            "set beside others (perpetuo study bench), and no more; give a run of perpetuo train "
            "chain"
        )
    if checkpoint.family not in models():
        raise DataError(
            f"checkpoint of family {checkpoint.family!r}; this version knows {', '.join(models())}"
        )
    try:
        kind = trainable(checkpoint.family)
        model: ExportableModel = kind.build(checkpoint.config, checkpoint.codec_tables())
        model.load_state_dict(checkpoint.weights, strict=True)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"checkpoint does not fit its configuration: {first}") from error
    return model.eval()

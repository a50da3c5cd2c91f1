"""What a family registers with training: models, a kind of corpus, studies; light to import.

A family is ``FAMILY`` in ``training/families/<name>/family.py`` and one line of
:data:`training.registry.FAMILIES`; one from another package is an entry point. Neither torch nor
numpy is imported here: what is heavy is named by a dotted name ``package.module:attribute`` and
opened when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A range of whole or real numbers that ``perpetuo search`` may choose from.

    Attributes:
        low: Least.
        high: Greatest.
        step: Distance of whole numbers; 0 for real ones.
        logarithmic: Whether it is drawn evenly in its logarithm.
    """

    low: float
    high: float
    step: int = 1
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"a range must ascend, not {self.low:g}..{self.high:g}")
        if self.logarithmic and self.low <= 0:
            raise ValueError(f"a logarithmic range must be above 0, not {self.low:g}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelKind:
    """One model of a family.

    Attributes:
        name: After ``perpetuo train``, in presets, checkpoints and manifests. Its presets are
            ``<name>.toml``, what is trained when nothing is said, and ``<name>-tiny.toml``, which
            trains in seconds.
        about: One line.
        trainable: How it is made and trained, dotted (:class:`training.run.trainable.Trainable`).
        space: Entries of a preset that ``perpetuo search`` may choose, as ``model.hidden``.
        judge: How a search judges it, dotted: function ``(task, corpus) -> Verdict``.
    """

    name: str
    about: str
    trainable: str
    space: Mapping[str, Span]
    judge: str = "training.run.verdict:judge_held_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusKind:
    """The kind of corpus that all models of a family are trained on.

    Attributes:
        name: Word after ``perpetuo prepare``.
        about: One line for its help.
        type: Class of the prepared corpus, dotted (:class:`training.corpora.prepared.Corpus`).
        prepare: Module with ``add_arguments(parser)`` and ``run(args)``, dotted.
        tiny: Function ``() -> corpus``, dotted: a made corpus of a few kilobytes on which the tiny
            presets can be trained, exported and played.
    """

    name: str
    about: str
    type: str
    prepare: str
    tiny: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyKind:
    """What can be shown of a family's models.

    Attributes:
        name: Word after ``perpetuo study``.
        about: One line for its help.
        module: Module with ``add_arguments(parser)`` and ``run(args)``, dotted.
    """

    name: str
    about: str
    module: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFamily:
    """What one family registers.

    Attributes:
        name: Of the family, which is also that of its package.
        models: What can be trained.
        corpus: What on.
        studies: What can be shown of it.
        presets: Folder of its presets, ``package:folder``.
    """

    name: str
    models: tuple[ModelKind, ...]
    corpus: CorpusKind
    studies: tuple[StudyKind, ...] = field(default=())
    presets: str = "training:presets"

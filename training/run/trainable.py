"""How a model is made of a preset and a corpus: what each family hands to verbs and export.

A family knows its own classes; whoever handles models of any family knows
:class:`ExportableModel` and :class:`training.corpora.prepared.Corpus`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from streamer.bundle.codecs import Codec
from training.corpora.prepared import Corpus
from training.run.task import Task


class ExportableModel(Protocol):
    """A torch module that training can keep and export can turn into a bundle."""

    @property
    def family(self) -> str:
        """Name of the model in presets, checkpoints and manifests."""

    @property
    def codec(self) -> Codec:
        """What its classes or cells mean."""

    def describe(self) -> dict[str, Any]:
        """Return the configuration as plain data, enough to build it again."""

    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by the names that its graphs use."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield each weight and its name, as :meth:`torch.nn.Module.named_parameters`."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield each weight, as :meth:`torch.nn.Module.parameters`."""

    def state_dict(self) -> dict[str, Any]:
        """Return all weights and buffers, as :meth:`torch.nn.Module.state_dict`."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Take weights over, as :meth:`torch.nn.Module.load_state_dict`."""

    def to(self, device: torch.device) -> Self:
        """Move to a device, as :meth:`torch.nn.Module.to`."""

    def eval(self) -> Self:
        """Go into evaluation mode, as :meth:`torch.nn.Module.eval`."""


M = TypeVar("M", bound=ExportableModel)
C = TypeVar("C", bound=Corpus)


def _nothing(corpus: Any) -> dict[str, Any]:
    del corpus
    return {}


@dataclass(frozen=True, kw_only=True)
class Trainable(Generic[M, C]):
    """How a model of one name is made and trained.

    Attributes:
        config: Dataclass that a preset's table ``model`` fills.
        data: Dataclass that a preset's table ``data`` fills.
        build: Configuration as plain data, and codec -> an untrained model (ValueError).
        task: Model, corpus, the preset's data choices, seed, and the keywords ``low_precision``
            and ``compiled`` -> what the loop trains (ValueError, DataError).
        codec: Corpus and a preset's data choices -> what the model's classes mean.
        from_corpus: What the configuration holds of the corpus beside the preset's choices.
    """

    config: type
    data: type
    build: Callable[[Mapping[str, Any], Codec], M]
    task: Callable[..., Task]
    codec: Callable[[C, Mapping[str, Any]], Codec]
    from_corpus: Callable[[C], dict[str, Any]] = _nothing

    def untrained(self, model: Mapping[str, Any], data: Mapping[str, Any], corpus: C) -> M:
        """Return a model as a preset's tables and the corpus want it (ValueError)."""
        return self.build({**model, **self.from_corpus(corpus)}, self.codec(corpus, data))

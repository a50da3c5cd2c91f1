"""Expressive piano: chained LSTMs.

In: MIDI files of piano (:func:`prepare`), or the tensor file made of them (:class:`TensorSet`).
Out: a trained :class:`Chain` through its :class:`ChainTask`.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.families.chain.batches import Augmentation, windows
    from training.families.chain.model import Chain, ChainConfig
    from training.families.chain.reader import PrepareOptions, prepare
    from training.families.chain.task import ChainData, ChainTask, evaluate_nats
    from training.families.chain.tensors import PieceInfo, TensorSet
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        batches="Augmentation windows",
        model="Chain ChainConfig",
        reader="PrepareOptions prepare",
        task="ChainData ChainTask evaluate_nats",
        tensors="PieceInfo TensorSet",
    )

__all__ = [
    "Augmentation", "Chain", "ChainConfig", "ChainData", "ChainTask", "PieceInfo",
    "PrepareOptions", "TensorSet", "evaluate_nats", "prepare", "windows",
]  # fmt: skip

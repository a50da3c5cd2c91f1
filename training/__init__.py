"""The workshop: corpora to tensors, tensors to checkpoints, and what the music is worth.

In: folders of MIDI files. Out: tensor files (``perpetuo prepare``), checkpoints (``perpetuo
train``), reports (``perpetuo evaluate``, ``perpetuo study``). Needs the extra ``train``; may import
``streamer``, never ``export``.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.expression import fit_expression
    from training.registry import (
        Preset,
        load_corpus,
        load_preset,
        make_task,
        model_from_checkpoint,
        models,
        tiny_corpus,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        expression="fit_expression",
        registry=(
            "Preset load_corpus load_preset make_task model_from_checkpoint models tiny_corpus"
        ),
    )

__all__ = [
    "Preset", "fit_expression", "load_corpus", "load_preset", "make_task",
    "model_from_checkpoint", "models", "tiny_corpus",
]  # fmt: skip

"""What the field uses today, on our classes and splits, to compare the chain with.

In: prepared pieces (``perpetuo prepare pieces``). Out: run folders like any model's, whose
likelihood ``perpetuo study bench`` sets beside the chain's. ``perpetuo export`` makes bundles of
them, so that speeds are of the same runtime.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.baselines.nets import NETS, BaselineConfig, NoteModel, build
    from training.baselines.task import BaselineTask
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        nets="NETS BaselineConfig NoteModel build",
        task="BaselineTask",
    )

__all__ = ["NETS", "BaselineConfig", "BaselineTask", "NoteModel", "build"]

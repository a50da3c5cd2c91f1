"""Checkpoints to bundles: the graph, the proof that it plays the same, manifest and card.

In: a checkpoint (``perpetuo export``). Out: a bundle whose graphs were compared with torch, step
by step and over a long run, before it is written (:func:`export_checkpoint`). Needs the extra
``export``; may import ``streamer`` and ``training``.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from export.family import Built, FamilyExport
    from export.pipeline import ExportOptions, export_checkpoint
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="export",
        family="Built FamilyExport",
        pipeline="ExportOptions export_checkpoint",
    )

__all__ = ["Built", "ExportOptions", "FamilyExport", "export_checkpoint"]

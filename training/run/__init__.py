"""The training loop, which knows no family: tasks, checkpoints, curves.

In: a :class:`Task` (batches, a loss, a held-out figure) and a :class:`LoopConfig`. Out: a folder
with checkpoints, ``metrics.jsonl`` and curves, from which a run goes on (:class:`Trainer`).
Checkpoints hold plain data and tensors and are read without running code
(:func:`load_checkpoint`).
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from training.run.loop import LoopConfig, StopTraining, Trainer, flushed_denormals
    from training.run.task import AdversarialTask, StepResult, Task
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        checkpoint="Checkpoint load_checkpoint save_checkpoint",
        loop="LoopConfig StopTraining Trainer flushed_denormals",
        task="AdversarialTask StepResult Task",
    )

__all__ = [
    "AdversarialTask", "Checkpoint", "LoopConfig", "StepResult", "StopTraining", "Task",
    "Trainer", "flushed_denormals", "load_checkpoint", "save_checkpoint",
]  # fmt: skip

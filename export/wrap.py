"""From a trained torch model to what is shipped: the same model with weights that store in half.

In: a checkpoint. Out: the model with its matrices rounded to float16 values (still float32
numbers), from which the graph is built and against which it is proven. Rounding first and building
afterwards means that the parity proof compares equal weights. It moved held-out NLL by 1e-5 nats
where it was measured (13.1438 on asap-performances) and halves the file. Biases stay: they are
small.
"""

from __future__ import annotations

from pathlib import Path

import torch

from export.registry import exportable, exporter
from streamer.errors import DataError
from training.registry import model_from_checkpoint
from training.run.checkpoint import Checkpoint, load_checkpoint
from training.run.trainable import ExportableModel


def load_for_export(path: Path) -> tuple[Checkpoint, ExportableModel]:
    """Read a checkpoint and rebuild its model, rounded and in evaluation mode.

    Args:
        path: A checkpoint file, or a run folder (its ``best.pt``).

    Returns:
        The checkpoint, and the model on the CPU.

    Raises:
        DataError: The checkpoint is missing or half-written, of a family that cannot be exported,
            or holds weights that are no numbers.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.family not in exportable():
        raise DataError(
            f"{path}: family {checkpoint.family!r} cannot be exported; "
            f"this version exports {', '.join(exportable())}"
        )
    rebuild = exporter(checkpoint.family).rebuild or model_from_checkpoint
    model = rebuild(checkpoint)
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise DataError(
                f"{path}: weight {name} holds NaN or infinity; use an earlier checkpoint"
            )
    round_to_half(model)
    return checkpoint, model


def round_to_half(model: ExportableModel) -> None:
    """Round every matrix and table of a model to float16 values, in place.

    Raises:
        DataError: A weight is beyond float16's range (65,504); such a model has diverged.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                continue
            rounded = parameter.half().float()
            if not torch.isfinite(rounded).all():
                raise DataError(
                    f"weight {name} is beyond float16 (65504): the training diverged; "
                    "use an earlier checkpoint"
                )
            parameter.copy_(rounded)

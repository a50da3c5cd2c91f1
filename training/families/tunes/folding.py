"""The weights of a melody model as its graphs use them: tables and matrices folded together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.families.tunes.codec import TUNE_ARGUMENTS

if TYPE_CHECKING:
    from training.families.tunes.model import Vrash


def folded(model: Vrash) -> dict[str, NDArray[np.float32]]:
    """Return the weights as the exporter folds them, float32, ``x @ W``.

    Decoder: ``prev_table`` ``(sum sizes + 1, 2H)`` (add the three rows of a note, or take the
    last row alone where there is none), ``cond_z`` ``(Z, 2H)``, ``cond_style`` ``(S, 2H)``,
    ``bias_in`` ``(2H)`` (candidate, then transform gate; the unknown instrument is in it),
    ``start_z`` ``(Z, H)``, ``start_b`` ``(H)`` (s0 = tanh(z @ start_z + start_b)), ``r_l``
    ``(H, 2H)``, ``rb_l`` ``(2H)`` for l > 0, ``head_a_m`` ``(H, U)``, ``head_ab_m``,
    ``head_rows_m`` ``(offsets[m], U)`` for m > 0, ``head_b_m`` ``(U, size)``, ``head_bb_m``.
    What a family does not use is zero. Encoder: see
    :meth:`training.families.tunes.encoder.TuneEncoder.export_arrays`; none for ``lm``.
    """
    config, hidden = model.config, model.config.hidden
    zeros = model.bias.new_zeros
    arrays: dict[str, Tensor] = {
        "prev_table": model.note_table()[:-1],
        "cond_z": zeros(config.latent, 2 * hidden),
        "start_z": zeros(config.latent, hidden),
        "start_b": model.start_bias,
        "cond_style": model.style_table @ model.style_in,
        "bias_in": model.bias[0] + model.programme_table[-1] @ model.programme_in,
    }
    for layer in range(config.depth):
        arrays[f"r_{layer}"] = model.recurrent[layer]
        if layer:
            arrays[f"rb_{layer}"] = model.bias[layer]
    heads = torch.split(model.head_in, config.head, dim=1)
    for m in range(len(TUNE_ARGUMENTS)):
        arrays[f"head_a_{m}"], arrays[f"head_ab_{m}"] = heads[m], model.head_bias[m]
        if m:
            arrays[f"head_rows_{m}"] = model.head_rows[m - 1]
        arrays[f"head_b_{m}"], arrays[f"head_bb_{m}"] = model.head_out[m], model.out_bias[m]
    if model.uses_latent:
        arrays["cond_z"] = model.scaled(model.latent_in)
        arrays["start_z"] = model.scaled(model.start_in)
        arrays |= model.encoder.export_arrays(len(model.styles))
    return {k: v.float().cpu().contiguous().numpy() for k, v in arrays.items()}

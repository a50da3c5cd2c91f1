"""Where a model is trained, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from streamer.errors import ConfigError, DataError


def choose_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` names.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["--device cuda: torch sees no CUDA device; use --device cpu"])
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> bool:
    """Return whether matrix products run in bfloat16."""
    if name != "auto":
        return name == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextmanager
def within_memory() -> Iterator[None]:
    """Turn memory that does not suffice into one line.

    Raises:
        DataError: The block wanted more than there is. What else goes wrong in it is handed on.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # Of a CPU's memory torch says so in words alone.
        words = "DefaultCPUAllocator" in str(error) or "out of memory" in str(error).lower()
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not words:
            raise
        first = (str(error).strip().splitlines() or ["no more is to be had"])[0]
        raise DataError(
            f"out of memory ({first[:160]}); give it a smaller data.batch or a smaller model"
        ) from error

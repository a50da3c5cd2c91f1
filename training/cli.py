"""The verbs that training adds to the command ``perpetuo``; called by streamer/cli.py.

Each verb is a module of ``training.verbs`` with a function ``register(subparsers)``; to add one,
write the module, name it in :data:`VERBS` and in pyproject's entry points.
"""

from __future__ import annotations

import importlib
from typing import Any

VERBS = ("prepare",)


def register(subparsers: Any) -> None:
    """Add all verbs of training to the parsers of the command."""
    for verb in VERBS:
        importlib.import_module(f"training.verbs.{verb}").register(subparsers)

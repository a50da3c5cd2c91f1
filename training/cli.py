"""The verbs that training adds to the command; nothing of theirs is imported until one is used."""

from __future__ import annotations

from typing import Any

from streamer.cli import add_verb

VERBS = {
    "prepare": ("make tensors of a folder of MIDI files", "training.prepare"),
    "train": ("train a model, or with `train filter` what drops weak tunes", "training.train"),
    "search": ("try many shapes of a model and say what made the difference", "training.search"),
    "study": ("show what the papers say must be shown of a family", "training.study"),
    "evaluate": ("measure music against real music", "training.evaluation.cli"),
}
"""Verb to what it does and the module that does it."""

OTHERS = {"train": {"filter": "training.filter"}}
"""Verb to the first words after it with which another module does the work."""


def register(subparsers: Any) -> None:
    """Add the verbs (entry-point group ``perpetuo.verbs``)."""
    for verb, (about, module) in VERBS.items():
        add_verb(subparsers, verb, about, module, OTHERS.get(verb))

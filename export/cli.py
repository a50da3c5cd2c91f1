"""The verbs that export adds to the command; nothing of theirs is imported until one is used."""

from __future__ import annotations

from typing import Any

from streamer.cli import add_verb

VERBS = {
    "export": ("turn a checkpoint into a bundle that plays", "export.verbs.export"),
    "bundle": ("change a bundle that is there: restate, filter, unwrap", "export.verbs.bundle"),
}
"""Verb to what it does and the module that does it."""


def register(subparsers: Any) -> None:
    """Add the verbs (entry-point group ``perpetuo.verbs``)."""
    for verb, (about, module) in VERBS.items():
        add_verb(subparsers, verb, about, module)

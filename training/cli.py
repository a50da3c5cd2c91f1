"""The verbs that training adds to the command; nothing of theirs is imported until one is used.

``python -m training.cli VERB ...`` is ``perpetuo VERB ...`` where nothing is installed, and what
``torchrun`` starts.
"""

from __future__ import annotations

from typing import Any

from streamer.cli import add_verb

VERBS = {
    "prepare": ("make tensors of a folder of MIDI files", "training.verbs.prepare"),
    "train": (
        "train a model, `train filter` what drops weak tunes, `train ear` what picks phrases",
        "training.verbs.train",
    ),
    "search": (
        "try many shapes of a model and say what made the difference",
        "training.verbs.search",
    ),
    "study": ("show what the papers say must be shown of a family", "training.verbs.study"),
    "evaluate": ("measure music against real music", "training.verbs.evaluate"),
    "listen-test": (
        "let people compare music blind, and count what they said",
        "training.verbs.listen",
    ),
    "continue": ("continue prompts, the best answer first", "training.verbs.continuing"),
}
"""Verb to what it does and the module that does it."""

OTHERS = {
    "train": {
        "filter": "training.verbs.filter",
        "encoder": "training.verbs.encoder",
        "baseline": "training.verbs.baseline",
        "ear": "training.verbs.ear",
    }
}
"""Verb to the first words after it with which another module does the work."""


def register(subparsers: Any) -> None:
    """Add the verbs (entry-point group ``perpetuo.verbs``)."""
    for verb, (about, module) in VERBS.items():
        add_verb(subparsers, verb, about, module, OTHERS.get(verb))


def main() -> int:
    """Run the command without entry points; return the exit status."""
    from streamer.cli import main as run

    return run(others={"training.cli:register": register})


if __name__ == "__main__":
    import sys

    sys.exit(main())

"""The verb ``perpetuo study NAME``: what must be shown of a model, as JSON and PNG.

Each family registers its studies; each declares its own options.
"""

from __future__ import annotations

from streamer.cli import Parser, add_verb, say_new_spelling
from training.registry import studies

OTHERS = {
    "bench": ("models beside one another on the same held-out works", "training.studies.bench"),
    "chords": ("chords that are asked for against what is played", "training.studies.chords"),
    "all": ("the command of each figure, or some on made data", "training.studies.every"),
}
"""Studies of no family: name to what it shows and the module that does it."""


def add_arguments(parser: Parser) -> None:
    """Declare the sub-verbs of ``perpetuo study``."""
    parser.description = "Measure a checkpoint or a bundle, and write what comes of it."
    names = parser.add_subparsers(
        title="studies", metavar="NAME", dest="study", required=True, parser_class=Parser
    )
    for study in studies().values():
        add_verb(names, study.name, study.about, study.module)
    for name, (about, module) in OTHERS.items():
        add_verb(names, name, about, module)
    parser.respell = _respell


def _respell(args: list[str]) -> list[str]:
    """Put the name first, where it stood behind options."""
    known = {**studies(), **OTHERS}
    if not args or args[0] in (*known, "-h", "--help"):
        return args
    name = next((argument for argument in args if argument in known), None)
    if name is None:
        return args
    say_new_spelling(f"perpetuo study OPTIONS {name}", f"perpetuo study {name} OPTIONS")
    at = args.index(name)
    return [name, *args[:at], *args[at + 1 :]]

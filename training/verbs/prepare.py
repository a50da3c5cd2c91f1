"""The verb ``perpetuo prepare KIND``: a corpus of MIDI files into one file to train on.

Each family registers its kind of corpus, and the module that declares its options and reads it.
"""

from __future__ import annotations

from streamer.cli import Parser, add_verb, say_new_spelling
from training.registry import corpora

OLD_FLAGS = {"--melodies": "tunes", "--scores": "scores", "--bands": "bands"}
"""How the kinds were spelled before; without any of these it was pieces."""


def add_arguments(parser: Parser) -> None:
    """Declare the sub-verbs of ``perpetuo prepare``."""
    parser.description = (
        "Read MIDI files from folders or archives, drop copies and what cannot be used, split by"
        " composition, and write one file to train on."
    )
    kinds = parser.add_subparsers(
        title="kinds of corpora", metavar="KIND", dest="kind", required=True, parser_class=Parser
    )
    for kind in corpora().values():
        add_verb(kinds, kind.name, kind.about, kind.prepare)
    parser.respell = _respell


def _respell(args: list[str]) -> list[str]:
    """Put the kind first, where it was a flag, nothing, or behind options."""
    known = corpora()
    if not args or args[0] in (*known, "-h", "--help"):
        return args
    flag = next((argument for argument in args if argument in OLD_FLAGS), None)
    behind = next((argument for argument in args if argument in known), None)
    if flag is None and behind is not None:
        at = args.index(behind)
        return [behind, *args[:at], *args[at + 1 :]]
    kind = OLD_FLAGS[flag] if flag else "pieces"
    old = f"perpetuo prepare {flag}" if flag else "perpetuo prepare PATH"
    say_new_spelling(old, f"perpetuo prepare {kind} PATH")
    return [kind, *(argument for argument in args if argument not in OLD_FLAGS)]

"""Every command line that a page or a card names is one that the program takes.

Read from ``perpetuo VERB ...`` in code blocks and between ticks. Nothing is run, and no file needs
to be there: the parsers alone judge verb, options and their values; controls, scenes and bundles
are looked up by name.
"""

import argparse
import importlib
import re
import shlex
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

from streamer.bundle.bundle import SHIPPED
from streamer.cli import Parser, build_parser
from streamer.errors import StreamerError
from streamer.scenes.reader import SHIPPED as SCENES
from training.registry import models, presets

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "streamer" / "models").glob("*/CARD.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    ROOT / "systemd" / "perpetuo.toml",
]
COMMAND = re.compile(r"^(?:\$ |#? +|sudo |\S*/)*perpetuo (?=[a-z])(.+)$")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
TICKED = re.compile(r"`([^`\n]+)`")
PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]+$|…|\$\w|^your ")
"""What stands for something else: FILE, NAME, a variable of the shell."""


class Unknown(Exception):
    """A verb, a study, an option or a value that is not there."""


@cache
def verbs() -> dict[str, Parser]:
    return below(build_parser())


def below(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """Return the parsers of a verb's sub-verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


@cache
def declared(module: str, name: str) -> Parser:
    """Return a parser with what a verb's module declares."""
    parser = Parser(prog=f"perpetuo {name}", exit_on_error=False)
    importlib.import_module(module).add_arguments(parser)
    return parser


def resolve(tokens: list[str]) -> tuple[Parser | None, list[str]]:
    """Return the parser that a command comes to, and the arguments that are left for it.

    No parser where a placeholder stands for the sub-verb; Unknown if there is none of that name.
    """
    known, parser, path = verbs(), None, []
    rest = list(tokens)
    while known:
        word = next((token for token in rest if not token.startswith("-")), None)
        if word is None or PLACEHOLDER.search(word):
            return None, rest
        if word not in known:
            raise Unknown(f"there is no {word}; it must be one of {', '.join(known)}")
        rest.remove(word)
        path.append(word)
        parser = known[word]
        if rest and rest[0] in parser.others:
            module, parser = parser.others[rest[0]], None
            return declared(module, f"{path[0]} {rest[0]}"), rest[1:]
        if parser.module:
            parser = declared(parser.module, " ".join(path))
        known = below(parser)
    return parser, rest


def words(line: str) -> list[str]:
    """Take a line apart as the shell does: without its comment, and no further than one command."""
    tokens = shlex.split(line, comments=True)
    ends = [k for k, token in enumerate(tokens) if token in ("|", "&&", ";", "<", ">", "&")]
    return [token.rstrip(";") for token in tokens[: ends[0] if ends else None]]


def commands(page: Path) -> tuple[list[str], list[str]]:
    """Return what follows ``perpetuo`` in the code blocks of a page, and between its ticks."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line.strip() for b in BLOCK.findall(text) for line in b.replace("\\\n", " ").splitlines()
    ]
    ticked = TICKED.findall(BLOCK.sub("", text))
    blocks, between = ([m[1] for m in map(COMMAND.match, x) if m] for x in (lines, ticked))
    return blocks, between


def judge(line: str, *, whole: bool) -> str:
    """Return what is wrong with a command, "" if nothing.

    Args:
        line: What follows ``perpetuo``.
        whole: Whether what is required must be there; between ticks it need not.
    """
    tokens = words(line)
    try:
        parser, rest = resolve(tokens)
        if parser is None:
            return ""
        if parser.prog == "perpetuo train":
            look_up("a model", rest[0] if rest else "", models())
        look_up_options(parser, rest)
        if whole and not any(map(PLACEHOLDER.search, rest)):
            parser.parse_args(rest)
    except (Unknown, StreamerError, argparse.ArgumentError) as error:
        return str(error)
    except SystemExit:
        return "the program refuses it"
    return ""


def look_up_options(parser: Parser, rest: list[str]) -> None:
    known = {name: action for action in parser._actions
             for name in action.option_strings}  # fmt: skip
    for k, token in enumerate(rest):
        name, _, value = token.partition("=")
        if not re.match(r"--?[a-z]", name):
            continue
        if name not in known:
            raise Unknown(f"there is no option {name}")
        value = value or "".join(rest[k + 1 : k + 2])
        look_up(name, value, list(known[name].choices or named(name)))


def look_up(what: str, name: str, known: Collection[str]) -> None:
    """Raise Unknown for a name, and no placeholder or path, that is not among those that are."""
    if known and re.fullmatch(r"[a-z][a-z-]*", name) and name not in known:
        raise Unknown(f"{what} cannot be {name}")


@cache
def named(option: str) -> set[str]:
    """Return what an option may name, beside files; nothing where that is not known."""
    if option == "--model":
        return {path.parent.name for path in SHIPPED.glob("*/manifest.json")}
    if option == "--scene":
        return {path.stem for path in SCENES.glob("*.toml")}
    return set(presets()) if option == "--preset" else set()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("plai --port null", "there is no plai"),
        ("play --prot null", "there is no option --prot"),
        ("play --set densty=3", "did you mean density"),
        ("play --set density=99", "in range 0.25..4.0"),
        ("play --scene nosuch", "--scene cannot be nosuch"),
        ("render OUT.mid --model pianos", "--model cannot be pianos"),
        ("study vrahs --only likelihood", "there is no vrahs"),
        ("study vrash --onyl likelihood", "there is no option --onyl"),
        ("train filter --tabel", "there is no option --tabel"),
        ("train chian --tensors my.npz", "a model cannot be chian"),
        ("train chain --tensors my.npz --preset tiny", "--preset cannot be tiny"),
        ("prepare songs folder -o my.npz", "there is no songs"),
        ("keep --last soon", "must be seconds"),
        ("render", "required"),
    ],
)
def test_a_command_that_cannot_be_is_found(
    line: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in judge(line, whole=True) + capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_a_page_are_taken(page: Path) -> None:
    blocks, ticked = commands(page)
    wrong = [f"{line}: {judge(line, whole=True)}" for line in blocks if judge(line, whole=True)]
    wrong += [f"{line}: {judge(line, whole=False)}" for line in ticked if judge(line, whole=False)]
    assert wrong == []

"""Rooms and walls: where modules lie, which of them may know a family, and how long they may be."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from streamer.registry import built_in

ROOT = Path(__file__).parent.parent
PACKAGES = ("streamer", "training", "export")
STREAMER = ROOT / "streamer"

MOST_AT_THE_TOP = 8
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60

KNOW_FAMILIES = ("families", "verbs", "models", "scenes")
"""Rooms of the streamer whose modules may ask which family it is: families, and what a person
calls."""

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rooms() -> set[str]:
    return {path.parent.name for path in STREAMER.glob("*/__init__.py")}


def layers() -> set[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layered,) = (c for c in contracts["contracts"] if c["name"] == "Rooms of the streamer")
    return {name.strip(" ()") for layer in layered["layers"] for name in layer.split("|")}


def test_few_modules_of_the_streamer_lie_outside_a_room():
    assert len(list(STREAMER.glob("*.py"))) - 1 <= MOST_AT_THE_TOP  # without __init__


def test_every_room_and_every_module_at_the_top_has_its_layer():
    modules = {path.stem for path in STREAMER.glob("*.py")} - {"__init__"}
    assert set() == (rooms() | modules) - layers()


def test_no_import_is_exempt_from_the_contracts():
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text()


def asked_texts(path: Path) -> set[str]:
    """Return the texts that a module compares something with, or looks up."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "startswith"):
            parts = node.args[:1]
        for part in parts:
            values = part.elts if isinstance(part, ast.Tuple | ast.Set | ast.List) else [part]
            found |= {v.value for v in values if isinstance(v, ast.Constant)}
    return {text for text in found if isinstance(text, str)}


SHARED = [
    path
    for path in MODULES
    if path.is_relative_to(STREAMER) and path.relative_to(STREAMER).parts[0] not in KNOW_FAMILIES
]


@pytest.mark.parametrize("path", SHARED, ids=name_of)
def test_no_shared_module_asks_which_family_it_is(path):
    names = {"tune", "band"}
    for family in built_in():
        names |= {family.name, *family.models, *family.codecs, *family.parts, *family.settings}
    kinds = {family.kind for family in built_in()}  # a kind is no family
    assert set() == asked_texts(path) & (names - kinds)


def long_ones() -> set[str]:
    found = set()
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > MOST_LINES:
            found.add(name_of(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    found.add(f"{name_of(path)}:{node.name}")
    return found


def test_no_file_and_no_function_needs_much_scrolling():
    assert set() == long_ones()

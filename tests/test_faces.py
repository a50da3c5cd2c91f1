"""The faces of the rooms: what ``from streamer.bundle import Bundle`` gives, and what it costs."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.system.installing import how_to_add
from streamer.system.lazy import lazy_names

ROOT = Path(__file__).parent.parent
INITS = {
    ".".join(path.parent.relative_to(ROOT).parts): path
    for package in ("streamer", "training", "export")
    for path in sorted((ROOT / package).rglob("__init__.py"))
}
LAZY = [name for name, path in INITS.items() if "lazy_names(" in path.read_text("utf-8")]


def branches(package: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return name to module as a type checker reads it, and as it is opened when it runs."""
    tree = ast.parse(INITS[package].read_text(encoding="utf-8"))
    (choice,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(choice.test) == "TYPE_CHECKING"
    checked = {
        alias.name: node.module.removeprefix(f"{package}.")
        for node in choice.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    (call,) = [node for node in ast.walk(choice) if isinstance(node, ast.Call)]
    modules: dict[str, str] = {}
    for keyword in call.keywords:
        value = ast.literal_eval(keyword.value)
        modules |= value if keyword.arg is None else {keyword.arg: value}
    modules.pop("extra", None)
    return checked, {name: module for module, names in modules.items() for name in names.split()}


@pytest.mark.parametrize("package", INITS)
def test_every_room_says_in_some_lines_what_it_is_for(package):
    text = ast.get_docstring(ast.parse(INITS[package].read_text(encoding="utf-8")))
    assert text is not None
    assert "\n\n" in text


@pytest.mark.parametrize("package", LAZY)
def test_a_face_opens_what_a_type_checker_reads(package):
    checked, opened = branches(package)
    assert checked == opened
    assert set(checked) == set(importlib.import_module(package).__all__) - {"__version__"}


@pytest.mark.parametrize("package", LAZY)
def test_every_name_of_a_face_is_there(package):
    face = importlib.import_module(package)
    assert set(face.__all__) <= set(dir(face))
    try:
        assert all(getattr(face, name) is not None for name in face.__all__)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] in ("streamer", "training", "export"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("package", LAZY)
def test_no_name_of_a_face_is_hidden_by_a_module_of_its_name(package):
    folder = INITS[package].parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set() == modules & set(branches(package)[0])


def test_a_face_alone_imports_no_module_of_its_room():
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*[m for m in sys.modules if m.split('.')[0] in ('streamer', 'training', 'export')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *LAZY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    others = {"streamer.system.lazy", "streamer.version"}
    assert set(run.stdout.split()) - set(INITS) <= others


def test_an_unknown_name_is_an_attribute_error_with_the_package():
    with pytest.raises(ImportError, match="Bundel"):
        from streamer.bundle import Bundel  # type: ignore[attr-defined] # noqa: F401
    with pytest.raises(AttributeError, match=r"'streamer.bundle' has no attribute 'Bundel'"):
        importlib.import_module("streamer.bundle").Bundel  # noqa: B018


def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "streamer.music.notes", None)  # as if it could not be had
    lookup, _ = lazy_names("streamer.music", extra="train", notes="Note")
    remedy = re.escape(how_to_add("train"))
    with pytest.raises(ModuleNotFoundError, match=f"streamer.music.Note needs .*: {remedy}"):
        lookup("Note")

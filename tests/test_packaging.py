"""The distribution: a small edge, extras for the rest, what ships and what it says of itself."""

import ast
import re
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import streamer
from streamer.cli import VERBS, main

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {"scikit-learn": "sklearn", "python-rtmidi": "rtmidi"}
EDGE = {"numpy", "onnxruntime", "mido", "python-rtmidi", "msgspec", "platformdirs", "rich"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {Requirement(line).name: Requirement(line) for line in lines}


def test_base_dependencies_are_those_of_the_edge():
    assert EDGE == set(requirements(PROJECT["dependencies"]))


def test_the_onnxruntime_that_crashes_the_pi_4_is_refused():
    wanted = requirements(PROJECT["dependencies"])["onnxruntime"].specifier
    assert ["1.22.0", "1.31.1"] == list(wanted.filter(["1.20.0", "1.21.0", "1.22.0", "1.31.1"]))


@pytest.mark.parametrize(("python", "asked"), [("3.11", True), ("3.12", True), ("3.13", False)])
def test_rtmidi_is_asked_for_only_where_it_has_a_wheel(python, asked):
    marker = requirements(PROJECT["dependencies"])["python-rtmidi"].marker
    assert marker is not None
    assert asked == marker.evaluate({"python_version": python})


def test_what_is_under_the_gpl_comes_with_an_extra_of_its_own_alone():
    extras = PROJECT["optional-dependencies"]
    asked = {name for name, lines in extras.items() if "LinkPython-extern" in requirements(lines)}
    assert {"link", "dev"} == asked
    assert ["LinkPython-extern"] == [*requirements(extras["link"])]


def imported_at_start(package: str) -> set[str]:
    """Names of what the package's modules import at their top, and the modules that these are."""
    waiting, seen, found = list((ROOT / package).rglob("*.py")), set(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{a.name}" for a in node.names)]
            for name in names:
                stem = ROOT / name.replace(".", "/")
                files = [stem.with_suffix(".py"), stem / "__init__.py"]
                waiting += [file for file in files if file.is_file()]
                if name.split(".")[0] not in ("streamer", "training", "export"):
                    found.add(name.split(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize(("package", "extra"), [("training", "train"), ("export", "export")])
def test_an_extra_brings_all_that_its_package_imports(package, extra):
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]
    brought = {MODULES.get(name, name) for name in requirements(lines)}
    assert set() == imported_at_start(package) - brought


def test_every_extra_that_a_message_names_exists():
    from streamer.cli import EXTRA_OF_PACKAGE

    assert set(EXTRA_OF_PACKAGE.values()) <= set(PROJECT["optional-dependencies"])


def test_the_edge_knows_which_extra_brings_each_verb_of_other_packages():
    from streamer.cli import OTHER_VERBS

    assert set(PROJECT["entry-points"]["perpetuo.verbs"]) == set(OTHER_VERBS)
    assert set(OTHER_VERBS.values()) <= set(PROJECT["optional-dependencies"])


def test_every_verb_of_other_packages_is_registered_under_its_own_name(capsys):
    names = {entry.name for entry in entry_points(group="perpetuo.verbs")}
    assert set(PROJECT["entry-points"]["perpetuo.verbs"]) == names
    for name in sorted(names):
        assert 0 == main([name, "--help"])
        assert capsys.readouterr().out.startswith(f"usage: perpetuo {name} ")


def test_presets_lie_beside_the_code_and_ship_with_it():
    assert {"chain.toml", "chain-tiny.toml", "chain-zero2w.toml"} <= {
        path.name for path in (ROOT / "training" / "presets").iterdir()
    }


def test_version_is_said_once():
    assert "version" in PROJECT["dynamic"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{streamer.__version__}]" in changelog


def commands(tool: str) -> set[str]:
    """Return the first words that pages for users give a tool, in code."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    in_line = re.findall(rf"`{tool} ([a-z][a-z0-9-]*)", text)
    alone = re.findall(rf"^(?:sudo )?{tool} ([a-z][a-z0-9-]*)", text, re.MULTILINE)
    return {*in_line, *alone}


def test_every_verb_that_a_page_gives_is_there():
    given = commands("perpetuo")
    assert {"play", "render"} <= given
    assert set() == given - {*VERBS, *PROJECT["entry-points"]["perpetuo.verbs"]}


def test_every_target_that_a_page_gives_to_make_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    given = commands("make")
    assert {"play", "test"} <= given
    assert set() == given - set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))

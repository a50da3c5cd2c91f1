"""The distribution: a small edge, extras for the rest, what ships and what it says of itself."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import streamer

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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


def test_every_extra_that_a_message_names_exists():
    from streamer.cli import EXTRA_OF_PACKAGE

    assert set(EXTRA_OF_PACKAGE.values()) <= set(PROJECT["optional-dependencies"])


def test_every_verb_of_other_packages_is_registered_under_its_own_name():
    from streamer.cli import VERBS, build_parser

    names = {entry.name for entry in entry_points(group="perpetuo.verbs")}
    assert set(PROJECT["entry-points"]["perpetuo.verbs"]) == names
    for name in names:
        parser = build_parser([name])
        choices = set(parser._subparsers._group_actions[0].choices)  # type: ignore[union-attr,arg-type]
        assert set(VERBS) | names == choices


def test_presets_lie_beside_the_code_and_ship_with_it():
    assert {"chain.toml", "chain-tiny.toml", "chain-zero2w.toml"} <= {
        path.name for path in (ROOT / "training" / "presets").iterdir()
    }


def test_version_is_said_once():
    assert "version" in PROJECT["dynamic"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{streamer.__version__}]" in changelog


def test_readme_opens_with_the_two_commands():
    opening = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:10]
    assert any(line.startswith("make play") for line in opening)
    assert any(line.startswith("make test") for line in opening)


def test_readme_names_every_verb():
    from streamer.cli import VERBS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    verbs = {*VERBS, *PROJECT["entry-points"]["perpetuo.verbs"]}
    assert set() == {
        verb for verb in verbs if f"perpetuo {verb}" not in text and f"`{verb}`" not in text
    }

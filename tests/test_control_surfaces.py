"""Each live control is declared once, and every surface has it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from streamer import cli
from streamer.control.bindings import Bindings, value_of
from streamer.registry import every
from streamer.scenes import read_scene
from streamer.settings.controls import Controls, control_specs
from streamer.settings.reading import load_settings, parse_setting, scene_values
from streamer.settings.schema import HEARD

ROOT = Path(__file__).parent.parent
NAMES = [*control_specs()]


def another(name: str) -> Any:
    """Return a legal value of a control that is not its default."""
    value = 48 if name == "low" else value_of(name, 0 if name == "recall" else 100)
    assert value != Controls().value(name)
    return value


def written(value: Any) -> str:
    """Return a value as TOML writes it."""
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_says_all_that_a_person_wants_to_know(name):
    spec = control_specs()[name]
    assert spec.declared.help
    assert not spec.declared.help.endswith(".")
    assert spec.declared.group
    assert HEARD[spec.declared.path] == spec.heard
    assert {*spec.families} <= {family.name for family in every()}
    assert spec.convert(spec.default) == spec.default


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_file_sets_every_control(name, tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text(f"[controls]\n{name} = {written(another(name))}\n")
    assert another(name) == load_settings(path).controls.value(name)


@pytest.mark.parametrize("verb", [["play"], ["render", "out.mid"]], ids=lambda verb: verb[0])
@pytest.mark.parametrize("name", NAMES)
def test_an_option_sets_every_control_at_the_start(name, verb):
    text = str(another(name)).lower()
    args = cli.build_parser(verb).parse_args([*verb, "--set", f"{name}={text}"])
    assert parse_setting(f"controls.{name}", text) == vars(args)[f"controls.{name}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_sets_every_control(name, tmp_path):
    (tmp_path / "mine.toml").write_text(f"[controls]\n{name} = {written(another(name))}\n")
    assert {f"controls.{name}": another(name)} == scene_values(read_scene("mine", tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_a_knob_learns_every_control_and_its_middle_is_neutral(name):
    args = cli.build_parser(["play"]).parse_args(["play", "--learn", name])
    bindings = Bindings()
    bindings.learn(args.learn)
    bindings.moved(20, 1.0)
    assert name == bindings.moved(20, 2.0)
    neutral = control_specs()[name].neutral
    assert neutral is None or pytest.approx(neutral) == value_of(name, 64)


def test_the_help_of_play_and_render_and_the_list_name_every_control(capsys):
    helps = [printed(capsys, verb, "--help") for verb in ("play", "render")]
    words = [{*text.replace(",", " ").split()} for text in helps]
    listed = {line.split()[0] for line in printed(capsys, "controls").splitlines()}
    assert [[], []] == [[name for name in NAMES if name not in known] for known in words]
    assert {*NAMES} <= listed


def test_the_list_as_json_says_what_a_program_needs(capsys):
    rows = {row["name"]: row for row in json.loads(printed(capsys, "controls", "--json"))}
    assert NAMES == [*rows]
    density, mute, bits, scale = (rows[n] for n in ("density", "mute_bass", "bits", "scale"))
    assert (0.25, 4.0, "x", 1.0, 1.0) == tuple(
        density[key] for key in ("low", "high", "unit", "default", "neutral")
    )
    assert ("soon", "redraw") == (density["heard"], density["path"])
    assert {"chain", "tunes", "windows", "bands"} <= {*density["families"]}
    assert ("at once", "send", ["bands"]) == (mute["heard"], mute["path"], mute["families"])
    assert (None, "all of them", ["windows"]) == (bits["default"], bits["unset"], bits["families"])
    assert ("choice", "off") == (scale["type"], scale["choices"][0])


def test_the_table_for_a_settings_file_is_one_and_shows_the_defaults(capsys, tmp_path):
    text = printed(capsys, "controls", "--toml")
    path = tmp_path / "perpetuo.toml"
    path.write_text(re.sub(r"^#([a-z_]+ = )", r"\1", text, flags=re.MULTILINE))
    shown = tomllib.loads(path.read_text())["controls"]
    assert NAMES == sorted(shown, key=NAMES.index)
    unset = [name for name, spec in control_specs().items() if spec.optional]
    assert (
        Controls().with_changes({name: shown[name] for name in unset})
        == load_settings(path).controls
    )


def test_what_is_made_from_the_declarations_is_not_stale():
    """docs/controls.md and systemd/perpetuo.toml; .ci/write_controls.py writes them."""
    run = subprocess.run(
        [sys.executable, ROOT / ".ci" / "write_controls.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stderr)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("density", "must be written CONTROL=VALUE (density=0.5), not density"),
        ("densty=1", "no control is called 'densty'; did you mean density?"),
        ("density=9", "density must be in range 0.25..4.0 x, not 9"),
        ("density=", "density must be a number in 0.25..4.0 x, not "),
        ("scale=majr", "scale must be one of off, major"),
        ("mute_bass=1", "mute_bass must be true or false, not 1"),
        ("bits=2000", "bits must be in range 0..1024 bits, not 2000"),
    ],
)
def test_a_wrong_option_is_one_line_with_the_legal_values(text, line, capsys):
    assert cli.main(["render", "out.mid", "--set", text]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert 1 == len(said.splitlines())


def test_the_last_of_two_options_for_one_control_counts():
    parser = cli.build_parser(["play"])
    for options, bits in (
        (["--bits", "3", "--set", "bits=4"], 4),
        (["--set", "bits=4", "--bits", "3"], 3),
    ):
        assert bits == vars(parser.parse_args(["play", *options]))["controls.bits"]


FAMILY = """
from dataclasses import dataclass
from typing import Annotated
from streamer.registry import Family
from streamer.settings import Control, ControlGroup, Range

@dataclass(frozen=True, slots=True)
class ToyControls(ControlGroup):
    {name}: Annotated[float, Range(0.0, 1.0), Control("toys", "redraw", "how it sparkles")] = 0.25

FAMILY = Family(
    name="toy", models=("toy",), codecs={{}}, kind="step",
    arguments=(), open="toy:none", floors="toy:none",
    check_defaults="toy:none", controls="toy:ToyControls",
)
"""


def with_family(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a package of another family is installed, with a control ``name``."""
    (folder / "toy.py").write_text(FAMILY.format(name=name))
    entry = folder / "toy-1.dist-info"
    entry.mkdir()
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (entry / "entry_points.txt").write_text("[perpetuo.families]\ntoy = toy:FAMILY\n")
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["controls"],
        ["controls", "--json"],
        ["controls", "--toml"],
        ["controls", "--markdown"],
        ["play", "--help"],
        ["render", "out.mid", "--set", "sparkle=2"],
        ["play", "--learn", "none"],
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_the_control_of_a_family_from_outside_the_tree_is_everywhere(arguments, tmp_path):
    run = with_family(tmp_path, "sparkle", *arguments)
    assert "sparkle" in run.stdout + run.stderr


def test_a_family_from_outside_that_takes_a_name_is_one_line(tmp_path):
    run = with_family(tmp_path, "density", "controls")
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert "family toy declares a control 'density'; a name must" in run.stderr

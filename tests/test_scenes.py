"""Scenes: files of bundle, style and controls; chosen at the start, or live by a program change."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import cli
from streamer.control.inputs import MidiControl
from streamer.control.morphing import SceneChanger
from streamer.control.scenes import live_programs, load_programs
from streamer.errors import ConfigError
from streamer.service.reload import Reloader
from streamer.service.saved import Keeper, last_scene, restore
from streamer.settings.controls import Controls, LiveControls, control_specs
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.settings.reading import load_settings
from streamer.testing import ManualClock
from tests.bundles import write_tiny_bundle, write_tiny_tunes_bundle

SHIPPED = [
    "ambient", "as-configured", "bells", "bright", "cafe", "calm", "deep", "dense", "night",
    "sparse", "storm", "study", "wild",
]  # fmt: skip


class Place:
    """A settings file with own scenes beside it."""

    def __init__(self, folder: Path) -> None:
        self.config, self.scenes = folder / "perpetuo.toml", folder / "scenes"
        self.config.write_text("")
        self.scenes.mkdir()

    def write(self, name: str, text: str) -> Path:
        path = self.scenes / f"{name}.toml"
        path.write_text(text)
        return path

    def load(self, **overrides):
        return load_settings(self.config, {k.replace("_", ".", 1): v for k, v in overrides.items()})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def listed(place: Place, capsys, *more: str) -> tuple[list[str], list[str]]:
    assert cli.main(["scenes", "--config", str(place.config), *more]) == 0
    said = capsys.readouterr()
    return said.out.splitlines(), said.err.splitlines()


def test_the_scenes_that_ship_are_listed_one_name_a_line(place, capsys):
    assert (SHIPPED, []) == listed(place, capsys)


def test_the_list_as_json_says_where_a_scene_is_from_and_what_it_sets(place, capsys):
    path = place.write(
        "glass", 'description = "clear"\nprogram = 9\nstyle = "jazz"\n[controls]\nlow = 72\n'
    )
    assert cli.main(["scenes", "--json", "--config", str(place.config)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert sorted([*SHIPPED, "glass"]) == [*rows]
    assert {
        "name": "glass",
        "description": "clear",
        "source": "own",
        "path": str(path),
        "hides_shipped": False,
        "program": 9,
        "model": {"style": "jazz"},
        "controls": {"low": 72},
    } == rows["glass"]
    night = {"density": 0.5, "velocity_scale": 0.6, "tempo_scale": 0.8, "high": 84}
    assert ("shipped", 5, night) == tuple(
        rows["night"][key] for key in ("source", "program", "controls")
    )


def test_an_own_scene_wins_over_the_one_that_ships_and_the_list_says_so(place, capsys):
    path = place.write("night", "[controls]\ndensity = 0.3\n")
    names, said = listed(place, capsys)
    assert (SHIPPED, [f"night is {path}, not the one that ships"]) == (names, said)
    controls = place.load(model_scene="night").controls
    assert Controls(density=0.3) == controls
    assert "night" == load_programs(None, place.scenes, Controls())[4].name
    assert {"density": 0.3} == load_programs(None, place.scenes, Controls())[4].changes


def test_options_win_over_the_scene_and_the_scene_over_the_file(place):
    place.config.write_text(
        "[controls]\ndensity = 2.0\ntranspose = 3\nhigh = 100\n[model]\nseed = 1\n"
    )
    place.write(
        "mine", '[model]\nmodel = "tunes"\nseed = 2\n[controls]\ndensity = 0.5\nhigh = 84\n'
    )
    settings = place.load(model_scene="mine", controls_high=90, model_seed=3)
    assert Controls(density=0.5, transpose=3, high=90) == settings.controls
    assert ("tunes", 3, "mine") == (
        settings.model.model,
        settings.model.seed,
        settings.model.scene,
    )
    assert Controls(density=2.0, transpose=3, high=90) == settings.configured


def test_the_settings_file_may_name_the_scene_and_an_option_another(place):
    place.config.write_text('[model]\nscene = "night"\n')
    assert 0.5 == place.load().controls.density
    assert 0.7 == place.load(model_scene="calm").controls.density


def test_a_scene_with_all_of_a_model_and_every_control_is_taken(place):
    controls = {name: spec.default for name, spec in control_specs().items() if not spec.optional}
    lines = [f"{n} = {json.dumps(v)}" for n, v in controls.items()]
    place.write(
        "all",
        'description = "d"\nprogram = 128\n[model]\nmodel = "tunes"\nstyle = "bach:0.7,jazz:0.3"\n'
        "seed = 1\ntemperature = [1.0, 1.0, 0.5]\ncandidates = 3\nphrase_notes = 32\nredraws = 1\n"
        'ranking = "typical"\njudge = "none"\n[controls]\n' + "\n".join(lines) + "\n",
    )
    assert "bach:0.7,jazz:0.3" == place.load(model_scene="all").model.style


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[control]\n", "control is unknown; did you mean controls?"),
        ("sparkle = 1\n", "sparkle is unknown; a scene has description, program, style, model"),
        ("[controls]\ndensty = 1\n", "controls.densty is unknown; did you mean density?"),
        ("[controls]\ndensity = 9\n", "controls.density must be in range 0.25..4.0 x, not 9"),
        ("[controls]\nlow = 60\nhigh = 62\n", "controls: high must be 11 or more above low"),
        (
            '[model]\nmodel = "../piano"\n',
            'must be a name that `perpetuo models` lists, not "../pi',
        ),
        ('[model]\nmodel = "p.zip"\n', "model.model must be a name"),
        ('[model]\nmodel = ".."\n', "model.model must be a name"),
        ('[model]\nmodel = "~root"\n', "model.model must be a name"),
        ('[model]\nprime = "/etc/passwd"\n', "model.prime is no scene's to set; set it in the"),
        ('[model]\nscene = "calm"\n', "model.scene is no scene's to set"),
        ('[model]\nstyle = "bach:x"\n', "model.style must be names with weights"),
        ('style = "a"\n[model]\nstyle = "b"\n', "style is said twice; leave out style or model.st"),
        ("program = 0\n", "program must be a whole number in 1..128, not 0"),
        ("program = true\n", "program must be a whole number in 1..128, not True"),
        ("description = 3\n", "description must be one line of text, not 3"),
        ('description = "a\\nb"\n', "description must be one line of text"),
        (f'description = "{"a" * 201}"\n', "description must be 200 characters at most"),
        ("controls = 3\n", "controls must be a table, written [controls]"),
        ("[controls\n", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        (f"#{'x' * 70_000}\n", "must be 64 KiB at most; make it shorter"),
    ],
)
def test_a_scene_with_a_mistake_is_one_line_and_leaves_the_others(place, text, line, capsys):
    path = place.write("wrong", text)
    names, said = listed(place, capsys)
    assert SHIPPED == names
    assert [True] == [one.startswith(f"perpetuo scenes: left out: {path}: ") for one in said]
    assert line in said[0]
    arguments = ["render", str(place.config.parent / "out.mid"), "--config", str(place.config)]
    assert cli.main([*arguments, "--scene", "wrong"]) == 1
    assert line in capsys.readouterr().err


def test_every_mistake_of_a_scene_is_named_at_once(place):
    place.write("wrong", "sparkle = 1\nprogram = 0\n[controls]\ndensity = 9\n")
    with pytest.raises(ConfigError) as caught:
        place.load(model_scene="wrong")
    assert 2 == len(caught.value.problems)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "Night", "night.toml", "", "x" * 65, "a b"])
def test_a_name_that_is_a_path_or_no_name_is_refused(name, capsys):
    assert cli.main(["play", "--scene", name]) == 2
    said = capsys.readouterr().err
    assert "argument --scene: must be a name of a-z, 0-9 and -" in said
    assert 1 == len(said.splitlines())


def test_a_scene_that_is_not_there_offers_the_nearest(capsys, place):
    assert cli.main(["render", "o.mid", "--scene", "nigth", "--config", str(place.config)]) == 1
    said = capsys.readouterr().err
    assert "there is no scene nigth: it must be one of ambient, as-configured, bells" in said
    assert "did you mean night?" in said
    assert cli.main(["render", "o.mid", "--scene", "qqqqqq", "--config", str(place.config)]) == 1
    assert f"own ones go to {place.scenes}" in capsys.readouterr().err


def test_a_settings_file_that_names_a_lost_scene_does_not_hide_the_list(place, capsys):
    place.config.write_text('[model]\nscene = "lost"\n')
    assert (SHIPPED, []) == listed(place, capsys)
    assert cli.main(["scenes", "--config", str(place.config.parent / "none.toml")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_nothing_outside_the_folder_is_read(place, tmp_path, capsys):
    secret = tmp_path / "secret.toml"
    secret.write_text("[controls]\ndensity = 0.5\n")
    (place.scenes / "link.toml").symlink_to(secret)
    (place.scenes / "circle.toml").symlink_to(place.scenes / "circle.toml")
    (place.scenes / "Loud.toml").write_text("")
    (place.scenes / "folder.toml").mkdir()
    os.mkfifo(place.scenes / "pipe.toml")
    names, said = listed(place, capsys)
    assert SHIPPED == names
    assert 5 == len(said)
    assert "link.toml: leads out of the folder; copy the file to where it is" in " ".join(said)
    assert 2 == " ".join(said).count("must be a plain file")
    with pytest.raises(ConfigError, match="leads out of the folder"):
        place.load(model_scene="link")


def test_a_folder_that_cannot_be_entered_leaves_the_scenes_that_ship(place, capsys):
    place.scenes.chmod(0)
    try:
        names, _ = listed(place, capsys)
    finally:
        place.scenes.chmod(0o755)
    assert SHIPPED == names


@given(st.binary(max_size=300))
def test_any_bytes_are_a_scene_or_one_line(tmp_path_factory, data):
    own = tmp_path_factory.mktemp("scenes")
    (own / "any.toml").write_bytes(data)
    config = own / "perpetuo.toml"
    config.write_text("")
    (own / "scenes").mkdir()
    (own / "any.toml").rename(own / "scenes" / "any.toml")
    problems = []
    try:
        load_settings(config, {"model.scene": "any"})
    except ConfigError as error:
        problems = error.problems
    assert all(len(problem.splitlines()) <= 1 for problem in problems)


def test_a_scene_is_rendered_with_its_bundle_and_its_controls(place, tmp_path, capsys):
    tiny = write_tiny_bundle(tmp_path / "bundles").path
    place.config.write_text(f"[model]\nbundle_paths = [{json.dumps(str(tiny.parent))}]\n")
    place.write(
        "mine", '[model]\nmodel = "tiny"\nseed = 4\n[controls]\ntranspose = 5\nlead = 3.0\n'
    )
    out, same = tmp_path / "scene.mid", tmp_path / "options.mid"
    common = ["--duration", "5", "--config", str(place.config)]
    assert cli.main(["render", str(out), "--scene", "mine", *common]) == 0
    # How far ahead a stream writes is nothing to a file: the scene may say it.
    options = ["--model", "tiny", "--seed", "4", "--set", "transpose=5"]
    assert cli.main(["render", str(same), *options, *common]) == 0
    assert out.read_bytes() == same.read_bytes()
    other = tmp_path / "other.mid"
    assert cli.main(["render", str(other), "--scene", "mine", "--set", "transpose=0", *common]) == 0
    assert out.read_bytes() != other.read_bytes()


def test_a_scene_of_a_style_plays_that_style(place, tmp_path, capsys):
    tunes = write_tiny_tunes_bundle(tmp_path / "tunes").path
    place.config.write_text(f"[model]\nbundle_paths = [{json.dumps(str(tunes.parent))}]\n")
    name = json.loads((tunes / "manifest.json").read_text())["name"]
    place.write("jazzy", f'style = "jazz"\n[model]\nmodel = "{name}"\n')
    out = ["render", str(tmp_path / "o.mid"), "--scene", "jazzy", "--config", str(place.config)]
    assert cli.main([*out, "--seed", "1", "--duration", "5", "--json", "-"]) == 0
    assert "jazz" == json.loads(capsys.readouterr().out)["tune"]["style"]


def test_a_scene_whose_bundle_is_missing_is_one_line_that_names_both(place, tmp_path, capsys):
    place.write("lost", '[model]\nmodel = "lostbundle"\n')
    out = ["render", str(tmp_path / "o.mid"), "--scene", "lost", "--config", str(place.config)]
    assert cli.main(out) == 1
    said = capsys.readouterr().err
    assert "scene lost: no bundle is called 'lostbundle'; did you mean" in said
    assert 1 == len(said.splitlines())


class FakeStage:
    """A scheduler that nothing is asked of."""

    def panic(self) -> None: ...

    def beat(self, followed) -> None: ...

    def follow(self, rate: float, *, halted: bool) -> None: ...


def program(
    place: Place, number: int, live: LiveControls, configured: Controls, **more
) -> Controls:
    programs = load_programs(None, place.scenes, configured)
    control = MidiControl(
        InputSettings(), ClockSettings(), live, FakeStage(), ManualClock(), programs=programs,
        configured=lambda: configured, **more,
    )  # fmt: skip
    control.inbox.put(bytes((0xC0, number - 1)))
    control.turn()
    return live.snapshot()


def test_a_program_change_goes_from_one_scene_to_the_other_and_mixes_nothing(place):
    settings = place.load(model_scene="night", controls_transpose=2)
    live = LiveControls(settings.controls, "night")
    calm = Controls(temperature=0.85, density=0.7, velocity_scale=0.85, transpose=2)
    assert calm == program(place, 2, live, settings.configured)
    assert "calm" == live.scene
    assert Controls(transpose=2) == program(place, 1, live, settings.configured)


def test_a_program_change_to_an_own_scene_asks_for_its_bundle_and_style(place):
    place.write("mine", 'program = 20\nstyle = "jazz"\n[controls]\ndensity = 0.5\n')
    live, asked = LiveControls(), []
    changer = SceneChanger(live, Controls, lambda model: asked.append(dict(model)))
    assert Controls(density=0.5) == program(place, 20, live, Controls(), scenes=changer)
    assert [{"style": "jazz"}] == asked


def test_own_scenes_that_cannot_be_used_are_told_and_leave_the_other_programs(place, caplog):
    place.write("a", "program = 20\n")
    place.write("b", "program = 20\n")
    place.write("c", "program = 21\n[controls]\ndensity = 9\n")
    programs = load_programs(None, place.scenes, Controls())
    assert ("a", False) == (programs[19].name, 20 in programs)
    assert len(SHIPPED) + 1 == len(programs)
    assert "program 20 is taken by a" in caplog.text
    assert "controls.density must be in range" in caplog.text


def test_a_scene_that_is_saved_or_edited_while_the_music_plays_is_what_its_program_chooses(place):
    programs = live_programs(None, place.scenes, Controls())
    assert (len(SHIPPED), None) == (len(programs), programs.get(29))
    path = place.write("mine", "program = 30\n[controls]\ndensity = 0.5\n")
    assert {"density": 0.5} == programs[29].changes
    place.write("mine", "program = 31\n[controls]\ndensity = 0.25\n")
    assert (None, {"density": 0.25}) == (programs.get(29), programs[30].changes)
    place.write("night", "[controls]\ndensity = 0.3\n")
    assert {"density": 0.3} == programs[4].changes
    path.unlink()
    assert len(SHIPPED) == len(programs)


def test_a_reload_takes_what_was_edited_in_the_scene(place):
    path = place.write("mine", "[controls]\ndensity = 0.5\n")
    settings = place.load(model_scene="mine")
    live = LiveControls(settings.controls, "mine")
    live.update(transpose=4)
    reloader = Reloader(lambda: place.load(model_scene="mine"), settings, live)
    path.write_text("[controls]\ndensity = 0.6\n")
    assert reloader.reload()
    assert (Controls(density=0.6, transpose=4), "mine") == (live.snapshot(), live.scene)


def test_a_reload_with_another_scene_begins_with_its_controls(place, caplog):
    place.config.write_text('[model]\nscene = "night"\n')
    settings = place.load()
    live = LiveControls(settings.controls, "night")
    live.update(transpose=4, pause=True)
    reloader = Reloader(place.load, settings, live)
    place.write("mine", 'style = "jazz"\n[controls]\ndensity = 0.5\n')
    place.config.write_text('[model]\nscene = "mine"\n')
    assert reloader.reload()
    assert (Controls(density=0.5, pause=True), "mine") == (live.snapshot(), live.scene)
    assert "wait for the next start (systemctl restart perpetuo): model.style" in caplog.text


def test_a_reload_with_a_scene_that_has_a_mistake_changes_nothing(place, caplog):
    path = place.write("mine", "[controls]\ndensity = 0.5\n")
    settings = place.load(model_scene="mine")
    live = LiveControls(settings.controls, "mine")
    path.write_text("[controls]\ndensity = 50\n")
    assert not Reloader(lambda: place.load(model_scene="mine"), settings, live).reload()
    assert Controls(density=0.5) == live.snapshot()


def kept(path: Path, configured: Controls, live: LiveControls, started: str) -> None:
    Keeper(path, configured, live, started).write()


def test_a_restart_with_the_same_scene_goes_on_where_the_hand_left_it(tmp_path):
    path, night = tmp_path / "controls.json", Controls(density=0.5)
    live = LiveControls(night, "night")
    live.update(transpose=4)
    kept(path, night, live, "night")
    assert Controls(density=0.5, transpose=4) == restore(path, night, "night")
    assert "night" == last_scene(path, "night")


def test_a_restart_with_another_scene_begins_with_that(tmp_path):
    path = tmp_path / "controls.json"
    live = LiveControls(Controls(density=0.5), "night")
    live.update(transpose=4)
    kept(path, Controls(density=0.5), live, "night")
    assert Controls(density=0.7) == restore(path, Controls(density=0.7), "calm")
    assert ("calm", "") == (last_scene(path, "calm"), last_scene(path, ""))


def test_controls_that_an_older_version_kept_go_on(tmp_path):
    path = tmp_path / "controls.json"
    before = {"transpose": 0, "density": 1.0}
    path.write_text(
        json.dumps(
            {
                "schema": 1,
                "configured": before,
                "last": {**before, "transpose": 4},
                "preset": "calm",
            }
        )
    )
    assert (Controls(transpose=4), "calm") == (restore(path, Controls()), last_scene(path))

"""Settings: read once, checked together, every mistake named."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ConfigError
from streamer.registry import built_in, opened
from streamer.settings.controls import control_specs
from streamer.settings.reading import load_settings, parse_setting, setting_names
from streamer.settings.settings import SHARED_TABLES, ModelSettings, Settings
from streamer.system.folders import default_config_path


def write(folder: Path, text: str) -> Path:
    path = folder / "perpetuo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def checked(name: str, value: object) -> object:
    return load_settings(None, {name: value}).values()[name]


def test_without_a_file_everything_has_its_default():
    assert Settings() == load_settings()


def test_the_file_of_the_user_is_read_when_none_is_named():
    path = default_config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[port]\nchannel = 3\n")
    try:
        assert load_settings().port.channel == 3
    finally:
        path.unlink()


def test_file_changes_what_it_names_and_nothing_else(tmp_path):
    path = write(tmp_path, '[model]\nseed = 5\ntemperature = 1\n[port]\nport = "synth"\n')
    settings = load_settings(path)
    assert ModelSettings(seed=5, temperature=1.0) == settings.model
    assert settings.port.port == "synth"
    assert Settings().buffer == settings.buffer


def test_options_win_over_the_file(tmp_path):
    path = write(tmp_path, "[model]\nseed = 5\ncandidates = 4\n")
    settings = load_settings(path, {"model.seed": 6, "model.candidates": None})
    assert (6, 4) == (settings.model.seed, settings.model.candidates)


def test_every_mistake_is_named_at_once(tmp_path):
    path = write(
        tmp_path,
        "[model]\ntemprature = 1.0\ncandidates = 900\n[bufer]\nlow_seconds = 1\n[port]\nport = 4\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert [
        f"{path}: model.temprature is unknown; did you mean temperature?",
        f"{path}: model.candidates must be in range 1..64, not 900",
        f"{path}: [bufer] is unknown; did you mean buffer?",
        f"{path}: port.port must be a text that is not empty, not 4",
    ] == caught.value.problems
    assert "\n" not in str(caught.value)


def test_a_key_in_the_wrong_table_is_told_where_it_belongs(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean buffer\.low_seconds\?"):
        load_settings(write(tmp_path, "[port]\nlow_seconds = 1\n"))


def test_low_water_above_high_water_is_a_mistake():
    with pytest.raises(ConfigError, match=r"buffer\.low_seconds \(20\) must be below"):
        load_settings(None, {"buffer.low_seconds": 20.0})


def test_lowest_pitch_above_the_highest_is_a_mistake():
    with pytest.raises(ConfigError, match="pitch_low"):
        load_settings(None, {"filters.pitch_low": 80, "filters.pitch_high": 40})


def test_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["[model", "a = ", "[model]\nseed = 1\nseed = 2\n", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path, text):
    with pytest.raises(ConfigError, match="not TOML"):
        load_settings(write(tmp_path, text))


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        load_settings(path)


def test_a_folder_is_no_settings_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)


def test_a_stage_that_is_no_table_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"must be a table, written \[model\]"):
        load_settings(write(tmp_path, "model = 3\n"))


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("1", 1.0),
        ("0.1", 0.1),
        ("1,1,1,1,0.5", (1.0, 1.0, 1.0, 1.0, 0.5)),
    ],
)
def test_temperature_is_one_number_or_five(value, accepted):
    assert accepted == parse_setting("model.temperature", value)


@pytest.mark.parametrize("value", ["0", "9", "nan", "inf", "1,99", "warm", "", "1,1,1,1,99"])
def test_temperature_out_of_range_says_the_range(value):
    with pytest.raises(ValueError, match=r"in (range )?0\.1\.\."):
        parse_setting("model.temperature", value)


def test_as_many_temperatures_as_no_family_has_are_refused():
    with pytest.raises(ConfigError, match=r"5 of chain, 3 of tunes.*not 2 numbers"):
        load_settings(None, {"model.temperature": [1.0, 2.0]})


def test_a_choice_lists_the_choices():
    with pytest.raises(ValueError, match="one of mean, regulated, information"):
        parse_setting("model.ranking", "best")


def test_whole_numbers_stay_whole():
    assert parse_setting("model.seed", "7") == 7
    with pytest.raises(ValueError, match="whole number"):
        parse_setting("model.seed", "7.5")


def test_switches_are_true_or_false():
    assert parse_setting("controls.pause", "true") is True
    with pytest.raises(ValueError, match="true or false"):
        parse_setting("controls.pause", "1")


def test_controls_that_contradict_each_other_are_a_mistake():
    with pytest.raises(ConfigError, match=r"controls: .*11"):
        load_settings(None, {"controls.low": 60, "controls.high": 62})


def test_true_is_no_number(tmp_path):
    with pytest.raises(
        ConfigError, match=r"port\.channel must be a whole number in 1\.\.16, not true"
    ):
        load_settings(write(tmp_path, "[port]\nchannel = true\n"))


def test_paths_know_the_home_of_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    settings = load_settings(None, {"record.path": "~/music.mid"})
    assert Path("/somewhere/music.mid") == settings.record.path


def test_every_setting_is_described_in_the_text_of_its_stage():
    described = {f"controls.{name}" for name, spec in control_specs().items() if spec.declared.help}
    stages = {name: type(getattr(Settings(), name)) for name in SHARED_TABLES}
    for family in built_in():
        stages |= {name: opened(dotted) for name, dotted in family.settings.items()}
    described |= {
        f"{name}.{setting.name}"
        for name, stage in stages.items()
        for setting in fields(stage)
        if f"{setting.name}: " in (stage.__doc__ or "")
    }
    assert set(setting_names()) == described


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from(setting_names()), value=plain)
def test_any_value_is_taken_or_refused_with_one_line(name, value):
    try:
        problems = []
        load_settings(None, {name: value})
    except ConfigError as error:
        problems = error.problems
    assert all(len(problem.splitlines()) == 1 for problem in problems)


@given(name=st.sampled_from(setting_names()), text=st.text(max_size=20))
def test_any_text_on_the_command_line_is_taken_or_refused(name, text):
    try:
        value = parse_setting(name, text)
    except ValueError as error:
        said = str(error)
    else:
        said = taken_or_contradicting(name, value)
    assert said == "taken" or said.startswith("must ")


def taken_or_contradicting(name: str, value: object) -> str:
    """Say whether a legal value is kept; beside the other defaults it may be a contradiction."""
    try:
        return "taken" if checked(name, value) == value else "changed"
    except ConfigError as error:
        return str(error)[str(error).find("must ") :]

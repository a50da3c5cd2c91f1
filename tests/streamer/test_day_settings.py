"""How a person writes the plan of the day, what is wrong with one, and what is printed of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer import cli
from streamer.errors import ConfigError
from streamer.settings.day import EVERY_DAY, Moment, parse_duration, parse_moment, parse_weekdays
from streamer.settings.reading import load_settings
from streamer.settings.settings import Settings

PLAN = """
[[day]]
at = "07:00"
scene = "bright"
[[day]]
at = "sunset-2:00"
scene = "calm"
weekdays = "mon-fri"
fade = "10m"
[[day]]
at = "12:00"
scene = "calm"
[[day]]
at = "12:30"
scene = "cafe"
weekdays = ["sat", "sun"]
[[day]]
at = "22:00"
scene = "night"
fade = "5m"
[plan]
quiet = ["23:00-06:30", "sat 14:00-15:00"]
latitude = 52.5
longitude = 13.4
timezone = "Europe/Berlin"
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "perpetuo.toml"
    path.write_text(text)
    return load_settings(path)


def printed(capsys, folder: Path, text: str, *more: str) -> list[str]:
    load(folder, text)
    arguments = ["day", "--dry-run", "--config", str(folder / "perpetuo.toml"), *more]
    assert cli.main(arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_the_coming_week_is_printed_one_line_a_scene(tmp_path, capsys):
    text = '[[day]]\nat = "22:00"\nscene = "night"\nfade = "5m"\n[plan]\ntimezone="Europe/Berlin"\n'
    lines = printed(capsys, tmp_path, text, "--from", "2026-03-27")
    assert 7 == len(lines)
    assert "2026-03-27T22:00:00+01:00 night 5m" == lines[0]
    assert "2026-03-29T22:00:00+02:00 night 5m" == lines[2]


def test_the_coming_week_as_json_has_quiet_hours_and_fades_in_seconds(tmp_path, capsys):
    rows = json.loads("".join(printed(capsys, tmp_path, PLAN, "--json", "--from", "2026-06-01")))
    assert rows == sorted(rows, key=lambda row: row["time"])
    first = rows[0]
    assert ("2026-06-01T07:00:00+02:00", "bright", None) == (
        first["time"], first["scene"], first["fade_seconds"],
    )  # fmt: skip
    night = next(row for row in rows if row["scene"] == "night")
    assert (300.0, "5m") == (night["fade_seconds"], night["fade"])
    assert 8 == sum(row["scene"] is None for row in rows)
    assert 5 + 7 == sum(row["scene"] == "calm" for row in rows)


def test_a_plan_of_nothing_prints_nothing(tmp_path, capsys):
    assert [] == printed(capsys, tmp_path, "")


def test_a_plan_of_nothing_says_beside_the_table_where_one_is_written(tmp_path, capsys):
    for more, told in (([], True), (["--json"], False)):
        load(tmp_path, "")
        assert 0 == cli.main(["day", "--config", str(tmp_path / "perpetuo.toml"), *more])
        assert told == ("[[day]] and plan.quiet of the settings" in capsys.readouterr().err)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("22:00", Moment("clock", 1320)), ("7:05", Moment("clock", 425)),
        ("sunrise", Moment("sunrise", 0)), ("sunset-0:30", Moment("sunset", -30)),
        ("Sunset + 90m", Moment("sunset", 90)), ("sunrise+1.5h", Moment("sunrise", 90)),
    ],
)  # fmt: skip
def test_times_are_read_as_people_write_them(text, moment):
    assert moment == parse_moment(text)


def test_durations_and_weekdays_are_read_as_people_write_them():
    assert [90.0, 30.0, 300.0, 3600.0] == [parse_duration(x) for x in (90, "30s", "5m", "1h")]
    assert {4, 5, 6, 0} == parse_weekdays("fri-mon")
    assert {0, 2} == parse_weekdays(["Monday", "wed"])
    assert EVERY_DAY == parse_weekdays("weekdays, weekend")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[day]]\nscene = "night"', 'day 1: at is missing; write at = "22:00"'),
        ('[[day]]\nat = "25:00"\nscene = "night"', 'at must be a time (22:00), sunrise, sunset'),
        ('[[day]]\nat = 2200\nscene = "night"', "at must be a time (22:00)"),
        ("[[day]]\nat = 22:00:00\nscene = \"night\"", "at must be a time (22:00)"),
        ('[[day]]\nat = "22:00"\nscene = "nigth"', "day: there is no scene nigth"),
        ('[[day]]\nat = "22:00"\nscene = "../x"', "day 1: scene must be a name of a-z"),
        ('[[day]]\nat = "22:00"\nscene = "night"\nfade = "5 min"', "fade must be 0..3h, such as"),
        ('[[day]]\nat = "22:00"\nscene = "night"\nfade = -1', "fade must be 0..3h"),
        ('[[day]]\nat = "22:00"\nscene = "night"\nfad = 1', "fad is unknown; did you mean fade?"),
        ('[[day]]\nat = "22:00"\nscene = "night"\nweekdays = "xyz"', "weekdays must be of mon"),
        ('[day]\nat = "22:00"', "day must be tables, each written [[day]]"),
        ('day = 3', "day must be tables, each written [[day]]"),
        ('[[day]]\nat = "sunset"\nscene = "night"', "sunrise and sunset need plan.latitude"),
        ("[plan]\nlatitude = 91.0\nlongitude = 0.0", "plan.latitude must be in range -90..90"),
        ("[plan]\nlatitude = 50.0", "plan.latitude and plan.longitude must be set both"),
        ('[plan]\ntimezone = "Mars/Olympus"', "plan.timezone must be a name such as Europe/Berlin"),
        ('[plan]\ntimezone = "../../etc/passwd"', "plan.timezone must be a name such as"),
        ('[plan]\nquiet = "23:00"', 'plan.quiet must be two times such as "23:00-07:00"'),
        ('[plan]\nquiet = ["nie 23:00-07:00"]', "plan.quiet weekdays must be of mon"),
        (
            '[[day]]\nat = "22:00"\nscene = "night"\n[[day]]\nat = "22:00"\nscene = "calm"',
            "day 2: calm and night begin at one minute (22:00); move one of them",
        ),
    ],
)  # fmt: skip
def test_a_plan_with_a_mistake_is_one_line(text, line, tmp_path, capsys):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert [True] == [line in problem for problem in caught.value.problems]
    assert cli.main(["day", "--dry-run", "--config", str(tmp_path / "perpetuo.toml")]) == 1
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_two_scenes_at_one_minute_of_other_weekdays_are_well(tmp_path):
    text = "".join(
        f'[[day]]\nat = "22:00"\nscene = "{scene}"\nweekdays = "{days}"\n'
        for scene, days in (("night", "mon-fri"), ("calm", "weekend"))
    )
    assert 2 == len(load(tmp_path, text).day)


@pytest.mark.parametrize(
    ("text", "minutes"), [("45m", 45.0), ("45", 45.0), ("1.5h", 90.0), ("90s", 1.5)]
)
def test_play_takes_a_sleep_timer_as_people_write_it(text, minutes):
    args = cli.build_parser(["play"]).parse_args(["play", "--sleep", text])
    assert minutes == vars(args)["controls.sleep"]


@pytest.mark.parametrize("text", ["0", "x", "13h", "nan"])
def test_a_sleep_timer_that_is_none_is_refused(text, capsys):
    assert cli.main(["play", "--sleep", text]) == 2
    assert "must be above 0 to 12h, such as 45m" in capsys.readouterr().err

"""The plan of the day: scenes that are never missed, hours without a note, clocks that leap."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamer.control.day import DayPlan
from streamer.control.morphing import SceneChanger
from streamer.control.scenes import LiveScene
from streamer.control.sun import sunrise_and_sunset
from streamer.live.beatline import BeatLine
from streamer.live.buffer import RollingBuffer
from streamer.live.requests import Requests
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import starts_note
from streamer.music.notes import Note
from streamer.service.director import BACK_SECONDS, Director
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.reading import load_settings
from streamer.settings.settings import Settings
from streamer.system.clock import Wake
from streamer.testing import FakePort, ManualClock, make_phrase
from tests.streamer.test_day_settings import PLAN, load

BERLIN = ZoneInfo("Europe/Berlin")
ZONE = '[plan]\ntimezone = "Europe/Berlin"\n'


@pytest.fixture(scope="module")
def year(tmp_path_factory) -> Settings:
    return load(tmp_path_factory.mktemp("plan"), PLAN)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


class FakeStage:
    """A scheduler that begins a phrase at each look, where it may."""

    waits = False

    def __init__(self) -> None:
        self.level, self.phrases_begun = 1.0, 0

    @property
    def phrases_written(self) -> int:
        return self.phrases_begun

    @property
    def held(self) -> bool:
        return self.level == 0

    def dim(self, level: float) -> None:
        self.level = level

    def play(self) -> bool:
        """Let a note sound, if any may; return whether it did."""
        plays = not (self.held or self.waits)
        self.phrases_begun += plays
        return plays


class Day:
    """A director on a monotonic clock and a clock on the wall, which may be set apart."""

    def __init__(
        self, settings: Settings, wall: datetime, *, resumes: bool = False, **controls
    ) -> None:
        self.now, self.wall = 1000.0, wall
        self.live = LiveControls(Controls.from_values(controls))
        self.settings = settings
        self.scenes = SceneChanger(self.live, Controls)
        self.director = Director(
            lambda: self.settings, self.live, self.scenes, lambda: self.now, lambda: self.wall,
            resumes=resumes,
        )  # fmt: skip
        self.stage = FakeStage()
        self.director.begin()
        self.director.look(self.stage)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.wall = (self.wall.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(BERLIN)
        self.director.look(self.stage)

    def runs(self, seconds: float, tick: float = 0.25) -> None:
        for _ in range(round(seconds / tick)):
            self.after(tick)


def is_quiet_by_the_wall(wall: datetime) -> bool:
    """The quiet hours of PLAN, said once more: 23:00-06:30, and Saturday 14:00-15:00."""
    minute = wall.hour * 60 + wall.minute
    noon = wall.weekday() == 5 and 14 * 60 <= minute < 15 * 60
    return minute >= 23 * 60 or minute < 6 * 60 + 30 or noon


def quiet_by_hand(begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the quiet hours of PLAN, worked out from its words: no edge lies in a leap."""
    days = [begin.date() + timedelta(days=n) for n in range((end - begin).days + 1)]
    spans = [(f"{d}T23:00", f"{d + timedelta(days=1)}T06:30") for d in days]
    spans += [(f"{d}T14:00", f"{d}T15:00") for d in days if d.weekday() == 5]
    found = [tuple(at(text).astimezone(UTC) for text in span) for span in sorted(spans)]
    return [span for span in found if begin <= span[0] < end]


def test_a_year_has_no_note_in_quiet_hours_misses_no_scene_and_fades_one_way(year):
    """2026 with both changes of daylight saving; fine steps about each edge, coarse between."""
    begin, end = (at(f"{y}-01-01T12:01").astimezone(UTC) for y in (2026, 2027))
    day, plan = Day(year, begin), DayPlan(year.day, year.plan, BERLIN)
    spans, wanted = quiet_by_hand(begin, end), plan.occurrences(begin, end)
    about = {s: "falls" for first, _ in spans for s in (first + timedelta(seconds=n)
             for n in range(-50, 0, 10))}  # fmt: skip
    about |= {s: "rises" for _, last in spans for s in (last + timedelta(seconds=n)
              for n in range(10, 70, 10))}  # fmt: skip
    marks = sorted({*about, *(e for span in spans for e in span), *(one.at for one in wanted)})
    chosen, notes, quiet, steps = [], 0, 0, {"falls": [], "rises": []}
    day.scenes.choose = lambda scene, *_: chosen.append((day.wall.astimezone(UTC), scene.name))
    for mark in (one for one in marks if begin < one < end):
        level = day.stage.level
        day.after((mark - day.wall.astimezone(UTC)).total_seconds())
        if mark in about:
            steps[about[mark]].append(day.stage.level - level)
        if day.stage.play():
            notes += 1
            assert not is_quiet_by_the_wall(day.wall), day.wall
        else:
            quiet += 1
    assert [(one.at, one.scene) for one in wanted] == chosen
    assert (365 + 52, 365 * 3 + 261 + 104) == (len(spans), len(wanted))
    assert notes > 4000
    assert quiet >= 2 * len(spans)
    assert max(steps["falls"]) < 0 < min(steps["rises"])


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_a_change_of_daylight_saving_skips_no_scene_and_plays_none_twice(tmp_path, change):
    text = "".join(
        f'[[day]]\nat = "{hour:02}:30"\nscene = "{scene}"\n'
        for hour, scene in enumerate(["night", "calm", "deep", "bells", "wild"])
    )
    settings = load(tmp_path, text)
    plan = DayPlan(settings.day, settings.plan, BERLIN)
    first = datetime.fromisoformat(f"{change}T00:00").replace(tzinfo=BERLIN)
    found = plan.occurrences(first, (first.astimezone(UTC) + timedelta(hours=5)).astimezone(BERLIN))
    assert ["night", "calm", "deep", "bells"] == [one.scene for one in found][:4]
    walls = [f"{one.at.astimezone(BERLIN):%H:%M}" for one in found][:4]
    spring = change == "2026-03-29"
    assert (["00:30", "01:30", "03:00", "03:30"] if spring else
            ["00:30", "01:30", "02:30", "03:30"]) == walls  # fmt: skip
    assert (found[2].at.astimezone(BERLIN).utcoffset() == timedelta(hours=2)) is True


def test_quiet_hours_hold_twice_where_the_clock_shows_them_twice(tmp_path):
    settings = load(tmp_path, '[plan]\nquiet = "02:15-02:45"\ntimezone = "Europe/Berlin"\n')
    plan = DayPlan((), settings.plan, BERLIN)
    spans = plan.quiet_spans(at("2026-10-25T00:00"), at("2026-10-25T06:00"))
    assert [2, 1] == [
        int(s.begin.astimezone(BERLIN).utcoffset().total_seconds() // 3600) for s in spans
    ]
    assert [] == plan.quiet_spans(at("2026-03-29T00:00"), at("2026-03-29T06:00"))


def test_a_wall_clock_that_leaps_is_followed_and_no_note_sounds_in_quiet_hours(year):
    day, draw = Day(year, at("2026-06-01T12:00")), random.Random(5)
    for _ in range(300):
        leap = draw.choice([-86400, -7200, 3600, 30000, 86400 * 3]) * draw.random()
        day.wall = (day.wall.astimezone(UTC) + timedelta(seconds=leap)).astimezone(BERLIN)
        day.after(0.25)
        quiet = is_quiet_by_the_wall(day.wall)
        assert quiet is (day.stage.level == 0) or not quiet
        plan = DayPlan(year.day, year.plan, BERLIN)
        held, following = plan.in_force(day.wall), plan.following(day.wall)
        soon = (following.at - day.wall).total_seconds() < BACK_SECONDS
        assert day.live.scene in (held.scene, following.scene if soon else "")
        day.runs(2.0)


def test_a_clock_that_is_set_back_a_little_does_not_bring_the_last_scene_back(year):
    day = Day(year, at("2026-06-01T21:59:59"))
    assert "calm" == day.live.scene
    day.after(2.0)
    assert "night" == day.live.scene
    day.wall -= timedelta(seconds=30)
    day.after(1.0)
    assert "night" == day.live.scene
    day.runs(60.0, 1.0)
    assert "night" == day.live.scene


def test_it_begins_where_the_plan_is_by_now_and_a_hand_holds_until_the_next_scene(year):
    day = Day(year, at("2026-06-01T22:30"))
    assert ("night", 0.5) == (day.live.scene, day.live.snapshot().density)
    day.live.update(density=2.0)
    day.runs(600.0, 10.0)
    assert 2.0 == day.live.snapshot().density


def test_a_scene_that_was_asked_for_holds_until_the_next_one_of_the_plan(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text(PLAN)
    settings = load_settings(path, {"model.scene": "bells"})
    day = Day(settings, at("2026-06-01T12:00"), low=72)
    assert "" == day.live.scene
    day.after(10 * 3600.0)
    assert "night" == day.live.scene


def test_a_bookmark_keeps_its_controls_until_the_plans_next_scene(year):
    day = Day(year, at("2026-06-01T12:00"), resumes=True, density=3.0)
    assert ("", 3.0) == (day.live.scene, day.live.snapshot().density)
    day.after(10 * 3600.0)
    day.scenes.finish()
    assert ("night", 0.5) == (day.live.scene, day.live.snapshot().density)


def test_controls_that_options_set_win_over_the_scene_that_holds_until_the_next(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text(PLAN)
    options = {"controls.density": 3.0, "controls.transpose": 2, "controls.pause": True}
    day = Day(load_settings(path, options), at("2026-06-01T12:00"))
    now = day.live.snapshot()
    assert ("calm", 3.0, 2, False) == (day.live.scene, now.density, now.transpose, now.pause)
    assert 0.85 == now.velocity_scale, "which no option names"
    day.after(10 * 3600.0)
    day.scenes.finish()
    assert ("night", 0.5) == (day.live.scene, day.live.snapshot().density)


def test_a_plan_that_is_read_again_changes_nothing_before_its_next_scene(year, tmp_path):
    day = Day(year, at("2026-06-01T12:00"))
    day.settings = load(tmp_path, '[[day]]\nat = "13:00"\nscene = "wild"\n' + ZONE)
    day.after(60.0)
    assert "calm" == day.live.scene
    day.after(3600.0)
    assert "wild" == day.live.scene


def test_a_scene_that_is_gone_is_a_line_and_the_music_plays_on(year, tmp_path, caplog):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "mine.toml").write_text("[controls]\ndensity = 0.5\n")
    settings = load(tmp_path, '[[day]]\nat = "13:00"\nscene = "mine"\n' + ZONE)
    (tmp_path / "scenes" / "mine.toml").unlink()
    day = Day(settings, at("2026-06-01T12:59:59"))
    caplog.clear()
    day.runs(5.0)
    assert 1 == caplog.text.count("the plan's scene mine was not chosen: no scene is called 'mine'")
    assert day.stage.play()


def test_a_sleep_timer_fades_counts_down_and_holds_the_music_until_the_plan_goes_on(year):
    day = Day(year, at("2026-06-01T20:00"))
    day.live.update(sleep=10.0)
    levels, left = [], []
    for _ in range(602):
        day.after(1.0)
        levels.append(day.stage.level)
        left.append(day.live.snapshot().sleep)
    assert (True, 0.0) == (day.live.snapshot().pause, day.live.snapshot().sleep)
    assert levels[:300] == [1.0] * 300
    assert levels[300:600] == sorted(levels[300:600], reverse=True)
    assert levels[598] < 0.01
    assert [10.0, 9.0, 1.0] == [left[5], left[70], left[590]]
    assert left[:600] == sorted(left[:600], reverse=True)
    day.after(2 * 3600.0)
    assert (False, "night") == (day.live.snapshot().pause, day.live.scene)


def test_a_pause_by_hand_is_not_ended_by_the_plan(year):
    day = Day(year, at("2026-06-01T21:00"))
    day.live.update(pause=True)
    day.after(3600.0)
    assert (True, "night") == (day.live.snapshot().pause, day.live.scene)


def slept(year: Settings) -> Day:
    """A day whose music a sleep timer has put to sleep."""
    day = Day(year, at("2026-06-01T20:00"))
    day.live.update(sleep=1.0)
    for _ in range(3):
        day.after(30.0)
    assert day.live.snapshot().pause
    return day


def test_a_pause_by_hand_after_a_sleep_is_not_ended_by_the_plan(year):
    day = slept(year)
    day.live.update(pause=False)
    day.after(60.0)
    day.live.update(pause=True)
    day.after(2 * 3600.0)
    assert (True, "night") == (day.live.snapshot().pause, day.live.scene)


def test_a_sleep_timer_that_runs_down_in_a_pause_by_hand_leaves_it_by_hand(year):
    day = Day(year, at("2026-06-01T20:00"))
    day.live.update(sleep=1.0, pause=True)
    for _ in range(3):
        day.after(30.0)
    assert 0.0 == day.live.snapshot().sleep
    day.after(2 * 3600.0)
    assert (True, "night") == (day.live.snapshot().pause, day.live.scene)


def test_a_sleep_that_is_ended_by_a_hand_and_comes_again_is_the_plans_again(year):
    day = slept(year)
    day.live.update(pause=False, sleep=1.0)
    for _ in range(3):
        day.after(30.0)
    assert day.live.snapshot().pause
    day.after(2 * 3600.0)
    assert (False, "night") == (day.live.snapshot().pause, day.live.scene)


def test_a_sleep_timer_that_is_taken_back_and_set_between_two_looks_begins_anew(year):
    day = Day(year, at("2026-06-01T20:00"))
    day.live.update(sleep=2.0)
    day.after(0.25)
    day.now += 119.0
    for minutes in (0.0, 2.0):
        day.live.update(sleep=minutes)
    day.after(0.25)
    day.after(60.5)
    assert (False, 1.0) == (day.live.snapshot().pause, day.live.snapshot().sleep)


def test_minutes_that_are_asked_for_while_the_timer_counts_or_ends_are_kept(year):
    for seconds in (60.0, 120.0):
        day = Day(year, at("2026-06-01T20:00"))
        day.live.update(sleep=2.0)
        day.after(0.25)
        # The hand comes between the director's look at the clock and what it makes of it.
        change = day.live.change

        def late(how, scene=None, change=change, day=day):
            day.live.change = change
            day.live.update(sleep=30.0)
            return change(how, scene)

        day.live.change = late
        day.after(seconds)
        assert (False, 30.0) == (day.live.snapshot().pause, day.live.snapshot().sleep)


def test_a_sleep_timer_that_is_taken_back_lets_the_music_be_as_loud_as_before(year):
    day = Day(year, at("2026-06-01T20:00"))
    day.live.update(sleep=2.0)
    day.runs(100.0, 1.0)
    assert day.stage.level < 1.0
    day.live.update(sleep=0.0)
    day.after(1.0)
    assert 1.0 == day.stage.level
    day.runs(60.0, 1.0)
    assert not day.live.snapshot().pause


def test_the_scheduler_sends_softer_notes_and_then_none(tmp_path):
    """A night through the scheduler itself: every note of an endless phrase, by its wall time."""
    text = '[plan]\nquiet = "23:00-23:01"\nquiet_fade_seconds = 20.0\ntimezone = "Europe/Berlin"\n'
    settings = load(tmp_path, text)
    clock = ManualClock()
    port = FakePort(clock)
    buffer = RollingBuffer(1.0, 2000.0)
    for n in range(60):
        notes = [Note(60, n * 4000.0 + i * 500.0, 400.0, 100) for i in range(8)]
        buffer.put(make_phrase(notes, n * 4000.0))
    scheduler = Scheduler(buffer, port, clock)
    began, wall = clock.now(), at("2026-06-01T22:59:00")
    live = LiveControls()
    director = Director(
        lambda: settings, live, SceneChanger(live), clock.now,
        lambda: wall + timedelta(seconds=clock.now() - began),
    )  # fmt: skip
    director.begin()
    scheduler.phrases_written, scheduler.waits = 0, False
    clock.every(0.25, lambda: director.look(scheduler))
    clock.at(began + 180.0, scheduler.stop)
    scheduler.run()
    struck = [(when - began, m[2]) for when, m in port.log if starts_note(m)]
    assert [] == [when for when, _ in struck if 60.0 <= when < 120.0]
    before = [velocity for when, velocity in struck if when < 60.0]
    after = [velocity for when, velocity in struck if when >= 120.0]
    assert (100, before) == (before[0], sorted(before, reverse=True))
    assert before[-1] <= 5
    assert (after, 100) == (sorted(after), after[-1])
    assert after[0] <= 5


def test_music_that_fades_to_nothing_is_held_before_it_is_silent_and_let_go_after():
    """At level 0 notes are as loud as they are written: none may begin then."""
    seen: list[tuple[float, bool]] = []

    class Watched(Requests):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "_level" and hasattr(self, "_begun"):
                seen.append((value, self.hushed))

    requests = Watched(Wake(), BeatLine(500.0))
    requests._begun = True
    for level in (0.5, 0.0, 0.3, 1.0):
        requests.dim(level)
    assert [(0.5, False), (0.0, True), (0.3, True), (1.0, False)] == seen
    assert not requests.hushed


@pytest.mark.parametrize(
    ("day", "latitude", "longitude", "zone", "rises", "sets"),
    [
        # timeanddate.com, to the minute.
        (date(2026, 6, 21), 51.48, 0.0, "Europe/London", "04:43", "21:21"),
        (date(2026, 12, 21), 52.52, 13.41, "Europe/Berlin", "08:15", "15:54"),
        (date(2026, 3, 20), 0.0, 0.0, "UTC", "06:04", "18:11"),
        (date(2026, 12, 21), -33.87, 151.21, "Australia/Sydney", "05:41", "20:05"),
        (date(2026, 6, 21), 40.71, -74.01, "America/New_York", "05:25", "20:31"),
    ],
)
def test_the_sun_rises_and_sets_within_three_minutes_of_the_almanac(
    day, latitude, longitude, zone, rises, sets
):
    found = sunrise_and_sunset(day, latitude, longitude)
    for instant, text in zip(found, (rises, sets), strict=True):
        hour, minute = map(int, text.split(":"))
        wanted = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
        assert abs(instant - wanted) <= timedelta(minutes=3)


def test_beyond_the_polar_circle_the_sun_still_gives_two_instants_a_day():
    rises, sets = sunrise_and_sunset(date(2026, 6, 21), 80.0, 0.0)
    assert timedelta(days=1) == sets - rises
    rises, sets = sunrise_and_sunset(date(2026, 12, 21), 80.0, 0.0)
    assert rises == sets
    for latitude in (-90.0, 90.0):
        assert sunrise_and_sunset(date(2026, 12, 21), latitude, 180.0)


def test_the_music_is_held_in_quiet_hours_from_the_first_moment_on(year):
    day = Day(year, at("2026-06-01T03:00"))
    assert (0.0, True) == (day.stage.level, day.director.state()["quiet"])
    assert "2026-06-01" in day.director.state()["next_at"]


def test_nothing_is_written_where_nothing_is_planned(tmp_path: Path):
    settings = load(tmp_path, "")
    day = Day(settings, at("2026-06-01T03:00"))
    assert (1.0, "", None) == (day.stage.level, day.live.scene, day.director.state()["next_at"])
    day.runs(20.0)
    assert DayPlan().is_empty


def test_a_scene_that_morphs_goes_on_while_a_person_has_the_turn(year):
    day = Day(year, at("2026-06-01T12:00"))
    day.scenes.choose(LiveScene("far", {"density": 3.0}), 20.0)
    day.stage.waits = True
    day.runs(10.0)
    assert 1.0 < day.live.snapshot().density < 3.0
    day.runs(12.0)
    assert 3.0 == day.live.snapshot().density

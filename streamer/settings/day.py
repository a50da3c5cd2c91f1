"""The plan of the day as a person writes it: tables ``[[day]]``, and the table ``[plan]``.

In: ``at = "22:00"``, ``at = "sunset-0:30"``, ``weekdays = "mon-fri"``, ``fade = "5m"``,
``quiet = ["23:00-07:00"]``. Out: minutes, weekdays and seconds, or what is wrong in one line. No
time is asked here; standard library alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from streamer.scenes.reader import NAME, NAME_IN_WORDS
from streamer.settings.schema import Range, shown

DAY_MINUTES = 24 * 60
MOST_ENTRIES = 500
MOST_FADE_SECONDS = 3 * 3600.0

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(len(WEEKDAYS)))
_GROUPS = {"daily": EVERY_DAY, "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6})}

KEYS = ("at", "scene", "fade", "weekdays")

Base = Literal["clock", "sunrise", "sunset"]

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_SUN = re.compile(r"(sunrise|sunset)(?:\s*([+-])\s*(\d{1,2}:[0-5]\d|\d+(?:\.\d+)?[smh]))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day.

    Attributes:
        base: What it is counted from: midnight by the clock on the wall, or the sun.
        minutes: From there; after midnight 0..1439, from the sun of either sign.
    """

    base: Base
    minutes: int


@dataclass(frozen=True, slots=True)
class DayEntry:
    """One table ``[[day]]``.

    Attributes:
        at: When its scene begins.
        scene: The scene's name.
        fade_seconds: How long it takes to arrive; None takes ``morph_seconds``.
        weekdays: On which days, 0 is Monday.
    """

    at: Moment
    scene: str
    fade_seconds: float | None = None
    weekdays: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours without a note, by the clock on the wall.

    Attributes:
        begin: Minutes after midnight.
        end: Minutes after midnight, of the next day where it is not after ``begin``.
        weekdays: On which days it begins, 0 is Monday.
    """

    begin: int
    end: int
    weekdays: frozenset[int] = EVERY_DAY

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether there is to be no note at a minute of a weekday."""
        if self.begin < self.end:
            return weekday in self.weekdays and self.begin <= minute < self.end
        before = (weekday - 1) % len(WEEKDAYS)
        return (weekday in self.weekdays and minute >= self.begin) or (
            before in self.weekdays and minute < self.end
        )


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What the plan of the day rests on; the scenes themselves are tables ``[[day]]``.

    Attributes:
        quiet: Hours without a note: ``"23:00-07:00"``, ``"fri,sat 00:30-09:00"``.
        quiet_fade_seconds: How long the music takes to fall silent before, and to come back after.
        sleep_fade_seconds: How long it fades before a sleep timer has run down, at most.
        latitude: Of the place, degrees, north is positive; for sunrise and sunset.
        longitude: Degrees, east is positive.
        timezone: Such as ``Europe/Berlin``; None is that of the machine.
    """

    quiet: tuple[str, ...] = ()
    quiet_fade_seconds: Annotated[float, Range(0, 3600, "s")] = 60.0
    sleep_fade_seconds: Annotated[float, Range(0, 3600, "s")] = 300.0
    latitude: Annotated[float, Range(-90, 90, "degrees")] | None = None
    longitude: Annotated[float, Range(-180, 180, "degrees")] | None = None
    timezone: str | None = None

    def problems(self) -> list[str]:
        """Return what is wrong, a line each, beginning with the setting."""
        found = []
        for text in self.quiet:
            try:
                parse_quiet(text)
            except ValueError as error:
                found.append(f"plan.quiet {error}")
        if (self.latitude is None) is not (self.longitude is None):
            found.append("plan.latitude and plan.longitude must be set both, or neither")
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ValueError, OSError, KeyError):
                found.append(
                    "plan.timezone must be a name such as Europe/Berlin (timedatectl "
                    f"list-timezones), not {shown(self.timezone)}"
                )
        return found

    @property
    def hours(self) -> tuple[Quiet, ...]:
        """The quiet hours, read; their texts have been checked."""
        return tuple(parse_quiet(text) for text in self.quiet)


def read_day(tables: Any, source: str, problems: list[str]) -> tuple[DayEntry, ...]:
    """Read the tables ``[[day]]`` of a file; what is wrong goes to ``problems``.

    Args:
        tables: As TOML gives them.
        source: Name of the file with a colon, which begins each line.
        problems: Is added to.
    """
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        problems.append(f"{source}day must be tables, each written [[day]]")
        return ()
    if len(tables) > MOST_ENTRIES:
        problems.append(f"{source}there must be {MOST_ENTRIES} tables [[day]] at most")
        return ()
    entries: list[DayEntry] = []
    for number, table in enumerate(tables, 1):
        try:
            entry = _entry(table)
        except ValueError as error:
            problems.append(f"{source}day {number}: {error}")
            continue
        other = next((one for one in entries if _clash(one, entry)), None)
        if other is not None:
            problems.append(
                f"{source}day {number}: {entry.scene} and {other.scene} begin at one minute "
                f"({table['at']}); move one of them, or give them other weekdays"
            )
        entries.append(entry)
    return tuple(entries)


def contradictions(day: Sequence[DayEntry], plan: PlanSettings) -> list[str]:
    """Return what is wrong between the tables ``[[day]]`` and the table ``[plan]``."""
    problems = plan.problems()
    if plan.latitude is None and any(entry.at.base != "clock" for entry in day):
        problems.append(
            "day: sunrise and sunset need plan.latitude (-90..90) and plan.longitude (-180..180)"
        )
    return problems


def _entry(table: Mapping[str, Any]) -> DayEntry:
    for key in table:
        if key not in KEYS:
            import difflib

            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
            raise ValueError(f"{key} is unknown; {hint}")
    for key in ("at", "scene"):
        if key not in table:
            raise ValueError(f'{key} is missing; write at = "22:00" and scene = "night"')
    name, fade = table["scene"], table.get("fade")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"scene must be {NAME_IN_WORDS}, not {shown(name)}")
    return DayEntry(
        at=parse_moment(table["at"]),
        scene=name,
        fade_seconds=None if fade is None else parse_duration(fade, "fade"),
        weekdays=parse_weekdays(table["weekdays"]) if "weekdays" in table else EVERY_DAY,
    )


def _clash(one: DayEntry, other: DayEntry) -> bool:
    return one.at == other.at and bool(one.weekdays & other.weekdays)


def parse_moment(value: Any) -> Moment:
    """Read ``22:00``, ``sunrise``, ``sunset-0:30`` or ``sunrise+20m``.

    Raises:
        ValueError: It is none.
    """
    text = str(value).strip().lower()
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        return Moment("clock", int(clock[1]) * 60 + int(clock[2]))
    sun = _SUN.fullmatch(text)
    if sun is None or not isinstance(value, str):
        raise ValueError(
            "at must be a time (22:00), sunrise, sunset, or a time from these (sunset-0:30), "
            f"not {shown(value)}"
        )
    minutes = 0
    if sun[3] is not None:
        hours, colon, rest = sun[3].partition(":")
        seconds = int(hours) * 3600.0 + int(rest) * 60.0 if colon else parse_duration(sun[3])
        minutes = round(seconds / 60.0) * (-1 if sun[2] == "-" else 1)
    if abs(minutes) > DAY_MINUTES // 2:
        raise ValueError(f"at must be within 12 hours of the sun, not {shown(value)}")
    return Moment("sunrise" if sun[1] == "sunrise" else "sunset", minutes)


def parse_duration(value: Any, what: str = "a duration") -> float:
    """Read ``90``, ``"30s"``, ``"5m"`` or ``"1h"`` as seconds.

    Raises:
        ValueError: It is none, or longer than three hours.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    found = _DURATION.fullmatch(str(value).strip().lower()) if number or value else None
    seconds = float(found[1]) * _UNITS[found[2]] if found is not None else -1.0
    if not 0 <= seconds <= MOST_FADE_SECONDS or isinstance(value, bool):
        raise ValueError(f"{what} must be 0..3h, such as 30s, 5m or 1h, not {shown(value)}")
    return seconds


def parse_weekdays(value: Any) -> frozenset[int]:
    """Read ``mon-fri``, ``sat,sun``, ``weekend`` or a list of such as days, 0 is Monday.

    Raises:
        ValueError: It names none, or what there is not.
    """
    parts = value if isinstance(value, list) else [value]
    words = [w for part in parts for w in str(part).lower().replace(",", " ").split()]
    days: frozenset[int] = frozenset()
    for word in words:
        first, dash, last = word.partition("-")
        if word in _GROUPS:
            days |= _GROUPS[word]
        elif first[:3] in WEEKDAYS and (not dash or last[:3] in WEEKDAYS):
            begin = WEEKDAYS.index(first[:3])
            span = (WEEKDAYS.index(last[:3]) - begin) % 7 if dash else 0
            days |= {(begin + step) % 7 for step in range(span + 1)}
        else:
            days = frozenset()
            break
    if not days:
        raise ValueError(
            f"weekdays must be of {', '.join(WEEKDAYS)} (mon-fri, weekend), not {shown(value)}"
        )
    return days


def parse_quiet(text: str) -> Quiet:
    """Read ``23:00-07:00``, with weekdays before it where it is not every day's.

    Raises:
        ValueError: It is none.
    """
    days, _, span = text.strip().rpartition(" ")
    begin, _, end = span.partition("-")
    times = [_CLOCK.fullmatch(part.strip()) for part in (begin, end)]
    if times[0] is None or times[1] is None or begin == end:
        raise ValueError(
            f'must be two times such as "23:00-07:00", or "fri,sat 00:30-09:00", not {shown(text)}'
        )
    first, last = (int(one[1]) * 60 + int(one[2]) for one in times if one is not None)
    return Quiet(first, last, parse_weekdays(days) if days else EVERY_DAY)

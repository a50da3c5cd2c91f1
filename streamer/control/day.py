"""The plan of the day: which scene holds at an instant, and how loud the music may be.

In: the tables ``[[day]]`` and ``[plan]``, and an instant. Out: scenes with the instants at which
they begin, quiet hours, and a level between 0 (no note) and 1. All of it follows from the instant
alone, so that a clock that is set, a change of daylight saving and a machine that slept need no
care: a time that a day leaves out is the moment after it, one that it has twice is the first; quiet
is whenever the clock on the wall says so. Pure but for what is remembered of the last question;
one thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from streamer.control.sun import sunrise_and_sunset
from streamer.settings.day import DayEntry, Moment, PlanSettings

LOCALTIME = Path("/etc/localtime")

BACK_DAYS = 8
"""How far back a scene is looked for that still holds: a plan repeats within a week."""

MARGIN_SECONDS = 1.0
"""So long before quiet hours the music is silent: whoever asks asks a few times a second."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """One scene on one day.

    Attributes:
        at: When it begins, in UTC: Python compares times of one zone by what the wall shows.
        wall: What the clock on the wall was to show then, which orders what begins at one instant.
        scene: Its name.
        fade_seconds: How long it takes to arrive; None takes ``morph_seconds``.
    """

    at: datetime
    wall: datetime
    scene: str
    fade_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class QuietSpan:
    """Quiet hours of one day: the instants at which they begin and end, in UTC."""

    begin: datetime
    end: datetime


def local_zone(name: str | None = None) -> tzinfo:
    """Return the time zone of a name, or the machine's."""
    name = name or os.environ.get("TZ", "").removeprefix(":") or None
    try:
        if name is not None:
            return ZoneInfo(name)
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (OSError, ValueError, KeyError):
        return datetime.now().astimezone().tzinfo or UTC


class DayPlan:
    """What is to play when.

    Args:
        entries: The tables ``[[day]]``.
        plan: The table ``[plan]``; its values have been checked.
        zone: The zone of its times; None takes that of ``plan``.
    """

    def __init__(
        self,
        entries: Sequence[DayEntry] = (),
        plan: PlanSettings | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        plan = plan or PlanSettings()
        self.zone = zone or local_zone(plan.timezone)
        self._entries, self._place = tuple(entries), (plan.latitude, plan.longitude)
        self._hours, self._fade_seconds = plan.hours, plan.quiet_fade_seconds
        self._held: tuple[Occurrence | None, Occurrence | None] = (None, None)
        self._asked: datetime | None = None
        self._near: tuple[datetime, datetime | None, datetime | None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return not self._entries and not self._hours

    def occurrences(self, begin: datetime, end: datetime) -> list[Occurrence]:
        """Return every scene that begins in ``begin <= at < end``, in order."""
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        first = begin.astimezone(self.zone).date() - timedelta(days=1)
        count = (end.astimezone(self.zone).date() - first).days + 2
        days = (first + timedelta(days=n) for n in range(count))
        found = (
            self._on(entry, day)
            for day in days
            for entry in self._entries
            if day.weekday() in entry.weekdays
        )
        return sorted(one for one in found if begin <= one.at < end)

    def in_force(self, now: datetime) -> Occurrence | None:
        """Return the scene that holds at an instant: the last that has begun; None before any."""
        now = now.astimezone(UTC)
        held, following = self._held
        known = self._asked is not None and now >= self._asked
        if known and (following is None or now < following.at):
            return held
        after = now + timedelta(microseconds=1)
        for days in (1, BACK_DAYS):  # most plans have something each day
            reach = timedelta(days=days)
            past, coming = (
                self.occurrences(now - reach, after),
                self.occurrences(after, now + reach),
            )
            if past and coming:
                break
        held = past[-1] if past else None
        self._held = held, coming[0] if coming else None
        self._asked = now if held is None else held.at
        return held

    def following(self, now: datetime) -> Occurrence | None:
        """Return the scene that begins next; None where none does."""
        self.in_force(now)
        return self._held[1]

    def is_quiet(self, now: datetime) -> bool:
        """Whether there is to be no note at an instant."""
        wall = now.astimezone(self.zone)
        minute = wall.hour * 60 + wall.minute
        return any(quiet.holds(wall.weekday(), minute) for quiet in self._hours)

    def level(self, now: datetime) -> float:
        """Return how loud the music may be, 0..1: less before quiet hours, and after them."""
        now = now.astimezone(UTC)
        if not self._hours:
            return 1.0
        if self.is_quiet(now):
            return 0.0
        begin, end = self._quiet_near(now)
        level = 1.0
        if begin is not None:
            left = (begin - now).total_seconds() - MARGIN_SECONDS
            level = min(level, _share(left, self._fade_seconds))
        if end is not None:
            level = min(level, _share((now - end).total_seconds(), self._fade_seconds))
        return level

    def quiet_spans(self, begin: datetime, end: datetime) -> list[QuietSpan]:
        """Return the quiet hours that begin in ``begin <= at < end``, found minute by minute."""
        if not self._hours:
            return []
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        found, at, since = [], _minute(begin), None
        was = self.is_quiet(at - _MINUTE)
        while at < end or (since is not None and at < end + timedelta(days=1)):
            is_quiet = self.is_quiet(at)
            if is_quiet and not was and begin <= at < end:
                since = at
            elif was and not is_quiet and since is not None:
                found.append(QuietSpan(since, at))
                since = None
            was, at = is_quiet, at + _MINUTE
        if since is not None:
            found.append(QuietSpan(since, at))
        return found

    def _quiet_near(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return where quiet begins next and ended last, within the length of a fade."""
        minute = _minute(now)
        if self._near is None or self._near[0] != minute:
            reach = int((self._fade_seconds + MARGIN_SECONDS) // 60) + 2
            ahead = (minute + n * _MINUTE for n in range(1, reach + 1))
            behind = (minute - n * _MINUTE for n in range(1, reach + 1))
            begin = next((at for at in ahead if self.is_quiet(at)), None)
            last = next((at for at in behind if self.is_quiet(at)), None)
            self._near = minute, begin, None if last is None else last + _MINUTE
        return self._near[1], self._near[2]

    def _on(self, entry: DayEntry, day: date) -> Occurrence:
        midnight = datetime(day.year, day.month, day.day)
        if entry.at.base == "clock":
            wall = midnight + timedelta(minutes=entry.at.minutes)
            at = self._instant(wall)
        else:
            at = self._sun(entry.at, day)
            wall = at.astimezone(self.zone).replace(tzinfo=None)
        return Occurrence(at=at, wall=wall, scene=entry.scene, fade_seconds=entry.fade_seconds)

    def _sun(self, moment: Moment, day: date) -> datetime:
        latitude, longitude = self._place
        rises, sets = sunrise_and_sunset(day, latitude or 0.0, longitude or 0.0)
        sun = rises if moment.base == "sunrise" else sets
        return _minute(sun + _MINUTE / 2 + moment.minutes * _MINUTE)

    def _instant(self, wall: datetime) -> datetime:
        """Return when the clock on the wall shows a time first, or has leapt over it."""
        at = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if at.astimezone(self.zone).replace(tzinfo=None, fold=0) == wall:
            return at
        # Between these two the clock leaps; whole minutes, of which it is the first after the leap.
        early = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        before = early.astimezone(self.zone).utcoffset()
        while at - early > _MINUTE:
            middle = _minute(early + (at - early) / 2)
            if middle.astimezone(self.zone).utcoffset() == before:
                early = middle
            else:
                at = middle
        return at


def _minute(at: datetime) -> datetime:
    """Return the whole minute that an instant lies in, in UTC, where minutes are all alike."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _share(seconds: float, of: float) -> float:
    if seconds <= 0:
        return 0.0
    return 1.0 if of <= 0 else min(seconds / of, 1.0)

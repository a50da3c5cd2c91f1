"""``perpetuo day``: what the plan of the day does in the coming week, without doing it."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta, tzinfo
from typing import Any

from streamer.verbs.options import add_common, settings_of

WEEK_DAYS = 7

NOTHING = (
    "nothing is planned for this week; tables [[day]] and plan.quiet of the settings file plan it"
)

FIRST_YEAR, LAST_YEAR = 1900, 2999
"""Of a week that can be asked for: a date has an end, and so have the rules of time zones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Print what the plan of the day (tables [[day]], quiet hours of [plan]) does in the coming "
        "week: time, scene and fade, one a line; quiet hours as - with their end. Nothing is "
        "played or changed."
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only print, which is all that this verb does"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--from",
        dest="first",
        type=_first,
        metavar="DATE",
        help="the week from this date or time on (2026-03-28, 2026-03-28T12:00); default now",
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each scene and each span of quiet hours."""
    settings = settings_of(args)
    from streamer.control.day import DayPlan, local_zone

    zone = local_zone(settings.plan.timezone)
    begin = _aware(args.first, zone)
    plan = DayPlan(settings.day, settings.plan, zone)
    end = (begin.replace(tzinfo=None) + timedelta(days=WEEK_DAYS)).replace(tzinfo=zone)
    rows: list[dict[str, Any]] = [
        {
            "time": _iso(one.at, zone),
            "scene": one.scene,
            "fade": duration(one.fade_seconds),
            "fade_seconds": one.fade_seconds,
            "quiet_until": None,
        }
        for one in plan.occurrences(begin, end)
    ]
    rows += [
        {
            "time": _iso(one.begin, zone),
            "scene": None,
            "fade": duration(settings.plan.quiet_fade_seconds),
            "fade_seconds": settings.plan.quiet_fade_seconds,
            "quiet_until": _iso(one.end, zone),
        }
        for one in plan.quiet_spans(begin, end)
    ]
    rows.sort(key=lambda row: datetime.fromisoformat(row["time"]))
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        sys.stderr.write(f"{NOTHING}\n")
    for row in rows:
        quiet = f" quiet until {row['quiet_until']}" if row["quiet_until"] else ""
        print(f"{row['time']} {row['scene'] or '-'} {row['fade']}{quiet}")
    return 0


def duration(seconds: float | None) -> str:
    """Return a length of time as a plan writes it; - for what is left to ``morph_seconds``."""
    if seconds is None:
        return "-"
    if seconds and seconds % 3600 == 0:
        return f"{seconds / 3600:g}h"
    return f"{seconds / 60:g}m" if seconds and seconds % 60 == 0 else f"{seconds:g}s"


def _iso(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")


def _first(text: str) -> datetime:
    try:
        first = datetime.fromisoformat(text)
    except ValueError as error:
        wanted = "a date or time such as 2026-03-28 or 2026-03-28T12:00"
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}") from error
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        years = f"{FIRST_YEAR}..{LAST_YEAR}"
        raise argparse.ArgumentTypeError(f"must be of the years {years}, not {text}")
    return first


def _aware(first: datetime | None, zone: tzinfo) -> datetime:
    if first is None:
        return datetime.now(zone).replace(microsecond=0)
    return first.replace(tzinfo=zone) if first.tzinfo is None else first.astimezone(zone)

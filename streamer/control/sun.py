"""Sunrise and sunset of a day at a place, computed offline to a minute or two.

In: a date, latitude and longitude. Out: two instants. The sun's place is that of a mean orbit with
the equation of the centre ([Meeus1998], chapters 15 and 25, to lower precision): its upper edge
stands on the horizon, refraction counted in, when its middle is 0.833 degrees below. Where the sun
does not set on a day, or does not rise, rising and setting draw together at midnight or at noon,
as they do on the days before. Pure; any thread.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import acos, asin, cos, degrees, radians, sin

ALTITUDE = -0.833
"""Degrees of the sun's middle above the horizon at sunrise and sunset."""

OBLIQUITY = 23.4397
"""Degrees between equator and ecliptic."""

PERIHELION = 102.9372
"""Degrees of the ecliptic at which the earth is nearest to the sun."""

_EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)


def sunrise_and_sunset(day: date, latitude: float, longitude: float) -> tuple[datetime, datetime]:
    """Return when the sun rises and sets.

    Args:
        day: The date at the place.
        latitude: Degrees, north is positive, -90..90.
        longitude: Degrees, east is positive, -180..180.

    Returns:
        Two instants, in UTC.
    """
    days = (day - _EPOCH.date()).days - longitude / 360.0
    anomaly = radians((357.5291 + 0.98560028 * days) % 360.0)
    centre = 1.9148 * sin(anomaly) + 0.02 * sin(2 * anomaly) + 0.0003 * sin(3 * anomaly)
    place = radians((degrees(anomaly) + centre + 180.0 + PERIHELION) % 360.0)
    noon = days + 0.0053 * sin(anomaly) - 0.0069 * sin(2 * place)
    declination = asin(sin(place) * sin(radians(OBLIQUITY)))
    height = radians(min(max(latitude, -89.999), 89.999))
    cosine = (sin(radians(ALTITUDE)) - sin(height) * sin(declination)) / (
        cos(height) * cos(declination)
    )
    half_day = degrees(acos(min(max(cosine, -1.0), 1.0))) / 360.0
    return _EPOCH + timedelta(days=noon - half_day), _EPOCH + timedelta(days=noon + half_day)

"""The bounds of the hard filters: what a bundle brings from its corpus, and what a person says.

In: a manifest and the person's ``[filters]``. Out: :class:`streamer.selection.filters.Limits`.
Called once when a generator is made.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from streamer.errors import BundleError
from streamer.manifest import Manifest
from streamer.selection.filters import Limits
from streamer.settings import FilterSettings


def limits_for(manifest: Manifest, settings: FilterSettings) -> Limits:
    """Return the bounds: those for piano music at large, over them the bundle's, then the person's.

    Raises:
        BundleError: The manifest names a bound that there is not, or one of the wrong form.
    """
    limits = replace(Limits(), **_of_bundle(manifest))
    return replace(limits, **_of_person(settings, limits))


def _of_bundle(manifest: Manifest) -> dict[str, Any]:
    defaults = Limits()
    found: dict[str, Any] = {}
    for name, value in manifest.filters.items():
        default = getattr(defaults, name, None)
        pair = isinstance(default, tuple)
        if default is None or pair != isinstance(value, list) or (pair and len(value) != 2):  # type: ignore[arg-type]  # a list by the test before
            known = ", ".join(f.name for f in fields(Limits))
            raise BundleError(
                f"bundle {manifest.name} has a filter {name} = {value}, which this perpetuo does "
                f"not know (it knows {known}); update perpetuo or export the bundle again"
            )
        found[name] = tuple(value) if isinstance(value, list) else type(default)(value)
    return found


def _of_person(settings: FilterSettings, limits: Limits) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.pitch_low is not None:
        found["pitch_low"] = settings.pitch_low
    if settings.pitch_high is not None:
        found["pitch_high"] = settings.pitch_high
    low, high = limits.density
    if settings.density_low is not None or settings.density_high is not None:
        low = low if settings.density_low is None else settings.density_low
        high = high if settings.density_high is None else settings.density_high
        found["density"] = (low, high)
    if settings.longest_rest_seconds is not None:
        found["longest_rest_ms"] = settings.longest_rest_seconds * 1000.0
    return found

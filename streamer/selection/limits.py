"""The bounds of the hard filters: what a bundle brings from its corpus, and what a person says.

In: a manifest and the person's ``[filters]``. Out: :class:`streamer.selection.filters.Limits`. A
family with rules of its own reads them from the same table of the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from streamer.bundle.manifest import Manifest
from streamer.errors import BundleError
from streamer.selection.filters import Limits
from streamer.settings.settings import FilterSettings


def limits_for(manifest: Manifest, settings: FilterSettings) -> Limits:
    """Return the bounds: those for piano music at large, over them the bundle's, then the person's.

    Raises:
        BundleError: The manifest names a bound that there is not, or one of the wrong form.
    """
    limits = replace(Limits(), **bounds_of_bundle(manifest, manifest.filters, Limits()))
    return replace(limits, **bounds_of_person(settings, limits))


def bounds_of_bundle(
    manifest: Manifest, filters: Mapping[str, float | list[float]], *bounds: Any
) -> dict[str, Any]:
    """Return a bundle's bounds in the form that they have in the dataclasses ``bounds``.

    Args:
        manifest: Of the bundle, which an error names.
        filters: Name of a bound to a number, or to least and greatest.
        bounds: Instances of dataclasses whose fields are the names that are known.

    Raises:
        BundleError: A name is none of theirs, or its value has not the form of the field's.
    """
    defaults = {f.name: getattr(each, f.name) for each in bounds for f in fields(each)}
    found: dict[str, Any] = {}
    for name, value in filters.items():
        default = defaults.get(name)
        pair = isinstance(default, tuple)
        if default is None or pair != isinstance(value, list) or (pair and len(value) != 2):  # type: ignore[arg-type]  # a list by the test before
            raise BundleError(
                f"bundle {manifest.name} has a filter {name} = {value}, which this perpetuo does "
                f"not know (it knows {', '.join(defaults)}); update perpetuo or export the bundle "
                "again"
            )
        found[name] = tuple(value) if isinstance(value, list) else type(default)(value)
    return found


def bounds_of_person(settings: FilterSettings, limits: Limits) -> dict[str, Any]:
    """Return the fields of :class:`Limits` that a person sets; half a range leaves the other."""
    bounds: dict[str, Any] = {}
    if settings.pitch_low is not None:
        bounds["pitch_low"] = settings.pitch_low
    if settings.pitch_high is not None:
        bounds["pitch_high"] = settings.pitch_high
    low, high = limits.density
    if settings.density_low is not None or settings.density_high is not None:
        low = low if settings.density_low is None else settings.density_low
        high = high if settings.density_high is None else settings.density_high
        bounds["density"] = (low, high)
    if settings.longest_rest_seconds is not None:
        bounds["longest_rest_ms"] = settings.longest_rest_seconds * 1000.0
    return bounds

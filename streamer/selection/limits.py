"""The bounds of the hard filters: what a bundle brings from its corpus, and what a person says.

In: a manifest and the person's ``[filters]`` and ``[tunes]``. Out:
:class:`streamer.selection.filters.Limits`, and for tunes
:class:`streamer.selection.tune_context.TuneRules`; a bundle names the bounds of both in one table.
Called once when a generator is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from streamer.errors import BundleError
from streamer.manifest import Manifest
from streamer.selection.filters import Limits
from streamer.selection.tune_context import TuneRules
from streamer.settings import FilterSettings
from streamer.tunesettings import TuneSettings


def limits_for(manifest: Manifest, settings: FilterSettings) -> Limits:
    """Return the bounds: those for piano music at large, over them the bundle's, then the person's.

    Raises:
        BundleError: The manifest names a bound that there is not, or one of the wrong form.
    """
    limits = replace(Limits(), **_of_bundle(manifest, manifest.filters, Limits()))
    return replace(limits, **_of_person(settings, limits))


def tune_limits_for(
    manifest: Manifest, settings: FilterSettings, tunes: TuneSettings
) -> tuple[Limits, TuneRules, tuple[TuneRules, ...]]:
    """Return the bounds, the rules for tunes, and those for each of the bundle's styles.

    Raises:
        BundleError: As :func:`limits_for`.
    """
    of_limits = {f.name for f in fields(Limits)}
    both = _of_bundle(manifest, manifest.filters, Limits(), TuneRules())
    limits = replace(Limits(), **{n: v for n, v in both.items() if n in of_limits})
    of_all = {n: v for n, v in both.items() if n not in of_limits}
    said = {f.name: getattr(tunes, f.name, None) for f in fields(TuneRules)}
    person = {name: value for name, value in said.items() if value is not None}
    rules = replace(TuneRules(), **(of_all | person))
    styles = [] if manifest.tunes is None else manifest.tunes.styles
    own = (of_all | _of_bundle(manifest, style.rules, TuneRules()) | person for style in styles)
    of_styles = tuple(replace(TuneRules(), **each) for each in own)
    return replace(limits, **_of_person(settings, limits)), rules, of_styles


def _of_bundle(
    manifest: Manifest, filters: Mapping[str, float | list[float]], *bounds: Any
) -> dict[str, Any]:
    """Return bounds of the manifest in the form of those in the dataclasses ``bounds``."""
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

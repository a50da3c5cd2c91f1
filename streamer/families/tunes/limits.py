"""The bounds of the hard filters and of the rules for tunes: the bundle's, and what a person says.

In: a manifest, which names the bounds of both in one table, and the person's ``[filters]`` and
``[tunes]``. Out: :class:`streamer.selection.filters.Limits` and
:class:`streamer.families.tunes.context.TuneRules`.
"""

from __future__ import annotations

from dataclasses import fields, replace

from streamer.bundle.manifest import Manifest
from streamer.families.tunes.context import TuneRules
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.spec import tunes_of
from streamer.selection.filters import Limits
from streamer.selection.limits import bounds_of_bundle, bounds_of_person
from streamer.settings.settings import FilterSettings


def tune_limits_for(
    manifest: Manifest, settings: FilterSettings, tunes: TuneSettings
) -> tuple[Limits, TuneRules, tuple[TuneRules, ...]]:
    """Return the bounds, the rules for tunes, and those for each of the bundle's styles.

    Raises:
        BundleError: As :func:`streamer.selection.limits.limits_for`.
    """
    of_limits = {f.name for f in fields(Limits)}
    both = bounds_of_bundle(manifest, manifest.filters, Limits(), TuneRules())
    limits = replace(Limits(), **{n: v for n, v in both.items() if n in of_limits})
    of_all = {n: v for n, v in both.items() if n not in of_limits}
    said = {f.name: getattr(tunes, f.name, None) for f in fields(TuneRules)}
    person = {name: value for name, value in said.items() if value is not None}
    rules = replace(TuneRules(), **(of_all | person))
    spec = tunes_of(manifest)
    styles = [] if spec is None else spec.styles
    bounds = (
        of_all | bounds_of_bundle(manifest, style.rules, TuneRules()) | person for style in styles
    )
    of_styles = tuple(replace(TuneRules(), **each) for each in bounds)
    return replace(limits, **bounds_of_person(settings, limits)), rules, of_styles

"""The judges that a person asks for, with the references that a bundle brings.

In: a bundle's manifest and the name of a judging. Out: filters.
"""

from __future__ import annotations

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError
from streamer.selection.filters import FILTERS, Filter
from streamer.settings.settings import Settings


def judges_for(bundle: Bundle, settings: Settings) -> tuple[Filter, ...]:
    """Return the judges that are asked for, possibly none.

    Args:
        bundle: Brings their references.
        settings: Name them.

    Raises:
        BundleError: The bundle has no reference for a judge, or a damaged one.
    """
    manifest, which = bundle.manifest, settings.model.judge
    if which == "none":
        return ()
    from msgspec import to_builtins

    from streamer.selection.judges import make_judges

    references = {name: to_builtins(spec) for name, spec in manifest.judges.items()}
    try:
        return make_judges(which, references)
    except ValueError as error:
        raise BundleError(
            f"bundle {manifest.name} cannot be judged by {which}: {error}; play with --judge none "
            "or export it again with --statistics-from"
        ) from error


def filters_for(
    bundle: Bundle, settings: Settings, rules: tuple[Filter, ...] = FILTERS
) -> tuple[Filter, ...]:
    """Return the hard filters ``rules`` and, after them, :func:`judges_for`; errors as there."""
    return (*rules, *judges_for(bundle, settings))

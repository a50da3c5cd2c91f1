"""What can be done with a bundle of tunes that is there already, and what a tune file teaches.

Each function does its work and returns one line that says what came of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.families.tunes.filters import add_filters
from export.families.tunes.kinds import restate
from export.families.tunes.unwrap import unwrap
from streamer.errors import DataError
from streamer.expression.tables import DEFAULT
from streamer.families.tunes.spec import classifiers_of, tunes_of
from training.expression import fit_expression
from training.families.tunes.tuneset import TuneSet


def restate_styles(bundle: Path, corpus: Path, target: Path) -> str:
    """Measure the styles of a bundle anew; errors as of :mod:`export.families.tunes.kinds`."""
    written = restate(bundle, corpus, target)
    told = tunes_of(written.manifest)
    known = ", ".join(f"{style.name} {len(style.kinds)}" for style in (told.styles if told else []))
    name = written.manifest.name
    return f"{name}: kinds of unit and bar of its styles: {known}; {written.path}"


def put_filters(bundle: Path, folder: Path, target: Path) -> str:
    """Add filters; errors as :func:`export.families.tunes.filters.add_filters`."""
    added = add_filters(bundle, folder, target)
    manifest = added.bundle.manifest
    worst = max(added.errors.values(), default=0.0)
    return (
        f"{manifest.name}: {added.bundle.size_bytes / 1e6:.1f} MB in {added.bundle.path}; filters "
        f"of {', '.join(added.errors)} ({classifiers_of(manifest)[0].labels} labels), within "
        f"{worst:.1e} of scikit-learn"
    )


def unwrap_checkpoint(bundle: Path, target: Path) -> str:
    """Write the checkpoint of a bundle; errors as :func:`export.families.tunes.unwrap.unwrap`."""
    checkpoint = unwrap(bundle, target)
    return f"{target}: family {checkpoint.family}, plays what {bundle} plays"


def learn_expression(corpus: Path) -> dict[str, Any]:
    """Return tables of the performance layer that hold for any style.

    Raises:
        DataError: No track was played with any dynamics.
    """
    tables = fit_expression(TuneSet.load(corpus))
    if not tables:
        raise DataError(f"{corpus}: no track in it was played with any dynamics; name another")
    return {**tables, "styles": {DEFAULT: tables["styles"][DEFAULT]}}

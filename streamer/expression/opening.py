"""The performance layer of a bundle: its tables and what a person wants -> who plays, or nobody."""

from __future__ import annotations

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.expression.expression import Expression
from streamer.expression.tables import read_tables
from streamer.settings.expression import ExpressionSettings


def expression_for(
    bundle: Bundle, settings: ExpressionSettings, rng: np.random.Generator
) -> Expression | None:
    """Return what gives a bundle's notes velocity and timing.

    Args:
        bundle: Its tables.
        settings: What a person wants.
        rng: Of the generator, which it does not disturb: another is derived from its seed.

    Returns:
        None where the bundle has no tables, or a person wants it played plainly.

    Raises:
        BundleError: The bundle's tables cannot be used.
    """
    tables = read_tables(bundle.manifest.expression, bundle.manifest.name)
    if not tables or not settings.enabled:
        return None
    return Expression(tables, rng.spawn(1)[0], settings.amount)

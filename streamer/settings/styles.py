"""Styles as a person names them: ``--style bach:0.7,jazz:0.3``; text alone."""

from __future__ import annotations

import math


def parse_styles(text: str) -> tuple[tuple[str, float], ...]:
    """Read what ``--style`` takes: names with weights, ``bach:0.7,jazz:0.3``; 1 where none is said.

    Returns:
        Names in lower case, and their shares of the sum.

    Raises:
        ValueError: It is not of that form, names a style twice, or its weights are below 0, no
            numbers, or sum to 0.
    """
    form = "must be names with weights, such as bach:0.7,jazz:0.3"
    found: dict[str, float] = {}
    for part in text.split(","):
        name, colon, said = part.partition(":")
        name = name.strip().lower()
        if not name:
            raise ValueError(f"{form}, not {text!r}")
        if name in found:
            raise ValueError(f"must name {name!r} once, not twice: {text!r}")
        try:
            weight = float(said) if colon else 1.0
        except ValueError as error:
            raise ValueError(f"{form}, but {said.strip()!r} is no number") from error
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"must have weights of 0 or more, but {name} has {said.strip()}")
        found[name] = weight
    total = sum(found.values())
    if not total > 0:
        raise ValueError(f"must have weights that sum to more than 0, not {text!r}")
    return tuple((name, weight / total) for name, weight in found.items())

"""How phrases are drawn: the bundle's defaults, over them what a person sets; for every family.

In: a bundle and ``[model]``. Out: values by name, temperatures, and one line for what the bundle or
the person says and the family cannot do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import argument_names
from streamer.errors import BundleError
from streamer.selection.ranking import EAR
from streamer.settings.settings import ModelSettings

logger = logging.getLogger(__name__)


def chosen(bundle: Bundle, model: ModelSettings, *names: str) -> dict[str, Any]:
    """Return the value of each name: the person's, or else the bundle's default.

    Args:
        bundle: Its defaults.
        model: The person's settings; None is not set.
        names: Fields of ``model``, which are also keys of the defaults.

    Returns:
        Without those of which neither says anything.
    """
    defaults = bundle.manifest.defaults
    said = {name: getattr(model, name) for name in names}
    both = {name: defaults.get(name) if value is None else value for name, value in said.items()}
    return {name: value for name, value in both.items() if value is not None}


def ranking_of(bundle: Bundle, model: ModelSettings, usual: str, *, ear: bool = False) -> str:
    """Return how the candidates that remain are ordered: as the person says, or else as usual.

    An ear that is asked for and not there is warned of: the usual ranking takes its place.

    Args:
        bundle: It is named in the warning.
        model: The person's settings.
        usual: A name of :data:`streamer.selection.ranking.RANKINGS`.
        ear: Whether the bundle has an ear.
    """
    if model.ranking == EAR and not ear:
        logger.warning(
            "bundle %s has no ear: its candidates are ranked by %s", bundle.manifest.name, usual
        )
        return usual
    return model.ranking or usual


def temperatures(bundle: Bundle, model: ModelSettings) -> tuple[float, ...]:
    """Return the temperature of each argument of the bundle's notes.

    Raises:
        BundleError: The person, or the bundle, names neither one nor one for each.
    """
    temperature = chosen(bundle, model, "temperature").get("temperature", 1.0)
    names = argument_names(bundle.codec)
    if isinstance(temperature, int | float):
        return (float(temperature),) * len(names)
    if len(temperature) != len(names):
        raise BundleError(
            f"bundle {bundle.manifest.name} takes one temperature, or {len(names)} "
            f"({', '.join(names)}), not {len(temperature)}"
        )
    return tuple(float(one) for one in temperature)


def one_temperature(bundle: Bundle, model: ModelSettings) -> float:
    """Return the temperature of a bundle that has one for all.

    Raises:
        BundleError: The person, or the bundle, names several, or none above 0.
    """
    temperature = chosen(bundle, model, "temperature").get("temperature", 1.0)
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise BundleError(
            f"bundle {bundle.manifest.name} takes one temperature for all, above 0, "
            f"not {temperature}"
        )
    return float(temperature)


@contextmanager
def usable(bundle: Bundle) -> Iterator[None]:
    """Turn a value of the bundle or of a person that is out of range into one line (BundleError).

    What a person sets was checked when it was read; what is left is the bundle's.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"bundle {bundle.manifest.name}: its defaults cannot be used ({error}); "
            "export the bundle again"
        ) from error


def refuse_query(bundle: Bundle, model: ModelSettings) -> None:
    """Refuse a query where the bundle answers none (BundleError)."""
    if model.query is not None:
        raise BundleError(
            f"bundle {bundle.manifest.name} (family {bundle.manifest.family}) answers no query; "
            "leave --query out, or choose a bundle of family query (`perpetuo models`)"
        )


def refuse_style(bundle: Bundle, model: ModelSettings) -> None:
    """Refuse a style where the bundle has none (BundleError)."""
    if model.style is not None:
        raise BundleError(
            f"bundle {bundle.manifest.name} has no styles; leave --style out, or choose a bundle "
            "that has (`perpetuo models`)"
        )

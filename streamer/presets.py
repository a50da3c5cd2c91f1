"""Presets: named sets of controls, chosen by a program change or by name.

In: the built-in ones, or a TOML file of a person's own. Out: a list whose order is that of the
program numbers. A preset changes what it names; the other controls go back to the configuration.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.controls import Controls
from streamer.errors import ConfigError

MOST_PRESETS = 128
"""There are so many program numbers."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One set of controls.

    Attributes:
        name: What a person calls it.
        changes: Control to value.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, configured: Controls, present: Controls) -> Controls:
        """Return the controls that it chooses; a pause stays what it is.

        Args:
            configured: What everything goes back to that the preset does not name.
            present: The controls now.

        Raises:
            ValueError: It does not go together with the configuration.
        """
        return configured.with_changes({"pause": present.pause, **self.changes})


BUILT_IN = (
    Preset("as configured"),
    Preset("calm", {"temperature": 0.85, "density": 0.7, "velocity_scale": 0.85}),
    Preset("sparse", {"density": 0.4, "velocity_scale": 0.8, "tempo_scale": 0.85}),
    Preset("dense", {"density": 1.8, "temperature": 1.1}),
    Preset("night", {"density": 0.5, "velocity_scale": 0.6, "tempo_scale": 0.8, "high": 84}),
    Preset("bells", {"low": 72, "density": 0.7, "scale": "pentatonic"}),
    Preset("deep", {"high": 60, "density": 0.7, "velocity_scale": 0.9}),
    Preset("wild", {"temperature": 1.5, "density": 1.4, "tempo_scale": 1.15}),
)
"""Program 1 is the first."""


def load_presets(path: Path | None, configured: Controls) -> Sequence[Preset]:
    """Return the presets of a file, or the built-in ones where ``path`` is None.

    The file has a table ``[[preset]]`` for each, with a ``name`` and any controls.

    Raises:
        ConfigError: It cannot be read, or a preset is wrong; every mistake is named.
    """
    if path is None:
        return BUILT_IN
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or numbers without an end
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    tables = document.get("preset")
    if not isinstance(tables, list) or not 1 <= len(tables) <= MOST_PRESETS or len(document) > 1:
        raise ConfigError([f"{path}: must hold 1..{MOST_PRESETS} tables [[preset]] and no other"])
    presets: list[Preset] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            presets.append(_read(table, configured))
        except ValueError as error:
            problems.append(f"{path}: preset {number}: {error}")
    if problems:
        raise ConfigError(problems)
    return presets


def _read(table: Any, configured: Controls) -> Preset:
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    changes = dict(table)
    name = changes.pop("name", None)
    if not isinstance(name, str) or not name.strip():
        raise ValueError("name must be a text that is not empty")
    preset = Preset(name, changes)
    preset.apply(configured, configured)
    return preset

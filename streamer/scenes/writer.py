"""Save what plays as a scene file of a person's own.

In: a name, the folder of a person's own scenes, and what the scene sets. Out: a TOML file, whole or
not at all. A scene that is there already, a person's own or one that ships, is never replaced
silently. Any thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError, SceneTaken
from streamer.scenes.reader import DESCRIPTION_CHARACTERS, NAME, NAME_IN_WORDS, SHIPPED, read_scene
from streamer.system.atomic import write_whole


def save_scene(
    name: str,
    own: Path,
    *,
    controls: Mapping[str, Any],
    model: Mapping[str, Any] | None = None,
    description: str = "",
    replace: bool = False,
) -> Path:
    """Write a scene of a person's own.

    Args:
        name: ``[a-z0-9-]+``.
        own: Folder of a person's own scenes; it is made where it is missing.
        controls: Control to value; None is left out, which a scene cannot say.
        model: Keys of ``[model]`` to values: bundle, style.
        description: One line for people; "" keeps that of the file that is replaced.
        replace: Whether one of that name may be replaced. A person's own file keeps its program
            number; one that ships is hidden by it, not changed.

    Returns:
        The file.

    Raises:
        SceneTaken: There is such a scene already.
        ConfigError: The name is none, or the line is too long.
        StreamerError: The file cannot be written; what was there is as it was.
    """
    if not NAME.fullmatch(name):
        raise ConfigError([f"a scene must be {NAME_IN_WORDS}, not {name[:80]!r}"])
    if not description.isprintable() or len(description) > DESCRIPTION_CHARACTERS:
        limit = f"one line of {DESCRIPTION_CHARACTERS} characters at most"
        raise ConfigError([f"description must be {limit}, not {description!r:.80}"])
    path, program = own / f"{name}.toml", None
    if path.exists() or path.is_symlink():
        if not replace:
            raise SceneTaken(
                [f"there is a scene {name} already ({path}); choose another name, or replace it"]
            )
        try:
            before = read_scene(name, own)
            description, program = description or before.description, before.program
        except ConfigError:  # one that cannot be read has nothing to keep
            pass
    elif (SHIPPED / path.name).exists() and not replace:
        raise SceneTaken(
            [
                f"a scene {name} ships with the program; choose another name, or replace it, "
                f"which hides it behind {path}"
            ]
        )
    write_whole(path, scene_text(controls, model or {}, description, program))
    return path


def scene_text(
    controls: Mapping[str, Any],
    model: Mapping[str, Any],
    description: str = "",
    program: int | None = None,
) -> str:
    """Return a scene as its file holds it."""
    head = {"description": description or None, "program": program}
    parts = ["".join(_lines(head))]
    parts += [
        f"[{table}]\n{''.join(_lines(values))}"
        for table, values in (("model", model), ("controls", controls))
        if any(value is not None for value in values.values())
    ]
    return "\n".join(part for part in parts if part)


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}\n" for name, value in values.items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)

"""Find and read scene files; what their values may be is the settings' to say.

In: the name of a scene, and the folder of a person's own. Out: a :class:`Scene`, whose tables are
plain TOML values. A name is no path, and nothing outside the two folders is read, by a link either:
what comes from a network or a MIDI program number may name a scene. A person's own wins over the
one that ships under the same name. Any thread.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError

SHIPPED = Path(__file__).parent
"""Where the scenes that come with the program lie."""

NAME = re.compile(r"[a-z0-9-]{1,64}")
NAME_IN_WORDS = "a name of a-z, 0-9 and -, 64 characters at most (`perpetuo scenes` lists them)"

MOST_BYTES = 64 * 1024
MOST_SCENES = 1000
"""Files of a folder that are looked at."""

PROGRAMS = range(1, 129)
DESCRIPTION_CHARACTERS = 200
TABLES = ("model", "controls")
KEYS = ("description", "program", "style", *TABLES)


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene file as it was read.

    Attributes:
        name: Of the file, without ``.toml``.
        path: The file.
        own: Whether it is a person's own, and did not come with the program.
        hides: Whether one that came with the program has the same name.
        description: One line for people; may be empty.
        program: The MIDI program number that chooses it, 1..128; None has none.
        values: ``"model.key"`` and ``"controls.name"`` to the value that it sets, unchecked.
    """

    name: str
    path: Path
    own: bool = False
    hides: bool = False
    description: str = ""
    program: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def read_scene(name: str, own: Path) -> Scene:
    """Return the scene of a name.

    Args:
        name: ``[a-z0-9-]+``.
        own: Folder of a person's own scenes; it need not be there.

    Raises:
        ConfigError: There is no such scene, or its file cannot be used; every mistake is named.
    """
    if not NAME.fullmatch(name):
        raise ConfigError([f"a scene must be {NAME_IN_WORDS}, not {name[:80]!r}"])
    files = _files(own)[0]
    if name not in files:
        import difflib

        near = difflib.get_close_matches(name, files, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; own ones go to {own}"
        names = ", ".join(sorted(files)[:40])
        raise ConfigError([f"there is no scene {name}: it must be one of {names}{hint}"])
    return _read(name, files[name], own)


def list_scenes(own: Path) -> tuple[list[Scene], list[str]]:
    """Return every scene that can be read, by name, and a line for each file that cannot."""
    files, problems = _files(own)
    scenes = []
    for name in sorted(files):
        try:
            scenes.append(_read(name, files[name], own))
        except ConfigError as error:
            problems += error.problems
    return scenes, problems


def _files(own: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the file of each name, a person's own over one that ships, and what is no scene."""
    found, problems = {path.stem: path for path in SHIPPED.glob("*.toml")}, []
    try:
        paths = sorted(own.glob("*.toml"))[:MOST_SCENES] if own.is_dir() else []
    except OSError as error:
        return found, [f"{own}: cannot be read ({error.strerror}); own scenes are left out"]
    for path in paths:
        if NAME.fullmatch(path.stem):
            found[path.stem] = path
        else:
            problems.append(f"{path}: a scene must be called {NAME_IN_WORDS}; rename the file")
    return found, problems


def _read(name: str, path: Path, own: Path) -> Scene:
    document, problems = _parsed(path), list[str]()
    for key in document:
        if key not in KEYS:
            import difflib

            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"a scene has {', '.join(KEYS)}"
            problems.append(f"{path}: {key} is unknown; {hint}")
    for table in TABLES:
        if not isinstance(document.get(table, {}), dict):
            problems.append(f"{path}: {table} must be a table, written [{table}]")
    description, program = document.get("description", ""), document.get("program")
    limit = DESCRIPTION_CHARACTERS
    if not isinstance(description, str) or not description.isprintable():
        problems.append(f"{path}: description must be one line of text, not {description!r:.80}")
    elif len(description) > limit:
        problems.append(f"{path}: description must be {limit} characters at most")
    if program is not None and (type(program) is not int or program not in PROGRAMS):
        low, high = PROGRAMS[0], PROGRAMS[-1]
        problems.append(
            f"{path}: program must be a whole number in {low}..{high}, not {program!r:.80}"
        )
    if "style" in document and "style" in _table(document, "model"):
        problems.append(f"{path}: style is said twice; leave out style or model.style")
    if problems:
        raise ConfigError(problems)
    values = {
        f"{table}.{key}": value
        for table in TABLES
        for key, value in _table(document, table).items()
    }
    if "style" in document:
        values["model.style"] = document["style"]
    return Scene(
        name=name,
        path=path,
        own=path.parent == own,
        hides=path.parent == own and (SHIPPED / path.name).exists(),
        description=description,
        program=_shipped_program(name) if program is None and path.parent == own else program,
        values=values,
    )


def _table(document: Mapping[str, Any], table: str) -> dict[str, Any]:
    found = document.get(table, {})
    return found if isinstance(found, dict) else {}


def _shipped_program(name: str) -> int | None:
    """Return the program of the scene that ships under a name: one's own takes its place."""
    path = SHIPPED / f"{name}.toml"
    return _parsed(path).get("program") if path.exists() else None


def _parsed(path: Path) -> dict[str, Any]:
    """Return what a file says, if it is a plain file inside its folder and not too large."""
    try:
        if path.resolve().parent != path.parent.resolve():
            raise ConfigError([f"{path}: leads out of the folder; copy the file to where it is"])
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"{path}: must be a plain file; remove it"])
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError([f"{path}: cannot be read ({reason})"]) from error
    if len(data) > MOST_BYTES:
        raise ConfigError([f"{path}: must be {MOST_BYTES // 1024} KiB at most; make it shorter"])
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # no TOML, no text, or numbers without an end
        raise ConfigError([f"{path}: not TOML: {error}"]) from error

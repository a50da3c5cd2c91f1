"""What a program change chooses: scenes, or the presets of a person's own file.

In: the scene files that have a program number, or a TOML file of ``[[preset]]`` tables. Out: for
each program number a :class:`LiveScene`. It changes the controls that it names; the others go back
to the configuration. A bundle or style that it names is changed to; one that names none leaves what
plays.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from streamer.scenes import Scene, list_scenes
from streamer.settings.controls import MOMENTARY, Controls
from streamer.settings.reading import MOST_BYTES, scene_values
from streamer.system.reading import read_at_most

logger = logging.getLogger(__name__)

MOST_PRESETS = 128
"""There are so many program numbers."""


@dataclass(frozen=True, slots=True)
class LiveScene:
    """A scene as far as it can be chosen while the music plays.

    Attributes:
        name: What a person calls it.
        changes: Control to value.
        model: What it sets of ``[model]``: bundle, style, how phrases are drawn.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, configured: Controls, present: Controls) -> Controls:
        """Return the controls that it chooses; a pause and a sleep timer stay what they are.

        Args:
            configured: What everything goes back to that the scene does not name.
            present: The controls now.

        Raises:
            ValueError: It does not go together with the configuration.
        """
        still = {name: present.value(name) for name in MOMENTARY}
        return configured.with_changes({**still, **self.changes})


Programs = Mapping[int, LiveScene]
"""Program number, 0..127 as MIDI counts, to what it chooses."""


def load_programs(presets: Path | None, own_scenes: Path, configured: Controls) -> Programs:
    """Return what program changes choose.

    Args:
        presets: A file of ``[[preset]]`` tables, one for each program in turn, which takes the
            place of all scenes; None takes the scenes that have a program number.
        own_scenes: Folder of a person's own scenes. One that cannot be used is a line in the log.
        configured: What presets are tried with.

    Raises:
        ConfigError: The file of presets cannot be read, or a preset is wrong; every mistake is
            named.
    """
    if presets is not None:
        return dict(enumerate(_read_presets(presets, configured)))
    scenes, problems = list_scenes(own_scenes)
    found: dict[int, LiveScene] = {}
    # A person's own take their numbers before those that ship.
    for scene in sorted(scenes, key=lambda scene: not scene.own):
        if scene.program is None:
            continue
        try:
            live = _live(scene)
        except ConfigError as error:
            problems += error.problems
            continue
        other = found.setdefault(scene.program - 1, live)
        if other is not live and scene.own:
            problems.append(f"{scene.path}: program {scene.program} is taken by {other.name}")
    for problem in problems:
        logger.warning("scene left out: %s", problem)
    return found


class LivePrograms(Mapping[int, LiveScene]):
    """What program changes choose at this moment: a scene file that is saved or edited counts.

    Args:
        own_scenes: Folder of a person's own scenes.
        configured: What presets are tried with.
    """

    def __init__(self, own_scenes: Path, configured: Controls) -> None:
        self._folder, self._configured = own_scenes, configured
        self._seen: object = None
        self._found: Programs = {}

    def _now(self) -> Programs:
        seen = _state_of(self._folder)
        if self._seen is None or seen != self._seen:
            self._found = load_programs(None, self._folder, self._configured)
            self._seen = seen
        return self._found

    def __getitem__(self, program: int) -> LiveScene:
        return self._now()[program]

    def __iter__(self) -> Iterator[int]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


def live_programs(presets: Path | None, own_scenes: Path, configured: Controls) -> Programs:
    """Return what program changes choose, as :func:`load_programs`, while scenes are saved.

    Raises:
        ConfigError: As :func:`load_programs`.
    """
    if presets is not None:
        return load_programs(presets, own_scenes, configured)
    found = LivePrograms(own_scenes, configured)
    len(found)  # what cannot be used is told at the start
    return found


def kept(present: Controls, configured: Controls) -> dict[str, Any]:
    """Return the controls that a scene is saved with: those that are not as they are anywhere.

    Args:
        present: The controls now.
        configured: What the scene will be laid over.
    """
    plain, below = Controls().values(), configured.values()
    return {
        name: value
        for name, value in present.values().items()
        if name not in MOMENTARY and value is not None and not plain[name] == value == below[name]
    }


class SceneShelf:
    """The scenes that can be chosen by name; a file that is saved or edited is there at once.

    Any thread; a scene that cannot be used is left out.

    Args:
        own_scenes: Folder of a person's own scenes.
    """

    def __init__(self, own_scenes: Path) -> None:
        self.folder = own_scenes
        self._seen: object = None
        self._scenes: dict[str, tuple[LiveScene, str]] = {}

    def all(self) -> Mapping[str, tuple[LiveScene, str]]:
        """Return each scene by its name, with its line for people."""
        seen = _state_of(self.folder)
        if self._seen is None or seen != self._seen:
            self._scenes = {scene.name: (scene, about) for scene, about in live_scenes(self.folder)}
            self._seen = seen
        return self._scenes

    def find(self, name: str) -> LiveScene:
        """Return a scene.

        Raises:
            KeyError: There is none of that name, or its file cannot be used; with one line.
        """
        scenes = self.all()
        if name in scenes:
            return scenes[name][0]
        from difflib import get_close_matches

        near = get_close_matches(name, scenes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(scenes)}"
        raise KeyError(f"no scene is called {name[:60]!r}; {hint}")


def _state_of(folder: Path) -> object:
    """Return what differs when a file of a folder was changed."""
    try:
        with os.scandir(folder) as found:
            entries = [
                (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                for entry in found
                if entry.name.endswith(".toml")
            ]
    except OSError:
        return ()
    return tuple(sorted(entries))


def live_scenes(own_scenes: Path) -> list[tuple[LiveScene, str]]:
    """Return every scene that can be chosen by name, with its line for people.

    Args:
        own_scenes: Folder of a person's own scenes. One that cannot be used is a line in the log.
    """
    scenes, problems = list_scenes(own_scenes)
    found: list[tuple[LiveScene, str]] = []
    for scene in scenes:
        try:
            found.append((_live(scene), scene.description))
        except ConfigError as error:
            problems += error.problems
    for problem in problems:
        logger.debug("scene left out: %s", problem)
    return found


def _live(scene: Scene) -> LiveScene:
    values = scene_values(scene)
    tables: dict[str, dict[str, Any]] = {"controls": {}, "model": {}}
    for name, value in values.items():
        table, _, key = name.partition(".")
        tables[table][key] = value
    return LiveScene(scene.name, tables["controls"], tables["model"])


def _read_presets(path: Path, configured: Controls) -> list[LiveScene]:
    try:
        document = tomllib.loads(read_at_most(path, MOST_BYTES).decode())
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or numbers without an end
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    tables = document.get("preset")
    if not isinstance(tables, list) or not 1 <= len(tables) <= MOST_PRESETS or len(document) > 1:
        raise ConfigError([f"{path}: must hold 1..{MOST_PRESETS} tables [[preset]] and no other"])
    presets: list[LiveScene] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            presets.append(_preset(table, configured))
        except ValueError as error:
            problems.append(f"{path}: preset {number}: {error}")
    if problems:
        raise ConfigError(problems)
    return presets


def _preset(table: Any, configured: Controls) -> LiveScene:
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    changes = dict(table)
    name = changes.pop("name", None)
    if not isinstance(name, str) or not name.strip():
        raise ValueError("name must be a text that is not empty")
    preset = LiveScene(name, changes)
    preset.apply(configured, configured)
    return preset

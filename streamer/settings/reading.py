"""Reads what a person sets: from a TOML file, a scene, and the options of the command.

In: an optional file with a table for each stage, the scene that is asked for, which wins over it,
and options as ``"stage.key"``, which win over both. Out: one
:class:`~streamer.settings.settings.Settings`, wholly checked. Every mistake is found before any is
reported, each with its legal range and the nearest name.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from streamer.errors import ConfigError
from streamer.registry import built_in, find, opened
from streamer.scenes.reader import Scene, read_scene
from streamer.settings.controls import Controls, control_specs
from streamer.settings.day import DayEntry, contradictions, read_day
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.schema import Wrong, convert, shown, takes
from streamer.settings.settings import SHARED_TABLES, Settings
from streamer.settings.styles import parse_styles
from streamer.system.folders import default_config_path, own_scenes_folder
from streamer.system.reading import read_at_most

MOST_BYTES = 1024 * 1024
"""Of a settings file."""

NOT_IN_SCENES = ("scene", "prime", "query", "provider", "bundle_paths")
"""Keys of ``[model]`` that no scene sets: they name files, or are a machine's own."""


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    alone: bool = False,
) -> Settings:
    """Read and check everything that is set.

    Args:
        path: A TOML file that must exist. None reads :func:`default_config_path` if it is there.
        overrides: ``"stage.key"`` to value; they win over the file and the scene, whose name may be
            among them (``model.scene``). None as a value is not given.
        alone: Whether they are all that is said: no file is read.

    Returns:
        The settings, with defaults where nothing is said.

    Raises:
        ConfigError: The file or the scene cannot be read or is not TOML, a name is unknown, a value
            is of the wrong type or out of range. All such mistakes are in ``problems``.
    """
    document, source = ({}, "") if alone else _read(path)
    folder = (path or default_config_path()).parent
    problems: list[str] = []
    day = read_day(document.pop("day", []), f"{source}: ", problems)
    _find_scenes(day, folder, f"{source}: ", problems)
    file = _of_file(document, source, problems)
    options = _of_pairs(overrides or {}, "", problems)
    name = (file | options).get("model.scene")
    scene: dict[str, Any] = {}
    if name is not None:
        try:
            scene = scene_values(read_scene(name, own_scenes_folder(folder)))
        except ConfigError as error:
            problems += error.problems
    stages = _staged(file | scene | options, problems)
    below = None
    if name is not None and not problems:
        below = _staged(file | options, problems).get("controls")
    asked = frozenset(name for name, value in (overrides or {}).items() if value is not None)
    settings = _settings(stages, folder=folder, below=below, asked=asked, day=day)
    wrong = any("plan." in problem for problem in problems)  # which leaves half a place
    problems.extend(
        line for line in _contradictions(settings) if not wrong or "latitude" not in line
    )
    if problems:
        raise ConfigError(problems)
    return settings


def _find_scenes(day: Sequence[DayEntry], folder: Path, source: str, problems: list[str]) -> None:
    """Add to ``problems`` the scenes of the day that there are not, each once."""
    for name in dict.fromkeys(entry.scene for entry in day):
        try:
            scene_values(read_scene(name, own_scenes_folder(folder)))
        except ConfigError as error:
            problems += [f"{source}day: {problem}" for problem in error.problems]


def scene_values(scene: Scene) -> dict[str, Any]:
    """Return what a scene sets, ``"stage.key"`` to value, checked.

    Raises:
        ConfigError: It names what there is not or what is no scene's to set, or a value is out of
            range; every mistake is named.
    """
    problems: list[str] = []
    source = f"{scene.path}: "
    for name in scene.values:
        stage, _, key = name.partition(".")
        if stage == "model" and key in NOT_IN_SCENES:
            problems.append(f"{source}{name} is no scene's to set; set it in the settings file")
    bundle = scene.values.get("model.model")
    if isinstance(bundle, str) and not is_name(bundle):
        remedy = "a name that `perpetuo models` lists"
        problems.append(f"{source}model.model must be {remedy}, not {shown(bundle)}")
    values = {} if problems else _of_pairs(scene.values, source, problems)
    if not problems:
        stages = _staged(values, problems, source)
        problems += [source + wrong for wrong in _contradictions(_settings(stages))]
    if problems:
        raise ConfigError(problems)
    return values


def is_name(bundle: str) -> bool:
    """Whether a bundle is asked for by its name and not by its place."""
    path = bundle != Path(bundle).name or bundle.startswith((".", "~")) or bundle.endswith(".zip")
    return not path


def parse_setting(name: str, text: str) -> Any:
    """Return the value of one setting as written on a command line.

    Args:
        name: ``"stage.key"``.
        text: What the person typed; numbers of a list are parted by commas.

    Raises:
        ValueError: With the legal values; or there is no such setting.
    """
    unknown = _unknown(name)
    if unknown:
        raise ValueError(unknown)
    stage, _, key = name.partition(".")
    annotation = _keys(stage)[key]
    value: Any = text
    if takes(annotation, float):
        try:
            numbers = [float(x) for x in text.split(",")]
        except ValueError:
            numbers = []
        value = numbers[0] if len(numbers) == 1 else numbers or text
    elif takes(annotation, int):
        with contextlib.suppress(ValueError):
            value = int(text)
    elif takes(annotation, bool):
        value = {"true": True, "false": False}.get(text.lower(), text)
    try:
        return convert(annotation, value)
    except Wrong as wrong:
        raise ValueError(f"must be {wrong}, not {text}") from wrong


def _read(path: Path | None) -> tuple[dict[str, Any], str]:
    """Return the file's tables and the name by which problems call it."""
    wanted = path is not None
    path = path or default_config_path()
    try:
        return tomllib.loads(read_at_most(path, MOST_BYTES).decode()), str(path)
    except FileNotFoundError as error:
        if not wanted:
            return {}, str(path)
        raise ConfigError([f"{path}: no such file; leave out --config for the defaults"]) from error
    except OSError as error:
        if not wanted and isinstance(error, PermissionError | NotADirectoryError):
            return {}, str(path)
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or numbers without an end
        raise ConfigError([f"{path}: not TOML: {error}"]) from error


def _settings(stages: Mapping[str, Any], **more: Any) -> Settings:
    """Return settings of these stages; those of families that say nothing are left out."""
    shared = {name: stage for name, stage in stages.items() if name in SHARED_TABLES}
    own = {
        name: stage
        for name, stage in stages.items()
        if name not in SHARED_TABLES and stage != type(stage)()
    }
    return Settings(**shared, stages=own, **more)


@cache
def _stages() -> dict[str, type[Any]]:
    """Return the stages of this program by the names of their tables, and those of its families."""
    hints = get_type_hints(Settings)
    tables: dict[str, type[Any]] = {name: hints[name] for name in SHARED_TABLES}
    for family in built_in():
        tables |= {name: opened(dotted) for name, dotted in family.settings.items()}
    return tables


@cache
def _stage(name: str) -> type[Any] | None:
    """Return a stage by the name of its table, that of another package's family too."""
    if name in _stages():
        return _stages()[name]
    family = find(lambda family: name in family.settings)
    return None if family is None else opened(family.settings[name])


def _known(name: str) -> type[Any]:
    """Return a stage that there is (KeyError)."""
    stage = _stage(name)
    if stage is None:
        raise KeyError(name)
    return stage


@cache
def _keys(stage: str) -> dict[str, Any]:
    """Return the annotations of a stage's keys."""
    if _known(stage) is Controls:
        return {name: spec.annotation for name, spec in control_specs().items()}
    return get_type_hints(_known(stage), include_extras=True)


def _of_file(document: Mapping[str, Any], source: str, problems: list[str]) -> dict[str, Any]:
    """Return the tables of a file as pairs, converted, or add what is wrong to ``problems``."""
    values: dict[str, Any] = {}
    for stage, table in document.items():
        if _stage(stage) is None:
            problems.append(f"{source}: [{stage}] is unknown{_nearest(stage, _stages())}")
        elif not isinstance(table, dict):
            problems.append(f"{source}: {stage} must be a table, written [{stage}]")
        else:
            pairs = {f"{stage}.{key}": value for key, value in table.items()}
            values |= _of_pairs(pairs, f"{source}: ", problems)
    return values


def _of_pairs(pairs: Mapping[str, Any], source: str, problems: list[str]) -> dict[str, Any]:
    """Return ``"stage.key"`` to value, converted, or add what is wrong to ``problems``."""
    values: dict[str, Any] = {}
    for name, value in pairs.items():
        if value is None:
            continue
        stage, _, key = name.partition(".")
        unknown = _unknown(name)
        if unknown:
            problems.append(f"{source}{name} {unknown}")
            continue
        try:
            values[name] = convert(_keys(stage)[key], value)
        except Wrong as wrong:
            problems.append(f"{source}{name} must be {wrong}, not {shown(value)}")
    return values


def _unknown(name: str) -> str:
    """Return what is wrong with the name of a setting, with the nearest; "" where nothing is."""
    stage, _, key = name.partition(".")
    if _stage(stage) is None:
        return f"is unknown{_nearest(stage, _stages())}"
    return "" if key in _keys(stage) else f"is unknown{_elsewhere(stage, key)}"


def _staged(values: Mapping[str, Any], problems: list[str], source: str = "") -> dict[str, Any]:
    """Return each stage with its values; values that contradict each other go to ``problems``."""
    given: dict[str, dict[str, Any]] = {stage: {} for stage in _stages()}
    for name, value in values.items():
        stage, _, key = name.partition(".")
        given.setdefault(stage, {})[key] = value
    stages: dict[str, Any] = {}
    for stage, own in given.items():
        cls = _known(stage)
        try:
            stages[stage] = Controls.from_values(own) if cls is Controls else cls(**own)
        except ValueError as error:  # values that are each right and contradict each other
            problems.append(f"{source}{stage}: {error}")
    return stages


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    import difflib

    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else f"; known are {', '.join(names)}"


def _elsewhere(stage: str, key: str) -> str:
    """Return the same name in another stage, else the nearest in this one, else in any."""
    import difflib

    same = [other for other in _stages() if key in _keys(other)]
    if same:
        return f"; did you mean {same[0]}.{key}?"
    if difflib.get_close_matches(key, _keys(stage), n=1, cutoff=0.6):
        return _nearest(key, _keys(stage))
    every = {f"{other}.{k}": k for other in _stages() for k in _keys(other)}
    found = difflib.get_close_matches(key, every.values(), n=1, cutoff=0.75)
    names = [name for name, k in every.items() if found and k == found[0]]
    return f"; did you mean {names[0]}?" if names else _nearest(key, _keys(stage))


def _contradictions(settings: Settings) -> list[str]:
    """Return what is wrong between settings that are each right."""
    found = []
    buffer, filters = settings.buffer, settings.filters
    temperature = settings.model.temperature
    if isinstance(temperature, tuple) and not _arity(len(temperature)):
        found.append(
            "model.temperature must be one number, or one for each argument of a bundle's notes "
            f"({', '.join(f'{len(f.arguments)} of {f.name}' for f in built_in() if f.tempered)}), "
            f"not {len(temperature)} numbers"
        )
    found += settings.live.problems()
    found += contradictions(settings.day, settings.plan)
    if buffer.low_seconds >= buffer.high_seconds:
        marks = f"({buffer.low_seconds:g}) must be below buffer.high_seconds"
        found.append(f"buffer.low_seconds {marks} ({buffer.high_seconds:g})")
    if settings.model.style is not None:
        try:
            parse_styles(settings.model.style)
        except ValueError as error:
            found.append(f"model.style {error}")
    query = settings.model.query
    hears = (("clock.mode", settings.clock.mode, "follow"), ("model.query", query, LIVE_QUERY))
    if settings.input.port == "off":
        wrong = [(name, value) for name, value, needs in hears if value == needs]
        found += [f'{name} must not be {value} while input.port is "off"' for name, value in wrong]
    pairs = (("pitch_low", "pitch_high"), ("density_low", "density_high"))
    for low_name, high_name in pairs:
        low, high = getattr(filters, low_name), getattr(filters, high_name)
        if low is not None and high is not None and low > high:
            found.append(
                f"filters.{low_name} ({low:g}) must not be above filters.{high_name} ({high:g})"
            )
    return found


def _arity(count: int) -> bool:
    """Whether any family takes this many temperatures."""
    return find(lambda family: family.tempered and len(family.arguments) == count) is not None


def setting_names() -> list[str]:
    """Return every ``stage.key`` that exists, in the order of their declarations."""
    return [f"{stage}.{key}" for stage in _stages() for key in _keys(stage)]

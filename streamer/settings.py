"""What a person can set: one frozen dataclass for each stage, read from TOML and the command line.

In: an optional TOML file with a table for each stage (the fields of :class:`Settings`), and the
options of the command, which win. Out: one :class:`Settings`, wholly checked. Every mistake is
found before any is reported, each with its legal range and the nearest name. Called once by the
command line; the stages receive their own dataclass and know nothing of files.

To add a setting, add a field: its annotation carries the range, its default the value, the
class's text the meaning.
"""

from __future__ import annotations

import contextlib
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from streamer.bandsettings import BandSettings
from streamer.controls import Controls
from streamer.errors import ConfigError
from streamer.expressionsettings import ExpressionSettings
from streamer.midisettings import LIVE_QUERY, ClockSettings, InputSettings, SynthSettings
from streamer.midisettings import PortSettings as PortSettings
from streamer.schema import Range, Wrong, convert, shown, takes
from streamer.tunesettings import TuneSettings, parse_styles

CONFIG_NAME = "perpetuo.toml"


Temperature = Annotated[float, Range(0.1, 4.0)]
Ranking = Literal["mean", "regulated", "information", "regulated-first-common", "typical"]
Judging = Literal["none", "signature", "entropy", "both"]
Provider = Literal["cpu", "cuda"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which bundle plays, and how its phrases are drawn and chosen.

    Attributes:
        model: Name of a bundle that is installed, or the path of one (folder or .zip).
        seed: Same seed, bundle and version: same notes. None draws one from the system.
        temperature: One number, or one for each argument of the bundle's notes: five of
            :data:`streamer.notes.ARGUMENTS`, three of :data:`streamer.tunes.TUNE_ARGUMENTS`. None
            takes the bundle's own.
        candidates: Phrases drawn at once, of which the best is played. None takes the bundle's own;
            a live stream lowers it when the machine cannot keep up.
        phrase_notes: Notes of a phrase. None takes the bundle's own.
        redraws: How often all candidates may be dropped by the filters before these relax.
        ranking: How the candidates that remain are ordered (paper 000, section 4). None takes
            ``regulated``, for tunes ``typical``.
        judge: What else drops candidates: those whose piece signature (paper 001) or whose note
            entropies (paper 003) lie farther from the corpus than nearly all of its own.
        prime: A .mid file that the stream continues; of tunes, whose melody the first is like.
        query: A .mid file whose bars are answered, for a bundle of family query; ``live`` is what
            is played on the input.
        style: Styles of the bundle with weights, ``bach:0.7,jazz:0.3``; None plays each in turn.
        provider: Where the network runs; ``cuda`` needs onnxruntime-gpu.
        bundle_paths: More folders in which bundles are looked for.
    """

    model: str = "piano"
    seed: Annotated[int, Range(0, 2**63 - 1)] | None = None
    temperature: (
        Temperature
        | tuple[Temperature, Temperature, Temperature]
        | tuple[Temperature, Temperature, Temperature, Temperature, Temperature]
        | None
    ) = None
    candidates: Annotated[int, Range(1, 64)] | None = None
    phrase_notes: Annotated[int, Range(4, 256, "notes")] | None = None
    redraws: Annotated[int, Range(0, 16)] = 3
    ranking: Ranking | None = None
    judge: Judging = "none"
    prime: Path | None = None
    query: Path | None = None
    style: str | None = None
    provider: Provider = "cpu"
    bundle_paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """What a phrase must hold to be heard; the bundle's own thresholds where None.

    Attributes:
        pitch_low: Lowest pitch, MIDI number.
        pitch_high: Highest pitch, MIDI number, at least ``pitch_low``.
        density_low: Fewest notes a second over a phrase.
        density_high: Most notes a second over a phrase.
        longest_rest_seconds: Longest time between two onsets.
    """

    pitch_low: Annotated[int, Range(0, 127)] | None = None
    pitch_high: Annotated[int, Range(0, 127)] | None = None
    density_low: Annotated[float, Range(0, 100, "notes/s")] | None = None
    density_high: Annotated[float, Range(0.1, 200, "notes/s")] | None = None
    longest_rest_seconds: Annotated[float, Range(0.1, 60, "s")] | None = None


@dataclass(frozen=True, slots=True)
class RecallSettings:
    """How figures of the last minutes come back; ``controls.recall`` says how often (ours).

    Attributes:
        strength: Added to the pitches of the figure in each note's choice, nats; rhythm, touch and
            pedal are left to the model.
        least_notes: Notes of the shortest figure.
        most_notes: Notes of the longest figure, at least ``least_notes``.
        memory_seconds: How far back figures are taken from.
        octave_share: Share of figures that come back an octave higher or lower.
    """

    strength: Annotated[float, Range(0, 50, "nats")] = 9.0
    least_notes: Annotated[int, Range(4, 64, "notes")] = 8
    most_notes: Annotated[int, Range(4, 64, "notes")] = 16
    memory_seconds: Annotated[float, Range(10, 3600, "s")] = 300.0
    octave_share: Annotated[float, Range(0, 1)] = 0.15


@dataclass(frozen=True, slots=True)
class BufferSettings:
    """How far ahead of the present the music is written.

    Attributes:
        low_seconds: Below this the generator is in a hurry and lowers the candidates.
        high_seconds: Above this the generator rests; above ``low_seconds``.
    """

    low_seconds: Annotated[float, Range(0.2, 60, "s")] = 4.0
    high_seconds: Annotated[float, Range(0.5, 120, "s")] = 10.0


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """When events leave.

    Attributes:
        lead_seconds: Silence before the first note, in which the buffer fills.
        late_note_on_ms: A note-on later than this is dropped; note-offs and pedal-ups never are.
        realtime_priority: Ask for SCHED_FIFO in the timing thread; 0 asks for nothing.
    """

    lead_seconds: Annotated[float, Range(0, 10, "s")] = 0.3
    late_note_on_ms: Annotated[float, Range(1, 5000, "ms")] = 100.0
    realtime_priority: Annotated[int, Range(0, 99)] = 50


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """What is kept of the stream.

    Attributes:
        path: A .mid file that is written while the stream plays.
        folder: A folder for endless recording, in files of ``minutes``.
        minutes: Length of a file in ``folder``; it ends at the first silence after that.
        limit_mb: Size of all files in ``folder`` together; the oldest are removed beyond it.
    """

    path: Path | None = None
    folder: Path | None = None
    minutes: Annotated[float, Range(1, 1440, "minutes")] = 60.0
    limit_mb: Annotated[float, Range(1, 1_000_000, "MB")] = 1000.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is said while the stream plays.

    Attributes:
        level: ``debug`` has a line for each note.
        stats_seconds: How often a line of figures is logged; 0 never.
    """

    level: LogLevel = "info"
    stats_seconds: Annotated[float, Range(0, 86400, "s")] = 60.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What matters to a stream that lives for years.

    Attributes:
        keep_controls: Whether live controls go on after a restart where they were; None keeps them
            in a service, and begins with the configuration elsewhere.
        metrics_port: Port of this machine's loopback on which Prometheus finds figures (extra
            ``metrics``); None opens none.
    """

    keep_controls: bool | None = None
    metrics_port: Annotated[int, Range(1, 65535)] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, by stage."""

    model: ModelSettings = field(default_factory=ModelSettings)
    filters: FilterSettings = field(default_factory=FilterSettings)
    recall: RecallSettings = field(default_factory=RecallSettings)
    tunes: TuneSettings = field(default_factory=TuneSettings)
    band: BandSettings = field(default_factory=BandSettings)
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)
    controls: Controls = field(default_factory=Controls)
    buffer: BufferSettings = field(default_factory=BufferSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    port: PortSettings = field(default_factory=PortSettings)
    synth: SynthSettings = field(default_factory=SynthSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    input: InputSettings = field(default_factory=InputSettings)
    record: RecordSettings = field(default_factory=RecordSettings)
    log: LogSettings = field(default_factory=LogSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)


def default_config_path() -> Path:
    """Return where the settings of this user lie; nothing need be there."""
    import platformdirs

    return platformdirs.user_config_path("perpetuo") / CONFIG_NAME


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and check everything that is set.

    Args:
        path: A TOML file that must exist. None reads :func:`default_config_path` if it is there.
        overrides: ``"stage.key"`` to value; they win over the file. None as a value is not given.

    Returns:
        The settings, with defaults where nothing is said.

    Raises:
        ConfigError: The file cannot be read or is not TOML, a name is unknown, a value is of the
            wrong type or out of range. All such mistakes are in ``problems``.
    """
    document, source = _read(path)
    problems: list[str] = []
    values: dict[str, dict[str, Any]] = {stage: {} for stage in _stages()}
    for stage, table in document.items():
        if stage not in values:
            problems.append(f"{source}: [{stage}] is unknown{_nearest(stage, values)}")
        elif not isinstance(table, dict):
            problems.append(f"{source}: {stage} must be a table, written [{stage}]")
        else:
            for key, value in table.items():
                _check(stage, key, value, f"{source}: ", values, problems)
    for name, value in (overrides or {}).items():
        if value is not None:
            stage, _, key = name.partition(".")
            _check(stage, key, value, "", values, problems)
    stages: dict[str, Any] = {}
    for stage, cls in _stages().items():
        try:
            stages[stage] = cls(**values[stage])
        except ValueError as error:  # values that are each right and contradict each other
            problems.append(f"{stage}: {error}")
    settings = Settings(**stages)
    problems.extend(_contradictions(settings))
    if problems:
        raise ConfigError(problems)
    return settings


def parse_setting(name: str, text: str) -> Any:
    """Return the value of one setting as written on a command line.

    Args:
        name: ``"stage.key"``.
        text: What the person typed; numbers of a list are parted by commas.

    Raises:
        ValueError: With the legal values.
    """
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
        with path.open("rb") as file:
            return tomllib.load(file), str(path)
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


@cache
def _stages() -> dict[str, type[Any]]:
    return dict(get_type_hints(Settings))


@cache
def _keys(stage: str) -> dict[str, Any]:
    """Return the annotations of a stage's keys."""
    return get_type_hints(_stages()[stage], include_extras=True)


def _check(
    stage: str,
    key: str,
    value: Any,
    source: str,
    values: dict[str, dict[str, Any]],
    problems: list[str],
) -> None:
    """Convert one value into ``values``, or add what is wrong with it to ``problems``."""
    keys = _keys(stage)
    if key not in keys:
        problems.append(f"{source}{stage}.{key} is unknown{_elsewhere(stage, key)}")
        return
    try:
        values[stage][key] = convert(keys[key], value)
    except Wrong as wrong:
        problems.append(f"{source}{stage}.{key} must be {wrong}, not {shown(value)}")


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else f"; known are {', '.join(names)}"


def _elsewhere(stage: str, key: str) -> str:
    """Return the same name in another stage, else the nearest in this one, else in any."""
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
    buffer, filters, recall = settings.buffer, settings.filters, settings.recall
    if recall.least_notes > recall.most_notes:
        least, most = recall.least_notes, recall.most_notes
        found.append(f"recall.least_notes ({least}) must not be above recall.most_notes ({most})")
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


def setting_names() -> list[str]:
    """Return every ``stage.key`` that exists, in the order of the dataclasses."""
    return [f"{stage}.{f.name}" for stage, cls in _stages().items() for f in fields(cls)]

"""What a person can set: one frozen dataclass for each stage, and all of them as one.

:mod:`streamer.settings.reading` reads them from a file and the command line; the stages receive
their own dataclass and know nothing of files. What one family alone can be told is a dataclass of
that family (:attr:`streamer.registry.Family.settings`).

To add a setting, add a field: its annotation carries the range, its default the value, the
class's text the meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from streamer.registry import built_in, opened
from streamer.scenes.reader import NAME, NAME_IN_WORDS
from streamer.settings.controls import Controls
from streamer.settings.day import DayEntry, PlanSettings
from streamer.settings.expression import ExpressionSettings
from streamer.settings.live import LiveSettings
from streamer.settings.midi import ClockSettings, InputSettings, SynthSettings
from streamer.settings.midi import PortSettings as PortSettings
from streamer.settings.schema import Range, Text
from streamer.system.folders import own_scenes_folder

S = TypeVar("S")

Temperature = Annotated[float, Range(0.1, 4.0)]
SceneName = Annotated[str, Text(NAME, NAME_IN_WORDS)]
Ranking = Literal[
    "mean", "regulated", "information", "regulated-first-common", "typical", "any", "ear"
]
Judging = Literal["none", "signature", "entropy", "both"]
Provider = Literal["cpu", "cuda"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which bundle plays, and how its phrases are drawn and chosen.

    Attributes:
        model: Name of a bundle that is installed, or the path of one (folder or .zip).
        scene: Name of the scene that the stream begins with (:mod:`streamer.scenes`): what it says
            of bundle, style and controls wins over this file.
        seed: Same seed, bundle and version: same notes. None draws one from the system.
        exact: Whether a live stream draws as ``render`` does, so that it plays the same notes,
            however busy the machine is: all candidates, and no short phrase at the start. None does
            so where a seed is set. A control that is moved makes another music of it.
        temperature: One number, or one for each argument of the bundle's notes
            (:func:`streamer.bundle.codecs.argument_names`). None takes the bundle's own.
        candidates: Phrases drawn at once, of which the best is played. None takes the bundle's own;
            a live stream lowers it when the machine cannot keep up.
        phrase_notes: Notes of a phrase. None takes the bundle's own.
        redraws: How often all candidates may be dropped by the filters before these relax.
        ranking: How the candidates that remain are ordered ([Liu2025], section 4). None takes
            the bundle's ``ear``, where it has none ``any``, for tunes and sections ``typical``.
        judge: What else drops candidates: those whose piece signature ([Sabathe2017]) or whose note
            entropies ([Yamshchikov2020]) lie farther from the corpus than nearly all of its own.
        prime: A .mid file that the stream continues; of tunes, whose melody the first is like.
        query: A .mid file whose bars are answered, for a bundle of family query; ``live`` is what
            is played on the input.
        style: Styles of the bundle with weights, ``bach:0.7,jazz:0.3``; None plays each in turn.
        provider: Where the network runs; ``cuda`` needs onnxruntime-gpu.
        bundle_paths: More folders in which bundles are looked for.
    """

    model: str = "piano"
    scene: SceneName | None = None
    seed: Annotated[int, Range(0, 2**63 - 1)] | None = None
    exact: bool | None = None
    temperature: Temperature | tuple[Temperature, ...] | None = None
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

    @property
    def is_exact(self) -> bool:
        """Whether a live stream draws as ``render`` does."""
        return self.seed is not None if self.exact is None else self.exact


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
        limit_mb: Size of all files in ``folder`` together; the oldest are removed beyond it. Of
            those that were kept too, of which none is removed: beyond it none is kept.
        keep_folder: Where what is kept of the last half hour goes (``perpetuo keep``); None is the
            folder ``kept`` in the state folder.
    """

    path: Path | None = None
    folder: Path | None = None
    minutes: Annotated[float, Range(1, 1440, "minutes")] = 60.0
    limit_mb: Annotated[float, Range(1, 1_000_000, "MB")] = 1000.0
    keep_folder: Path | None = None


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
    """Everything that can be set, by stage.

    Attributes:
        day: The plan of the day, tables ``[[day]]`` of the file.
        stages: Stages that families register, by the name of their table
            (:attr:`streamer.registry.Family.settings`), where any of their values is not the
            default; read by :meth:`stage`.
        folder: Where the settings file lies or would lie; None where none was looked for.
        below: The controls as they are without the scene; None where there is no scene.
        asked: Settings that options of the command line set, ``stage.key``: what is asked for in so
            many words, and does nothing, is refused.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    filters: FilterSettings = field(default_factory=FilterSettings)
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
    live: LiveSettings = field(default_factory=LiveSettings)
    plan: PlanSettings = field(default_factory=PlanSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    day: tuple[DayEntry, ...] = ()
    stages: Mapping[str, object] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)
    below: Controls | None = field(default=None, compare=False)
    asked: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def configured(self) -> Controls:
        """The controls that another scene is laid over: those of file and options alone."""
        return self.controls if self.below is None else self.below

    @property
    def scenes_folder(self) -> Path:
        """Where a person's own scenes lie; nothing need be there."""
        return own_scenes_folder(self.folder)

    def stage(self, kind: type[S]) -> S:
        """Return the stage of a family by its class; its defaults where nothing is set."""
        found = (stage for stage in self.stages.values() if isinstance(stage, kind))
        return next(found, None) or kind()

    def values(self) -> dict[str, Any]:
        """Return the value of every setting by ``stage.key``, those of families last."""
        shared = {name: getattr(self, name) for name in SHARED_TABLES}
        own = {
            name: opened(dotted)()
            for family in built_in()
            for name, dotted in family.settings.items()
        }
        return {
            f"{table}.{key}": value
            for table, stage in {**shared, **own, **self.stages}.items()
            for key, value in _values(stage).items()
        }


def _values(stage: Any) -> dict[str, Any]:
    return stage.values() if isinstance(stage, Controls) else asdict(stage)


SHARED_TABLES = tuple(
    f.name for f in fields(Settings) if f.name not in ("day", "stages", "folder", "below", "asked")
)
"""Tables that no family brings."""

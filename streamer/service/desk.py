"""The stream as surfaces see it: what :class:`streamer.surfaces.desk.Desk` asks for, and no more.

In: a stream, its live controls, its scenes, a tap on what is written and sent. Out: plain data.
Every method may be called by any thread, and takes no lock that the scheduler waits for; those of
scenes, recordings and what is kept take as long as a disk takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamer.control.morphing import SceneChanger
from streamer.control.scenes import SceneShelf, kept
from streamer.errors import ConfigError, SceneTaken, StreamerError
from streamer.generators.bookmark import Bookmark
from streamer.live.tap import Tap
from streamer.music.notes import Note
from streamer.pipeline import Source
from streamer.scenes import save_scene
from streamer.selection.taste import Taste
from streamer.service.choosing import BundleChoice
from streamer.service.figures import StreamFigures
from streamer.service.keeping import Keeping, NothingToKeep
from streamer.service.learning import KnobLearning
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.reading import is_name
from streamer.settings.settings import RecordSettings
from streamer.surfaces.desk import Ghost, Later, Refusal, Sent, Written
from streamer.version import __version__

SILENT_SECONDS = 10.0
"""A scheduler that has done nothing for so long is not well."""

MOST_RECORDING_BYTES = 64 * 1024 * 1024
MOST_RECORDINGS = 200


class StreamDesk:
    """One stream's desk.

    Args:
        figures: Reads the figures of the moment.
        controls: The live controls.
        configured: What a scene goes back to that it does not name.
        scenes: What can be chosen by name.
        changer: Takes on scenes.
        bundles: Chooses what plays.
        playing: What is heard.
        plan: Says what is planned.
        keeping: Keeps what was heard lately.
        taste: What is liked and disliked.
        place_of: Returns the place before the phrase that sounds; None where there is none.
        record: What is recorded, and where.
        tap: What is written and sent.
        place: The present in ms of the stream, and how fast it passes.
        heartbeat: When the scheduler did something last, seconds of the clock.
        now: Seconds of the clock.
        ports: The MIDI ports of the last look, as plain data.
        objection: Says why what plays cannot obey changes of controls; "" where it can.
        knobs: Which knob steers what.
    """

    def __init__(
        self,
        *,
        figures: Callable[[], StreamFigures],
        controls: LiveControls,
        configured: Callable[[], Controls],
        scenes: SceneShelf,
        changer: SceneChanger,
        bundles: BundleChoice,
        playing: Callable[[], Source],
        plan: Callable[[], Mapping[str, Any]],
        keeping: Keeping,
        taste: Taste,
        place_of: Callable[[], Bookmark | None],
        record: RecordSettings,
        tap: Tap,
        place: Callable[[], tuple[float, float]],
        heartbeat: Callable[[], float],
        now: Callable[[], float],
        ports: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        objection: Callable[[Mapping[str, Any]], str] = lambda changes: "",
        knobs: KnobLearning | None = None,
    ) -> None:
        self.controls, self._taste, self._objection = controls, taste, objection
        self._figures, self._configured = figures, configured
        self._keeping, self._place_of = keeping, place_of
        self._scenes, self._changer, self._plan = scenes, changer, plan
        self._bundles, self._playing = bundles, playing
        self._record, self._tap, self._place = record, tap, place
        self._heartbeat, self._now = heartbeat, now
        self._ports, self._began = ports, now()
        self._knobs = knobs or KnobLearning(now)

    def objection(self, changes: Mapping[str, Any]) -> str:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._objection(changes)

    def state(self) -> dict[str, Any]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        figures = self._figures()
        playing = figures.playing
        return {
            "version": __version__,
            "model": figures.model,
            "next_model": self._bundles.coming,
            "family": figures.family,
            "seed": figures.seed,
            "port": figures.port,
            "paused": figures.paused,
            "duet": figures.duet,
            "clock": figures.clock,
            "clock_says": figures.clock_says,
            "bpm": None if figures.bpm is None else round(figures.bpm, 1),
            "waiting_for_port": figures.waiting_for_port,
            "scene": figures.scene,
            "playing": "" if playing is None else playing.line,
            "sounding": [list(key) for key in figures.sounding],
            "pedal": figures.pedal,
            "notes_sent": figures.notes_sent,
            "late_dropped": figures.late_dropped,
            "buffer_seconds": round(figures.buffer_seconds, 2),
            "underruns": figures.underruns,
            "late": round(figures.lateness_ms["p99"], 3),
            "lateness_ms": {name: round(ms, 3) for name, ms in figures.lateness_ms.items()},
            "dropped": sum(figures.generation.get("dropped", {}).values()),
            "dropped_by_reason": dict(figures.generation.get("dropped", {})),
            "candidates": figures.candidates,
            "stalls": figures.stalls,
            "port_losses": figures.port_losses,
            "day": dict(self._plan()),
            "taste": self._taste_state(),
            **self._knobs.state(),
            "uptime_seconds": round(self._now() - self._began, 1),
            "memory_mb": memory_mb(),
        }

    def _taste_state(self) -> dict[str, Any]:
        liked, disliked = self._taste.counts
        return {"liked": liked, "disliked": disliked, "weights": self._taste.weights}

    def healthy(self) -> bool:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._now() - self._heartbeat() < SILENT_SECONDS

    def now_ms(self) -> float:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._place()[0]

    def rate(self) -> float:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._place()[1]

    def written_since(self, serial: int) -> tuple[int, Sequence[Written]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        last, phrases = self._tap.phrases.since(serial)
        found: list[Written] = []
        for phrase in phrases:
            # One that was drawn again takes the place of what was written from there on.
            found = [note for note in found if note.onset_ms < phrase.start_ms]
            found += map(_written, phrase.notes)
        return last, found

    def ghosts_since(self, serial: int) -> tuple[int, Sequence[Ghost]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        last, dropped = self._tap.ghosts.since(serial)
        return last, [Ghost(why, tuple(map(_written, phrase.notes))) for why, phrase in dropped]

    def ports(self) -> Sequence[Mapping[str, Any]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._ports()

    def sent_since(self, serial: int) -> tuple[int, Sequence[Sent]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        last, messages = self._tap.messages.since(serial)
        return last, [Sent(at, message) for at, message in messages]

    def learn(self, control: str) -> None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        self._knobs.learn(control)

    def forget(self, control: str) -> None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        self._knobs.forget(control)

    def scenes(self) -> Sequence[Mapping[str, Any]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return [
            {"name": name, "about": about, "bundle": scene.model.get("model")}
            for name, (scene, about) in self._scenes.all().items()
        ]

    def choose_scene(self, name: str) -> None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        later = self.start_scene(name)
        if later is not None:
            later()

    def start_scene(self, name: str) -> Later | None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        with _refusals(name):
            scene = self._scenes.find(name)
            if not scene.model and (problem := self._objection(scene.changes)):
                raise Refusal(409, problem)
            coming = self._changer.choose(scene)
        if coming is None:
            return None

        def comes() -> None:
            with _refusals(name):
                coming.result()

        return comes

    def bundle(self) -> str:
        """See :class:`streamer.surfaces.desk.Desk`."""
        return self._playing().bundle.manifest.name

    def bundles(self) -> Sequence[Mapping[str, Any]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        playing = self.bundle()
        return [
            {
                "name": one.name,
                "family": one.family,
                "about": one.about,
                "licence": one.licence,
                "styles": list(one.styles),
                "playing": one.name == playing,
            }
            for one in self._bundles.listed()
        ]

    def choose_bundle(self, name: str) -> None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        coming = self._bundles.choose({"model": name})
        if coming is not None:
            coming.result()

    def snapshot(self) -> dict[str, Any]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        controls = kept(self.controls.snapshot(), self._configured())
        source = self._playing()
        asked, model = source.model, dict[str, Any]()
        if is_name(asked.model):
            model["model"] = source.bundle.manifest.name
        model |= {"style": asked.style, "temperature": asked.temperature}
        return {"model": model, "controls": controls}

    def save_scene(self, name: str, *, description: str = "", replace: bool = False) -> str:
        """See :class:`streamer.surfaces.desk.Desk`."""
        try:
            path = save_scene(
                name,
                self._scenes.folder,
                **self.snapshot(),
                description=description,
                replace=replace,
            )
        except SceneTaken as error:
            raise Refusal(409, str(error)) from error
        except ConfigError as error:
            raise Refusal(422, str(error)) from error
        except StreamerError as error:
            raise Refusal(507, str(error)) from error
        return str(path)

    def keep(self, seconds: float | None = None) -> dict[str, Any]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        try:
            kept = self._keeping.keep(seconds)
        except NothingToKeep as error:
            raise Refusal(409, str(error)) from error
        except StreamerError as error:
            raise Refusal(507, str(error)) from error
        return {
            "name": kept.path.name,
            "path": str(kept.path),
            "seconds": round(kept.seconds, 1),
            "notes": kept.notes,
        }

    def bookmark(self) -> dict[str, Any]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        place = self._place_of()
        if place is None:
            raise Refusal(409, "there is no place to bookmark yet; try when the music plays")
        data = place.to_bytes()
        try:
            path = self._keeping.bookmark(data)
        except StreamerError as error:
            raise Refusal(507, str(error)) from error
        return {"name": path.name, "path": str(path), "bytes": len(data), "seed": place.seed}

    def recordings(self) -> Sequence[Mapping[str, Any]]:
        """See :class:`streamer.surfaces.desk.Desk`."""
        found = []
        for path in self._recorded():
            try:
                facts = path.stat()
            except OSError:
                continue
            ago = max(time.time() - facts.st_mtime, 0.0)
            found.append({"name": path.name, "bytes": facts.st_size, "seconds_ago": round(ago, 1)})
        found.sort(key=lambda one: float(str(one["seconds_ago"])))
        return found[:MOST_RECORDINGS]

    def recording(self, name: str) -> bytes:
        """See :class:`streamer.surfaces.desk.Desk`."""
        path = {path.name: path for path in self._recorded()}.get(name)
        if path is None:
            raise Refusal(404, f"no recording is called {name[:60]!r}")
        try:
            with path.open("rb") as file:
                data = file.read(MOST_RECORDING_BYTES + 1)
        except OSError as error:
            raise Refusal(404, f"{name}: cannot be read ({error.strerror})") from error
        if len(data) > MOST_RECORDING_BYTES:
            raise Refusal(413, f"{name}: is larger than {MOST_RECORDING_BYTES >> 20} MiB")
        return data

    def delete_recording(self, name: str) -> None:
        """See :class:`streamer.surfaces.desk.Desk`."""
        found = {path.name: path for path in self._recorded()}
        if name not in found:
            raise Refusal(404, f"no recording is called {name[:60]!r}")
        folder = self._record.folder
        running = [path for path in found.values() if path.parent == folder]
        newest = max(running, key=lambda path: path.stat().st_mtime, default=None)
        if found[name] in (self._record.path, newest):
            raise Refusal(409, f"{name}: is being written; remove it when the recording has ended")
        try:
            found[name].unlink()
        except OSError as error:
            raise Refusal(409, f"{name}: cannot be removed ({error.strerror})") from error

    def _recorded(self) -> list[Path]:
        """Return the recordings by what the settings name, never by what a client does."""
        record = self._record
        found = [] if record.path is None else [record.path]
        if record.folder is not None and record.folder.is_dir():
            found += [p for p in record.folder.glob("*.mid") if not p.is_symlink()]
        found += self._keeping.files()
        return [path for path in found if path.is_file()]


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Make a :class:`Refusal` of whatever speaks against a scene."""
    try:
        yield
    except KeyError as error:
        raise Refusal(404, str(error.args[0])) from error
    except (ValueError, Refusal) as error:
        cause = error if isinstance(error, Refusal) else error.__cause__
        status = cause.status if isinstance(cause, Refusal) else 422
        raise Refusal(status, f"scene {name}: {error}") from error


def _written(note: Note) -> Written:
    return Written(
        onset_ms=note.onset_ms,
        duration_ms=note.duration_ms,
        pitch=note.pitch,
        velocity=note.velocity,
        channel=note.channel,
        pedal=note.pedal,
    )


def memory_mb() -> float | None:
    """Return the memory that this process holds, MB; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * 4096 / 1e6, 1)

"""What lets a stream live for years, around the stages: restarts, crashes, settings, watchdog.

In: settings, and the environment in which a service manager says what it wants. Out: controls as
they last were, a table of what sounds that outlives a crash, figures for Prometheus, signs of life,
settings read again. One object holds it all for the daemon, which calls it from its main thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from streamer.control.morphing import SceneChanger
from streamer.live.held import HeldMusic
from streamer.midi.sounding import SoundingTable
from streamer.selection.taste import FILE_NAME as TASTE_FILE
from streamer.selection.taste import Taste
from streamer.service.choosing import BundleChoice
from streamer.service.crash import LastingTable, open_table
from streamer.service.director import Director
from streamer.service.figures import StreamFigures
from streamer.service.keeping import FOLDER as KEPT_FOLDER
from streamer.service.keeping import Keeping
from streamer.service.metrics import MetricsServer
from streamer.service.notify import Notifier, watchdog_seconds
from streamer.service.reload import Load, Reloader
from streamer.service.saved import FILE_NAME, Keeper, last_model, last_scene, restore
from streamer.service.stream import StreamThreads
from streamer.service.supervisor import Supervisor
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import Settings
from streamer.surfaces.desk import Refusal
from streamer.system.clock import Clock
from streamer.system.folders import in_service, runtime_folder, state_folder

logger = logging.getLogger(__name__)

PLAYING_MARK = "playing"
"""Name of the file in the state folder that is there while something may sound."""


class Upkeep:
    """Everything around one stream that is not music; main thread.

    Args:
        settings: As read at the start.
        clock: Time.
        load: Reads the settings again; None where they cannot be.
        environ: For tests; None is the process's own, from which the service manager's wishes are
            taken out.
        resumes: Whether the stream goes on from a place of another: its controls are those of
            ``settings``, whatever the last run here had.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        load: Load | None = None,
        environ: MutableMapping[str, str] | None = None,
        *,
        resumes: bool = False,
    ) -> None:
        environ = os.environ if environ is None else environ
        self._settings, self._clock, self._environ = settings, clock, environ
        self._notifier = Notifier.from_environment(environ)
        self._watchdog_seconds = watchdog_seconds(environ)
        self._in_service = in_service(environ)
        self._keeper: Keeper | None = None
        self._metrics: MetricsServer | None = None
        self._supervisor: Supervisor | None = None
        self._wanted = False
        self._told_bundle: tuple[str, str | None] | None = None
        keep = settings.service.keep_controls
        keeps = self._in_service if keep is None else keep
        kept = state_folder(environ) / FILE_NAME if keeps else None
        self.controls = self._first_controls(None if resumes else kept)
        self.taste = self._kept_taste(state_folder(environ))
        self.bundles = self._first_bundle(None if resumes else kept)
        self.scenes = SceneChanger(self.controls, lambda: self.configured, self._switch)
        if kept is not None:
            self._keeper = Keeper(
                kept,
                settings.controls,
                self.controls,
                settings.model.scene or "",
                self.scenes.arriving,
                bundle=settings.model.model,
                model=self.bundles.kept,
            )
        self._reloader = load and Reloader(load, settings, self.controls, self.scenes)
        record = settings.record
        folder = record.keep_folder or state_folder(environ) / KEPT_FOLDER
        self.keeping = Keeping(HeldMusic(), folder, int(record.limit_mb * 1e6))
        self.keeping.sweep()
        self.director = Director(
            lambda: self.settings, self.controls, self.scenes, clock.now, keep=self.keeping.keep,
            resumes=resumes,
        )  # fmt: skip
        self.director.begin()
        if "model.model" in settings.asked:
            self.bundles.begin_as_configured()  # until the plan's next scene, as all options
        self.table: SoundingTable = open_table(
            runtime_folder(environ),
            " + ".join(settings.port.specs),
            state_folder(environ) / PLAYING_MARK if self._in_service else None,
            lag_seconds=settings.port.lag_seconds,
        )

    @property
    def settings(self) -> Settings:
        """The settings as they were last read."""
        return self._settings if self._reloader is None else self._reloader.settings

    @property
    def configured(self) -> Controls:
        """What scenes go back to: the configuration without its own, as it was last read."""
        return self.settings.configured

    @property
    def waits_for_port(self) -> bool:
        """Whether to start without a port and wait for it: nobody is there to be told."""
        return self._in_service or self._notifier.listens

    @property
    def reloads(self) -> bool:
        """Whether :meth:`ask_reload` has a meaning."""
        return self._reloader is not None

    def serve(self, figures: Callable[[], StreamFigures]) -> None:
        """Open what answers Prometheus, where that is wanted.

        Raises:
            ConfigError: It cannot be opened.
        """
        port = self._settings.service.metrics_port
        if port is not None:
            self._metrics = MetricsServer(port, figures)

    def supervise(
        self, heartbeat: Callable[[], float], figures: Callable[[], StreamFigures]
    ) -> Supervisor:
        """Return what tells the service manager how the stream is, to be entered when it runs."""
        self._supervisor = Supervisor(
            self._notifier, heartbeat, figures, self._clock, self._watchdog_seconds
        )
        return self._supervisor

    def attach(self, stream: StreamThreads, *, shelved: bool) -> None:
        """Let the stream go on with bundles that are chosen, and mark what is liked.

        Args:
            stream: That was opened.
            shelved: Whether the places of what is chosen are held, for bookmarks.
        """
        self.bundles.attach(stream, shelved=shelved)
        stream.mark_with(self.taste)

    def ask_reload(self) -> None:
        """Let the next :meth:`look` read the settings again; for a signal's handler."""
        self._wanted = True

    def look(self) -> None:
        """Do what is due; called a few times a second."""
        if self._wanted:
            self._wanted = False
            self._reload()
        if self._keeper is not None:
            self._keeper.look(self._clock.now())
        self.taste.save()
        playing = self.bundles.playing.model, self.bundles.coming
        if playing != self._told_bundle:
            self._told_bundle = playing
            self.controls.tell()

    def close(self) -> None:
        """Keep what is to be kept; called when nothing sounds any more."""
        if self._metrics is not None:
            self._metrics.close()
        self.scenes.finish()
        self.taste.save()
        if self._keeper is not None:
            self._keeper.write()
        if isinstance(self.table, LastingTable):
            self.table.close()

    def _reload(self) -> None:
        if self._reloader is None:
            return
        if self._supervisor is not None:
            self._supervisor.reloading()
        if self._reloader.reload() and self._keeper is not None:
            settings = self._reloader.settings
            self._keeper.reconfigured(settings.controls, settings.model.scene or "")
        if self._supervisor is not None:
            self._supervisor.reloaded()

    def _first_controls(self, kept: Path | None) -> LiveControls:
        """Return the controls to begin with: those of the last run, where they were kept."""
        configured, started = self._settings.controls, self._settings.model.scene or ""
        if kept is None:
            return LiveControls(configured, started)
        live = LiveControls(restore(kept, configured, started), last_scene(kept, started))
        if live.scene != started:
            logger.info("scene %s, as it was left", live.scene)
        return live

    def _kept_taste(self, folder: Path) -> Taste:
        """Return what was liked so far; of a stream that is to play as its seed says nothing."""
        exact = self._settings.model.is_exact
        return Taste(self.controls, None if exact else folder / TASTE_FILE)

    def _first_bundle(self, kept: Path | None) -> BundleChoice:
        """Return what chooses bundles: it begins with that of the last run, where it was kept."""
        model = self._settings.model
        bundles = BundleChoice(self._settings, self.controls, self._clock, filters=(self.taste,))
        if kept is not None and "model.model" not in self._settings.asked:
            bundles.choose(last_model(kept, model.model, model.scene or ""))
            if bundles.first != model:
                logger.info("bundle %s, as it was left", bundles.first.model)
        return bundles

    def _switch(self, model: Mapping[str, Any]) -> Future[str] | None:
        """Let the bundle of a scene follow (ValueError where it cannot)."""
        try:
            return self.bundles.choose(model)
        except Refusal as error:
            raise ValueError(str(error)) from error

"""What lets a stream live for years, around the stages: restarts, crashes, settings, watchdog.

In: settings, and the environment in which a service manager says what it wants. Out: controls as
they last were, a table of what sounds that outlives a crash, figures for Prometheus, signs of life,
settings read again. One object holds it all for the daemon, which calls it from its main thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, MutableMapping

from streamer.clock import Clock
from streamer.controls import Controls, LiveControls
from streamer.crash import LastingTable, open_table
from streamer.metrics import MetricsServer
from streamer.notify import Notifier, watchdog_seconds
from streamer.places import in_service, runtime_folder, state_folder
from streamer.reload import Load, Reloader
from streamer.saved import FILE_NAME, Keeper, last_preset, restore
from streamer.settings import Settings
from streamer.sounding import SoundingTable
from streamer.stats import StreamFigures
from streamer.supervisor import Supervisor

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
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        load: Load | None = None,
        environ: MutableMapping[str, str] | None = None,
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
        keep = settings.service.keep_controls
        self.controls = self._first_controls(self._in_service if keep is None else keep)
        self._reloader = load and Reloader(load, settings, self.controls)
        self.table: SoundingTable = open_table(
            runtime_folder(environ),
            " + ".join(settings.port.specs),
            state_folder(environ) / PLAYING_MARK if self._in_service else None,
        )

    @property
    def configured(self) -> Controls:
        """The controls of the configuration, as it was last read."""
        settings = self._settings if self._reloader is None else self._reloader.settings
        return settings.controls

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

    def close(self) -> None:
        """Keep what is to be kept; called when nothing sounds any more."""
        if self._metrics is not None:
            self._metrics.close()
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
            self._keeper.reconfigured(self._reloader.settings.controls)
        if self._supervisor is not None:
            self._supervisor.reloaded()

    def _first_controls(self, keep: bool) -> LiveControls:
        if not keep:
            return LiveControls(self._settings.controls)
        path = state_folder(self._environ) / FILE_NAME
        live = LiveControls(restore(path, self._settings.controls))
        live.preset = last_preset(path)
        if live.preset:
            logger.info("preset %s, as it was left", live.preset)
        self._keeper = Keeper(path, self._settings.controls, live)
        return live

"""A stream inside another program: ``with Stream(bundle, port="virtual") as stream: ...``.

In: a bundle, a port, settings. Out: music from when the block is entered until it is left, and
live controls to steer it by. What :func:`streamer.service.daemon.play` promises holds here too:
however the block is left, by its end, an exception or Ctrl-C, nothing is left sounding; whatever
fails is a :class:`streamer.errors.StreamerError`. Other than the daemon it catches no signals, has
no display, hears no MIDI input and keeps nothing for the next start.

Threads: one thread starts, waits and stops; :attr:`Stream.controls`, :meth:`Stream.figures` and
:meth:`Stream.panic` are for any. Several streams may play in one process.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from streamer.bundle.bundle import Bundle
from streamer.errors import ConfigError, StreamerError
from streamer.live.synth import synth_greeting
from streamer.midi.greeting import Greeting
from streamer.pipeline import Source, open_source
from streamer.ports.base import Port
from streamer.ports.delays import Delays
from streamer.ports.opening import open_outputs
from streamer.ports.sinks import ChannelPort
from streamer.selection.filters import Filter
from streamer.selection.taste import Taste
from streamer.service.figures import StreamFigures
from streamer.service.recordings import check_files, recorded
from streamer.service.stream import StreamThreads
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.settings import Settings
from streamer.system.clock import Clock, MonotonicClock

logger = logging.getLogger(__name__)


class Stream:
    """Endless music from a bundle, played to a port in time.

    Nothing is opened before :meth:`start`, or before the ``with`` block is entered; then the first
    note sounds within a second or two. It starts once.

    Args:
        bundle: What plays, or its name or path; None takes the one that the settings name.
        port: What ``perpetuo play --port`` takes, or several of them; or a
            :class:`streamer.ports.base.Port` of one's own, which is not closed here. None takes
            that of the settings.
        seed: The same seed gives the same notes; None takes that of the settings, or draws one.
        settings: Everything else; None takes the defaults. A person's own are
            :func:`streamer.settings.load_settings`.
        controls: Live, where other streams or surfaces share them; or as they are at the start.
            None takes those of the settings.
        filters: More that drops candidates, after the hard filters and the judges.
        clock: Time; None is the system's.

    Raises:
        ValueError: ``port`` names channels that there are not, or too many ports.
        ConfigError: The settings ask for a live query, or the beat of Link or JACK, which the
            daemon alone hears.
    """

    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str] | None = None,
        port: str | Sequence[str] | Port | None = None,
        *,
        seed: int | None = None,
        settings: Settings | None = None,
        controls: LiveControls | Controls | None = None,
        filters: Iterable[Filter] = (),
        clock: Clock | None = None,
    ) -> None:
        settings = settings or Settings()
        if settings.model.query == LIVE_QUERY:
            raise ConfigError(["model.query must not be live here: `perpetuo play` hears a player"])
        if settings.clock.mode in ("link", "jack"):
            raise ConfigError(
                [
                    f"clock.mode must not be {settings.clock.mode} here: "
                    "`perpetuo play` follows another machine's beat"
                ]
            )
        if seed is not None:
            settings = replace(settings, model=replace(settings.model, seed=seed))
        self._own_port: Port | None = None
        if isinstance(port, str):
            settings = replace(settings, port=replace(settings.port, port=port))
        elif isinstance(port, Sequence):
            settings = replace(settings, port=replace(settings.port, port=tuple(port)))
        elif port is not None:
            self._own_port = port
        if not isinstance(controls, LiveControls):
            controls = LiveControls(controls or settings.controls)
        self.controls: LiveControls = controls
        """What steers it; ``controls.update(density=0.5)`` is heard a moment later, at the next
        note or beat where the music can change."""
        self._taste = Taste(controls)
        self._bundle = bundle
        self._filters: tuple[Filter, ...] = (*filters, self._taste)
        self._settings, self._clock = settings, clock or MonotonicClock()
        self._opened = ExitStack()
        self._playing: tuple[Source, StreamThreads] | None = None

    def start(self) -> None:
        """Open the port, load the bundle and begin to play.

        Raises:
            StreamerError: Something could not be opened; nothing stays open then.
            ValueError: It was started before.
        """
        if self._playing is not None:
            raise ValueError("a Stream starts once; make another one")
        settings = self._settings
        with ExitStack() as opened:
            check_files(settings)
            # The port first: a name that is wrong is told before the model is loaded.
            told = Greeting(synth_greeting(settings.synth))
            delays = Delays(self._clock)
            port, tend = self._open_port(told, opened, delays)
            source = open_source(self._bundle, settings, self.controls, filters=self._filters)
            told.clear()
            told.put(source.greeting)
            port, _ = recorded(port, settings, opened)
            threads = StreamThreads(
                source,
                port,
                settings,
                self._clock,
                tend=tend,
                greeting=told,
                delays=delays,
                hears=False,
            )
            threads.mark_with(self._taste)
            opened.callback(threads.stop)
            threads.start()
            self._playing, self._opened = (source, threads), opened.pop_all()
        atexit.register(self._end)

    def _open_port(
        self, told: Greeting, opened: ExitStack, delays: Delays
    ) -> tuple[Port, Callable[[], bool]]:
        """Return what is played to, and what the scheduler is to call at each turn."""
        settings = self._settings
        if self._own_port is not None:
            return ChannelPort(self._own_port, settings.port.channel - 1), lambda: False
        port, tend = open_outputs(settings.port, self._clock, told, delays=delays)
        opened.callback(port.close)
        return port, tend

    def stop(self) -> None:
        """End the music and return when nothing sounds any more; a second time does nothing.

        Raises:
            StreamerError: A stage failed while it played, or what was recorded could not be kept.
        """
        atexit.unregister(self._end)
        self._opened.close()

    def wait(self, seconds: float | None = None) -> None:
        """Wait while it plays.

        Args:
            seconds: How long, 0 or more; None waits until it ends, or Ctrl-C.

        Raises:
            StreamerError: The music has ended, because a stage failed.
            ValueError: ``seconds`` is below 0, or it has not started.
        """
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds}")
        _, threads = self._running()
        deadline = math.inf if seconds is None else self._clock.now() + seconds
        if self._clock.wait_until(deadline, threads.ended):
            self.stop()

    def panic(self) -> None:
        """Silence everything at once, with the tails of what sounded; the music goes on."""
        self._running()[1].scheduler.panic()

    def figures(self) -> StreamFigures:
        """Return the figures of this moment: notes, buffer, lateness, what was dropped and why."""
        return self._running()[1].figures()

    @property
    def bundle(self) -> Bundle:
        """What plays."""
        return self._running()[0].bundle

    @property
    def seed(self) -> int:
        """That of the music, also when it was drawn."""
        return self._running()[0].seed

    @property
    def port_name(self) -> str:
        """What it plays to."""
        return self.figures().port

    def __enter__(self) -> Stream:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except StreamerError as failure:
            if error is None:
                raise
            # What ended the block matters more.
            logger.warning("%s", failure)

    def _running(self) -> tuple[Source, StreamThreads]:
        if self._playing is None:
            raise ValueError("the Stream has not started: use it in a with block, or call start()")
        return self._playing

    def _end(self) -> None:
        """Leave nothing sounding where a program ends without :meth:`stop`."""
        try:
            self.stop()
        except StreamerError as failure:
            logger.warning("%s", failure)

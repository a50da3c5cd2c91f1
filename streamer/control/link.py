"""Ableton Link: the beat that programs on one network share, as a source of the beat to follow.

In: a session of Link (LinkPython-extern, the extra ``link``), and what the stream plays by itself.
Out: a :class:`~streamer.midi.clock.Followed`, as of a MIDI clock. While others are there, theirs is
the tempo, and nothing here sets it. Alone, the stream plays by itself and the session is kept to
its tempo and beat, so that whoever comes finds them. When the last other one leaves, or the network
goes, the music goes on at the tempo that was there. One thread.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

from streamer.errors import ConfigError
from streamer.midi.clock import FASTEST_CLOCK_BPM, SLOWEST_CLOCK_BPM, Followed
from streamer.settings.midi import ClockSettings
from streamer.system.clock import Clock
from streamer.system.installing import how_to_add

logger = logging.getLogger(__name__)

SAME_BPM = 0.01
"""Tempos that are nearer than this are one; Link keeps whole microseconds a beat."""

OFF_BEATS = 0.01
"""A session of one's own is put onto the stream's beat where it is further off."""

SETTLE_SECONDS = 1.0
"""So long the tempo of a session is left alone after it was not what was put there: somebody is
about to be seen."""

PAIR_SECONDS = 0.0002
"""Link's clock and ours are read within this, or once more."""

PAIR_TRIES = 5


class SessionState(Protocol):
    """What LinkPython gives of a session; times in microseconds of Link's clock."""

    def tempo(self) -> float: ...  # noqa: D102
    def beatAtTime(self, micros: int, quantum: float) -> float: ...  # noqa: D102, N802
    def isPlaying(self) -> bool: ...  # noqa: D102, N802
    def setTempo(self, bpm: float, micros: int) -> None: ...  # noqa: D102, N802
    def forceBeatAtTime(self, beat: float, micros: int, quantum: float) -> None: ...  # noqa: D102, N802
    def setIsPlaying(self, playing: bool, micros: int) -> None: ...  # noqa: D102, N802


class Session(Protocol):
    """A session of Link; :func:`open_session` makes one."""

    def micros(self) -> int:
        """Return the present of Link's clock, microseconds."""
        ...

    def peers(self) -> int:
        """Return how many others are there."""
        ...

    def state(self) -> SessionState:
        """Return a snapshot of the session."""
        ...

    def commit(self, state: SessionState) -> None:
        """Put a snapshot that was changed in place."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class Music(Protocol):
    """What the stream plays by itself; any thread."""

    @property
    def bpm(self) -> float:
        """Quarters a minute, with the speed that is set."""
        ...

    @property
    def place(self) -> float | None:
        """Quarters since the beginning; None in free time, and while the music stands."""
        ...

    @property
    def held(self) -> bool:
        """Whether it is held by hand."""
        ...

    def keep(self, bpm: float) -> None:
        """Go on at this tempo."""
        ...


class LinkFollower:
    """Follows a session, or leads it while nobody else is there.

    Args:
        session: Of Link.
        music: What the stream plays by itself.
        clock: Time.
        settings: The quantum, and whether start and stop are shared.

    Attributes:
        others: How many other programs are in the session.
    """

    def __init__(
        self, session: Session, music: Music, clock: Clock, settings: ClockSettings
    ) -> None:
        self._session, self._music, self._clock = session, music, clock
        self._quantum, self._start_stop = float(settings.link_quantum), settings.link_start_stop
        self._bpm: float | None = None
        self._alone_from = clock.now()
        self._followed_bpm = 0.0
        self.others = 0

    @property
    def said(self) -> str:
        """What a person is told."""
        if not self.others:
            return "Link, alone"
        return f"Link, {self.others} other{'' if self.others == 1 else 's'}"

    def look(self, now: float) -> Followed:
        """Return what the session says; alone, keep it to what the stream plays."""
        others = self._session.peers()
        state = self._session.state()
        at, micros = self._pair()
        if others != self.others:
            self._meet(others, state, now)
        if not others:
            self._lead(state, now)
            return Followed(at=at)
        bpm, beat = state.tempo(), state.beatAtTime(micros, self._quantum)
        halted = self._start_stop and not state.isPlaying()
        if not (math.isfinite(bpm) and bpm > 0 and math.isfinite(beat)):
            return Followed(external=True, halted=halted, at=at)  # nothing to play by
        self._followed_bpm = bpm
        return Followed(
            external=True,
            locked=True,
            halted=halted,
            tempo_bpm=bpm,
            beat=beat,
            at=at,
            bar=self._quantum,
        )

    def close(self) -> None:
        """Leave the session."""
        self._session.close()

    def _meet(self, others: int, state: SessionState, now: float) -> None:
        """Take note of who has come or left."""
        before, self.others = self.others, others
        logger.info("%s, %.1f BPM", self.said, state.tempo())
        if others:
            return
        if before and self._followed_bpm:
            logger.info("nobody is left in the session; the music goes on at its tempo")
            self._music.keep(self._followed_bpm)
        self._bpm, self._alone_from = None, now

    def _lead(self, state: SessionState, now: float) -> None:
        """Keep a session of one's own to the tempo, the beat and the standing of the stream."""
        if self._bpm is not None and abs(state.tempo() - self._bpm) > SAME_BPM:
            # Nobody is seen yet, and somebody has set it: theirs it is.
            self._bpm, self._alone_from = None, now + SETTLE_SECONDS
        if now < self._alone_from:
            return
        bpm = min(max(self._music.bpm, SLOWEST_CLOCK_BPM), FASTEST_CLOCK_BPM)
        place = self._music.place
        at, micros = self._pair()
        changed = False
        if self._bpm is None or abs(bpm - self._bpm) > SAME_BPM:
            state.setTempo(bpm, micros)
            self._bpm, changed = state.tempo(), True
        if place is not None:
            # The stream's place was read a moment before the clocks.
            place += (at - now) * bpm / 60.0
            off = state.beatAtTime(micros, self._quantum) - place
            if abs(math.remainder(off, self._quantum)) > OFF_BEATS:
                state.forceBeatAtTime(place, micros, self._quantum)
                changed = True
        if self._start_stop and state.isPlaying() is self._music.held:
            state.setIsPlaying(not self._music.held, micros)
            changed = True
        if changed and not self._session.peers():
            self._session.commit(state)

    def _pair(self) -> tuple[float, int]:
        """Return one moment by the stream's clock, seconds, and by Link's, microseconds."""
        for _ in range(PAIR_TRIES):
            before, micros = self._clock.now(), self._session.micros()
            after = self._clock.now()
            if after - before < PAIR_SECONDS:
                break
        return (before + after) / 2.0, micros


class _LinkPython:
    """A :class:`Session` by LinkPython."""

    def __init__(self, link: Any) -> None:
        self._link, self._clock = link, link.clock()

    def micros(self) -> int:
        return int(self._clock.micros())

    def peers(self) -> int:
        return int(self._link.numPeers())

    def state(self) -> Any:
        return self._link.captureAppSessionState()

    def commit(self, state: SessionState) -> None:
        self._link.commitAppSessionState(state)

    def close(self) -> None:
        self._link.enabled = False


def library() -> Any:
    """Return LinkPython.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from link import Link
    except ImportError as error:
        raise ConfigError(
            [f"--clock link needs LinkPython-extern, which is not here: {how_to_add('link')}"]
        ) from error
    return Link


def open_session(bpm: float, *, start_stop: bool, joins: bool = True) -> Session:
    """Join, or begin, a session of Link on this machine's networks.

    Args:
        bpm: Tempo of a session that begins.
        start_stop: Whether start and stop are shared.
        joins: Whether anything goes over the network; without, the session is one's own.

    Raises:
        ConfigError: LinkPython is not installed.
    """
    link = library()(bpm)
    link.startStopSyncEnabled = start_stop
    link.enabled = joins
    return _LinkPython(link)


def link_follower(
    settings: ClockSettings,
    music: Music,
    clock: Clock,
    opened: Callable[..., Session] = open_session,
) -> LinkFollower:
    """Return a follower of the session that is there, or that begins."""
    session = opened(music.bpm, start_stop=settings.link_start_stop)
    return LinkFollower(session, music, clock, settings)

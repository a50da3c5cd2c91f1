"""Another machine's beat, obeyed: whatever tells it, the scheduler is told in one way.

In: a source of beats (:class:`BeatSource`): MIDI clock, Ableton Link, the transport of JACK. Out:
the speed of playing, whether the music stands, and the beat that it is laid on.
"""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from streamer.midi.clock import Followed
from streamer.system.clock import Clock, Wake

logger = logging.getLogger(__name__)

RATE_STEP = 0.0005
"""A smaller change of the tempo is not worth a word to the scheduler; nobody hears it."""

LOOK_SECONDS = 0.05
"""How often a thread looks at a source that tells nothing by itself."""

JOIN_SECONDS = 1.0


class Stage(Protocol):
    """What an input moves besides the controls: the scheduler."""

    def panic(self) -> None:
        """Silence everything at once; the music goes on after it."""
        ...

    def beat(self, followed: Followed) -> None:
        """Take note of another machine's beat; called several times a second."""
        ...

    def follow(self, rate: float, *, halted: bool) -> None:
        """Obey another machine's clock."""
        ...


class BeatSource(Protocol):
    """Tells another machine's beat; one thread."""

    def look(self, now: float) -> Followed:
        """Return what is known at ``now``, in seconds of the clock."""
        ...


class ClosingSource(BeatSource, Protocol):
    """A source that is closed when it is needed no more."""

    @property
    def said(self) -> str:
        """What a person is told of it."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Obedience:
    """Lets a stage obey a source; one thread.

    Args:
        source: Tells the beat.
        stage: The scheduler.
        tempo_bpm: Tempo at which music in free time runs at its own speed.

    Attributes:
        tempo_bpm: As given.
    """

    def __init__(self, source: BeatSource, stage: Stage, tempo_bpm: float) -> None:
        self._source, self._stage, self.tempo_bpm = source, stage, tempo_bpm
        self._told = (1.0, False)

    def turn(self, now: float) -> Followed:
        """Tell the stage what the source says at ``now``, in seconds; return that."""
        followed = self._source.look(now)
        self._stage.beat(followed)
        rate = followed.rate(self.tempo_bpm)
        old_rate, old_halted = self._told
        if followed.halted is old_halted and abs(rate / old_rate - 1.0) < RATE_STEP:
            return followed
        if followed.halted is not old_halted:
            logger.info("the other machine %s", "has stopped" if followed.halted else "plays")
        self._told = rate, followed.halted
        self._stage.follow(rate, halted=followed.halted)
        return followed


class Following:
    """A thread in which a stage obeys a source, as long as the context lasts.

    Args:
        source: Tells the beat; closed at the end.
        stage: The scheduler.
        clock: Time.
        tempo_bpm: Tempo at which music in free time runs at its own speed.
        wait_seconds: Music that has not begun is held so long, for the source to find a beat on
            which it is to begin.
    """

    def __init__(
        self,
        source: ClosingSource,
        stage: Stage,
        clock: Clock,
        tempo_bpm: float,
        wait_seconds: float = 0.0,
    ) -> None:
        self._source, self._stage, self._clock = source, stage, clock
        self._obedience = Obedience(source, stage, tempo_bpm)
        self._until = clock.now() + wait_seconds
        self._waits = wait_seconds > 0
        self._stop = Wake()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def __enter__(self) -> Following:
        if self._waits:
            self._stage.follow(1.0, halted=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(JOIN_SECONDS)
        self._source.close()

    def turn(self) -> None:
        """Look at the source, and let the stage obey."""
        now = self._clock.now()
        followed = self._obedience.turn(now)
        if self._waits and (followed.external or now >= self._until):
            self._waits = False
            self._stage.follow(followed.rate(self._obedience.tempo_bpm), halted=followed.halted)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.turn()
            self._clock.wait_until(self._clock.now() + LOOK_SECONDS, self._stop)

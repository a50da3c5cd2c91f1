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

TRY_SECONDS = 1.0
"""How soon a source that has failed is looked at again."""

ANSWER_SECONDS = 2.0
"""A source that takes longer than this to answer, as a JACK server that hangs, has no beat."""

WATCH_SECONDS = 0.25
"""How often it is looked whether a source answers."""

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
        """What a person is told of it: what it is, and how it is after a comma."""
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
        self.tell(followed)
        return followed

    def tell(self, followed: Followed) -> None:
        """Tell the stage what is to be obeyed; one thread at a time."""
        self._stage.beat(followed)
        rate = followed.rate(self.tempo_bpm)
        old_rate, old_halted = self._told
        if followed.halted is old_halted and abs(rate / old_rate - 1.0) < RATE_STEP:
            return
        if followed.halted is not old_halted:
            logger.info("the other machine %s", "has stopped" if followed.halted else "plays")
        self._told = rate, followed.halted
        self._stage.follow(rate, halted=followed.halted)


class Following:
    """Threads in which a stage obeys a source, as long as the context lasts.

    One looks at the source, one watches that it answers. The music plays by its own clock while the
    source fails, or does not answer.

    Args:
        source: Tells the beat; closed at the end.
        stage: The scheduler.
        clock: Time.
        tempo_bpm: Tempo at which music in free time runs at its own speed.
        wait_seconds: Music that has not begun is held so long, for the source to find a beat on
            which it is to begin; :data:`ANSWER_SECONDS` more where the source does not answer.
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
        self._asked_at: float | None = None
        self._mute = self._left = False
        self._failures = set[type[Exception]]()
        self._telling = threading.Lock()
        self._stop = Wake()
        self._threads = [
            threading.Thread(target=self._run, name="beat", daemon=True),
            threading.Thread(target=self._watch, name="beat watch", daemon=True),
        ]

    def __enter__(self) -> Following:
        if self._waits:
            self._stage.follow(1.0, halted=True)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        self._left = True
        self._source.close()

    @property
    def said(self) -> str:
        """What a person is told of the source; any thread."""
        return f"{self._kind}, no answer" if self._mute else self._source.said

    @property
    def _kind(self) -> str:
        return self._source.said.partition(",")[0]

    def turn(self) -> None:
        """Look at the source, and let the stage obey."""
        now = self._clock.now()
        self._asked_at = now
        try:
            followed = self._source.look(now)
        finally:
            self._asked_at = None
        with self._telling:
            if self._mute:
                self._mute = False
                logger.info("%s answers", self._kind)
            self._obedience.tell(followed)
            if followed.external or now >= self._until:
                self._release(followed)

    def watch(self) -> None:
        """Let the music play by its own clock if the source does not answer."""
        now, asked_at = self._clock.now(), self._asked_at
        if self._mute or asked_at is None or now - asked_at < ANSWER_SECONDS:
            return
        with self._telling:
            if self._asked_at != asked_at:
                return  # it has answered meanwhile
            self._mute = True
            logger.warning("%s does not answer; playing by the own clock until it does", self._kind)
            self._be_alone(now)

    def _fail(self, error: Exception) -> None:
        """Let the music play by its own clock after something went wrong; told once a kind."""
        if type(error) not in self._failures:
            self._failures.add(type(error))
            logger.error(
                "%s cannot be followed (%s: %s); playing by the own clock, and trying again",
                self._kind,
                type(error).__name__,
                error,
            )
            logger.debug("the beat failed", exc_info=error)
        with self._telling:
            self._be_alone(self._clock.now())

    def _be_alone(self, now: float) -> None:
        followed = Followed(at=now)
        self._obedience.tell(followed)
        self._release(followed)

    def _release(self, followed: Followed) -> None:
        """Hold the music no more, unless the source does."""
        if self._waits:
            self._waits = False
            self._stage.follow(followed.rate(self._obedience.tempo_bpm), halted=followed.halted)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause_seconds = LOOK_SECONDS
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - whatever it is, the music goes on
                self._fail(error)
                pause_seconds = TRY_SECONDS
            self._clock.wait_until(self._clock.now() + pause_seconds, self._stop)
        if self._left:
            self._source.close()  # it answered after the end, and may have been opened since

    def _watch(self) -> None:
        while not self._clock.wait_until(self._clock.now() + WATCH_SECONDS, self._stop):
            self.watch()

"""MIDI in: knobs, programs and transport of a controller, and the clock of another machine.

In: bytes, put into a queue by RtMidi's own thread. Out: live controls changed, presets chosen, the
music held or let go on, a rate to play at. Everything but the queue is the work of one thread
(:meth:`MidiControl.run`); what comes in can be anything, and nothing that comes in can stop it.

=========================  ==============================================
what comes                 what it does
=========================  ==============================================
control change             moves what the knob is bound to (``bindings``)
CC120, CC123               silences everything; the music goes on
program change             chooses a preset
Start, Continue, Stop      the music goes on, is held
clock, song position       followed, with ``clock.mode = "follow"``
notes                      are answered, where the query is live
all else                   nothing
=========================  ==============================================
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from streamer.bindings import Bindings, value_of
from streamer.clock import Clock, Wake
from streamer.controls import Controls, LiveControls
from streamer.echo import EchoFilter
from streamer.events import ALL_NOTES_OFF, ALL_SOUND_OFF
from streamer.midiclock import (
    CLOCK,
    CONTINUE,
    SONG_POSITION,
    START,
    STOP,
    ClockFollower,
    Followed,
)
from streamer.midisettings import ClockSettings, InputSettings
from streamer.presets import BUILT_IN, Preset

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the clock is looked after when nothing comes in."""

MOST_WAITING = 8192
"""Messages that may wait; of a flood the oldest are left out."""

RATE_STEP = 0.0005
"""A smaller change of the tempo is not worth a word to the scheduler; nobody hears it."""

OBEY_SECONDS = 0.5
"""After a CC120 or CC123 the next is obeyed no sooner: a loop must not silence us for ever."""

_LENGTHS = {0x80: 3, 0x90: 3, 0xA0: 3, 0xB0: 3, 0xC0: 2, 0xD0: 2, 0xE0: 3}
_SYSTEM_LENGTHS = {0xF1: 2, SONG_POSITION: 3, 0xF3: 2, 0xF6: 1, CLOCK: 1, START: 1, CONTINUE: 1,
                   STOP: 1}  # fmt: skip


TakesNotes = Callable[[bytes, float], object]
"""Takes a note-on, a note-off, or a CC that ends all notes, and when it came, seconds."""


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


def normalised(data: bytes) -> bytes | None:
    """Return the message that some bytes are, or None where it is of no use to anybody.

    A note-on of velocity 0 is a note-off. Active sensing, system exclusive, system reset and what
    is cut short are left out; bytes behind the message too.
    """
    if not data:
        return None
    length = _LENGTHS.get(data[0] & 0xF0) or _SYSTEM_LENGTHS.get(data[0])
    if length is None or len(data) < length:
        return None
    message = bytes(data[:length])
    if any(byte > 0x7F for byte in message[1:]):
        return None
    if message[0] & 0xF0 == 0x90 and not message[2]:
        return bytes((0x80 | message[0] & 0x0F, message[1], 0))
    return message


class Inbox:
    """Where RtMidi's thread puts what it hears; it is never held up.

    Args:
        clock: Times each message as it comes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[tuple[float, bytes]] = deque(maxlen=MOST_WAITING)
        self.arrived = Wake()
        """Set whenever something has come."""

    def put(self, data: bytes) -> None:
        """Take in one message; any thread."""
        self._waiting.append((self._clock.now(), data))
        self.arrived.set()

    def drain(self) -> Iterator[tuple[float, bytes]]:
        """Yield what waits, with the seconds at which it came; one thread."""
        while self._waiting:
            yield self._waiting.popleft()


class MidiControl:
    """Does what a controller asks; one thread, :meth:`stop` excepted.

    Args:
        settings: What is heard.
        clock_settings: Whose beat it is.
        controls: What knobs and presets move.
        stage: The scheduler.
        clock: Time.
        bindings: What each knob moves.
        presets: In the order of the program numbers.
        echo: What was sent and may come back; None where nothing can.
        configured: What presets go back to; None is what the controls are now.
        query: Takes the notes that are played; None where they mean nothing.

    Attributes:
        inbox: Where the messages come from.
        heard: How many messages were obeyed or ignored, echoes excepted.
        echoes: How many were our own.
    """

    def __init__(
        self,
        settings: InputSettings,
        clock_settings: ClockSettings,
        controls: LiveControls,
        stage: Stage,
        clock: Clock,
        *,
        bindings: Bindings | None = None,
        presets: Sequence[Preset] = BUILT_IN,
        echo: EchoFilter | None = None,
        configured: Callable[[], Controls] | None = None,
        query: TakesNotes | None = None,
    ) -> None:
        self._query = query
        self._settings, self._clock_settings = settings, clock_settings
        self._controls, self._stage, self._clock = controls, stage, clock
        first = controls.snapshot()
        self._configured = configured or (lambda: first)
        self.bindings = bindings or Bindings()
        self._presets = presets
        self._echo = echo or EchoFilter(settings.echo_seconds)
        self._follower: ClockFollower | None = None
        if clock_settings.mode == "follow":
            self._follower = ClockFollower(
                clock_settings.lost_seconds, stop_holds=clock_settings.stop_holds
            )
        self._told = (1.0, False)
        self._changes: dict[str, Any] = {}
        self._obeyed_at = float("-inf")
        self._stop = threading.Event()
        self.inbox = Inbox(clock)
        self.heard = 0
        self.echoes = 0

    def run(self) -> None:
        """Hear until :meth:`stop`."""
        while not self._stop.is_set():
            self.turn()

    def stop(self) -> None:
        """End :meth:`run` within a moment; any thread."""
        self._stop.set()
        self.inbox.arrived.set()

    def turn(self) -> None:
        """Wait for something to come, or for a look at the clock, and do what is asked."""
        self._clock.wait_until(self._clock.now() + LOOK_SECONDS, self.inbox.arrived)
        self.inbox.arrived.clear()
        for at, data in self.inbox.drain():
            message = normalised(data)
            if message is not None:
                self._hear(message, at)
        self._apply()
        self._follow(self._clock.now())

    def _hear(self, message: bytes, at: float) -> None:
        kind = message[0] & 0xF0
        played = self._query is not None and kind in (0x80, 0x90)
        # A person may well play what we play: notes are echoes only where all of ours come back.
        if self._echo.is_echo(message, at) and (not played or self._echo.loops):
            self.echoes += 1
            return
        self.heard += 1
        if message[0] >= 0xF0:
            self._system(message, at)
        elif self._settings.channel in (None, (message[0] & 0x0F) + 1):
            if played and self._query is not None:
                self._query(message, at)
            elif kind == 0xB0:
                self._control_change(message[1], message[2], at)
            elif kind == 0xC0 and self._settings.programs:
                self._program_change(message[1])

    def _system(self, message: bytes, at: float) -> None:
        if self._follower is not None:
            self._follower.receive(message, at)
        elif self._settings.transport and message[0] in (START, CONTINUE, STOP):
            self._changes["pause"] = message[0] == STOP

    def _control_change(self, number: int, data: int, at: float) -> None:
        if number in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            if self._query is not None:
                self._query(bytes((0xB0, number, data)), at)
            if at - self._obeyed_at >= OBEY_SECONDS:
                self._obeyed_at = at
                logger.info("silenced by CC%d", number)
                self._stage.panic()
            return
        control = self.bindings.moved(number)
        if control is not None:
            self._changes[control] = value_of(control, data)

    def _program_change(self, program: int) -> None:
        if program >= len(self._presets):
            logger.debug("there is no preset for program %d", program + 1)
            return
        self._apply()
        preset = self._presets[program]
        try:
            chosen = preset.apply(self._configured(), self._controls.snapshot())
        except ValueError as error:
            logger.warning("preset %s was not chosen: %s", preset.name, error)
            return
        self._controls.put(chosen, preset.name)
        logger.info("preset %s", preset.name)

    def _apply(self) -> None:
        """Make the changes that have gathered: of a knob that was turned, where it is now."""
        changes, self._changes = self._changes, {}
        if not changes:
            return
        try:
            self._controls.update(**changes)
        except ValueError:
            self._apply_singly(changes)

    def _apply_singly(self, changes: dict[str, Any]) -> None:
        """Make the changes that go together with what is there; lowest and highest may clash."""
        for name, value in changes.items():
            try:
                self._controls.update(**{name: value})
            except ValueError as error:
                logger.debug("%s was not moved: %s", name, error)

    def _follow(self, now: float) -> None:
        if self._follower is None:
            return
        followed = self._follower.look(now)
        self._stage.beat(followed)
        rate = followed.rate(self._clock_settings.tempo_bpm)
        old_rate, old_halted = self._told
        if followed.halted is old_halted and abs(rate / old_rate - 1.0) < RATE_STEP:
            return
        if followed.halted is not old_halted:
            logger.info("the other machine %s", "has stopped" if followed.halted else "plays")
        self._told = rate, followed.halted
        self._stage.follow(rate, halted=followed.halted)

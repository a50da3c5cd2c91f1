"""MIDI in: knobs, programs and transport of a controller, and the clock of another machine.

In: bytes, put into a queue by the thread that polls the input. Out: live controls changed, scenes
chosen, the music held or let go on, a rate to play at. Everything but the queue is the work of one
thread (:meth:`MidiControl.run`); what comes in can be anything, and nothing that comes in can stop
it.

=========================  ==============================================
what comes                 what it does
=========================  ==============================================
control change             moves what the knob is bound to (``bindings``)
CC120                      silences everything; the music goes on
CC121                      puts what knobs have moved back to the configuration
CC123                      ends the keys of whoever plays, where they are heard
program change             chooses a scene
Start, Continue, Stop      the music goes on, is held
clock, song position       followed, with ``clock.mode = "follow"``
notes                      are answered, where the query is live; taken in, in a duet
CC64                       sustains what a person plays in a duet, unless it is bound
all else                   nothing
=========================  ==============================================
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from streamer.control.bindings import Bindings, value_of
from streamer.control.follow import Obedience, Stage
from streamer.control.knobs import Knobs, Move, name_of
from streamer.control.lefthand import LeftHand
from streamer.control.morphing import SceneChanger
from streamer.control.scenes import Programs
from streamer.midi.clock import ClockFollower
from streamer.midi.messages import (
    ACTIVE_SENSING,
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTINUE,
    CONTROL_PEDAL,
    NOTE_ON,
    RESET,
    RESET_CONTROLLERS,
    START,
    STOP,
    channel_of,
    complete,
    control,
    ends_note,
    has_channel,
    is_control,
    is_note,
    is_program,
    key_of,
    kind_of,
    note_off,
)
from streamer.ports.echo import EchoFilter
from streamer.settings.controls import PRESSED, Controls, LiveControls, known_control, lets_go
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.system.clock import Clock, Wake

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the clock is looked after when nothing comes in."""

MOST_WAITING = 8192
"""Messages that may wait; of a flood the oldest are left out."""

MOST_LINES = 256
"""Lines that are counted."""

OBEY_SECONDS = 0.5
"""After a CC120 the next is obeyed no sooner: a loop must not silence us for ever."""

TakesNotes = Callable[[bytes, float], object]
"""Takes a note-on, a note-off, or a CC that ends all notes, and when it came, seconds. A duet takes
CC64 too."""


def normalised(data: bytes) -> bytes | None:
    """Return the message that some bytes are, or None where it is of no use to anybody.

    A note-on of velocity 0 is a note-off. Active sensing, system exclusive, system reset and what
    is cut short are left out; bytes behind the message too.
    """
    message = complete(data)
    if message is None or message[0] in (ACTIVE_SENSING, RESET):
        return None
    if kind_of(message) == NOTE_ON and ends_note(message):
        return note_off(*key_of(message))
    return message


class Inbox:
    """Where the thread that polls the input puts what it hears; it is never held up.

    Args:
        clock: Times messages that nobody else has timed.

    Attributes:
        left_out: How many messages of floods were left out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[tuple[float, bytes | None]] = deque(maxlen=MOST_WAITING)
        self.left_out = 0
        self.arrived = Wake()
        """Set whenever something has come."""

    def put(self, data: bytes, at: float | None = None) -> None:
        """Take in one message, which came at ``at`` in seconds, or comes now; any thread."""
        self.left_out += len(self._waiting) == MOST_WAITING
        self._waiting.append((self._clock.now() if at is None else at, data))
        self.arrived.set()

    def opened(self) -> None:
        """Take note that the input opens: of what comes later nothing was heard; any thread."""
        self._waiting.append((self._clock.now(), None))
        self.arrived.set()

    def drain(self) -> Iterator[tuple[float, bytes | None]]:
        """Yield what waits, with the seconds at which it came; None is an opening. One thread."""
        while self._waiting:
            yield self._waiting.popleft()


class MidiControl:
    """Does what a controller asks; one thread, :meth:`stop` excepted.

    Args:
        settings: What is heard.
        clock_settings: Whose beat it is.
        controls: What knobs and scenes move.
        stage: The scheduler.
        clock: Time.
        bindings: What each knob moves.
        programs: What each program change chooses; None ignores them.
        echo: What was sent and may come back; None where nothing can.
        configured: What scenes go back to; None is what the controls are now.
        query: Takes the notes that are played; None where they mean nothing.
        duet: Takes them, and the pedal, where a person and the machine take turns.
        scenes: Takes on scenes; None has one of its own.

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
        programs: Programs | None = None,
        echo: EchoFilter | None = None,
        configured: Callable[[], Controls] | None = None,
        query: TakesNotes | None = None,
        duet: TakesNotes | None = None,
        scenes: SceneChanger | None = None,
    ) -> None:
        self._query, self._duet = query, duet
        self._settings = settings
        self._controls, self._stage, self._clock = controls, stage, clock
        first = controls.snapshot()
        self._configured = configured or (lambda: first)
        self.bindings = bindings or Bindings()
        self._programs = programs or {}
        self._scenes = scenes or SceneChanger(controls, self._configured)
        self._echo = echo or EchoFilter(settings.echo_seconds)
        self._follower: ClockFollower | None = None
        self._obedience: Obedience | None = None
        if clock_settings.mode == "follow":
            self._follower = ClockFollower(
                clock_settings.lost_seconds, stop_holds=clock_settings.stop_holds
            )
            self._obedience = Obedience(self._follower, stage, clock_settings.tempo_bpm)
        self._changes: dict[str, Any] = {}
        self._pressed: dict[int, float] = {}
        self._knobs, self._hand = Knobs(), LeftHand()
        self._said: Counter[str] = Counter()
        self._obeyed_at = float("-inf")
        self._stop = threading.Event()
        self.inbox = Inbox(clock)
        self.heard = 0
        self.echoes = 0

    def run(self) -> None:
        """Hear until :meth:`stop`."""
        while not self._stop.is_set():
            self.turn()
        for line, times in self._said.items():
            if times > 1:
                logger.info("%s (%d times in all)", line, times)

    def stop(self) -> None:
        """End :meth:`run` within a moment; any thread."""
        self._stop.set()
        self.inbox.arrived.set()

    def turn(self) -> None:
        """Wait for something to come, or for a look at the clock, and do what is asked."""
        now = self._clock.now()
        self._clock.wait_until(min(now + LOOK_SECONDS, self._hand.due), self.inbox.arrived)
        self.inbox.arrived.clear()
        for at, data in self.inbox.drain():
            if data is None:
                self._hand.let_go()
                continue
            message = normalised(data)
            if message is not None:
                self._hear(message, at)
        chord = self._hand.read(self._clock.now(), self._controls.snapshot())
        if chord is not None:
            self._gather("chords", chord)
        self._apply()
        if self._obedience is not None:
            self._obedience.turn(self._clock.now())

    def _hear(self, message: bytes, at: float) -> None:
        takes = self._query or self._duet
        played = takes is not None and is_note(message)
        if self._is_echo(message, at, played=played):
            self.echoes += 1
            return
        self.heard += 1
        if not has_channel(message):
            self._system(message, at)
        elif self._settings.channel in (None, channel_of(message) + 1):
            if is_note(message):
                self._hand.hear(message, at)
            if played and takes is not None:
                takes(message, at)
            elif is_control(message):
                self._control_change(channel_of(message), message[1], message[2], at)
            elif is_program(message) and self._settings.programs:
                self._program_change(message[1])

    def _is_echo(self, message: bytes, at: float, *, played: bool) -> bool:
        """Whether a message is our own; a person may well play what we play."""
        if played and self._duet is not None:
            return self._echo.is_own_note(message, at)
        # Notes that are answered bar by bar are echoes only where all of ours come back.
        return self._echo.is_echo(message, at) and (not played or self._echo.loops)

    def _system(self, message: bytes, at: float) -> None:
        if self._follower is not None:
            self._follower.receive(message, at)
        elif self._settings.transport and message[0] in (START, CONTINUE, STOP):
            self._changes["pause"] = message[0] == STOP

    def _control_change(self, channel: int, number: int, data: int, at: float) -> None:
        if number in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            self._hand.hear(control(channel, number, data), at)
            for takes in filter(None, (self._query, self._duet)):
                takes(control(0, number, data), at)
            if number == ALL_SOUND_OFF and at - self._obeyed_at >= OBEY_SECONDS:
                self._obeyed_at = at
                self._say("silenced by CC120")
                self._stage.panic()
            return
        if number == RESET_CONTROLLERS:
            configured = self._configured()
            for name in self.bindings.bound.values():
                self._gather(name, configured.value(name))
            return
        found = self.bindings.heard(self._knobs.hear(channel, number, data, at), at)
        if found is None:
            if number == CONTROL_PEDAL and self._duet is not None:
                self._duet(control(channel, number, data), at)
            return
        moved, knob = found
        value = value_of(moved, knob.position)
        if moved in PRESSED and self._is_turned_on(moved, knob):
            return
        self._gather(moved, value)
        legal = known_control(moved).range
        if legal is not None and value in (legal.low, legal.high):
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            self._say(f"{name_of(knob.knob)} moved {moved} to {shown}")

    def _is_turned_on(self, moved: str, knob: Move) -> bool:
        """Whether a knob is turned further where it presses already; a pad sends one value."""
        before, self._pressed[knob.knob] = self._pressed.get(knob.knob, 0.0), knob.position
        both = value_of(moved, before) and value_of(moved, knob.position)
        return bool(both) and before != knob.position

    def _gather(self, name: str, value: Any) -> None:
        """Let a control be changed with what else has come; the last that comes counts."""
        if not (lets_go(name, value) and self._changes.get(name)):
            self._changes[name] = value

    def _say(self, line: str, level: int = logging.INFO) -> None:
        """Log a line that may come with every message: once, and at the end how often."""
        if line not in self._said:
            if len(self._said) >= MOST_LINES:
                return
            logger.log(level, "%s", line)
        self._said[line] += 1

    def _program_change(self, program: int) -> None:
        scene = self._programs.get(program)
        if scene is None:
            logger.debug("there is no scene for program %d", program + 1)
            return
        self._apply()
        try:
            self._scenes.choose(scene)
        except ValueError as error:
            self._say(f"scene {scene.name} was not chosen: {error}", logging.WARNING)
            return
        self._say(f"scene {scene.name}")

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

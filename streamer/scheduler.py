"""The scheduler: takes phrases from the buffer and sends their messages in time.

In: phrases from :class:`~streamer.buffer.RollingBuffer`. Out: messages to a port, each at its
absolute deadline on an injected clock. :meth:`Scheduler.run` has a thread to itself, which only
waits and sends; every other public method may be called by any thread.

Its promises, whatever happens (stop, exception, port loss, suspend, a process that stood still):

* every note-on has a note-off, and a key struck again is released first;
* a late note-on may be dropped, a note-off or a pedal-up never is;
* music that comes too late lengthens a rest, notes are never bunched;
* when :meth:`~Scheduler.run` ends, nothing sounds and CC64 is 0.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
from collections.abc import Callable, Iterable

from streamer.beatline import BeatLine
from streamer.buffer import RollingBuffer
from streamer.clock import Clock, Timeline
from streamer.clockout import ClockOut, ClockSender, NoClock
from streamer.events import CONTROL_PEDAL, Event, EventMaker, Kind, control, note_off
from streamer.greeting import Greeting
from streamer.intake import Intake
from streamer.lateness import LatenessHistogram
from streamer.midiclock import Followed
from streamer.midisettings import SynthSettings
from streamer.pacing import Pacer
from streamer.ports.base import Port, PortLost
from streamer.pulse import Pulse
from streamer.realtime import become_realtime
from streamer.settings import SchedulerSettings
from streamer.sounding import FORGOTTEN_SECONDS, Key, SoundingTable, insist
from streamer.synth import Voices
from streamer.synth import greeting as greeting_of

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 0.25
"""The longest sleep: so soon a lost port, a suspend or a panic is noticed in a long rest."""

SPIN_SECONDS = 0.001
"""How long before a note-on a real-time thread is awake (specs/engine.md)."""

STALL_SECONDS = 0.5
"""An event this late means that the process stood still: the music goes on from where it was."""

_DOUBTED = -1
"""No port has this epoch."""


class Scheduler:
    """Plays a buffer to a port.

    Args:
        buffer: Where phrases come from.
        port: Where messages go; it is not closed here.
        clock: Time.
        settings: Lead, late policy, real-time priority.
        message_spacing_ms: Least time between two messages, for a slow DIN port.
        table: The book of what sounds; what is in it already is silenced first.
        synth: What the synth is told first, how many keys it plays, what its cable carries.
        send_bpm: Tempo of the MIDI clock that is sent beside the notes; None sends none. Music with
            beats of its own overrules it.
        tend: Looks after a port of several outputs, and says whether one of them has come back.
        bar_beats: Quarters of the bars that are counted; None counts none.
        watch: Told at each turn where the music is.
        greeting: What a synth is told when it comes; None makes it of ``synth``.
    """

    def __init__(
        self,
        buffer: RollingBuffer,
        port: Port,
        clock: Clock,
        settings: SchedulerSettings | None = None,
        *,
        message_spacing_ms: float = 0.0,
        table: SoundingTable | None = None,
        synth: SynthSettings | None = None,
        send_bpm: float | None = None,
        tend: Callable[[], bool] = lambda: False,
        bar_beats: float | None = None,
        watch: Callable[[Pulse], object] | None = None,
        greeting: Greeting | None = None,
    ) -> None:
        self._buffer, self._port, self._clock = buffer, port, clock
        self._settings = settings or SchedulerSettings()
        self._tend, self._watch = tend, watch
        synth = synth or SynthSettings()
        self._greeting = Greeting(greeting_of(synth)) if greeting is None else greeting
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._muted = self._to_mute = frozenset[int]()
        self._pacer = Pacer(synth.wire, message_spacing_ms / 1000.0)
        self._timeline = Timeline()
        self._rate = 1.0
        self._beats = BeatLine(60_000.0 / (send_bpm or 120.0), bar_beats)
        self.clock_out: ClockOut = NoClock()
        if send_bpm is not None:
            self.clock_out = ClockSender(self._timeline, send_bpm, clock.now(), self._beats)
        maker = EventMaker(Voices(synth.polyphony, synth.repeat_gap_ms))
        self._intake = Intake(
            buffer, self._timeline, self._beats, maker, self._settings, self._in_time
        )
        self._queue: list[Event] = []
        self._table = SoundingTable() if table is None else table
        self._owners: dict[Key, int] = {}
        self._epoch = 0
        self._spin = 0.0
        self._slept = clock.suspended()
        self._table.use(0)
        self._stop, self._panic, self._pause, self._halt = (threading.Event() for _ in range(4))
        self._wake = buffer.filled
        self.last_advance = clock.now()
        self.lateness = LatenessHistogram()
        self.policy = "SCHED_OTHER"
        self.notes_sent = self.late_dropped = 0
        self.stalls = self.port_losses = 0

    def stop(self) -> None:
        """End :meth:`run` within a moment; what sounds is silenced by it."""
        self._stop.set()
        self._wake.set()

    def panic(self) -> None:
        """Silence everything at once, tails too; the music goes on after it."""
        self._panic.set()
        self._wake.set()

    def pause(self) -> None:
        """Silence everything and hold the music where it is."""
        self._pause.set()
        self._wake.set()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._pause.clear()
        self._wake.set()

    def mute(self, channels: frozenset[int]) -> None:
        """Let these channels be silent from now on, and no others: what sounds there ends.

        The music goes on in silence: a channel that is let go is heard from its next note on.
        """
        self._to_mute = channels
        self._wake.set()

    def tell(self, messages: Iterable[bytes]) -> None:
        """Send control or program changes now, and to each synth that comes from now on."""
        for message in messages:
            self._said.put(message)
        self._wake.set()

    def follow(self, rate: float, *, halted: bool) -> None:
        """Obey another machine's clock: the speed of playing, and whether it stands.

        Raises:
            ValueError: ``rate`` is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        if rate == self._rate and halted is self._halt.is_set():
            return
        self._rate = rate
        (self._halt.set if halted else self._halt.clear)()
        self._wake.set()

    def beat(self, followed: Followed) -> None:
        """Take note of another machine's beat, on which music with beats of its own is laid."""
        self._beats.hear(followed)

    @property
    def paused(self) -> bool:
        """Whether the music is held by :meth:`pause`."""
        return self._pause.is_set()

    @property
    def halted(self) -> bool:
        """Whether the music is held by another machine's Stop."""
        return self._halt.is_set()

    @property
    def waiting_for_port(self) -> bool:
        """Whether the music is held because there is no port."""
        return self._port.epoch == 0

    @property
    def now_ms(self) -> float:
        """The present in ms of the stream, as phrases count it."""
        return self._timeline.now_ms(self._clock.now()) - self._intake.later_ms

    @property
    def sounding(self) -> tuple[Key, ...]:
        """Keys that are down, as (channel, pitch); a snapshot."""
        return self._table.keys

    @property
    def pedals(self) -> frozenset[int]:
        """Channels whose sustain pedal is down; a snapshot."""
        return self._table.pedals

    def run(self) -> None:
        """Play until :meth:`stop`, or until the buffer is closed and played out.

        Raises:
            StreamerError: The port cannot be used any more. Everything was silenced as far as the
                port still answered; so it is after any other exception.
        """
        if threading.current_thread() is not threading.main_thread():
            self.policy = become_realtime(self._settings.realtime_priority)
        self._spin = SPIN_SECONDS if self.policy != "SCHED_OTHER" else 0.0
        self.last_advance = self._clock.now()
        try:
            while not self._stop.is_set() and self._turn():
                pass
        finally:
            if self._epoch and self._port.epoch != self._epoch:
                # It has been away since the last look: what was released then may sound yet.
                self._table.doubt(self._clock.now() - FORGOTTEN_SECONDS)
            self._silence()
            self._insist(self.clock_out.stop())

    def _turn(self) -> bool:
        """Do one thing, or wait for one; return False when the music is over."""
        now = self._look(self.last_advance)
        may_play = self._may_play(now)
        self._obey()
        if may_play:
            for event in self._intake.take(now):
                heapq.heappush(self._queue, event)
        self._tell(now)
        self._send_clocks()
        rest = min(now + HEARTBEAT_SECONDS, self._beats.turn(self._timeline, now))
        if not may_play or not self._queue:
            if may_play and self._buffer.closed and not len(self._buffer):
                return False
            self._wait(rest)
            return True
        event = self._queue[0]
        deadline = self._timeline.deadline(event.deadline_ms)
        if deadline > rest:
            self._wait(rest)
        elif deadline <= now or not self._wait(
            deadline, self._spin if event.kind is Kind.NOTE_ON else 0.0
        ):
            self._play(self._pop())
        return True

    def _obey(self) -> None:
        """Do what other threads have asked for since the last turn."""
        at_ms = self._timeline.now_ms(self._clock.now())
        if self._muted != self._to_mute:
            fresh, self._muted = self._to_mute - self._muted, self._to_mute
            self._release(fresh, at_ms)
        while not self._said.empty():
            message = self._said.get()
            self._greeting.put((message,))
            if self._epoch:
                self._send(message, at_ms)

    def _release(self, channels: frozenset[int], at_ms: float) -> None:
        """End what sounds on some channels."""
        for key in self._table.keys:
            if key[0] in channels:
                self._send(note_off(*key), at_ms)
                self._owners.pop(key, None)
        for channel in sorted(self._table.pedals & channels):
            self._send(control(channel, CONTROL_PEDAL, 0), at_ms)

    def _tell(self, now: float) -> None:
        """Let whoever plays along know where the music is."""
        pulse = None if self._watch is None else self._intake.pulse(now)
        if self._watch is not None and pulse is not None:
            self._watch(pulse)

    def _pop(self) -> Event:
        return self._pacer.pop(self._queue, self._timeline.now_ms(self._clock.now()), self._owners)

    def _wait(self, deadline: float, spin: float = 0.0) -> bool:
        """Wait; return whether something else is to be looked at first."""
        clock_at = self.clock_out.deadline()
        if clock_at <= deadline:
            # Not before the last look: what is overdue is due now.
            deadline, spin = max(clock_at, self.last_advance), self._spin
        woken = self._clock.wait_until(deadline, self._wake, spin)
        if woken:
            self._wake.clear()
        self._look(deadline)
        return woken or clock_at <= deadline

    def _send_clocks(self) -> None:
        """Send the clocks that are due, where somebody hears them."""
        now = self._clock.now()
        for message in self.clock_out.due(now):
            if self._epoch:
                self._send(message, self._timeline.now_ms(now))

    def _look(self, due: float) -> float:
        """Return the present; where the clock leapt since the last look, let the music stand still.

        Args:
            due: When this look was to be at the latest.
        """
        now = self._clock.now()
        leap = now - due
        if leap > STALL_SECONDS:
            self.stalls += 1
            logger.warning("the process stood still for %.1f s; the music goes on", leap)
            self._timeline.delay(leap)
        self.last_advance = now
        return now

    def _may_play(self, now: float) -> bool:
        """Silence where there is a reason to, and say whether the music may go on."""
        slept = self._clock.suspended()
        if slept - self._slept > STALL_SECONDS:
            logger.info("the machine slept for %.0f s; the music goes on", slept - self._slept)
            self._silence()
            self._insist(self._greeting)  # a synth on its cable may have lost its power
        self._slept = slept
        if self._panic.is_set():
            self._panic.clear()
            self._silence(panic=True)
        if self._tend():
            self.clock_out.again()
        epoch = self._port.epoch
        if epoch != self._epoch:
            self._change_port(epoch, now)
        rate = self._beats.rate(self._rate, self._timeline, now)
        if rate != self._timeline.rate:
            self._timeline.set_rate(rate, now)
        if not epoch or self._pause.is_set() or self._halt.is_set():
            if self._timeline.running:
                self._timeline.hold(now)
                self._silence()
            return False
        if not self._timeline.running and self._intake.horizon_ms is not None:
            self._timeline.run_from(self._in_time(self._timeline.now_ms(now), now))
        return True

    def _change_port(self, epoch: int, now: float) -> None:
        """Meet a port that went, came, or came back between two looks."""
        if self._epoch and not epoch:
            self.port_losses += 1
            logger.warning("port %s is gone; waiting for it", self._port.name)
        elif epoch:
            logger.info("playing to %s", self._port.name)
        if self._epoch:
            self._table.doubt(now - FORGOTTEN_SECONDS)
        self._silence()
        self._epoch = epoch
        if epoch:
            self._insist(self._greeting)
            self.clock_out.again()

    def _in_time(self, place_ms: float, earliest: float) -> float:
        """Return when the music is to be at a place, on the beat of whoever has one."""
        return self._beats.align(place_ms, self.clock_out.align(place_ms, earliest))

    def _play(self, event: Event) -> None:
        """Send what an event asks for, by the late policy."""
        late = self._clock.now() - self._timeline.deadline(event.deadline_ms)
        self.lateness.add(late)
        if event.kind is Kind.NOTE_ON:
            self._strike(event, late)
        elif event.kind is Kind.NOTE_OFF:
            key = (event.channel, event.pitch)
            # A note that was dropped, stolen or silenced, or whose key was struck again since, has
            # no claim on the key any more.
            if self._owners.get(key) == event.serial:
                self._send(event.message, event.deadline_ms)
                del self._owners[key]
        else:
            if event.kind is Kind.PROGRAM:
                self._greeting.put((event.message,))
            self._send(event.message, event.deadline_ms)

    def _strike(self, event: Event, late: float) -> None:
        """Begin a note, unless it is too late for it."""
        if late * 1000.0 > self._settings.late_note_on_ms:
            self.late_dropped += 1
            logger.debug("dropped note %d, %.0f ms late", event.pitch, late * 1000.0)
            return
        if event.channel in self._muted:
            return
        key = (event.channel, event.pitch)
        if key in self._owners:
            self._send(note_off(*key), event.deadline_ms)
            del self._owners[key]
        if event.pedal and event.channel not in self._table.pedals:
            self._send(control(event.channel, CONTROL_PEDAL, 127), event.deadline_ms)
        self._owners[key] = event.serial
        self._send(event.message, event.deadline_ms)
        self.notes_sent += 1

    def _send(self, message: bytes, at_ms: float) -> bool:
        """Send one message and keep the book; a port that is gone is met at the next turn.

        Returns:
            Whether it left.
        """
        if self._pacer.limits:
            self._clock.wait_until(self._pacer.free_at, threading.Event())
            self._pacer.occupy(message, self._clock.now())
        self._table.before(message)
        try:
            self._port.send(message, at_ms)
        except PortLost as error:
            logger.debug("not sent: %s", error)
            if self._port.epoch:
                # Back already, or it never was away: what it has heard is not certain any more.
                self._epoch = _DOUBTED
            return False
        self._table.after(message, self._clock.now())
        return True

    def _silence(self, *, panic: bool = False) -> None:
        self._insist(self._table.silence(panic=panic))
        self._owners.clear()

    def _insist(self, messages: Iterable[bytes]) -> None:
        at_ms = self._timeline.now_ms(self._clock.now())
        insist(messages, lambda message: self._send(message, at_ms))

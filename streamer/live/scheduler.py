"""The scheduler: takes phrases from the buffer and sends their messages in time.

In: phrases from :class:`~streamer.live.buffer.RollingBuffer`. Out: messages to a port, each at its
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
import threading
from collections.abc import Callable, Iterable

from streamer.live.along import Along
from streamer.live.beatline import BeatLine
from streamer.live.buffer import RollingBuffer
from streamer.live.clockout import ClockOut, ClockSender, NoClock
from streamer.live.events import Event, EventMaker, Kind
from streamer.live.intake import Intake
from streamer.live.pacing import Pacer
from streamer.live.requests import Requests
from streamer.live.sender import Sender
from streamer.live.striking import Striker
from streamer.live.synth import Voices, synth_greeting
from streamer.live.timeline import Timeline
from streamer.midi.greeting import Greeting
from streamer.midi.sounding import Key, SoundingTable
from streamer.music.pulse import Pulse
from streamer.ports.base import Port, settle
from streamer.ports.delays import Delays
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import Clock
from streamer.system.realtime import become_realtime

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 0.25
"""The longest sleep: so soon a lost port, a suspend or a panic is noticed in a long rest."""

SPIN_SECONDS = 0.001
"""How long before a note-on a real-time thread is awake (docs/design/engine.md)."""

STALL_SECONDS = 0.5
"""An event this late means that the process stood still: the music goes on from where it was."""

REMAKE_SECONDS = 0.01
"""While no note is due, notes to come are made anew for changed controls no more often."""


class Scheduler(Requests):
    """Plays a buffer to a port.

    Args:
        buffer: Where phrases come from.
        port: Where messages go; it is not closed here.
        clock: Time.
        settings: Lead, late policy, real-time priority.
        message_spacing_ms: Least time between two messages, for a slow DIN port.
        table: The table of sounding notes; what is in it already is silenced first.
        synth: What the synth is told first, how many keys it plays, what its cable carries.
        send_bpm: Tempo of the MIDI clock that is sent beside the notes; None sends none. Music with
            beats of its own overrules it.
        tend: Looks after a port of several outputs, and says whether one of them has come back.
        bar_beats: Quarters of the bars that are counted; None counts none.
        watch: Told at each turn where the music is.
        greeting: What a synth is told when it comes; None makes it of ``synth``.
        delays: Outputs that are sent to later than others.
        opening: Given the number of an opening (:attr:`streamer.music.notes.Phrase.opens`) as it is
            reached, returns all that synths are told from then on; it must not wait.
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
        opening: Callable[[int], Iterable[bytes]] = lambda number: (),
        delays: Delays | None = None,
    ) -> None:
        super().__init__(buffer.filled, BeatLine(60_000.0 / (send_bpm or 120.0), bar_beats))
        self._buffer, self._port, self._clock = buffer, port, clock
        self._settings = settings or SchedulerSettings()
        self._tend, self._watch = tend, watch
        synth = synth or SynthSettings()
        self._greeting = Greeting(synth_greeting(synth)) if greeting is None else greeting
        self._pacer = Pacer(synth.wire, message_spacing_ms / 1000.0)
        self._timeline = Timeline()
        self._remade_at = float("-inf")
        self.clock_out: ClockOut = NoClock()
        if send_bpm is not None:
            self.clock_out = ClockSender(self._timeline, send_bpm, clock.now(), self._beats)
        self._maker = EventMaker(Voices(synth.polyphony, synth.repeat_gap_ms), synth)
        self._intake = Intake(
            buffer, self._timeline, self._beats, self._maker, self._settings, self._in_time
        )
        self._queue: list[Event] = []
        self.along = Along(self._wake.set)
        self._delays = delays or Delays(clock)
        self.early_seconds = self._delays.early_seconds
        self._out = Sender(
            port, clock, self._pacer, table or SoundingTable(), self._place_ms, self._delays.flush
        )
        late_ms = self._settings.late_note_on_ms
        self._striker = Striker(self._out, self._greeting, late_ms, opening)
        self.lateness = self._striker.lateness
        self._spin, self._slept = 0.0, clock.suspended()
        self.last_advance = clock.now()
        self.policy = "SCHED_OTHER"
        self.stalls = 0

    @property
    def waiting_for_port(self) -> bool:
        """Whether the music is held because there is no port."""
        return self._port.epoch == 0

    @property
    def now_ms(self) -> float:
        """The present in ms of the stream, as phrases count it."""
        return self._timeline.now_ms(self._clock.now()) - self._intake.later_ms

    @property
    def now_beats(self) -> float:
        """The present in quarters since the music's beginning; they never go back."""
        return self._beats.beat(self._place_ms())

    @property
    def beat_ms(self) -> float | None:
        """Length of a quarter of what sounds now, in ms at its own pace; None in free time."""
        return self._beats.own_beat_ms(self._place_ms())

    @property
    def pace(self) -> float:
        """How fast the stream's ms pass: 0 while the music is held."""
        return self._timeline.rate if self._timeline.running else 0.0

    @property
    def held(self) -> bool:
        """Whether the music is held: by hand, by another machine, or because it has faded out."""
        return self._pause.is_set() or self._halt.is_set() or self._hush.is_set()

    @property
    def phrases_begun(self) -> int:
        """Phrases that sound, or have sounded."""
        return self._intake.phrases

    @property
    def notes_sent(self) -> int:
        """Note-ons sent."""
        return self._striker.notes_sent

    @property
    def late_dropped(self) -> int:
        """Note-ons that came too late to be sent."""
        return self._striker.late_dropped

    @property
    def port_losses(self) -> int:
        """Times that the port went away."""
        return self._out.port_losses

    @property
    def sounding(self) -> tuple[Key, ...]:
        """Keys that are down, as (channel, pitch); a snapshot."""
        return self._out.table.keys

    @property
    def pedals(self) -> frozenset[int]:
        """Channels whose sustain pedal is down; a snapshot."""
        return self._out.table.pedals

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
            self._out.doubt_if_away()
            self._out.silence()
            self._out.insist(self.clock_out.stop())
            self._delays.flush()

    def settle(self) -> None:
        """Silence once more what may not have heard it; called when :meth:`run` has ended.

        A port that went, came, or both since the last look at it, half a second ago, has heard
        nothing of the silence. What cannot be told now, because it is gone, stays in the table.
        What was noted beside the music since is passed on.
        """
        settle(self._port)
        self.along.turn(self._out, self._place_ms(), plays=False)
        if self._out.doubt_if_away():
            self._out.silence()

    def _turn(self) -> bool:
        """Do one thing, or wait for one; return False when the music is over."""
        now = self._look(self.last_advance)
        may_play = self._may_play(now)
        self._obey()
        if now - self._remade_at >= REMAKE_SECONDS:
            self._remake(now)
        self.along.turn(self._out, self._timeline.now_ms(now), plays=may_play)
        self._leave(now)
        if may_play:
            self._queue = self._intake.cut(self._queue)
            for event in self._intake.take(now):
                heapq.heappush(self._queue, event)
        else:
            self._intake.rest(now)
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
            return True
        spin = self._spin if event.kind is Kind.NOTE_ON else 0.0
        woken = deadline > now and self._wait(deadline, spin)
        if not woken and not self._remake(self._clock.now()):
            self._play()
        return True

    def _remake(self, now: float) -> bool:
        """Let what is still to be struck obey the controls; return whether they have changed."""
        send = self._steered.dimmed(self._level)
        if send == self._maker.send:
            return False
        self._remade_at = now
        self._queue = self._maker.remake(self._queue, send, self._timeline.now_ms(now))
        heapq.heapify(self._queue)
        return True

    def _obey(self) -> None:
        """Do what other threads have asked for since the last turn."""
        at_ms = self._place_ms()
        muted, self._striker.muted = self._striker.muted, self._to_mute
        if muted != self._striker.muted:
            self._out.release(self._striker.muted - muted)
        while not self._said.empty():
            message = self._said.get()
            self._greeting.put((message,))
            if self._out.epoch:
                self._out.send(message, at_ms)

    def _leave(self, now: float) -> None:
        """Strike nothing more of what is in the queue, where somebody else is to be heard."""
        if not self._yield.is_set():
            return
        self._yield.clear()
        self._queue = self._intake.leave(self._intake.cut(self._queue), now)
        if self._cut_off.is_set():
            self._cut_off.clear()
            self._out.release(self._out.channels)
            self._queue = []

    def _tell(self, now: float) -> None:
        """Let whoever plays along know where the music is."""
        if self._watch is not None and (pulse := self._intake.pulse(now)) is not None:
            self._watch(pulse)

    def _place_ms(self) -> float:
        """Return the present as a place in the music, ms."""
        return self._timeline.now_ms(self._clock.now())

    def _wait(self, deadline: float, spin: float = 0.0) -> bool:
        """Wait; return whether something else is to be looked at first."""
        clock_at = min(self.clock_out.deadline(), self._delays.deadline())
        if clock_at <= deadline:
            # Not before the last look: what is overdue is due now.
            deadline, spin = max(clock_at, self.last_advance), self._spin
        woken = self._clock.wait_until(deadline, self._wake, spin)
        if woken:
            self._wake.clear()
        self._look(deadline)
        return woken or clock_at <= deadline

    def _send_clocks(self) -> None:
        """Send the clocks that are due, where somebody hears them, and what has waited."""
        now = self._clock.now()
        for message in self.clock_out.due(now):
            if self._out.epoch:
                self._out.send(message, self._timeline.now_ms(now))
        self._delays.turn(now)

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
            self._out.silence()
            self._out.insist(self._greeting)  # a synth on its cable may have lost its power
        self._slept = slept
        if self._panic.is_set():
            self._panic.clear()
            self._out.silence(panic=True)
        if self._tend():
            self.clock_out.again()
        epoch = self._port.epoch
        if epoch != self._out.epoch:
            self._out.meet(epoch, self._greeting)
            if epoch:
                self.clock_out.again()
        speed = 1.0 if self._beats.follows else self._steered.tempo_scale
        self._out.tape.run_at(speed, self._timeline.now_ms(now))
        rate = self._beats.rate(self._rate, self._timeline, now, speed)
        if rate != self._timeline.rate:
            self._timeline.set_rate(rate, now)
        if not epoch or self.held:
            if self._timeline.running:
                self._timeline.hold(now)
                self._out.silence()
            return False
        if not self._timeline.running and self._intake.horizon_ms is not None:
            self._timeline.run_from(self._in_time(self._timeline.now_ms(now), now))
        return True

    def _in_time(self, place_ms: float, earliest: float) -> float:
        """Return when the music is to be at a place, on the beat of whoever has one."""
        return self._beats.align(place_ms, self.clock_out.align(place_ms, earliest))

    def _play(self) -> None:
        """Send what the next event asks for, of those that are due at once."""
        event = self._pacer.pop(self._queue, self._place_ms(), self._out.owners)
        self._striker.play(event, self._clock.now() - self._timeline.deadline(event.deadline_ms))

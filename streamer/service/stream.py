"""The stages of one stream, from generator to port, and their two threads.

    generator thread -> rolling buffer -> scheduler thread -> port

In: a source of phrases and an open port. Out: music in time, and figures of it. Another source can
take the place of the first while the music plays: what is heard is then another than what writes,
for as long as the phrase in play takes.

Threads: the generator's infers (without the interpreter's lock) and waits for room; the scheduler's
waits and sends; who made the stream starts and stops it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from streamer.control.duet import Phase
from streamer.control.taptempo import TapTempo
from streamer.errors import EngineError, StreamerError, StreamHangs
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.live.tap import GHOSTS_A_PHRASE, Tap
from streamer.midi.greeting import Greeting
from streamer.midi.sounding import SoundingTable
from streamer.music.notes import Phrase
from streamer.pipeline import Source, family_for
from streamer.ports.base import Port
from streamer.ports.delays import Delays
from streamer.selection.taste import Taste
from streamer.service.duetguard import DuetGuard
from streamer.service.figures import StreamFigures
from streamer.service.marking import Marking
from streamer.service.partner import Partner
from streamer.service.succession import Succession
from streamer.service.tempo import StreamTempo
from streamer.service.turns import TurnWriting
from streamer.settings.controls import PRESSED, Controls
from streamer.settings.settings import Settings
from streamer.system.clock import Clock, Wake
from streamer.system.interrupt import Interrupt
from streamer.system.realtime import become_realtime, step_back

logger = logging.getLogger(__name__)

LOW_SHARE = 0.4
"""Where the low mark lies at most below a lead that was moved by hand."""

ANSWER_PRIORITY = 5
"""Real-time priority at most of a generator that has half a sixteenth for an answer."""

JOIN_SECONDS = 2.0
"""How long the scheduler may take to end: a dead port must not keep the process."""

PATIENCE_SECONDS = 0.25
"""How long a phrase may take to be finished before it is given up, and between two tries."""

END_SECONDS = 1.0
"""How long a thread may take to end after that."""


class StreamThreads:
    """The stages of one stream, from generator to port, and their two threads.

    Args:
        source: Where phrases come from; used by the generator thread alone once started.
        port: Where messages go; closed by whoever opened it, after :meth:`stop`.
        settings: Marks of the buffer, scheduling policy.
        clock: Time.
        table: What sounds; the daemon's outlives a crash.
        tend: Looks after a port of several outputs, at each turn of the scheduler's thread.
        greeting: What synths are told, which the port shares; None takes the source's.
        tap: Is told of each phrase that is written; None where nobody looks.
        silent: Called when everything was silenced at the end, in the scheduler's thread.
        delays: Outputs that are sent to later than others.
        hears: Whether an input is heard, on which a person may play; it may be known later.

    Attributes:
        tempo: Of the stream, and what is shown of it.
        guard: Knows what duets can be played.
    """

    def __init__(
        self,
        source: Source,
        port: Port,
        settings: Settings,
        clock: Clock,
        table: SoundingTable | None = None,
        tend: Callable[[], bool] = lambda: False,
        greeting: Greeting | None = None,
        tap: Tap | None = None,
        silent: Callable[[], object] = lambda: None,
        delays: Delays | None = None,
        *,
        hears: bool = True,
    ) -> None:
        self._succession, self._port, self._clock = Succession(source), port, clock
        self._tap = tap
        self._marks, self._clock_settings = settings.buffer, settings.clock
        self._buffer = RollingBuffer(self._marks.low_seconds, self._marks.high_seconds)
        turns = source.turns
        self._scheduler = Scheduler(
            self._buffer, port, clock, settings.scheduler,
            message_spacing_ms=settings.port.message_spacing_ms,
            table=table,
            synth=settings.synth,
            send_bpm=_tempo_sent(settings, source.generator.beat_ms),
            tend=tend,
            bar_beats=None if turns is None else turns.bar_beats,
            watch=None if turns is None else turns.see,
            greeting=source.greeting if greeting is None else greeting,
            opening=self._succession.open,
            delays=delays,
        )  # fmt: skip
        self._controls = source.controls
        self.tempo = tempo = StreamTempo(
            self._scheduler, lambda: self.source, self._controls, settings.clock
        )
        self._taps = TapTempo(self._controls, self._scheduler, clock, lambda: tempo.own_bpm)
        self._succession.attach(self._scheduler)
        self._told_silent = silent
        self._writing = TurnWriting(
            source, self._buffer, clock, self._note,
            opens=self._succession.expect, heard=lambda: self._succession.heard,
            exact=settings.model.is_exact,
        )  # fmt: skip
        self._marking: Marking | None = None
        self._turns = turns
        self.guard = DuetGuard(
            self._controls, lambda: self._writing.coming or self._writing.source, hears=hears
        )
        self.partner = self._partner() if turns is None else None
        self._realtime_priority = settings.scheduler.realtime_priority
        self._threads = [
            self._stage("scheduler", self._scheduler.run),
            self._stage("generator", self._generate),
        ]
        self._failure: tuple[str, BaseException] | None = None
        self.ended = Wake()
        """Set when a stage has ended, by itself or by an error."""

    def mark_with(self, taste: Taste) -> None:
        """Let what is liked and disliked be marks of a taste; before :meth:`start`."""
        buffer, clock = self._buffer, self._clock
        self._marking = Marking(
            taste, lambda: buffer.heard(buffer.place_ms(clock.now())), self._controls
        )

    def _partner(self) -> Partner:
        """Return what plays duets, or alone while there is none."""
        return Partner(
            buffer=self._buffer,
            writing=self._writing,
            controls=self._controls,
            scheduler=self._scheduler,
            clock=self._clock,
            hears=lambda: self.guard.hears,
        )

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler, for pause, panic and its heartbeat."""
        return self._scheduler

    @property
    def phrases_begun(self) -> int:
        """Phrases that sound, or have sounded."""
        return self._scheduler.phrases_begun

    @property
    def phrases_written(self) -> int:
        """Phrases that were written one after the other; none that took another's place."""
        return self._writing.phrases

    @property
    def held(self) -> bool:
        """Whether the music is held."""
        return self._scheduler.held

    @property
    def waits(self) -> bool:
        """Whether the music is silent because a person has the turn in a duet."""
        return self.partner is not None and self.partner.duet.phase is Phase.LISTENING

    def dim(self, level: float) -> None:
        """Let notes be so loud from now on, 0..1; 0 holds the music. Any thread."""
        self._scheduler.dim(level)

    def start(self) -> None:
        """Start the threads; the first note sounds as soon as the first phrase is drawn."""
        if any(self._controls.snapshot().value(name) for name in PRESSED):
            self._controls.update(**dict.fromkeys(PRESSED, False))  # written down is not pressed
        self._controls.listen(self._obey)
        self._controls.listen(self._taps.obey)
        self._obey(self._controls.snapshot())
        for thread in self._threads:
            thread.start()

    @property
    def source(self) -> Source:
        """What is heard; any thread."""
        return self._succession.heard

    @property
    def coming(self) -> Source | None:
        """What is written, or will be in a moment, and is not heard yet; any thread."""
        found = self._writing.coming or self._writing.source
        return None if found is self._succession.heard else found

    def take_over(self, source: Source, takes_seconds: float = 0.0) -> None:
        """Let another source be heard from the end of the phrase in play on; any thread.

        Args:
            source: With the same live controls, and without turns; it is used here alone from now
                on.
            takes_seconds: How long it takes to draw a short phrase, about.
        """
        self._writing.take_over(source, takes_seconds)

    def silence(self) -> None:
        """Let the scheduler silence everything and end, at once; any thread."""
        self._scheduler.stop()

    def stop(self) -> None:
        """End the stream and return when nothing sounds any more; a second time does nothing.

        A phrase that is being drawn is given up.

        Raises:
            StreamHangs: The scheduler hangs.
            StreamerError: A stage failed.
        """
        self.silence()
        scheduling, drawing = self._threads
        if scheduling.ident is not None:
            scheduling.join(JOIN_SECONDS)
        if self.partner is not None:
            self.partner.close()
        if scheduling.ident is not None and not scheduling.is_alive():
            self._scheduler.settle()
        self._buffer.close()
        if self._turns is not None:
            self._turns.close()
        _give_up_drawing(drawing, self._writing.interrupts)
        self._raise_failure()
        if scheduling.is_alive():
            raise StreamHangs(
                f"the scheduler did not end within {JOIN_SECONDS:g} s; "
                f"port {self._port.name} may be blocked: restart its MIDI system"
            )

    def figures(self) -> StreamFigures:
        """Return the figures of this moment; any thread."""
        scheduler, buffer, source = self._scheduler, self._buffer, self.source
        mixer, stats, controls = source.mixer, source.generator.stats, self._controls
        return StreamFigures(
            model=source.bundle.manifest.name,
            seed=source.seed,
            port=self._port.name,
            waiting_for_port=scheduler.waiting_for_port,
            paused=scheduler.held,
            policy=scheduler.policy,
            notes_sent=scheduler.notes_sent,
            late_dropped=scheduler.late_dropped,
            sounding=scheduler.sounding,
            pedal=bool(scheduler.pedals),
            buffer_seconds=buffer.seconds_ahead(),
            underruns=buffer.underruns,
            candidates=self._writing.governor.candidates,
            lateness_ms={
                name: scheduler.lateness.quantile(q) * 1000.0
                for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
            }
            | {"max": scheduler.lateness.max_seconds * 1000.0},
            generation=self._succession.figures(),
            stalls=scheduler.stalls,
            port_losses=scheduler.port_losses,
            lateness=scheduler.lateness,
            scene=controls.scene,
            playing=stats.playing,
            muted=() if mixer is None else mixer.silent(controls.snapshot()),
            family=family_for(source.bundle).name,
            clock=self._clock_settings.mode,
            duet="" if self.partner is None else self.partner.duet.said,
            clock_says=self.tempo.source(),
            **self.tempo.figures(),
        )

    def _generate(self) -> None:
        """Fill the buffer until it is closed; the generator thread."""
        if self._turns is None:
            step_back()
        else:
            # In a hurry before each bar line, idle between them; below the scheduler.
            become_realtime(min(self._realtime_priority, ANSWER_PRIORITY))
        while self._wait_for_turn():
            if self.partner is not None:
                self.partner.write()
            else:
                left = self._turns.seconds_left(self._clock.now()) if self._turns else None
                self._writing.write(left)

    def _wait_for_turn(self) -> bool:
        """Wait until the next phrase is to be drawn; return whether there is to be one."""
        if self.partner is not None:
            return self.partner.wait()
        if self._turns is None:
            return self._writing.wait()
        return self._turns.wait(self._clock) and not self._buffer.closed

    def _note(self, phrase: Phrase) -> None:
        """Let whoever shows it know what was written."""
        if self._tap is None:
            return
        self._tap.phrases.add(phrase)
        stats = self._writing.source.generator.stats
        if stats.ghosts is not None:
            self._tap.dropped(phrase, stats.ghosts)
        stats.ghosts = deque(maxlen=GHOSTS_A_PHRASE)

    def _stage(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(name, work), name=name, daemon=True)

    def _guard(self, name: str, stage: Callable[[], None]) -> None:
        """Run a stage; keep what ends it, and tell the main thread."""
        try:
            stage()
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            # A phrase that is ready, or was given up, just after the end is no failure.
            over = name == "generator" and self._buffer.closed
            if not (over and isinstance(error, RuntimeError | EngineError)):
                self._failure = self._failure or (name, error)
        finally:
            if name == "scheduler":
                self._told_silent()
            self.ended.set()

    def _raise_failure(self) -> None:
        if self._failure is None:
            return
        name, error = self._failure
        if isinstance(error, StreamerError):
            raise error
        logger.debug("the %s failed", name, exc_info=error)
        raise StreamerError(
            f"the {name} failed ({type(error).__name__}: {error}); "
            "run again with --log-level debug and report it"
        ) from error

    def _obey(self, controls: Controls) -> None:
        if self.guard.turns_back(controls):
            return  # all was told of what the controls are now
        lead = self._marks.high_seconds if controls.lead is None else controls.lead
        self._buffer.set_marks(min(self._marks.low_seconds, LOW_SHARE * lead), lead)
        self._scheduler.steer(controls)
        if self._marking is not None:
            self._marking.obey(controls)
        self._writing.change(controls, gentle=self.source.controls.gentle)
        if self.partner is not None:
            self.partner.obey(controls)
        if controls.pause and not self._scheduler.paused:
            self._scheduler.pause()
        elif self._scheduler.paused and not controls.pause:
            self._scheduler.resume()
        self._succession.obey(controls)
        if self._marking is not None:
            self._marking.let_go()


def _tempo_sent(settings: Settings, beat_ms: float | None) -> float | None:
    """Return the tempo of the clock that is sent, in BPM: that of the music, where it has one."""
    if settings.clock.mode != "send":
        return None
    return settings.clock.tempo_bpm if beat_ms is None else 60_000.0 / beat_ms


def _give_up_drawing(
    thread: threading.Thread, interrupts: Callable[[], Iterable[Interrupt]]
) -> None:
    """End a thread that draws, and with it a phrase that nobody will hear.

    One that does not end, because something else than inference holds it, is left and told of in
    the log: the music has ended well without it.
    """
    if thread.ident is None:
        return
    thread.join(PATIENCE_SECONDS)
    for _ in range(round(END_SECONDS / PATIENCE_SECONDS)):
        if not thread.is_alive():
            return
        for interrupt in interrupts():
            interrupt.end_runs()
        thread.join(PATIENCE_SECONDS)
    if thread.is_alive():
        logger.warning("the %s does not end; what it draws is left to itself", thread.name)

"""``perpetuo play``: wires the stages and keeps them going until a signal, an error or the end.

    generator thread -> rolling buffer -> scheduler thread -> port (and recorder)

In: settings. Out: music, and an exit status. Stages are started from the port backwards, so that
whoever gives finds someone who takes, and stopped the other way round; the scheduler silences
everything before the port is closed, whatever ended the stream.

Threads: the generator's infers (without the interpreter's lock) and waits for room; the scheduler's
waits and sends; the main thread watches, shows figures and catches signals. Called by
``streamer.verbs.play``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from streamer.bandmix import Mixer, audible, muted
from streamer.buffer import RollingBuffer
from streamer.clock import Clock, MonotonicClock, Wake
from streamer.controller import controller, input_owner
from streamer.controls import Controls
from streamer.echo import EchoFilter, EchoPort
from streamer.ending import give_up_drawing
from streamer.errors import EngineError, StreamerError
from streamer.generators.base import beat_of
from streamer.governor import CandidateGovernor
from streamer.greeting import Greeting
from streamer.memory import keep_flat
from streamer.pipeline import Source, open_source
from streamer.ports import ChannelPort, FanOutPort, Port, open_outputs
from streamer.ports.owner import MidiOwner
from streamer.realtime import become_realtime, settle, step_back
from streamer.recorder import MidiFileSink
from streamer.reload import Load
from streamer.rotation import RotatingSink
from streamer.scheduler import Scheduler
from streamer.settings import Settings
from streamer.signals import Signals
from streamer.sounding import SoundingTable
from streamer.stats import StreamFigures
from streamer.synth import greeting
from streamer.upkeep import Upkeep

logger = logging.getLogger(__name__)

FIRST_PHRASE_NOTES = 8
"""The first phrase is short, and drawn a few times only, so that it sounds soon."""

LOW_SHARE = 0.4
"""Where the low mark lies at most below a lead that was moved by hand."""

ANSWER_PRIORITY = 5
"""Real-time priority at most of a generator that has half a sixteenth for an answer."""

TICK_SECONDS = 0.25
"""How often the main thread looks at the stream and shows its figures."""

JOIN_SECONDS = 5.0
"""How long the scheduler may take to end: a dead port must not keep the process."""


class View(Protocol):
    """Shows the figures of the stream: a live display, or log lines."""

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """Read the figures if they are shown now; called every :data:`TICK_SECONDS`."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class Stream:
    """The stages of one stream, from generator to port, and their two threads.

    Args:
        source: Where phrases come from; used by the generator thread alone once started.
        port: Where messages go; closed by whoever opened it, after :meth:`stop`.
        settings: Marks of the buffer, scheduling policy.
        clock: Time.
        table: What sounds; the daemon's outlives a crash.
        tend: Looks after a port of several outputs; called by the scheduler at each turn.
        greeting: What synths are told, which the port shares; None takes the source's.
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
    ) -> None:
        self._source, self._port, self._clock = source, port, clock
        self._marks = settings.buffer
        self._buffer = RollingBuffer(self._marks.low_seconds, self._marks.high_seconds)
        answering = source.answering
        self._scheduler = Scheduler(
            self._buffer,
            port,
            clock,
            settings.scheduler,
            message_spacing_ms=settings.port.message_spacing_ms,
            table=table,
            synth=settings.synth,
            send_bpm=_tempo_sent(settings, beat_of(source.generator)),
            tend=tend,
            bar_beats=None if answering is None else answering.bar_beats,
            watch=None if answering is None else answering.see,
            greeting=source.greeting if greeting is None else greeting,
        )
        self._silent = False
        self._volumes = list(source.greeting)
        self._governor = CandidateGovernor(source.candidates)
        self._answering = answering
        self._realtime_priority = settings.scheduler.realtime_priority
        self._threads = [
            threading.Thread(target=self._guard, args=(name, stage), name=name, daemon=True)
            for name, stage in (("scheduler", self._scheduler.run), ("generator", self._generate))
        ]
        self._failure: tuple[str, BaseException] | None = None
        self.ended = Wake()
        """Set when a stage has ended, by itself or by an error."""

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler, for pause, panic and its heartbeat."""
        return self._scheduler

    def start(self) -> None:
        """Start the threads; the first note sounds as soon as the first phrase is drawn."""
        self._source.controls.listen(self._obey)
        self._obey(self._source.controls.snapshot())
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the stream and return when nothing sounds any more; a second time does nothing.

        A phrase that is being drawn is given up.

        Raises:
            StreamerError: A stage failed, or the scheduler hangs.
        """
        self._scheduler.stop()
        self._buffer.close()
        if self._answering is not None:
            self._answering.close()
        scheduling, drawing = self._threads
        if scheduling.ident is not None:
            scheduling.join(JOIN_SECONDS)
        give_up_drawing(drawing)
        self._raise_failure()
        if scheduling.is_alive():
            raise StreamerError(
                f"the scheduler did not end within {JOIN_SECONDS:g} s; "
                f"port {self._port.name} may be blocked: restart its MIDI system"
            )

    def figures(self) -> StreamFigures:
        """Return the figures of this moment; any thread."""
        scheduler, buffer = self._scheduler, self._buffer
        return StreamFigures(
            model=self._source.bundle.manifest.name,
            seed=self._source.seed,
            port=self._port.name,
            waiting_for_port=scheduler.waiting_for_port,
            paused=scheduler.paused or scheduler.halted,
            policy=scheduler.policy,
            notes_sent=scheduler.notes_sent,
            late_dropped=scheduler.late_dropped,
            sounding=scheduler.sounding,
            pedal=bool(scheduler.pedals),
            buffer_seconds=buffer.seconds_ahead(),
            underruns=buffer.underruns,
            candidates=self._governor.candidates,
            lateness_ms={
                name: scheduler.lateness.quantile(q) * 1000.0
                for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
            }
            | {"max": scheduler.lateness.max_seconds * 1000.0},
            generation=self._source.generator.stats.to_dict(),
            stalls=scheduler.stalls,
            port_losses=scheduler.port_losses,
            lateness=scheduler.lateness,
            preset=self._source.controls.preset,
            muted=() if self._source.mixer is None else muted(self._source.controls.snapshot()),
        )

    def _generate(self) -> None:
        """Fill the buffer until it is closed; the generator thread."""
        if self._answering is None:
            step_back()
        else:
            # In a hurry before each bar line, idle between them; below the scheduler.
            become_realtime(min(self._realtime_priority, ANSWER_PRIORITY))
        generator, buffer, governor = self._source.generator, self._buffer, self._governor
        notes: int | None = FIRST_PHRASE_NOTES
        while self._wait_for_turn():
            asked = self._source.controls.snapshot().candidates
            governor.set_maximum(asked or self._source.candidates)
            generator.set_candidates(governor.candidates)
            began = self._clock.now()
            time_left = self._answering.seconds_left(began) if self._answering else 0.0
            phrase = self._source.next_phrase(notes)
            took_seconds = self._clock.now() - began
            if buffer.closed:
                return
            buffer.put(phrase)
            if self._answering is None:
                ahead = buffer.seconds_ahead()
                governor.after(took_seconds, phrase.seconds, ahead, buffer.low_seconds)
            elif time_left > 0:
                # Of the half sixteenth before the line three quarters may be used.
                governor.after(took_seconds / (3 * time_left), 1.0, 1.0, 1.0)
            notes = None

    def _wait_for_turn(self) -> bool:
        """Wait until the next phrase is to be drawn; return whether there is to be one."""
        if self._answering is None:
            return self._buffer.wait_for_space()
        return self._answering.wait(self._clock) and not self._buffer.closed

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
        lead = self._marks.high_seconds if controls.lead is None else controls.lead
        self._buffer.set_marks(min(self._marks.low_seconds, LOW_SHARE * lead), lead)
        if controls.pause and not self._scheduler.paused:
            self._scheduler.pause()
        elif self._scheduler.paused and not controls.pause:
            self._scheduler.resume()
        if self._source.mixer is not None:
            self._mix(self._source.mixer, controls)

    def _mix(self, mixer: Mixer, controls: Controls) -> None:
        """Let the tracks of a band be as loud as is asked for, or silent."""
        self._scheduler.mute(mixer.muted(controls))
        volumes = mixer.volumes(controls)
        self._scheduler.tell(one for one in volumes if one not in self._volumes)
        self._volumes = volumes
        silent = not audible(controls)
        if silent and not self._silent:
            logger.warning("all tracks of the band are muted; the music goes on in silence")
        self._silent = silent


def play(
    settings: Settings,
    seconds: float | None = None,
    plain: bool = False,
    clock: Clock | None = None,
    load: Load | None = None,
    learn: str | None = None,
) -> int:
    """Stream until a signal comes, a stage fails, or the time is over; nothing is left sounding.

    Args:
        settings: Everything.
        seconds: Ends by itself after so long; None never.
        plain: Log lines even on a terminal.
        clock: Time; None is the system's.
        load: Reads the settings again at SIGHUP; None lets SIGHUP end the stream.
        learn: The control that the next knob is bound to.

    Returns:
        0 when the time was over, 128 + the number of the signal that ended it.

    Raises:
        StreamerError: Something could not be opened, or a stage failed.
    """
    clock = clock or MonotonicClock()
    keep_flat()
    with ExitStack() as opened:
        # Entered first, and left last: no signal cuts a recording's tail.
        signals = opened.enter_context(Signals())
        upkeep = Upkeep(settings, clock, load)
        opened.callback(upkeep.close)
        # The port first: a name that is wrong is told before the model is loaded.
        owner = input_owner(settings)
        if owner is not None:
            opened.callback(owner.close)
        told = Greeting(greeting(settings.synth))
        port, tend = _open_ports(settings, opened, clock, upkeep.waits_for_port, owner, told)
        echo = EchoFilter(settings.input.echo_seconds)
        if owner is not None:
            port = EchoPort(port, echo, clock)
        source = open_source(settings, upkeep.controls)
        told.clear()
        told.put(source.greeting)
        stream = Stream(source, port, settings, clock, upkeep.table, tend, told)
        upkeep.serve(stream.figures)
        signals.wake_at_end(stream.ended, upkeep.ask_reload if upkeep.reloads else None)
        settle()
        began = clock.now()
        opened.callback(stream.stop)
        if owner is not None:
            opened.enter_context(
                controller(
                    settings,
                    upkeep.controls,
                    stream.scheduler,
                    clock,
                    owner,
                    echo=echo,
                    configured=lambda: upkeep.configured,
                    wait=upkeep.waits_for_port,
                    learn=learn,
                    query=None if source.answering is None else source.answering.hear,
                )
            )
        stream.start()
        view = _make_view(settings, plain, clock)
        opened.callback(view.close)
        opened.enter_context(
            upkeep.supervise(lambda: stream.scheduler.last_advance, stream.figures)
        )
        _watch(stream, view, upkeep, clock, None if seconds is None else began + seconds)
    return 128 + signals.caught[0] if signals.caught else 0


def _watch(stream: Stream, view: View, upkeep: Upkeep, clock: Clock, until: float | None) -> None:
    """Look after the stream until it has ended or the time is over; the main thread."""
    while True:
        now = clock.now()
        if until is not None and now >= until:
            return
        tick = now + TICK_SECONDS
        if clock.wait_until(tick if until is None else min(tick, until), stream.ended):
            return
        upkeep.look()
        view.show(stream.figures)


def _open_ports(
    settings: Settings,
    opened: ExitStack,
    clock: Clock,
    wait: bool,
    owner: MidiOwner | None,
    told: Greeting,
) -> tuple[Port, Callable[[], bool]]:
    """Open the ports, and the recordings beside them; all are closed with ``opened``.

    Returns:
        What the scheduler sends to, and what it is to call at each turn.
    """
    record, sinks = settings.record, list[Port]()
    if record.path is not None:
        sinks.append(MidiFileSink(record.path).start())
        opened.callback(sinks[-1].close)
    if record.folder is not None:
        limit_bytes = int(record.limit_mb * 1e6)
        sinks.append(RotatingSink(record.folder, record.minutes * 60.0, limit_bytes).start())
        opened.callback(sinks[-1].close)
    port, tend = open_outputs(settings.port, clock, told, wait=wait, owner=owner)
    opened.callback(port.close)
    if not sinks:
        return port, tend
    moved = [ChannelPort(sink, settings.port.channel - 1) for sink in sinks]
    return FanOutPort([port], moved), tend


def _tempo_sent(settings: Settings, beat_ms: float | None) -> float | None:
    """Return the tempo of the clock that is sent, in BPM: that of the music, where it has one."""
    if settings.clock.mode != "send":
        return None
    return settings.clock.tempo_bpm if beat_ms is None else 60_000.0 / beat_ms


def _make_view(settings: Settings, plain: bool, clock: Clock) -> View:
    from streamer.display import make_view

    return make_view(settings.log.stats_seconds, plain, clock)

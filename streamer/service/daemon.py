"""``perpetuo play``: wires the stages and keeps them going until a signal, an error or the end.

In: settings. Out: music, and an exit status. Stages are started from the port backwards,
each consumer before its producer. Whatever ends the stream, the scheduler silences everything
before anything else is closed; then the others are, the other way round.

Threads: those of :class:`streamer.service.stream.StreamThreads`; the main thread watches, shows
figures and catches signals.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from streamer.control.controller import controller, input_owner, no_knob
from streamer.errors import BundleError, ConfigError, StreamerError, StreamHangs
from streamer.generators.bookmark import Bookmark
from streamer.live.along import both
from streamer.live.held import HoldingPort
from streamer.live.synth import synth_greeting
from streamer.live.tap import Tap, TappedPort
from streamer.midi.greeting import Greeting
from streamer.pipeline import Source, open_source, refuse_idle_control
from streamer.ports.base import Port
from streamer.ports.delays import Delays
from streamer.ports.echo import EchoFilter
from streamer.ports.opening import open_outputs
from streamer.service.beats import another_beat, refuse_lacking
from streamer.service.display import View, shows_view
from streamer.service.duetguard import objection
from streamer.service.guard import Guard
from streamer.service.learning import KnobLearning
from streamer.service.outside import ports_seen, surfaces, wants_surfaces
from streamer.service.recordings import check_files, recorded
from streamer.service.reload import Load
from streamer.service.showing import shown
from streamer.service.signals import SIGNALS, Signals
from streamer.service.stream import StreamThreads
from streamer.service.upkeep import Upkeep
from streamer.settings.duet import DuetControls
from streamer.settings.settings import Settings
from streamer.system.allocator import keep_flat
from streamer.system.clock import Clock, MonotonicClock
from streamer.system.interrupt import Interrupt
from streamer.system.realtime import settle

if TYPE_CHECKING:
    from streamer.ports.owner import MidiOwner
    from streamer.surfaces.desk import Desk

logger = logging.getLogger(__name__)

NO_PERSON = (
    "--duet plays with a person on an input, and no input is heard (--input off, or nobody hears "
    "the music either); give --input auto, virtual or a port (`perpetuo ports`), or --duet off"
)

TICK_SECONDS = 0.25
"""How often the main thread looks at the stream and shows its figures."""


def play(
    settings: Settings,
    seconds: float | None = None,
    plain: bool = False,
    clock: Clock | None = None,
    load: Load | None = None,
    learn: str | None = None,
    resume: Bookmark | None = None,
) -> int:
    """Stream until a signal comes, a stage fails, or the time is over; nothing is left sounding.

    Args:
        settings: Everything.
        seconds: Ends by itself after so long; None never.
        plain: Log lines even on a terminal.
        clock: Time; None is the system's.
        load: Reads the settings again at SIGHUP; None lets SIGHUP end the stream.
        learn: The control that the next knob is bound to; or ``CONTROL=KNOB``, which binds that.
        resume: A place of another stream to go on from, with its settings; None begins anew.

    Returns:
        0 when the time was over, 128 + the number of the signal that ended it.

    Raises:
        StreamerError: Something could not be opened, or a stage failed.
    """
    clock = clock or MonotonicClock()
    keep_flat()
    signals = Signals()
    wanted = _Wanted(settings, seconds, plain, load, learn, resume)
    try:
        _play(wanted, signals, clock)
    except StreamHangs as error:
        if not signals.caught:
            raise
        logger.error("%s", error)  # noqa: TRY400 - a line, and no trace
    return 128 + signals.caught[0] if signals.caught else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What :func:`play` was asked for."""

    settings: Settings
    seconds: float | None
    plain: bool
    load: Load | None
    learn: str | None
    resume: Bookmark | None


def _play(wanted: _Wanted, signals: Signals, clock: Clock) -> None:
    """Open everything, play, and close everything; see :func:`play`."""
    settings, load = wanted.settings, wanted.load
    with ExitStack() as opened:
        # Entered first, and left last: no signal cuts a recording's tail.
        ending = [number for number in SIGNALS if load is None or number.name != "SIGHUP"]
        guard = opened.enter_context(Guard(ending, settings.port))
        opened.enter_context(signals)
        check_files(settings)
        _refuse_clock(settings)
        upkeep = Upkeep(settings, clock, load, resumes=wanted.resume is not None)
        opened.callback(upkeep.close)
        # The port first: a name that is wrong is told before the model is loaded.
        owner = _input_owner(wanted)
        echo = EchoFilter(settings.input.echo_seconds)
        if owner is not None:
            opened.callback(owner.close)
            owner.sent = lambda message: echo.sent(message, clock.now())
        told = Greeting(synth_greeting(settings.synth))
        port, tend, delays = _outputs(upkeep, clock, told, owner, opened)
        source = _source(wanted, upkeep)
        told.clear()
        told.put(source.greeting)
        port, record = recorded(port, settings, opened)
        held = upkeep.keeping.held
        port = HoldingPort(port, held)
        port, tap = _tapped(port, wanted, clock)

        def silent() -> None:
            guard.silent()
            signals.silent()

        stream = StreamThreads(
            source, port, settings, clock, upkeep.table, tend, told, tap, silent, delays
        )
        upkeep.attach(stream, shelved=wants_surfaces(settings.live))
        opened.callback(upkeep.bundles.close)
        stream.scheduler.along.aside = both(held.add, record)
        upkeep.serve(stream.figures)
        settle()
        began = clock.now()
        knobs = KnobLearning(clock.now)
        desk = cache(partial(_desk, settings, stream, upkeep, clock, tap, owner, knobs))
        _open_outside(wanted, opened, stream, source, upkeep, clock, owner, echo, knobs, desk)
        # From here on signals are noted; while something is opened they end the wait for it.
        signals.wake_at_end(
            stream.ended, upkeep.ask_reload if upkeep.reloads else None, stream.silence
        )
        upkeep.director.look(stream)
        guard.sounding()
        until = None if wanted.seconds is None else began + wanted.seconds
        with _playing(stream):
            every = None if shows_view(wanted.plain) else settings.log.stats_seconds
            view = opened.enter_context(shown(stream, desk, clock, signals, every))
            opened.enter_context(
                upkeep.supervise(lambda: stream.scheduler.last_advance, stream.figures)
            )
            _watch(stream, view, upkeep, clock, until)


def _outputs(
    upkeep: Upkeep, clock: Clock, told: Greeting, owner: MidiOwner | None, opened: ExitStack
) -> tuple[Port, Callable[[], bool], Delays]:
    """Open what is played to; return it, what looks after it, and the outputs that wait."""
    delays = Delays(clock)
    port, tend = open_outputs(
        upkeep.settings.port, clock, told, wait=upkeep.waits_for_port, owner=owner, delays=delays
    )
    opened.callback(port.close)
    return port, tend, delays


def _input_owner(wanted: _Wanted) -> MidiOwner | None:
    """Return the owner of all MIDI ports, or None where no input is wanted.

    Raises:
        ConfigError: What is asked for needs an input, and none is wanted.
        PortError: An input is asked for by name, and python-rtmidi cannot be used.
    """
    owner = input_owner(wanted.settings)
    if owner is None and wanted.learn is not None:
        raise ConfigError([no_knob(wanted.learn)])
    if owner is None and _duet_asked_for(wanted) != "off":
        raise ConfigError([NO_PERSON])
    return owner


def _duet_asked_for(wanted: _Wanted) -> str:
    """Return the duet that an option, the settings file or its scene asks for; a bookmark's not."""
    settings = wanted.settings
    if wanted.resume is not None and "controls.duet" not in settings.asked:
        return "off"
    return settings.controls.of(DuetControls).duet


def _source(wanted: _Wanted, upkeep: Upkeep) -> Source:
    """Load what plays: what was left or is planned, else what is configured."""
    settings, bundles = wanted.settings, upkeep.bundles
    if wanted.resume is not None:
        bundles.begin_as_configured()
    if bundles.first != settings.model:
        try:
            first = replace(settings, model=bundles.first, asked=frozenset())
            return _opened(wanted, first, upkeep)
        except StreamerError as error:
            logger.warning("%s; beginning with bundle %s", error, settings.model.model)
            bundles.begin_as_configured()
    return _opened(wanted, settings, upkeep)


def _opened(wanted: _Wanted, settings: Settings, upkeep: Upkeep) -> Source:
    source = open_source(
        settings=settings,
        controls=upkeep.controls,
        filters=(upkeep.taste,),
        interrupt=Interrupt(),
        resume=wanted.resume,
        shelved=wants_surfaces(settings.live),
    )
    mode = _duet_asked_for(wanted)
    present = upkeep.controls.snapshot().of(DuetControls).duet
    if mode == present and (problem := objection(mode, source)):
        raise BundleError(problem)
    if wanted.learn is not None:
        refuse_idle_control(source.bundle, wanted.learn.partition("=")[0], "--learn")
    return source


def _is_watched(wanted: _Wanted) -> bool:
    """Whether anybody looks at what is written and sent, and may ask for it."""
    return wants_surfaces(wanted.settings.live) or shows_view(wanted.plain)


def _tapped(port: Port, wanted: _Wanted, clock: Clock) -> tuple[Port, Tap | None]:
    """Return the port, and the tap on it where anybody looks at what is written and sent."""
    if not _is_watched(wanted):
        return port, None
    tap = Tap()
    return TappedPort(port, tap, clock.now), tap


def _refuse_clock(settings: Settings) -> None:
    """Refuse a clock that nobody could hear, or that cannot be had (ConfigError)."""
    refuse_lacking(settings.clock)
    asked = "clock.mode" in settings.asked and settings.clock.mode == "send"
    deaf = all(
        name in ("null", "synth") or name.startswith("file:") for name in settings.port.names
    )
    if asked and deaf:
        raise ConfigError(
            [
                "--clock send has nobody who hears it: neither null, synth nor a file takes a "
                "clock; play to a MIDI port (`perpetuo ports`), or leave --clock out"
            ]
        )


def _open_outside(
    wanted: _Wanted,
    opened: ExitStack,
    stream: StreamThreads,
    source: Source,
    upkeep: Upkeep,
    clock: Clock,
    owner: MidiOwner | None,
    echo: EchoFilter,
    knobs: KnobLearning,
    desk: Callable[[], Desk],
) -> None:
    """Open what steers the stream from outside: a MIDI controller and the surfaces."""
    settings, heard = wanted.settings, None
    if owner is not None:
        heard = opened.enter_context(
            controller(
                settings,
                upkeep.controls,
                stream.scheduler,
                clock,
                owner,
                echo=echo,
                configured=lambda: upkeep.configured,
                wait=upkeep.waits_for_port,
                learn=wanted.learn,
                query=None if source.turns is None else source.turns.hear,
                duet=None if stream.partner is None else stream.partner.hear,
                scenes=upkeep.scenes,
            )
        )
    stream.guard.hears = heard is not None
    opened.enter_context(another_beat(settings.clock, stream, clock, settings.port.client_name))
    knobs.bindings = None if heard is None else heard.bindings
    opened.enter_context(surfaces(settings.live, desk))


@contextmanager
def _playing(stream: StreamThreads) -> Iterator[None]:
    """Let a stream play; it is silent before anything that was opened for it is closed."""
    try:
        stream.start()
        yield
    finally:
        stream.stop()


def _desk(
    settings: Settings,
    stream: StreamThreads,
    upkeep: Upkeep,
    clock: Clock,
    tap: Tap | None,
    owner: MidiOwner | None,
    knobs: KnobLearning,
) -> Desk:
    """Return the stream as surfaces see it."""
    from streamer.control.scenes import SceneShelf
    from streamer.service.desk import StreamDesk

    scheduler = stream.scheduler
    return StreamDesk(
        figures=stream.figures,
        controls=upkeep.controls,
        configured=lambda: upkeep.configured,
        scenes=SceneShelf(settings.scenes_folder),
        changer=upkeep.scenes,
        bundles=upkeep.bundles,
        playing=lambda: stream.source,
        plan=upkeep.director.state,
        keeping=upkeep.keeping,
        taste=upkeep.taste,
        place_of=partial(_place, stream),
        record=settings.record,
        tap=tap or Tap(),
        place=lambda: (scheduler.now_ms, scheduler.pace),
        heartbeat=lambda: scheduler.last_advance,
        now=clock.now,
        ports=lambda: ports_seen(owner),
        objection=stream.guard.objection,
        knobs=knobs,
    )


def _place(stream: StreamThreads) -> Bookmark | None:
    """Return the place before the phrase that sounds."""
    shelf = stream.source.shelf
    return None if shelf is None else shelf.at(stream.scheduler.now_ms)


def _watch(
    stream: StreamThreads, view: View, upkeep: Upkeep, clock: Clock, until: float | None
) -> None:
    """Look after the stream until it has ended or the time is over; the main thread."""
    while True:
        now = clock.now()
        if until is not None and now >= until:
            return
        tick = now + TICK_SECONDS
        if clock.wait_until(tick if until is None else min(tick, until), stream.ended):
            return
        upkeep.look()
        upkeep.director.look(stream)
        view.show(stream.figures)

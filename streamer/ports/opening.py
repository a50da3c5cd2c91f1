"""From the name of a port, as a person writes it, to an open port.

======================  ===========================================================
what a user types       what is played to
======================  ===========================================================
``auto``                a hardware output; else DIN, network or Bluetooth through a
                        bridge; a virtual port of our own until there is one; a soft
                        synth or a file where there is no MIDI system at all
``virtual``             a port named Perpetuo that other programs connect to
``jack``, ``jack:NAME`` the same on JACK alone
``NAME``                the output with that name, or a part of it
``synth``               FluidSynth, if it is installed
``file:PATH``           a MIDI file that grows while the stream plays
``null``                nothing
======================  ===========================================================

Channels and an offset may stand behind it (:mod:`streamer.midi.channels`). Several are played to
at once by :func:`open_outputs`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import PortError, RecordingError
from streamer.midi.channels import split_channels
from streamer.ports.base import Port, PortInfo
from streamer.ports.delays import Delays
from streamer.ports.sinks import ChannelPort, FanOutPort, NullPort
from streamer.settings.midi import PortSettings
from streamer.system.clock import Clock
from streamer.system.reading import named_path

if TYPE_CHECKING:
    from streamer.ports.live import Choose, LivePort
    from streamer.ports.owner import MidiOwner

logger = logging.getLogger(__name__)

_NO_MIDI = "play to --port synth, --port file:PATH or --port null instead"


def open_port(
    spec: str,
    settings: PortSettings | None = None,
    *,
    wait: bool = False,
    owner: MidiOwner | None = None,
) -> Port:
    """Open a port.

    Args:
        spec: What the user typed; see the module's text.
        settings: Names, channel, soundfont, how often to look for a port that is gone.
        wait: Return at once for a NAME that is not there; it is opened when it comes.
        owner: The owner thread, where there is one already; closed with a port on a MIDI system.

    Returns:
        A port whose ``epoch`` is above 0, unless ``wait``.

    Raises:
        PortError: There is no such port (the nearest names are offered), it is busy, or the MIDI
            system cannot be used.
        RecordingError: The file of ``file:PATH`` cannot be written.
    """
    return _on_channels(spec, settings or PortSettings(), _Opening(wait, owner))


def open_outputs(
    settings: PortSettings,
    clock: Clock,
    greeting: Iterable[bytes] = (),
    *,
    wait: bool = False,
    owner: MidiOwner | None = None,
    delays: Delays | None = None,
) -> tuple[Port, Callable[[], bool]]:
    """Open all that the settings name.

    Files and ``null`` follow the others: the music waits for what can be heard, not for them.

    Args:
        settings: ``port`` and what belongs to it.
        clock: Time.
        greeting: What each synth is told when it is back while others play on, as it stands then.
        wait: As for :func:`open_port`.
        owner: The same; where there is none yet, one for all of them is made and closed with them.
        delays: Takes the outputs that have an offset, which the scheduler looks after; None leaves
            offsets alone.

    Returns:
        One port for all, and what the scheduler is to call at each turn.

    Raises:
        StreamerError: As for :func:`open_port`; nothing stays open then.
    """
    delays = delays or Delays(clock)
    offsets = dict(zip(settings.specs, settings.offsets, strict=True))
    delays.early_seconds = settings.early_seconds
    if len(settings.specs) == 1:
        spec = settings.specs[0]
        port = open_port(spec, settings, wait=wait, owner=owner)
        return delays.line(port, offsets[spec]), lambda: False
    shared = owner
    with ExitStack() as opened:
        if owner is None and any(map(is_live, settings.names)):
            shared = make_owner(settings)
            opened.callback(shared.close)
        heard, followers, siblings = list[Port](), list[Port](), list["LivePort"]()
        # What is named comes first: ``auto`` takes what is left.
        for spec in sorted(settings.specs, key=lambda spec: split_channels(spec)[0] == "auto"):
            port = _on_channels(spec, settings, _Opening(wait, shared, siblings))
            opened.callback(port.close)
            silent = split_channels(spec)[0].startswith(("file:", "null"))
            if silent:
                followers.append(port)
            else:
                heard.append(delays.line(port, offsets[spec]))
        opened.pop_all()
    from streamer.ports.outputs import Outputs

    if not heard:
        heard, followers = followers, []
    outputs = Outputs(heard, clock, greeting, None if shared is owner else shared)
    return (FanOutPort([outputs], followers) if followers else outputs), outputs.tend


def list_ports(client_name: str = "Perpetuo", owner: MidiOwner | None = None) -> list[PortInfo]:
    """Return what can be played to and from on this machine; a machine without MIDI has few.

    Besides the ports of the MIDI systems it names those that this program brings along; ``jack``
    among them while a JACK server runs, whose name is its address.
    """
    found: list[PortInfo] = []
    try:
        owner = owner or make_owner(PortSettings(client_name=client_name))
    except PortError as error:
        logger.warning("%s", error)
    else:
        try:
            found = [*owner.ports("output"), *owner.ports("input")]
            problems = owner.problems()
            if len(problems) < len(owner.systems):
                found.append(PortInfo("virtual", "output", "builtin", "builtin", client_name))
            if "jack" in owner.systems and "jack" not in problems:
                from streamer.ports.jackwatch import server_name

                # A server that runs may well have no port of its own: play to it all the same.
                found.append(PortInfo("jack", "output", "builtin", "builtin", server_name()))
        finally:
            owner.close()
    if _synth_problem() is None:
        from streamer.ports.fluidsynth import find_fluidsynth

        found.append(PortInfo("synth", "output", "builtin", "builtin", find_fluidsynth()))
    found.append(PortInfo("file:PATH", "output", "builtin", "builtin", ""))
    found.append(PortInfo("null", "output", "builtin", "builtin", ""))
    return found


def midi_problems() -> dict[str, str]:
    """Return why each MIDI system that cannot be used cannot, with the remedy; empty is well."""
    try:
        owner = make_owner(PortSettings())
    except PortError as error:
        return {"rtmidi": str(error)}
    try:
        return owner.problems()
    finally:
        owner.close()


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a port is opened.

    Attributes:
        wait: Whether a port that is not there is waited for.
        owner: The owner thread, where there is one already.
        siblings: The live ports that play the same, which share the owner; None where it is alone,
            and its owner ends with it.
    """

    wait: bool
    owner: MidiOwner | None
    siblings: list[LivePort] | None = None


def _on_channels(spec: str, settings: PortSettings, opening: _Opening) -> Port:
    """Open what is written of one port, channels and all."""
    try:
        name, channels = split_channels(spec)
    except ValueError as error:
        raise PortError(f"port {spec!r}: {error}") from error
    port = _open(name, settings, opening)
    if channels is not None:
        return ChannelPort(port, channels)
    return ChannelPort(port, settings.channel - 1) if settings.channel > 1 else port


def is_live(name: str) -> bool:
    """Whether a port is one of a MIDI system's."""
    return name not in ("null", "synth") and not name.startswith("file:")


def _open(spec: str, settings: PortSettings, opening: _Opening) -> Port:
    if spec == "null":
        return NullPort()
    if spec == "synth":
        from streamer.ports.fluidsynth import SynthPort

        return SynthPort(settings.soundfont)
    if spec.startswith("file:"):
        path = spec.removeprefix("file:")
        if not path:
            raise RecordingError("file: needs a path, such as file:take.mid")
        from streamer.ports.recorder import MidiFileSink

        return MidiFileSink(named_path(path)).start()
    try:
        owner = opening.owner or make_owner(settings)
    except PortError as error:
        if spec != "auto":
            raise
        return _without_midi(str(error), settings)
    try:
        return _open_live(spec, settings, replace(opening, owner=owner), owner)
    except BaseException:
        if opening.siblings is None:
            owner.close()
        raise


def make_owner(settings: PortSettings) -> MidiOwner:
    """Return the owner of this process's MIDI ports; there is to be one.

    Raises:
        PortError: python-rtmidi is not there, or does not load.
    """
    from streamer.ports.backends import make_backends
    from streamer.ports.owner import MidiOwner

    return MidiOwner(make_backends(settings.client_name), settings.reconnect_seconds)


def _open_live(spec: str, settings: PortSettings, opening: _Opening, owner: MidiOwner) -> Port:
    """Open what lies on a MIDI system."""
    from streamer.ports.backends import why_no_jack
    from streamer.ports.live import LivePort
    from streamer.ports.names import nearest

    problems = owner.problems()
    wait, siblings = opening.wait, opening.siblings
    usable = [system for system in owner.systems if system not in problems]
    on_jack = spec == "jack" or spec.startswith("jack:")
    if on_jack:
        # A server may come later; what this installation lacks does not.
        if "jack" not in usable and ("jack" not in owner.systems or not wait):
            problem = problems.get("jack") or why_no_jack() or "it is not among the MIDI systems"
            raise PortError(f"JACK cannot be used: {problem}; {_NO_MIDI}")
        usable, spec = [s for s in usable if s == "jack"], spec.partition(":")[2] or "virtual"
    elif not usable and not wait:
        text = "no MIDI system can be used: " + "; ".join(problems.values())
        if spec == "auto":
            if siblings is None:
                owner.close()
            return _without_midi(text, settings)
        raise PortError(f"{text}; {_NO_MIDI}")
    # A service may start before its MIDI system, and what has a name may come on any.
    known = ["jack"] if on_jack else list(owner.systems)
    systems = usable[:1] or known if spec in ("virtual", "auto") else known
    port = LivePort(
        owner, _chooser(spec, systems, owner, settings, siblings), spec, owns=siblings is None
    )
    if siblings is not None:
        siblings.append(port)
    owner.watch(port)
    if port.epoch:
        return port
    text = f"there is no port '{spec}'; " + nearest(
        spec, [output for output in owner.ports("output") if output.system in known]
    )
    if not wait:
        raise PortError(port.complaint or text)
    if not usable:
        reasons = [problem for system, problem in problems.items() if system in known]
        text = "no MIDI system can be used yet: " + "; ".join(reasons)
    if not usable or port.complaint is None:  # else it has been said
        logger.warning("waiting for port '%s': %s", spec, text)
    return port


def _chooser(
    spec: str,
    systems: Sequence[str],
    owner: MidiOwner,
    settings: PortSettings,
    siblings: Sequence[LivePort] | None,
) -> Choose:
    """Return what picks the port that the user means.

    Args:
        spec: ``auto``, ``virtual``, or a name.
        systems: Where a name may be; or where our own port is to be, the preferred one first of
            those that are waited for.
        owner: Knows which of them can be used by then.
        settings: What ``auto`` may take.
        siblings: Ports that play the same: what one of them has, ``auto`` leaves to it.
    """
    from streamer.ports.live import virtual_port

    def own() -> PortInfo:
        there = systems
        if len(systems) > 1:
            problems = owner.problems()
            there = [system for system in systems if system not in problems] or systems
        return virtual_port(there[0], settings.client_name)

    if spec == "virtual":
        return lambda outputs: own()
    if spec != "auto":
        return partial(_choose_by_name, spec, tuple(systems))
    from streamer.ports.names import AutoRules, choose_automatically

    rules = AutoRules(settings.client_name, settings.allow, settings.deny)

    def choose(outputs: Sequence[PortInfo]) -> PortInfo | None:
        # The list grows while they are opened, and the last of it may be the very one that asks.
        taken = [port.current for port in siblings or () if port.choose is not choose]
        free = [output for output in outputs if output not in taken]
        return choose_automatically(free, rules) or own()

    return choose


def _choose_by_name(
    wanted: str, systems: tuple[str, ...], outputs: Sequence[PortInfo]
) -> PortInfo | None:
    from streamer.ports.names import match

    return match(wanted, [output for output in outputs if output.system in systems])


def _synth_problem() -> str | None:
    """Return why ``synth`` cannot be played to, or None."""
    from streamer.ports.fluidsynth import find_fluidsynth, find_soundfont

    try:
        find_fluidsynth()
        find_soundfont()
    except PortError as error:
        return str(error)
    return None


def _can_sound() -> bool:
    """Whether there is something that a soft synth can be heard through."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"))
    return any(Path("/dev/snd").glob("pcm*p")) or any(
        (runtime / name).exists() for name in ("pipewire-0", "pulse/native")
    )


def _without_midi(problem: str, settings: PortSettings) -> Port:
    """Open what a machine without MIDI can play to: a soft synth that is heard, or a file."""
    from streamer.ports.recorder import MidiFileSink

    if _synth_problem() is None and _can_sound():
        from streamer.ports.fluidsynth import SynthPort

        try:
            port = SynthPort(settings.soundfont)
        except PortError as error:
            problem = f"{problem}; {error}"
        else:
            logger.warning("%s; playing to FluidSynth (--port synth)", problem)
            return port
    path = Path(time.strftime("perpetuo-%Y%m%d-%H%M%S.mid"))
    sink = MidiFileSink(path).start()
    logger.warning("%s; playing to the file %s; with --web a page plays it", problem, path)
    return sink

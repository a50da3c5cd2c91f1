"""Ports: where the notes go. In: a port as the user calls it. Out: an open port.

======================  ===========================================================
what a user types       what is played to
======================  ===========================================================
``auto``                a hardware output; a virtual port of our own until there is one;
                        a soft synth or a file where there is no MIDI system at all
``virtual``             a port named Perpetuo that other programs connect to
``jack``, ``jack:NAME`` the same on JACK alone
``NAME``                the output with that name, or a part of it
``synth``               FluidSynth, if it is installed
``file:PATH``           a MIDI file that grows while the stream plays
``null``                nothing
======================  ===========================================================
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from streamer.errors import PortError, RecordingError
from streamer.ports.backends import make_backends
from streamer.ports.base import Port, PortInfo, PortLost
from streamer.ports.live import Choose, LivePort, virtual_port
from streamer.ports.names import choose_automatically, match, nearest
from streamer.ports.owner import MidiOwner
from streamer.ports.sinks import ChannelPort, FanOutPort, NullPort
from streamer.ports.synth import SynthPort, find_fluidsynth, find_soundfont
from streamer.recorder import MidiFileSink
from streamer.settings import PortSettings

__all__ = [
    "ChannelPort",
    "FanOutPort",
    "LivePort",
    "NullPort",
    "Port",
    "PortInfo",
    "PortLost",
    "SynthPort",
    "list_ports",
    "make_owner",
    "midi_problems",
    "open_port",
]

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
    settings = settings or PortSettings()
    port = _open(spec.strip(), settings, wait, owner)
    return ChannelPort(port, settings.channel - 1) if settings.channel > 1 else port


def list_ports(client_name: str = "Perpetuo", owner: MidiOwner | None = None) -> list[PortInfo]:
    """Return what can be played to and from on this machine; a machine without MIDI has few.

    Besides the ports of the MIDI systems it names those that this program brings along.
    """
    found: list[PortInfo] = []
    try:
        owner = owner or make_owner(PortSettings(client_name=client_name))
    except PortError as error:
        logger.warning("%s", error)
    else:
        try:
            found = [*owner.ports("output"), *owner.ports("input")]
            if len(owner.problems()) < len(owner.systems):
                found.append(PortInfo("virtual", "output", "builtin", "builtin", client_name))
        finally:
            owner.close()
    if _synth_problem() is None:
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


def _open(spec: str, settings: PortSettings, wait: bool, owner: MidiOwner | None) -> Port:
    if spec == "null":
        return NullPort()
    if spec == "synth":
        return SynthPort(settings.soundfont)
    if spec.startswith("file:"):
        path = spec.removeprefix("file:")
        if not path:
            raise RecordingError("file: needs a path, such as file:take.mid")
        return MidiFileSink(Path(path).expanduser()).start()
    try:
        owner = owner or make_owner(settings)
    except PortError as error:
        if spec != "auto":
            raise
        return _without_midi(str(error), settings)
    try:
        return _open_live(spec, settings, wait, owner)
    except BaseException:
        owner.close()
        raise


def make_owner(settings: PortSettings) -> MidiOwner:
    """Return the owner of this process's MIDI ports; there is to be one.

    Raises:
        PortError: python-rtmidi is not there, or does not load.
    """
    return MidiOwner(make_backends(settings.client_name), settings.reconnect_seconds)


def _open_live(spec: str, settings: PortSettings, wait: bool, owner: MidiOwner) -> Port:
    """Open what lies on a MIDI system."""
    problems = owner.problems()
    usable = [system for system in owner.systems if system not in problems]
    if spec == "jack" or spec.startswith("jack:"):
        if "jack" not in usable and not wait:
            problem = problems.get("jack", "this python-rtmidi was built without JACK")
            raise PortError(f"JACK cannot be used: {problem}; {_NO_MIDI}")
        usable, spec = ["jack"], spec.partition(":")[2] or "virtual"
    elif not usable and not wait:
        text = "no MIDI system can be used: " + "; ".join(problems.values())
        if spec == "auto":
            owner.close()
            return _without_midi(text, settings)
        raise PortError(f"{text}; {_NO_MIDI}")
    # A service may start before its MIDI system: the first that this build knows is waited for.
    usable = usable or list(owner.systems[:1])
    port = LivePort(owner, _chooser(spec, usable, settings.client_name), spec)
    owner.watch(port)
    if not port.epoch and not wait:
        if port.complaint:
            raise PortError(port.complaint)
        there = [o for o in owner.ports("output") if o.system in usable]
        raise PortError(f"there is no port '{spec}'; {nearest(spec, there)}")
    return port


def _chooser(spec: str, systems: Sequence[str], client_name: str) -> Choose:
    """Return what picks the port that the user means."""
    own = virtual_port(systems[0], client_name)
    if spec == "virtual":
        return lambda outputs: own
    if spec == "auto":
        return lambda outputs: choose_automatically(outputs, client_name) or own
    return partial(_choose_by_name, spec, tuple(systems))


def _choose_by_name(
    wanted: str, systems: tuple[str, ...], outputs: Sequence[PortInfo]
) -> PortInfo | None:
    return match(wanted, [output for output in outputs if output.system in systems])


def _synth_problem() -> str | None:
    """Return why ``synth`` cannot be played to, or None."""
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
    if _synth_problem() is None and _can_sound():
        logger.warning("%s; playing to FluidSynth (--port synth)", problem)
        return SynthPort(settings.soundfont)
    path = Path(time.strftime("perpetuo-%Y%m%d-%H%M%S.mid"))
    sink = MidiFileSink(path).start()
    logger.warning("%s; playing to the file %s", problem, path)
    return sink

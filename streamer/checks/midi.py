"""What of MIDI would keep this machine from playing: systems, outputs, the input, the clock.

In: the settings. Out: findings with their remedies. Ports are listed and none is opened; FluidSynth
is started where it is to play, and sounds nothing.
"""

from __future__ import annotations

from pathlib import Path

from streamer.checks.finding import Finding
from streamer.control.controller import wants_input
from streamer.control.link import library
from streamer.control.transport import libjack
from streamer.errors import ConfigError, PortError
from streamer.ports import backends
from streamer.ports.base import PortInfo
from streamer.ports.fluidsynth import find_fluidsynth, find_soundfont, probe_synth
from streamer.ports.jackwatch import server_name
from streamer.ports.names import AutoRules, choose_automatically, match, nearest
from streamer.ports.opening import list_ports, midi_problems
from streamer.settings.midi import ClockSettings, PortSettings
from streamer.settings.settings import Settings
from streamer.system.atomic import problem_with
from streamer.system.reading import named_path

_ELSE = "play to synth or file:PATH"

SYSTEM_NAMES = {"alsa": "ALSA", "jack": "JACK", "rtmidi": "MIDI"}


def check_systems(settings: Settings) -> list[Finding]:
    """Each MIDI system can be used by this user, or why it cannot.

    A system that is not there is noted; one that is there and shut to us is a failure where a port
    of it is wanted.
    """
    problems, ports = midi_problems(), list_ports()
    wanted = any(map(_is_live, settings.port.names))
    found = []
    jack = next((port for port in ports if (port.name, port.kind) == ("jack", "builtin")), None)
    runs = () if jack is None else ("jack",)
    for system in dict.fromkeys((*_systems(ports), *runs, *problems)):
        name = SYSTEM_NAMES.get(system, system)
        if system in problems:
            shut = system == "alsa" and backends.ALSA_SEQUENCER.exists()
            found.append(Finding(name, "fail" if wanted and shut else "note", problems[system]))
        else:
            ways = [port.direction for port in ports if port.system == system]
            text = f"outputs: {ways.count('output')}, inputs: {ways.count('input')}"
            if system == "jack" and jack is not None:
                text = f"server {jack.address}, {text}"
            found.append(Finding(name, "ok", text))
    if not found:
        usable = _has_system(ports)
        text = "ports can be opened; none is there" if usable else "no MIDI system is known here"
        found.append(Finding("MIDI", "ok" if usable else "note", text))
    return found


def check_ports(settings: Settings) -> list[Finding]:
    """Each port that is played to is there."""
    return [check_port(settings, name) for name in settings.port.names]


def check_port(settings: Settings, wanted: str | None = None) -> Finding:
    """What a port stands for is there.

    Args:
        settings: ``port`` is looked at.
        wanted: One of its names, without channels; None is the first.
    """
    wanted = settings.port.names[0] if wanted is None else wanted
    word, _, rest = wanted.partition(":")
    if wanted == "null":
        return Finding("port", "ok", "plays to nobody")
    if word == "file":
        return check_target("port", named_path(rest))
    if wanted == "synth":
        return _check_synth(settings.port.soundfont)
    ports = list_ports()
    if word == "jack":
        problem = midi_problems().get("jack")
        if problem is not None:
            return Finding("port", "fail", f"JACK cannot be used: {problem}; start it, or {_ELSE}")
        lacking = None if any(p.system == "jack" for p in ports) else backends.why_no_jack()
        if lacking is not None:
            return Finding("port", "fail", f"JACK cannot be used: {lacking}; or {_ELSE}")
        wanted = rest or "virtual"
        ports = [port for port in ports if port.system in ("jack", "builtin")]
    if wanted == "virtual":
        if _has_system(ports):
            return Finding("port", "ok", f"a port of our own, {settings.port.client_name}")
        return Finding("port", "fail", f"no live ports: {_ELSE}")
    return _check_live_port(wanted, settings.port, ports)


def check_input(settings: Settings) -> Finding:
    """What controller is heard."""
    wanted, client_name = settings.input.port, settings.port.client_name
    if not wants_input(settings):
        return Finding("input", "ok", "no controller is heard")
    ports = list_ports()
    if not _has_system(ports):
        must = wanted != "auto" or settings.clock.mode == "follow"
        text = "no controller can be heard: no MIDI system can be used"
        return Finding("input", "fail" if must else "note", text)
    inputs = [port for port in ports if port.direction == "input" and port.kind != "builtin"]
    own = f"a port of our own, {client_name} in"
    if wanted == "virtual":
        return Finding("input", "ok", own)
    if wanted == "auto":
        rules = AutoRules(client_name, settings.input.allow, settings.input.deny)
        chosen = choose_automatically(inputs, rules)
        return Finding("input", "ok", own if chosen is None else _shown(chosen))
    chosen = match(wanted, inputs)
    if chosen is None:
        hint = nearest(wanted, inputs, "input")
        return Finding("input", "note", f"'{wanted}' is not there and is waited for; {hint}")
    return Finding("input", "ok", _shown(chosen))


def check_midi_clock(settings: Settings, heard: Finding) -> Finding:
    """Whose beat it is.

    Args:
        settings: ``clock`` and ``port`` are looked at.
        heard: What :func:`check_input` found.
    """
    clock = settings.clock
    if clock.mode == "internal":
        return Finding("MIDI clock", "ok", "internal: none is sent and none is followed")
    if clock.mode == "send":
        if any(map(_is_live, settings.port.names)):
            return Finding("MIDI clock", "ok", f"sent, {clock.tempo_bpm:g} BPM")
        text = "nobody hears the clock that is sent: neither synth, file nor null takes it"
        return Finding("MIDI clock", "note", text)
    if clock.mode in ("link", "jack"):
        return _check_other_beat(clock)
    if heard.level == "fail":
        text = "there is no MIDI clock to follow; mend the input, or play with --clock internal"
        return Finding("MIDI clock", "fail", text)
    return Finding("MIDI clock", heard.level, f"followed from {heard.text}")


def _check_other_beat(clock: ClockSettings) -> Finding:
    try:
        if clock.mode == "link":
            library()
            return Finding("MIDI clock", "ok", f"Ableton Link, bars of {clock.link_quantum} beats")
        libjack()
    except ConfigError as error:
        return Finding("MIDI clock", "fail", str(error))
    return Finding("MIDI clock", "ok", f"the transport of JACK server {server_name()}")


def check_target(what: str, path: Path) -> Finding:
    """Whether a file can be written there."""
    problem = problem_with(path)
    if problem is not None:
        return Finding(what, "fail", f"{path}: {problem}")
    return Finding(what, "ok", str(path))


def _check_synth(wanted: Path | None) -> Finding:
    try:
        find_fluidsynth()
        soundfont = find_soundfont(wanted)
        probe_synth(soundfont)
    except PortError as error:
        return Finding("port", "fail", str(error))
    return Finding("port", "ok", f"FluidSynth with {soundfont}")


def _check_live_port(wanted: str, settings: PortSettings, ports: list[PortInfo]) -> Finding:
    live = [port for port in ports if port.direction == "output" and port.kind != "builtin"]
    if wanted == "auto":
        rules = AutoRules(settings.client_name, settings.allow, settings.deny)
        chosen = choose_automatically(live, rules)
        if chosen is None:
            there = (
                "allowed"
                if choose_automatically(live, AutoRules(settings.client_name))
                else "connected"
            )
            text = f"no hardware output is {there}: a port of our own, a soft synth or a file"
            return Finding("port", "note", f"{text} instead")
    else:
        chosen = match(wanted, live)
    if chosen is None:
        return Finding("port", "fail", f"there is no port '{wanted}'; {nearest(wanted, live)}")
    return Finding("port", "ok", _shown(chosen))


def _shown(port: PortInfo) -> str:
    return f"{port.name} ({port.system})"


def _is_live(name: str) -> bool:
    """Whether a port is one of a MIDI system's."""
    return name not in ("null", "synth") and not name.startswith("file:")


def _systems(ports: list[PortInfo]) -> list[str]:
    return [port.system for port in ports if port.system != "builtin"]


def _has_system(ports: list[PortInfo]) -> bool:
    """Whether a port of our own can be opened."""
    return any(port.name == "virtual" for port in ports)

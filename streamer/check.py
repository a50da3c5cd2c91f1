"""What would keep this machine from playing: findings with their remedies.

In: the settings file and options of ``perpetuo check``. Out: a list of :class:`Finding`, one for
each thing looked at, in the order in which playing needs them. Nothing is changed and no note is
sent. Called by ``streamer.verbs.check``.
"""

from __future__ import annotations

import logging
import os
import platform
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from streamer import realtime
from streamer.errors import BundleError, ConfigError, PortError
from streamer.midisettings import PortSettings
from streamer.ports import list_ports, midi_problems
from streamer.ports.names import AutoRules, choose_automatically, match, nearest
from streamer.ports.synth import find_fluidsynth, find_soundfont
from streamer.settings import Settings, default_config_path, load_settings

Level = Literal["ok", "note", "fail"]
LABELS: dict[str, str] = {"ok": "ok", "note": "note", "fail": "FAIL"}

CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies")
COARSE_CLOCK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name, a word or two.
        level: ``ok``; ``note`` for what plays on but less well; ``fail`` for what does not play.
        text: What was found and, unless ok, the remedy.
    """

    what: str
    level: Level
    text: str


def check_all(config: Path | None, overrides: Mapping[str, Any]) -> list[Finding]:
    """Look at everything that playing needs.

    Args:
        config: As in :func:`streamer.settings.load_settings`.
        overrides: The same.
    """
    findings = [check_system()]
    try:
        settings = load_settings(config, overrides)
        path = config or default_config_path()
        findings.append(Finding("settings", "ok", str(path) if path.exists() else "the defaults"))
    except ConfigError as error:
        findings.extend(Finding("settings", "fail", problem) for problem in error.problems)
        settings = _options_alone(overrides)
    findings.append(check_engine())
    findings.append(check_bundle(settings))
    findings.append(check_midi_system())
    findings.extend(check_ports(settings))
    findings.append(check_record(settings))
    findings.append(check_clock())
    findings.append(check_realtime(settings.scheduler.realtime_priority))
    return findings


def _options_alone(overrides: Mapping[str, Any]) -> Settings:
    """Return the settings without the file, whose mistakes are reported already."""
    try:
        return load_settings(Path(os.devnull), overrides)
    except ConfigError:
        return Settings()


def check_system() -> Finding:
    """64 bits and a Python that is new enough."""
    what = f"Python {platform.python_version()} on {platform.machine()}"
    if struct.calcsize("P") != 8:
        return Finding("system", "fail", f"{what}: 32 bits; install a 64-bit system")
    return Finding("system", "ok", what)


def check_engine() -> Finding:
    """ONNX Runtime is there and is not the version that crashes on the Pi 4."""
    try:
        found = version("onnxruntime")
    except PackageNotFoundError:
        try:
            found = version("onnxruntime-gpu")
        except PackageNotFoundError:
            return Finding("engine", "fail", "no onnxruntime: pip install onnxruntime")
    if found.startswith("1.21.0"):
        text = f"onnxruntime {found} crashes on the Pi 4: pip install 'onnxruntime>=1.22'"
        return Finding("engine", "fail", text)
    return Finding("engine", "ok", f"onnxruntime {found}")


def check_bundle(settings: Settings) -> Finding:
    """The bundle that would play passes every check of loading."""
    from streamer.bundle import resolve_bundle

    try:
        bundle = resolve_bundle(settings.model.model, settings.model.bundle_paths)
    except BundleError as error:
        return Finding("bundle", "fail", str(error))
    manifest = bundle.manifest
    text = (
        f"{manifest.name} ({manifest.family}, {bundle.size_bytes / 1e6:.1f} MB, {manifest.licence})"
    )
    return Finding("bundle", "ok", text)


def check_midi_system() -> Finding:
    """A MIDI system of this machine can be used by this user."""
    usable = any(port.name == "virtual" for port in list_ports())
    problems = midi_problems()
    if usable:
        return Finding("MIDI", "ok", "ports can be opened" + _listed(problems, "; not used: "))
    return Finding("MIDI", "note", "no live ports" + _listed(problems, ": "))


def _listed(problems: Mapping[str, str], before: str) -> str:
    return before + "; ".join(problems.values()) if problems else ""


def check_ports(settings: Settings) -> list[Finding]:
    """Each port that is played to."""
    return [check_port(settings, name) for name in settings.port.names]


def check_port(settings: Settings, wanted: str | None = None) -> Finding:
    """What the port stands for is there; None is the first."""
    wanted = settings.port.names[0] if wanted is None else wanted
    word, _, rest = wanted.partition(":")
    if wanted == "null":
        return Finding("port", "ok", "plays to nobody")
    if wanted == "virtual" or word == "jack":
        usable = any(port.name == "virtual" for port in list_ports())
        text = "a port of our own" if usable else "no live ports: play to synth or file:PATH"
        return Finding("port", "ok" if usable else "fail", text)
    if word == "file":
        return _check_target("port", Path(rest))
    if wanted == "synth":
        try:
            find_fluidsynth()
            soundfont = find_soundfont(settings.port.soundfont)
        except PortError as error:
            return Finding("port", "fail", str(error))
        return Finding("port", "ok", f"FluidSynth with {soundfont}")
    return _check_live_port(wanted, settings.port)


def _check_live_port(wanted: str, settings: PortSettings) -> Finding:
    outputs = [port for port in list_ports() if port.direction == "output"]
    live = [port for port in outputs if port.kind != "builtin"]
    if wanted == "auto":
        rules = AutoRules(settings.client_name, settings.allow, settings.deny)
        chosen = choose_automatically(live, rules)
        if chosen is None:
            text = "no hardware output is connected: a virtual port, a soft synth or a file instead"
            return Finding("port", "note", text)
    else:
        chosen = match(wanted, live)
    if chosen is None:
        return Finding("port", "fail", f"there is no port '{wanted}'; {nearest(wanted, live)}")
    return Finding("port", "ok", f"{chosen.name} ({chosen.system})")


def check_record(settings: Settings) -> Finding:
    """The recording can be written."""
    path, folder = settings.record.path, settings.record.folder
    if path is not None:
        target = _check_target("recording", path)
        if folder is None or target.level == "fail":
            return target
    if folder is None:
        return Finding("recording", "ok", "none asked for")
    there = next(f for f in (folder, *folder.absolute().parents) if f.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding("recording", "fail", f"{there} may not be written; choose another folder")
    return Finding("recording", "ok", str(folder))


def _check_target(what: str, path: Path) -> Finding:
    """Whether a file can be written there."""
    folder = path.parent
    if not folder.is_dir():
        return Finding(what, "fail", f"{folder} is no folder: mkdir -p {folder}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        return Finding(what, "fail", f"{path} may not be written; choose another file")
    return Finding(what, "ok", str(path))


def check_clock() -> Finding:
    """The monotonic clock is fine enough and cheap to read."""
    resolution = time.get_clock_info("monotonic").resolution
    try:
        source = CLOCK_SOURCE.read_text(encoding="ascii").strip()
    except OSError:
        source = platform.system()
    text = f"{source}, resolution {resolution * 1e9:.0f} ns"
    if resolution > COARSE_CLOCK_SECONDS or source in SLOW_CLOCKS:
        return Finding("clock", "note", f"{text}: coarse; notes may be a little late")
    return Finding("clock", "ok", text)


def check_realtime(priority: int) -> Finding:
    """A thread of this user may have real-time priority; tried in a thread that ends at once."""
    if priority == 0:
        return Finding("real time", "ok", "not asked for")
    policies: list[str] = []
    level = realtime.logger.level
    realtime.logger.setLevel(logging.ERROR)  # its warning is this finding
    try:
        thread = threading.Thread(
            target=lambda: policies.append(realtime.become_realtime(priority))
        )
        thread.start()
        thread.join()
    finally:
        realtime.logger.setLevel(level)
    if policies == [f"SCHED_FIFO {priority}"]:
        return Finding("real time", "ok", policies[0])
    remedy = f"'@audio - rtprio {priority}' in /etc/security/limits.d/audio.conf, then log in again"
    return Finding("real time", "note", f"no SCHED_FIFO {priority}, notes may be late: {remedy}")

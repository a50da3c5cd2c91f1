"""What would keep this machine from playing: findings with their remedies.

In: the settings file and options of ``perpetuo check``. Out: a list of :class:`Finding`, one for
each thing looked at, in the order in which playing needs them. Nothing is changed and no note is
sent.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
import threading
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streamer.checks.finding import Finding
from streamer.checks.midi import (
    check_input,
    check_midi_clock,
    check_ports,
    check_systems,
    check_target,
)
from streamer.checks.trial import engine_problem
from streamer.errors import BundleError, ConfigError
from streamer.scenes import list_scenes
from streamer.settings.reading import load_settings, scene_values
from streamer.settings.settings import Settings
from streamer.system import realtime
from streamer.system.folders import default_config_path
from streamer.system.installing import how_to_install

CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies")
COARSE_CLOCK_SECONDS = 0.001


def check_all(config: Path | None, overrides: Mapping[str, Any]) -> list[Finding]:
    """Look at everything that playing needs.

    Args:
        config: As in :func:`streamer.settings.reading.load_settings`.
        overrides: The same.
    """
    findings = [check_system()]
    try:
        settings = load_settings(config, overrides)
        path = config or default_config_path()
        # os.path: in a folder that we may not enter Path.exists raises.
        there = str(path) if os.path.exists(path) else "the defaults"
        findings.append(Finding("settings", "ok", there))
    except ConfigError as error:
        findings.extend(Finding("settings", "fail", problem) for problem in error.problems)
        settings = _options_alone(overrides)
    findings.extend(check_scenes(settings))
    findings.append(check_engine(settings))
    findings.append(check_bundle(settings))
    findings.extend(check_systems(settings))
    findings.extend(check_ports(settings))
    heard = check_input(settings)
    findings += [heard, check_midi_clock(settings, heard)]
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


def check_scenes(settings: Settings) -> list[Finding]:
    """A person's own scenes that cannot be chosen; none where all can."""
    scenes, problems = list_scenes(settings.scenes_folder)
    for scene in scenes:
        try:
            scene_values(scene)
        except ConfigError as error:
            problems += error.problems
    return [Finding("scenes", "note", f"left out: {problem}") for problem in problems]


def check_engine(settings: Settings) -> Finding:
    """ONNX Runtime is there, can be loaded, and runs one step of the bundle that would play."""
    try:
        found = version("onnxruntime")
    except PackageNotFoundError:
        try:
            found = version("onnxruntime-gpu")
        except PackageNotFoundError:
            return Finding("engine", "fail", f"no onnxruntime: {how_to_install('onnxruntime')}")
    if found.startswith("1.21.0"):
        text = f"onnxruntime {found} crashes on the Pi 4: {how_to_install('onnxruntime>=1.22')}"
        return Finding("engine", "fail", text)
    problem = engine_problem(settings.model.provider, _usable_bundle(settings), found)
    if problem is not None:
        return Finding("engine", "fail", f"onnxruntime {found}: {problem}")
    return Finding("engine", "ok", f"onnxruntime {found}")


def _usable_bundle(settings: Settings) -> Path | None:
    """Return the bundle that would play; None where none can, which is a finding of its own."""
    from streamer.bundle.bundle import load_bundle

    try:
        return load_bundle(settings.model.model, settings.model.bundle_paths).path
    except BundleError:
        return None


def check_bundle(settings: Settings) -> Finding:
    """The bundle that would play passes every check of loading."""
    from streamer.bundle.bundle import load_bundle

    try:
        bundle = load_bundle(settings.model.model, settings.model.bundle_paths)
    except BundleError as error:
        return Finding("bundle", "fail", str(error))
    manifest = bundle.manifest
    text = (
        f"{manifest.name} ({manifest.family}, {bundle.size_bytes / 1e6:.1f} MB, {manifest.licence})"
    )
    return Finding("bundle", "ok", text)


def check_record(settings: Settings) -> Finding:
    """The recording can be written."""
    path, folder = settings.record.path, settings.record.folder
    if path is not None:
        target = check_target("recording", path)
        if folder is None or target.level == "fail":
            return target
    if folder is None:
        return Finding("recording", "ok", "none asked for")
    there = next(f for f in (folder, *folder.absolute().parents) if os.path.exists(f))
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding("recording", "fail", f"{there} may not be written; choose another folder")
    return Finding("recording", "ok", str(folder))


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

    def attempt() -> None:
        with contextlib.suppress(OSError):
            policies.append(realtime.take_priority(priority))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    if policies:
        return Finding("real time", "ok", policies[0])
    remedy = f"'@audio - rtprio {priority}' in /etc/security/limits.d/audio.conf, then log in again"
    return Finding("real time", "note", f"no SCHED_FIFO {priority}, notes may be late: {remedy}")

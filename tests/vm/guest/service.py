"""The service under a systemd that is the first process: installed, started, hung, killed, stopped.

The instrument hears it through a USB cable and lives through all of it, so that what one life of
the service leaves sounding must be ended by the next. Installed and removed by ``install.sh``, with
the unit as it is: DynamicUser and every wall around ONNX Runtime.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from machine import (
    INSTRUMENT,
    SYNTH,
    TINY,
    Cable,
    Receiver,
    Report,
    run,
    say,
    tracebacks,
    wait_for,
)

SOURCE = Path("/opt/perpetuo-source")
CONFIG = Path("/etc/perpetuo/perpetuo.toml")
SETTINGS = f"""\
[model]
model = "{TINY}"
seed = 7
redraws = 0
[controls]
density = 2.0
[port]
port = "{SYNTH}"
"""
LIFE_SECONDS = 300.0
"""From one end to the next first note: the watchdog's 10 s, RestartSec, loading."""


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command and show the end of what it says."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    for line in done.stdout.splitlines()[-30:]:
        say(f"{words[0]}: {line}")
    return done


def shown(name: str) -> str:
    """Return a property of the unit."""
    line = subprocess.run(
        ["systemctl", "show", "perpetuo", "-p", name, "--value"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return line.stdout.strip()


def main_pid() -> int:
    """Return the service's process, 0 where none runs."""
    return int(shown("MainPID") or 0)


def installed(report: Report) -> None:
    """Install over what is there: nothing is fetched, the settings stay, the service starts."""
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_text(SETTINGS)
    began = time.monotonic()
    script = ("bash", str(SOURCE / "systemd/install.sh"), "--wheels", str(SOURCE / "wheels"))
    done = shell(*script)
    report.check("install.sh ends well", done.returncode == 0, done.stdout)
    report.figure("seconds of install.sh until READY", round(time.monotonic() - began, 1))
    report.check("settings stay as they were", CONFIG.read_text() == SETTINGS, CONFIG)
    report.check("READY came", shown("ActiveState") == "active", shown("ActiveState"))
    again = shell(*script)
    report.check("a second time changes nothing", "it plays on" in again.stdout, again.stdout)


def walls(report: Report) -> None:
    """See that the process lives behind the unit's walls, with ONNX Runtime in it."""
    pid = main_pid()
    status = Path(f"/proc/{pid}/status").read_text()

    def field(name: str) -> str:
        found = re.search(rf"^{name}:\s*(.*)$", status, re.MULTILINE)
        return found[1] if found else ""

    uid = int(field("Uid").split()[0])
    report.check("it is not root", uid != 0, field("Uid"))
    report.check("it has no capability", int(field("CapEff"), 16) == 0, field("CapEff"))
    for name, value in (("NoNewPrivs", "1"), ("Seccomp", "2")):
        report.check(f"{name} is {value}", field(name) == value, field(name))
    maps = Path(f"/proc/{pid}/maps").read_text()
    report.check("ONNX Runtime is loaded", "onnxruntime_pybind11_state" in maps, "")
    both = [line for line in maps.splitlines() if re.match(r"\S+ \S?wx", line)]
    report.check("no memory is both written and executed", not both, both[:3])
    threads = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    policies = [os.sched_getscheduler(t) & ~os.SCHED_RESET_ON_FORK for t in threads]
    realtime = policies.count(os.SCHED_FIFO)
    report.check("one thread has real-time priority", realtime == 1, f"{realtime}/{len(threads)}")
    sequencer = Path("/dev/snd/seq").stat()
    said = f"{sequencer.st_mode & 0o777:o}, group {sequencer.st_gid}"
    report.check("udev gave the sequencer to the group audio", said == "660, group 29", said)
    security = shell("systemd-analyze", "security", "--no-pager", "perpetuo").stdout
    found = re.search(r"exposure level for \S+: ([\d.]+)", security)
    exposure = float(found[1]) if found else 99.0
    report.check("exposure is at most 3.0", exposure <= 3.0, exposure)
    text = shown("StatusText")
    report.check("the status line names the port", SYNTH in text, text)
    state = sorted(str(path) for path in Path("/var/lib/perpetuo").rglob("*") if path.is_file())
    strange = [path for path in state if "onnx" in path.lower() or path.endswith(".db")]
    report.check("ONNX Runtime keeps no diary", not strange, state)


def next_life(report: Report, what: str, receiver: Receiver, end: Callable[[int], None]) -> None:
    """End a life while keys are down; the next must silence them, and play."""
    pid = main_pid()
    wait_for(lambda: receiver.struck, 120)
    end(pid)
    ended = time.monotonic()
    reborn = wait_for(lambda: main_pid() not in (0, pid), LIFE_SECONDS, 1.0)
    left = dict(receiver.struck)
    report.check(f"{what}: it is started again", reborn, f"pid {pid}, then {main_pid()}")
    wait_for(lambda: shown("ActiveState") == "active", LIFE_SECONDS, 1.0)
    born = time.monotonic()
    heard = wait_for(lambda: receiver.notes(ended + 0.5), LIFE_SECONDS)
    sounding = {key: when for key, when in receiver.struck.items() if left.get(key) == when}
    report.check(f"{what}: it plays again", heard, f"after {time.monotonic() - ended:.1f} s")
    report.check(
        f"{what}: what the last life left sounding is silent before the first note",
        bool(left) and not sounding,
        f"{len(left)} keys were left, {len(sounding)} of them sound",
    )
    report.figure(f"{what}: seconds from the end to READY", round(born - ended, 1))


def hang(pid: int) -> None:
    """Stop a process in its tracks: it gives no sign of life any more."""
    os.kill(pid, signal.SIGSTOP)


def kill(pid: int) -> None:
    """Kill a process outright."""
    os.kill(pid, signal.SIGKILL)


def removed(report: Report) -> None:
    """Uninstall; settings and state stay."""
    done = shell("bash", str(SOURCE / "systemd/install.sh"), "--uninstall")
    report.check("install.sh --uninstall ends well", done.returncode == 0, done.stdout)
    gone = [Path("/opt/perpetuo"), Path("/etc/systemd/system/perpetuo.service")]
    report.check("program and unit are gone", not any(p.exists() for p in gone), gone)
    report.check("the settings stay", CONFIG.exists(), CONFIG)


def scenario(report: Report) -> None:
    """Live and die a few times."""
    first = Path("/proc/1/comm").read_text().strip()
    report.check("systemd is the first process", first == "systemd", first)
    cable = Cable()
    report.check("the kernel knows the instrument", wait_for(lambda: cable.plugged, 120), SYNTH)
    receiver = Receiver(INSTRUMENT)
    installed(report)
    heard = wait_for(lambda: len(receiver.notes()) >= 10, 300)
    report.check("the instrument hears notes", heard, len(receiver.notes()))
    walls(report)
    next_life(report, "hung", receiver, hang)
    journal = shell("journalctl", "--no-pager", "-q", "-u", "perpetuo").stdout
    report.check("the watchdog ended what hung", "Watchdog timeout" in journal, "")
    next_life(report, "killed", receiver, kill)
    wait_for(lambda: receiver.struck, 120)
    began = time.monotonic()
    shell("systemctl", "stop", "perpetuo")
    report.figure("seconds of systemctl stop", round(time.monotonic() - began, 1))
    silent = wait_for(lambda: receiver.silent, 10)
    report.check("after the stop nothing sounds", silent, dict(receiver.struck))
    ended = f"{shown('ActiveState')}, {shown('Result')}"
    report.check("the stop is a success", ended == "inactive, success", ended)
    journal = shell("journalctl", "--no-pager", "-q", "-u", "perpetuo").stdout
    report.check("no traceback in the journal", not tracebacks(journal), tracebacks(journal))
    removed(report)
    receiver.close()


run(scenario)

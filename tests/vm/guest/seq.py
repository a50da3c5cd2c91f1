"""Without python-rtmidi: ALSA's own library is spoken to, and the instrument's cable is pulled.

Both ways are measured side by side first: what a message and a look cost, and how long a message
takes from one client of ours to another. An emulated machine is slow; only the two compare.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import machine
import rtmidi
import usb
from machine import SYNTH, Cable, Report, explain, figures, run, wait_for

from streamer.ports import alsaseq

MESSAGES, LOOKS, TRAVELS, LISTS = 3000, 3000, 300, 50
PULLS, FLICKERS = 20, 5
WITHOUT = Path("/tmp/without")
NOTE = bytes((0x90, 60, 64))


def cost(what: Any, times: int) -> float:
    """Return the processor's time of a call, microseconds."""
    began = time.process_time()
    for _ in range(times):
        what()
    return round((time.process_time() - began) / times * 1e6, 1)


def measure(report: Report, name: str, module: ModuleType | Any, api: int) -> None:
    """Send from one client to another through a module that looks like ``rtmidi``."""
    ears = module.MidiIn(api, name=f"ears {name}", queue_size_limit=16384)
    ears.ignore_types(sysex=True, timing=False, active_sense=True)
    ears.open_virtual_port("in")
    mouth = module.MidiOut(api, name=f"mouth {name}")
    number = next(i for i, port in enumerate(mouth.get_ports()) if f"ears {name}" in port)
    mouth.open_port(number, "out")
    travels, wrong = [], 0
    for _ in range(TRAVELS):
        began = time.monotonic()
        mouth.send_message(NOTE)
        while (heard := ears.get_message()) is None:
            pass
        travels.append(time.monotonic() - began)
        wrong += bytes(heard[0]) != NOTE
    report.check(f"{name}: messages arrive as they were sent", not wrong, wrong)
    report.figure(f"{name}: µs of a look that finds nothing", cost(ears.get_message, LOOKS))
    report.figure(f"{name}: µs of listing the ports", cost(mouth.get_ports, LISTS))
    report.figure(f"{name}: seconds from client to client", figures(travels))
    deaf = module.MidiOut(api, name=f"deaf {name}")
    deaf.open_virtual_port("out")
    report.figure(f"{name}: µs of a message", cost(lambda: deaf.send_message(NOTE), MESSAGES))
    steady = []
    for _ in range(50):
        mouth.send_message(NOTE)
        time.sleep(0.02)
    for _ in range(50):
        heard = ears.get_message()
        steady.append(abs(heard[1] - 0.02))
    report.figure(f"{name}: seconds by which told times stray from 20 ms", figures(steady[1:]))
    for client in (ears, mouth, deaf):
        client.delete()


def scenario(report: Report) -> None:
    """Measure, then pull and plug without python-rtmidi."""
    Path("/tmp/dense.toml").write_text("[controls]\ndensity = 2.0\n[model]\nredraws = 0\n")
    cable = Cable()
    report.check("the kernel knows the instrument", wait_for(lambda: cable.plugged, 120), SYNTH)
    measure(report, "python-rtmidi", rtmidi, rtmidi.API_LINUX_ALSA)
    measure(report, "alsaseq", alsaseq, 0)
    theirs = rtmidi.MidiOut(rtmidi.API_LINUX_ALSA, name="one")
    ours = alsaseq.MidiOut(0, name="two")
    lists = [[p for p in c.get_ports() if "RtMidi" not in p] for c in (theirs, ours)]
    report.check("both list the same ports", lists[0] == lists[1], lists)
    theirs.delete()
    ours.delete()
    WITHOUT.mkdir()
    (WITHOUT / "rtmidi.py").write_text("raise ImportError('left out')\n")
    machine.ENVIRON["PYTHONPATH"] = str(WITHOUT)
    checked = explain("--port", SYNTH)
    good = f"{SYNTH}:" in checked.text and "(alsa)" in checked.text
    report.check("check finds the instrument", good, checked.text)
    chance = random.Random(5)
    hands = [chance.uniform(0.0, 0.3) if n % 2 else chance.uniform(0.5, 3.0) for n in range(PULLS)]
    usb.pulls(report, cable, SYNTH, [*hands, *[None] * FLICKERS])


if __name__ == "__main__":
    run(scenario)

"""What stands at the far end of the cable: an instrument that echoes what it hears, and a clock.

    python instrument.py PORT

A process of its own, which knows of no cable: what it sends while that is out is lost.
"""

from __future__ import annotations

import sys
import time

import rtmidi

LOOK_SECONDS = 0.001
CLOCK_SECONDS = 0.005
"""Denser than any clock: each is one more that may come just as the input is closed."""


def open_port(kind: type, name: str, queue: dict[str, int]) -> rtmidi.MidiIn | rtmidi.MidiOut:
    """Open the port whose name begins with ``name``."""
    client = kind(rtmidi.API_LINUX_ALSA, name="Instrument", **queue)
    ports = client.get_ports()
    client.open_port(next(n for n, port in enumerate(ports) if port.startswith(name)))
    return client


def main(name: str) -> None:
    """Send back, and beat, until it is killed."""
    ears = open_port(rtmidi.MidiIn, name, {"queue_size_limit": 4096})
    mouth = open_port(rtmidi.MidiOut, name, {})
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    beat_at = time.monotonic()
    while True:
        while (heard := ears.get_message()) is not None:
            mouth.send_message(heard[0])
        if time.monotonic() >= beat_at:
            mouth.send_message([0xF8])
            beat_at = max(beat_at + CLOCK_SECONDS, time.monotonic() - 0.1)
        time.sleep(LOOK_SECONDS)


main(sys.argv[1])

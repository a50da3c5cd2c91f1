"""ALSA that is not there, may not be opened, or has no room: each is told apart, with its remedy.

And a service, which nobody can tell anything, waits until each is mended, and plays.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from machine import (
    PATIENCE_SECONDS,
    TINY,
    Product,
    Receiver,
    Report,
    explain,
    modprobe,
    run,
    tracebacks,
    wait_for,
)

SEQUENCER = Path("/dev/snd/seq")
NOBODY, AUDIO = 65534, 29
PLAY = ("play", "--port", "virtual", "--plain", "--seed", "7", "--model", TINY)
LOADING_SECONDS = 300.0

ABSENT = "sudo modprobe snd-seq"
FORBIDDEN = "add the user to the group audio"
FULL = "close a few programs that use MIDI"
NOTIFY = "/tmp/notify"


def refused(report: Report, what: str, remedy: str, **who: object) -> None:
    """See that playing is refused in one line that names the remedy, and that check agrees."""
    product = Product(*PLAY, **who)
    status = product.wait(LOADING_SECONDS)
    report.check(f"{what}: the remedy is named", remedy in product.text, product.text)
    others = [other for other in (ABSENT, FORBIDDEN, FULL) if other != remedy]
    report.check(f"{what}: no other is", not any(o in product.text for o in others), remedy)
    report.check(f"{what}: one line, no traceback", len(product.lines) == 1, product.text)
    report.check(f"{what}: it ends as a failure", status in range(1, 126), status)
    checked = explain("--port", "virtual", **who)
    report.check(f"{what}: check says the same", remedy in checked.text, checked.text)
    report.check(f"{what}: check has no traceback", not tracebacks(checked.text), "")


def service(**who: object) -> Product:
    """Start the product as a service: what is not there is waited for."""
    return Product(*PLAY, env=os.environ | {"NOTIFY_SOCKET": NOTIFY}, **who)


def plays(report: Report, what: str, product: Product) -> None:
    """See that it plays within a moment, and end it."""
    began = time.monotonic()
    try:
        receiver = Receiver("Perpetuo", LOADING_SECONDS)
    except TimeoutError as error:
        report.check(f"{what}: it plays", False, error)
        product.end()
        return
    heard = wait_for(receiver.notes, PATIENCE_SECONDS + 5.0)
    report.check(f"{what}: it plays", heard, f"after {time.monotonic() - began:.2f} s")
    status = product.end()
    report.check(f"{what}: it ends silent", wait_for(lambda: receiver.silent, 10), status)
    report.check(f"{what}: no traceback", not tracebacks(product.text), "")
    receiver.close()


def fill() -> list[int]:
    """Open clients of ALSA until there is no room."""
    held: list[int] = []
    while len(held) < 1000:
        try:
            held.append(os.open(SEQUENCER, os.O_RDWR | os.O_NONBLOCK))
        except OSError:
            return held
    raise RuntimeError("ALSA takes more clients than it has room for")


def scenario(report: Report) -> None:
    """Take ALSA away in three ways."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(NOTIFY)
    Path(NOTIFY).chmod(0o777)

    refused(report, "no ALSA", ABSENT)
    waiting = service()
    wait_for(lambda: "waiting" in waiting.text, LOADING_SECONDS)
    time.sleep(1.0)
    modprobe("snd-seq")
    plays(report, "ALSA comes while a service waits", waiting)

    shutil.chown(SEQUENCER, "root", "audio")
    SEQUENCER.chmod(0o660)
    # The home stays root's, which this user may not enter: no settings, no state, and no harm.
    anybody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    refused(report, "no permission", FORBIDDEN, **anybody)
    plays(report, "in the group audio", service(**anybody | {"extra_groups": [AUDIO]}))

    held = fill()
    report.figure("clients until ALSA is full", len(held))
    refused(report, "too many clients", FULL)
    waiting = service()
    wait_for(lambda: "waiting" in waiting.text, LOADING_SECONDS)
    time.sleep(1.0)
    for handle in held:
        os.close(handle)
    plays(report, "room comes while a service waits", waiting)
    left = subprocess.run(["aconnect", "-l"], capture_output=True, text=True, check=True).stdout
    report.check("no client of ours is left behind", "Perpetuo" not in left, left)


run(scenario)

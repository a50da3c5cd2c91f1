"""A virtual port of our own is heard by aseqdump: every note, every end of it, then silence."""

from __future__ import annotations

import time
from pathlib import Path

import mido
from machine import (
    PERPETUO,
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

TAKE = Path("/tmp/take.mid")
NOTES = 200


def scenario(report: Report) -> None:
    """Play to ``--port virtual``."""
    modprobe("snd-seq")
    checked = explain("--port", "virtual")
    report.check("check finds a port of our own", "a port of our own" in checked.text, checked.text)
    began = time.monotonic()
    product = Product(
        *("play", "--port", "virtual", "--plain", "--seed", "7", "--model", TINY),
        *("--record", str(TAKE)),
    )
    receiver = Receiver("Perpetuo")
    wait_for(lambda: len(receiver.notes()) >= NOTES or product.process.poll() is not None, 600)
    report.figure("seconds from start to first note", round(receiver.notes()[0][0] - began, 1))
    wait_for(lambda: receiver.struck, 60)
    sounding = len(receiver.struck)
    status = product.end()
    wait_for(lambda: receiver.silent, 10)
    time.sleep(1.0)
    heard = [(key, velocity) for _, key, velocity in receiver.notes()]
    report.check(f"at least {NOTES} notes are heard", len(heard) >= NOTES, len(heard))
    report.check("something sounded at the stop", sounding > 0, f"{sounding} keys")
    report.check("every note has its note-off", not receiver.struck, dict(receiver.struck))
    report.check("no pedal is left down", not any(receiver.pedals.values()), receiver.pedals)
    report.check("SIGTERM ends it with status 143", status == 143, status)
    report.check("no traceback", not tracebacks(product.text), tracebacks(product.text))
    written = [
        (message.note, message.velocity)
        for message in mido.MidiFile(TAKE)
        if message.type == "note_on" and message.velocity
    ]
    # The first may be sent before aseqdump is connected.
    report.check(
        "what is heard is what is recorded",
        heard == written[len(written) - len(heard) :],
        f"{len(heard)} heard, {len(written)} recorded",
    )
    receiver.close()


assert Path(PERPETUO).exists()
run(scenario)

"""The USB cable of the instrument is pulled in the middle of playing and put back, 20 times.

The instrument stays powered: what sounds when the cable goes is heard until something ends it.
Afterwards it flickers a few times: gone for less than the product's look at its ports (0.5 s), and
back under the same name and number.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from machine import (
    INSTRUMENT,
    PATIENCE_SECONDS,
    RESUME_SECONDS,
    SYNTH,
    TINY,
    Cable,
    Product,
    Receiver,
    Report,
    explain,
    figures,
    run,
    say,
    tracebacks,
    wait_for,
)

PULLS = 20
FLICKERS = 5
PLAY = ("--plain", "--seed", "7", "--model", TINY, "--config", "/tmp/dense.toml")


def pull(cable: Cable, receiver: Receiver, away: float | None) -> dict[str, float]:
    """Take the instrument away while something sounds, bring it back, say what was heard.

    Args:
        cable: To be pulled.
        receiver: The instrument.
        away: Seconds without the cable; None lets the device flicker instead.

    Returns:
        Seconds, -1 for never: ``away``, without the port; ``note`` from the port's return to the
        first note; ``plug`` from the plug to that; ``hung`` from the port's return until nothing
        sounds that was struck before. And ``struck``, the keys that sounded when it went.
    """
    heard = len(receiver.notes())
    wait_for(lambda: len(receiver.notes()) > heard + 3 and receiver.struck, 120)
    if away is None:
        gone, back = cable.flicker()
        plugged = back
        before = dict(receiver.struck)
    else:
        gone = cable.unplug()
        before = dict(receiver.struck)
        time.sleep(away)
        plugged, back = cable.plug()

    quiet_at = -1.0
    until = time.monotonic() + PATIENCE_SECONDS + 5.0
    while time.monotonic() < until and (quiet_at < 0.0 or not receiver.notes(plugged)):
        if quiet_at < 0.0 and all(when >= plugged for when in list(receiver.struck.values())):
            quiet_at = time.monotonic()
        time.sleep(0.01)
    notes = receiver.notes(plugged)
    found = {
        "away": back - gone,
        "note": notes[0][0] - back if notes else -1.0,
        "plug": notes[0][0] - plugged if notes else -1.0,
        "hung": max(quiet_at - back, 0.0) if quiet_at > 0.0 else -1.0,
        "struck": float(len(before)),
    }
    say("pull " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    return found


def pulls(report: Report, cable: Cable, port: str, ways: Sequence[float | None]) -> None:
    """Play to a port and take its instrument away, once for each of the ways."""
    receiver = Receiver(INSTRUMENT)
    product = Product("play", "--port", port, *PLAY)
    wait_for(receiver.notes, 300)
    seen = [pull(cable, receiver, way) for way in ways]
    status = product.end()
    wait_for(lambda: receiver.silent, 10)
    time.sleep(0.5)
    receiver.close()
    what, times = f"--port {port}", len(ways)
    for name, meaning in (("note", "a note"), ("hung", "silence of what sounded at the loss")):
        taken = [one[name] for one in seen]
        soon = sum(0.0 <= seconds <= RESUME_SECONDS for seconds in taken)
        report.check(
            f"{what}: {meaning} within {PATIENCE_SECONDS:g} s of the return, {times} times",
            all(0.0 <= seconds <= PATIENCE_SECONDS for seconds in taken),
            f"{soon} of {times} within {RESUME_SECONDS} s: {[round(s, 2) for s in taken]}",
        )
    report.figure(f"{what}: keys that sounded at the losses", sum(one["struck"] for one in seen))
    report.check(f"{what}: nothing sounds after the stop", receiver.silent, dict(receiver.struck))
    report.check(f"{what}: SIGTERM ends it with status 143", status == 143, status)
    found = tracebacks(product.text)
    report.check(f"{what}: no traceback", not found, found)
    for name, meaning in (
        ("away", "seconds without the port"),
        ("note", "seconds from the port's return to the first note"),
        ("plug", "seconds from the plug to the first note"),
        ("hung", "seconds from the port's return to the end of what had sounded"),
    ):
        report.figure(f"{what}: {meaning}", figures([one[name] for one in seen]))


def scenario(report: Report) -> None:
    """Pull and plug."""
    Path("/tmp/dense.toml").write_text("[controls]\ndensity = 2.0\n[model]\nredraws = 0\n")
    cable = Cable()
    report.check("the kernel knows the instrument", wait_for(lambda: cable.plugged, 120), SYNTH)
    checked = explain("--port", SYNTH)
    good = f"{SYNTH}:" in checked.text and "(alsa)" in checked.text
    report.check("check finds the instrument", good, checked.text)
    chance = random.Random(4)
    hands = [chance.uniform(0.0, 0.3) if n % 2 else chance.uniform(0.5, 3.0) for n in range(PULLS)]
    pulls(report, cable, SYNTH, [*hands, *[None] * FLICKERS])


if __name__ == "__main__":
    run(scenario)

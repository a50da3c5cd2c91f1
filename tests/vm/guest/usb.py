"""The USB cable of the instrument is pulled in the middle of playing and put back, 20 times.

The instrument stays powered: what sounds when the cable goes is heard until something ends it.
Some pulls are shorter than the product's look at its ports (0.5 s).
"""

from __future__ import annotations

import random
import time

from machine import (
    INSTRUMENT,
    SYNTH,
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
RESUME_SECONDS = 1.5
PLAY = ("--plain", "--seed", "7", "--candidates", "1")


def pull(cable: Cable, receiver: Receiver, away: float) -> dict[str, float]:
    """Pull the cable while something sounds, put it back, and return what the receiver saw.

    Returns:
        Seconds: how long it was ``away``; ``message`` and ``note`` from the return of the port to
        what the receiver heard first; ``cable`` from the plug to the first note; ``hung`` from the
        return until nothing sounds that was struck before the pull. -1 is never.
    """
    heard = len(receiver.notes())
    wait_for(lambda: len(receiver.notes()) > heard + 3 and receiver.struck, 20)
    pulled = cable.unplug()
    before = dict(receiver.struck)
    time.sleep(away)
    plugged, back = cable.plug()
    wait_for(lambda: receiver.notes(plugged), 10)
    old = lambda: [key for key, when in list(receiver.struck.items()) if when < plugged]  # noqa: E731
    silenced = wait_for(lambda: not old(), 10)
    now = time.monotonic()
    messages, notes = receiver.messages(plugged), receiver.notes(plugged)
    found = {
        "away": plugged - pulled,
        "back": back - plugged,
        "message": messages[0] - back if messages else -1.0,
        "note": notes[0][0] - back if notes else -1.0,
        "cable": notes[0][0] - plugged if notes else -1.0,
        "hung": now - back if silenced else -1.0,
        "struck": float(len(before)),
        "number": float(cable.number or -1),
    }
    say("pull " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    return found


def pulls(report: Report, cable: Cable, port: str, times: int, chance: random.Random) -> None:
    """Play to a port and pull its cable so many times."""
    receiver = Receiver(INSTRUMENT)
    product = Product("play", "--port", port, *PLAY)
    wait_for(lambda: receiver.notes(), 60)
    # Half of the pulls are shorter than the product's look at its ports.
    seen = [
        pull(cable, receiver, chance.uniform(0.0, 0.3) if n % 2 else chance.uniform(0.5, 3.0))
        for n in range(times)
    ]
    status = product.end()
    wait_for(lambda: receiver.silent, 2)
    time.sleep(0.5)
    receiver.close()
    resumed = [one for one in seen if 0.0 <= one["note"] <= RESUME_SECONDS]
    what = f"--port {port}"
    report.check(
        f"{what}: a note within {RESUME_SECONDS} s of the return, {times} of {times} times",
        len(resumed) == times,
        f"{len(resumed)} of {times}: {[round(one['note'], 2) for one in seen]}",
    )
    report.check(
        f"{what}: what sounded at the pull is silenced by the return",
        all(0.0 <= one["hung"] <= RESUME_SECONDS for one in seen),
        f"{sum(one['struck'] for one in seen):.0f} keys in {times} pulls",
    )
    report.check(f"{what}: nothing sounds after the stop", receiver.silent, dict(receiver.struck))
    report.check(f"{what}: SIGTERM ends it with status 143", status == 143, status)
    found = tracebacks(product.text)
    report.check(f"{what}: no traceback", not found, found)
    for name, meaning in (
        ("away", "seconds without the cable"),
        ("note", "seconds from the port's return to the first note"),
        ("cable", "seconds from the plug to the first note"),
        ("hung", "seconds from the port's return to the end of what had sounded"),
    ):
        report.figure(f"{what}: {meaning}", figures([one[name] for one in seen]))


def scenario(report: Report) -> None:
    """Pull and plug."""
    cable = Cable()
    report.check("the kernel knows the instrument", wait_for(lambda: cable.plugged, 20), SYNTH)
    checked = explain("--port", SYNTH)
    good = f"{SYNTH}:" in checked.text and "(alsa)" in checked.text
    report.check("check finds the instrument", good, checked.text)
    chance = random.Random(4)
    pulls(report, cable, SYNTH, PULLS, chance)


run(scenario)

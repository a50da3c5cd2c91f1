"""Faults of what is played to and heard, under a real process on a real JACK port.

Each function takes a folder and a number of tries, and returns a
:class:`tests.faults.stage.Row`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.stage import Row, Stage, repeat
from tests.streams import struck

KNOBS = {1: "temperature", 7: "velocity_scale", 74: "density"}
FLOOD_SECONDS, FLOOD_RATE = 2.0, 5000
AT_ONCE_SECONDS = 0.2


def receiver_unplugged(folder: Path, tries: int) -> Row:
    """The receiver's port goes and comes back; the server lives."""
    row, noticed = Row("the receiver's port goes and comes back (JACK)"), list[float]()
    with Stage(folder, 1) as stage:

        def once() -> tuple[str, float | None]:
            losses = stage.service.figures()["port_losses"]
            stage.new_receiver()
            stage.jack.wait_for_port("mon:input", there=False)
            gone_at = time.monotonic()
            if stage.service.wait(lambda: stage.service.figures()["port_losses"] > losses):
                noticed.append(time.monotonic() - gone_at)
            stage.wait(0.0, 2.0)
            stage.plug_in()
            resumed = stage.hear()
            known = len(noticed) == row.tries + 1
            return stage.verdict(resumed) or ("" if known else "not noticed"), resumed

        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        f"the time without it; noticed within {max(noticed, default=0):.2f} s, playing again "
        f"{row.spread()} after its return"
    )
    return row


def server_stands_still(folder: Path, tries: int) -> Row:
    """The JACK server is stopped for up to ten seconds, and goes on."""
    row, at_once = Row("the JACK server stands still for 1 to 10 s (SIGSTOP)"), [0]
    with Stage(folder, 2) as stage:

        def once() -> tuple[str, float | None]:
            stage.jack.signal(signal.SIGSTOP)
            stage.wait(1.0, 10.0)
            heard, began = len(stage.monitor.wait_for(lambda _: True)), time.monotonic()
            stage.jack.signal(signal.SIGCONT)
            resumed = stage.hear()
            stage.wait(AT_ONCE_SECONDS, AT_ONCE_SECONDS)
            messages = stage.monitor.wait_for(lambda _: True)[heard:]
            soon = zip(messages, stage.monitor.times[heard:], strict=False)
            early = [message for message, at in soon if at < began + AT_ONCE_SECONDS]
            at_once.append(len(struck(early)))
            return stage.verdict(resumed), resumed

        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        "what was to be played meanwhile; of its first second and a half, before it is noticed, "
        f"up to {max(at_once)} notes wait in the queue and come at once"
    )
    return row


def flood(folder: Path, tries: int) -> Row:
    """A controller sends five thousand messages a second."""
    import rtmidi

    row = Row(f"a flood of {FLOOD_RATE} messages/s for {FLOOD_SECONDS:g} s into the input (JACK)")
    with Stage(folder, 7, hears="virtual") as stage:
        os.environ.update({k: v for k, v in stage.jack.env.items() if k.startswith("JACK")})
        out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="flood")
        out.open_port(next(i for i, n in enumerate(out.get_ports()) if "Perpetuo in" in n), "out")
        sent = 0

        def once() -> tuple[str, float | None]:
            nonlocal sent
            sent += _pour(out, stage)
            resumed = stage.hear()
            return stage.verdict(resumed), resumed

        try:
            before = stage.service.figures()
            repeat(row, tries, once)
            after = stage.service.figures()
            row.faults += _knob_is_obeyed(out, stage)
        finally:
            out.delete()
        if wrong := stage.end():
            row.faults.append(wrong)
    late = after["notes_late_dropped"] - before["notes_late_dropped"]
    row.lost = (
        f"nothing; {sent} messages, {late:.0f} notes too late, "
        f"{after['underruns'] - before['underruns']:.0f} underruns; "
        f"the next note {row.spread()} after"
    )
    return row


def _pour(out, stage: Stage) -> int:
    """Send a flood of what a controller may send; what holds the music is left out."""
    chance, began, sent = stage.chance, time.monotonic(), 0
    while (now := time.monotonic() - began) < FLOOD_SECONDS:
        while sent < now * FLOOD_RATE:
            kind = chance.choice((0x80, 0x90, 0xA0, 0xB0, 0xB0, 0xB0, 0xE0))
            number = chance.choice((1, 2, 7, 11, 64, 74, 100)) if kind == 0xB0 else 60
            out.send_message((kind, number, chance.randrange(128)))
            sent += 1
        threading.Event().wait(0.002)
    return sent


def _knob_is_obeyed(out, stage: Stage) -> list[str]:
    """After all floods a knob moves what it is bound to, and nothing of a flood comes later."""
    # From end to end and to the middle: one that leapt is obeyed again where the flood left it.
    for number in KNOBS:
        for value in (*range(128), *range(127, 63, -1)):
            out.send_message((0xB0, number, value))
    kept = stage.folder / "state" / "controls.json"

    def middle() -> bool:
        text = kept.read_text(encoding="utf-8") if kept.exists() else ""
        last = text[text.find('"last"') :]
        return all(
            f'"{name}": 1.0' in last for name in ("temperature", "velocity_scale", "density")
        )

    return [] if stage.service.wait(middle, 15.0) else ["a knob after the flood was not obeyed"]


FAULTS: dict[str, Callable[[Path, int], Row]] = {
    function.__name__: function for function in (receiver_unplugged, server_stands_still, flood)
}

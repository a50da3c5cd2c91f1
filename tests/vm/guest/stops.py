"""Stopped at the moment of an unplug, again and again; the instrument echoes, and a clock beats.

What comes in while an input is closed must not keep the stop, and what sounds must end: at once
where the instrument is there, and at the next start where its cable is out.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from machine import (
    INSTRUMENT,
    SYNTH,
    TINY,
    Cable,
    Product,
    Receiver,
    Report,
    figures,
    run,
    say,
    tracebacks,
    wait_for,
)

STOPS = int((re.search(r"stops=(\d+)", Path("/proc/cmdline").read_text()) or [0, 6])[1])
BOUND_SECONDS = 5.0
"""What is promised: a stop is over within this. A busy host may let the machine stand still."""

HELD_SECONDS = 30.0
"""What is held against it."""

REAL_EACH = 10
"""So many starts, and one of them is a start of the command itself."""

PLAY = (
    *("play", "--port", SYNTH, "--input", SYNTH, "--plain", "--seed", "7", "--model", TINY),
    *("--config", "/tmp/dense.toml"),
)


class Forked:
    """A product without imports; as ``machine.Product``, as far as it is used here."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._pid, self._status = 0, None
        self._server = subprocess.Popen(
            [sys.executable, "-u", "/opt/vm/starts.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def start(self) -> None:
        """Start it."""
        self._pid, self._status = 0, None
        self._server.stdin.write(json.dumps(PLAY) + "\n")
        self._server.stdin.flush()
        with self._news:
            self._news.wait_for(lambda: self._pid, 600)

    def end(self, number: int = signal.SIGTERM, seconds: float = 120.0) -> int:
        """Send a signal and return the exit status; killed when it does not end."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself: its status says so
            os.kill(self._pid, number)
        with self._news:
            if self._news.wait_for(lambda: self._status is not None, seconds):
                return int(self._status)
            os.kill(self._pid, signal.SIGKILL)
            self._news.wait_for(lambda: self._status is not None, 60)
            return -signal.SIGKILL

    def _read(self) -> None:
        for line in self._server.stdout:
            try:
                told = json.loads(line) if line.startswith("{") else {}
            except ValueError:
                told = {}
            with self._news:
                self._pid = told.get("pid", self._pid)
                self._status = told.get("exit", self._status)
                self._news.notify_all()
            if not told:
                self.lines.append(line.rstrip())
                say(f"perpetuo: {line.rstrip()}")

    @property
    def text(self) -> str:
        """All that it said."""
        return "\n".join(self.lines)


class Tries:
    """What was seen in all of them."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.seconds: list[float] = []
        self.sounding: list[str] = []
        self.left: list[str] = []
        self.unheard = 0
        self.down = 0
        self.text = ""


def attempt(number: int, cable: Cable, receiver: Receiver, forked: Forked, seen: Tries) -> None:
    """Start, play, unplug or flicker, and stop at that moment."""
    chance = random.Random(number)
    flickers = bool(number % 2)
    product: Forked | Product = forked
    started = time.monotonic()
    if number % REAL_EACH == 0:
        product = Product(*PLAY)
    else:
        forked.start()
    wait_for(lambda: len(receiver.notes(started)) > 2 and receiver.struck, 120)
    if left := [key for key, at in dict(receiver.struck).items() if at < started]:
        seen.left.append(f"{number}: {left}")
    seen.down += len(receiver.struck)
    went: list[float] = []
    # The signal comes up to 0.3 s before the cable goes, and up to 0.7 s after.
    early = chance.uniform(-0.7, 0.3)

    def pull() -> None:
        time.sleep(max(early, 0.0))
        cable.flicker() if flickers else cable.unplug()
        went.append(time.monotonic())

    puller = threading.Thread(target=pull)
    puller.start()
    time.sleep(max(-early, 0.0))
    began = time.monotonic()
    seen.statuses.append(product.end())
    seen.seconds.append(time.monotonic() - began)
    puller.join()
    if not flickers:
        cable.plug()
    elif not wait_for(lambda: receiver.silent, 2.0):
        # Where it was out just as the silence was sent, the next start is to end it.
        seen.unheard += 1
        if went[0] < began:
            seen.sounding.append(f"{number}: {sorted(receiver.struck)}")
    if isinstance(product, Product):
        seen.text += product.text
    say(f"stop {number}: {seen.statuses[-1]} after {seen.seconds[-1]:.2f} s, {early:.2f} early")


def scenario(report: Report) -> None:
    """Stop at the moment of an unplug."""
    Path("/tmp/dense.toml").write_text("[controls]\ndensity = 2.0\n[model]\nredraws = 0\n")
    cable = Cable()
    report.check("the kernel knows the instrument", wait_for(lambda: cable.plugged, 120), SYNTH)
    instrument = subprocess.Popen(
        [sys.executable, "/opt/vm/instrument.py", INSTRUMENT], stdout=subprocess.PIPE, text=True
    )
    instrument.stdout.readline()
    receiver, forked, seen = Receiver(INSTRUMENT), Forked(), Tries()
    for number in range(STOPS):
        attempt(number, cable, receiver, forked, seen)
    # What was left down with the cable out, and after an end that nobody saw, the next start ends.
    began = time.monotonic()
    forked.start()
    quiet = wait_for(lambda: not [at for at in receiver.struck.values() if at < began], 60)
    forked.end()
    report.check("the last start ends what was left", quiet, dict(receiver.struck))
    wait_for(lambda: receiver.silent, 5.0)
    report.check("nothing sounds at the end", receiver.silent, dict(receiver.struck))
    told(report, seen, seen.text + forked.text)


def told(report: Report, seen: Tries, text: str) -> None:
    """Judge what was seen."""
    wrong = [status for status in seen.statuses if status != 143]
    soon = sum(seconds <= BOUND_SECONDS for seconds in seen.seconds)
    report.check(f"SIGTERM ends it with status 143, {STOPS} times", not wrong, wrong)
    report.check(
        f"it ends within {HELD_SECONDS:g} s",
        max(seen.seconds) <= HELD_SECONDS,
        f"{soon} of {STOPS} within {BOUND_SECONDS:g} s",
    )
    report.check("a start ends what was left", not seen.left, seen.left)
    report.figure("flickers in the very moment of the silence", seen.unheard)
    report.check("nothing sounds where the instrument is there", not seen.sounding, seen.sounding)
    panics = text.count("silenced by CC")
    report.check("nothing that comes back is obeyed", not panics, panics)
    hung = text.count("something hangs")
    report.figure("ended by force", hung)
    report.check("no traceback", not tracebacks(text), tracebacks(text))
    report.figure("keys that sounded at the unplugs", seen.down)
    report.figure("seconds from SIGTERM to the end", figures(seen.seconds))


run(scenario)

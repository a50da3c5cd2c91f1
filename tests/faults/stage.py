"""Where faults happen: a JACK server, a receiver on it, and a service that plays to it."""

from __future__ import annotations

import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bundles import write_tiny_bundle
from tests.jackserver import JackServer, Monitor, silenced
from tests.service_manager import Service
from tests.streams import struck, unpaired

PLAYS_AGAIN_SECONDS, ENOUGH_NOTES = 30.0, 5

SETTINGS = """
[port]
port = "mon"
[model]
model = "{bundle}"
seed = 3
[controls]
density = 4.0
tempo_scale = 4.0
{more}
"""


@dataclass
class Row:
    """What many tries of one fault have come to.

    Attributes:
        fault: What was done.
        tries: How often.
        survived: How often the music went on as it should.
        lost: What was lost by it.
        faults: What was wrong with the tries that were not survived.
    """

    fault: str
    tries: int = 0
    survived: int = 0
    lost: str = ""
    faults: list[str] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    def count(self, wrong: str, measured: float | None = None) -> None:
        """Count one try; an empty ``wrong`` is survival."""
        self.tries += 1
        self.survived += not wrong
        if wrong:
            self.faults.append(f"try {self.tries}: {wrong}")
        if measured is not None:
            self.measured.append(measured)

    def spread(self) -> str:
        """Return the median and the greatest of what was measured."""
        ordered = sorted(self.measured) or [0.0]
        return f"{ordered[len(ordered) // 2]:.2f} s, at most {ordered[-1]:.2f} s"


class Stage:
    """One service under test, with everything around it; a context manager."""

    def __init__(self, folder: Path, seed: int, more: str = "", **service: Any) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.jack = JackServer(folder)
        self.whole = folder / "whole"
        self.whole.mkdir()
        source = write_tiny_bundle(self.whole).path
        self.bundle = Path(shutil.copytree(source, folder / "tiny"))
        self.settings = SETTINGS.format(bundle=self.bundle, more=more)
        environ = self.jack.env | service.pop("environ", {})
        self.service = Service(folder, self.settings, environ=environ, **service)
        self.lives: list[list[bytes]] = []
        self.monitor: Monitor

    def __enter__(self) -> Stage:
        try:
            self.jack.start()
            self.monitor = self.jack.monitor()
            self.service.start()
        except BaseException:
            self.__exit__()
            raise
        self.hear()
        return self

    def __exit__(self, *what: object) -> None:
        self.service.close()
        self.jack.stop()

    def hear(self, seconds: float = PLAYS_AGAIN_SECONDS) -> float | None:
        """Return how long it took until notes were heard from now on; None for never."""
        began, heard = time.monotonic(), len(self.monitor.wait_for(lambda _: True))
        messages = self.monitor.listen(
            lambda all_: len(struck(all_[heard:])) >= ENOUGH_NOTES, seconds
        )
        if len(struck(messages[heard:])) < ENOUGH_NOTES:
            return None
        first = next(i for i in range(heard, len(messages)) if struck(messages[i : i + 1]))
        return self.monitor.times[first] - began

    def wait(self, low: float, high: float) -> None:
        """Let a random time pass."""
        threading.Event().wait(self.chance.uniform(low, high))

    def new_receiver(self) -> None:
        """Pull the receiver out of the graph; the next comes with :meth:`plug_in`."""
        self.lives.append(self.monitor.wait_for(lambda _: True))
        self.monitor.close()

    def plug_in(self) -> None:
        """Put a receiver in."""
        self.monitor = self.jack.monitor()

    def verdict(self, resumed: float | None) -> str:
        """Return what is wrong after a fault, or nothing."""
        if not self.service.alive:
            return f"ended: {self.service.output[-300:]}"
        if "Traceback" in self.service.output:
            return self.service.output[self.service.output.index("Traceback") :][:1500]
        return "" if resumed is not None else f"no notes within {PLAYS_AGAIN_SECONDS:g} s"

    def end(self) -> str:
        """Stop the service as systemd does; return what is wrong with its end, or nothing."""
        status = self.service.stop()
        heard = self.monitor.listen(silenced)
        _, again, left = unpaired(heard)
        again += sum(unpaired(life)[1] for life in self.lives)
        if (status, again, left) == (128 + signal.SIGTERM, 0, 0):
            return ""
        return f"status {status}, {again} keys struck while down, {left} left down"

    def reload(self, text: bytes) -> bool:
        """Write settings and send SIGHUP; return whether the reading was told of in time."""
        before = self.service.count("RELOADING=1")
        self.service.config.write_bytes(text)
        self.service.signal(signal.SIGHUP)
        return self.service.wait(lambda: self.service.count("RELOADING=1") > before, 10.0)


def repeat(row: Row, tries: int, once: Callable[[], tuple[str, float | None]]) -> Row:
    """Do something again and again, and count."""
    for _ in range(tries):
        row.count(*once())
    return row

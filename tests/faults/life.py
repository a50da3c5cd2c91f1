"""``perpetuo``, with faults that come when its SIGUSR1 comes: ``python -m tests.faults.life play``.

The file that PERPETUO_FAULT names says which: ``lost`` (one send raises PortLost), ``error`` (one
raises PortError), ``bug`` (one raises what no port may), ``block`` (one never returns), ``slow N``
(each block takes N seconds from now on). Without the variable nothing goes wrong.

PERPETUO_TOLD names a file that gets a line for each message that a port is given: seconds of
CLOCK_MONOTONIC, which connection, the bytes, and what came of it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from streamer import cli
from streamer.engine.engine import Engine
from streamer.errors import PortError
from streamer.ports.base import PortLost
from streamer.ports.clients import Sender
from streamer.ports.live import LivePort


class Faults:
    """What is to go wrong next."""

    def __init__(self, path: Path) -> None:
        self._path, self.next, self.slow_seconds = path, "", 0.0

    def come(self, number: int, frame: object) -> None:
        """Read what is wanted; a signal's handler."""
        word, _, value = self._path.read_text(encoding="utf-8").partition(" ")
        if word == "slow":
            self.slow_seconds = float(value)
        else:
            self.next = word

    def strike(self) -> None:
        """Be the fault of one send."""
        word, self.next = self.next, ""
        if word == "lost":
            raise PortLost("the cable has a loose contact")
        if word == "error":
            raise PortError("the port cannot be used any more")
        if word == "bug":
            raise ZeroDivisionError("a mistake of the programmer")
        if word == "block":
            threading.Event().wait()


def tell(path: str) -> None:
    """Write down what every connection is given from now on."""
    told, connections = Path(path).open("a", encoding="ascii", buffering=1), list[int]()  # noqa: SIM115
    real_send = Sender.send

    def send(sender: Sender, message: bytes) -> None:
        if id(sender) not in connections[-1:]:
            connections.append(id(sender))
        came = "not sent"
        try:
            real_send(sender, message)
            came = "sent"
        finally:
            told.write(f"{time.monotonic():.6f} {len(connections)} {message.hex()} {came}\n")

    Sender.send = send  # type: ignore[method-assign]


def main() -> int:
    """Run the command with faults."""
    if told := os.environ.get("PERPETUO_TOLD"):
        tell(told)
    if word := os.environ.get("PERPETUO_FAULT"):
        break_things(Faults(Path(word)))
    return cli.main(sys.argv[1:])


def break_things(faults: Faults) -> None:
    """Let faults come into the sends and the engine."""
    signal.signal(signal.SIGUSR1, faults.come)
    real_send, real_block = LivePort.send, Engine.next_block

    def send(port: LivePort, message: bytes, at_ms: float | None = None) -> None:
        if faults.next:
            faults.strike()
        real_send(port, message, at_ms)

    def next_block(engine: Engine, *args: Any, **more: Any) -> Any:
        time.sleep(faults.slow_seconds)
        return real_block(engine, *args, **more)

    LivePort.send = send  # type: ignore[method-assign]
    Engine.next_block = next_block  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    raise SystemExit(main())

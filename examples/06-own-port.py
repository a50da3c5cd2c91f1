"""Play to something of your own: a port is four names, here one that prints what it is sent.

python examples/06-own-port.py [SECONDS]
"""

import sys

from streamer import Stream, load_bundle
from streamer.midi import decode

seconds = float(sys.argv[1]) if sys.argv[1:] else 20.0


class Printer:
    """A port; the scheduler's thread alone sends, so it must not be slow."""

    name = "printer"
    epoch = 1  # 0 would mean: gone, wait until it is back; another number: it was away

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Print one whole MIDI message, and when it is due."""
        when = "" if at_ms is None else f"{at_ms / 1000:8.3f} s  "
        print(when, decode(message))

    def close(self) -> None:
        """Nothing to let go."""


with Stream(load_bundle("tunes"), port=Printer()) as stream:
    stream.wait(seconds)

"""Steer while it plays: from sparse and high to dense and low, and back, again and again.

python examples/03-steer.py [PORT] [SECONDS]
"""

import math
import sys
import time

from streamer import Stream, load_bundle

port = sys.argv[1] if sys.argv[1:] else "auto"
seconds = float(sys.argv[2]) if sys.argv[2:] else 120.0

with Stream(load_bundle("piano"), port=port) as stream:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        swing = math.sin(2 * math.pi * passed / 60.0)  # once a minute
        stream.controls.update(density=2.0**swing, transpose=round(-7 * swing), lead=4.0)
        stream.wait(min(1.0, seconds - passed))

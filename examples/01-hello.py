"""Play to whatever MIDI port there is: hardware, a virtual port of our own, or a soft synth.

python examples/01-hello.py [PORT] [SECONDS]
"""

import sys

from streamer import Stream, load_bundle

port = sys.argv[1] if sys.argv[1:] else "auto"
seconds = float(sys.argv[2]) if sys.argv[2:] else 60.0

with Stream(load_bundle("piano"), port=port) as stream:
    print(f"playing on {stream.port_name}, seed {stream.seed}; Ctrl-C ends it")
    stream.wait(seconds)  # whatever ends the block, nothing is left sounding

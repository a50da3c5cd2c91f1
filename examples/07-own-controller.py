"""Steer by lines on stdin, as another program or a person writes them: ``density 0.5``.

python examples/07-own-controller.py [PORT]
"""

import sys

from streamer import Stream, load_bundle
from streamer.settings import parse_setting

port = sys.argv[1] if sys.argv[1:] else "auto"

with Stream(load_bundle("piano"), port=port) as stream:
    print(
        "a control and its value, such as: density 0.5, scale dorian, pause true; end with Ctrl-D"
    )
    for line in sys.stdin:
        name, _, text = line.strip().partition(" ")
        try:
            stream.controls.update(**{name: parse_setting(f"controls.{name}", text)})
        except ValueError as error:
            print(f"{name} {error}")  # says what is legal
        else:
            print(f"{name} is {text}, heard in {stream.figures().buffer_seconds:.0f} s")

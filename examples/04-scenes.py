"""Go through scenes: named sets of controls, those that ship and your own.

python examples/04-scenes.py [PORT] [SECONDS of each]
"""

import sys

from streamer import Controls, Stream, load_bundle
from streamer.control import live_scenes
from streamer.system import own_scenes_folder

port = sys.argv[1] if sys.argv[1:] else "auto"
seconds = float(sys.argv[2]) if sys.argv[2:] else 30.0

scenes = {scene.name: scene for scene, about in live_scenes(own_scenes_folder())}

with Stream(load_bundle("piano"), port=port, controls=Controls(lead=4.0)) as stream:
    for name in ("calm", "bells", "night", "as-configured"):
        print(name)
        chosen = scenes[name].apply(Controls(lead=4.0), stream.controls.snapshot())
        stream.controls.put(chosen, scene=name)
        stream.wait(seconds)

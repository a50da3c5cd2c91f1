"""Write a minute of music to a file, as fast as it goes; the same seed gives the same bytes.

python examples/02-render.py [OUT.mid] [SECONDS]
"""

import sys

from streamer import load_bundle, render

out = sys.argv[1] if sys.argv[1:] else "minute.mid"
seconds = float(sys.argv[2]) if sys.argv[2:] else 60.0

report = render(load_bundle("piano"), out, seconds=seconds, seed=1)
print(f"{out}: {report['notes']} notes in {report['wall_s']} s")
print("dropped candidates:", report["dropped"] or "none")

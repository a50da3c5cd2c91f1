"""Look at the bundles that can play: what they are, what they were made from, and how they sound.

python examples/12-inspect.py [OUT.png] [SECONDS]
"""

import sys
import tempfile

from streamer import find_bundles, load_bundle, render

picture = sys.argv[1] if sys.argv[1:] else "roll.png"
seconds = float(sys.argv[2]) if sys.argv[2:] else 60.0

for bundle in find_bundles():
    manifest = bundle.manifest
    graphs = ", ".join(graph.name for graph in manifest.graphs)
    print(f"{manifest.name:18} {manifest.family:8} {bundle.size_bytes / 1e6:5.1f} MB  {graphs}")
    print(f"{'':18} {manifest.licence}, from {manifest.corpus}")

piano = load_bundle("piano")
print(piano.card[:400], "...")

with tempfile.TemporaryDirectory() as folder:
    render(piano, f"{folder}/out.mid", seconds=seconds, seed=1, plot=picture)
print(f"{picture}: a piano roll of {seconds:.0f} seconds")

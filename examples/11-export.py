"""Make a bundle of a trained model, proven to play what torch plays, and play it.

python examples/11-export.py RUN [PORT] [SECONDS]    (needs the extra export)
"""

import sys
from pathlib import Path

from export import ExportOptions, export_checkpoint
from streamer import Stream

run = Path(sys.argv[1])
port = sys.argv[2] if sys.argv[2:] else "auto"
seconds = float(sys.argv[3]) if sys.argv[3:] else 60.0

options = ExportOptions(name="mine", target=run / "mine", tensors=run / "corpus.npz")
exported = export_checkpoint(run, options)
parity = exported.parity
print(f"{exported.bundle.path}: {parity.notes} notes as torch has them, log-probabilities")
print(f"within {parity.log_prob_error:.1e} nats; `perpetuo play --model {exported.bundle.path}`")

with Stream(exported.bundle, port=port) as stream:
    stream.wait(seconds)

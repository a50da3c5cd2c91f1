"""Measure music beside other music: two bundles, each against a folder of real pieces.

python examples/09-evaluate.py FOLDER [MINUTES of each bundle]    (needs the extra train)
"""

import sys
from pathlib import Path

from training.lab import LabSettings, evaluate, to_markdown

folder = Path(sys.argv[1])
minutes = float(sys.argv[2]) if sys.argv[2:] else 3.0

if __name__ == "__main__":  # pieces are read and measured in several processes
    laboratory = evaluate(
        LabSettings(
            sources=("chains=piano", "melodies=tunes"),
            reference=folder,
            seeds=(0, 1),
            minutes=minutes,
            measures=("figures", "signature"),
            controls=False,  # True adds music that should fail: random, shuffled, Markov
        )
    )
    print(to_markdown(laboratory))

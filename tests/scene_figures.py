"""What each scene that ships sounds like, in figures: `python -m tests.scene_figures [SCENE ...]`.

Renders minutes of each with its bundle (the default one where it names none), several seeds, and
prints a row of a table for docs/scenes.md. By hand; it takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from streamer.midi.midifile import read_midi
from streamer.offline.render import render
from streamer.scenes.reader import SHIPPED
from streamer.settings.reading import load_settings


def figures(scene: str, seconds: float, seeds: range, folder: Path) -> str:
    """Return a row: notes a second, velocities, pitches, longest rest; over all seeds."""
    config = folder / "perpetuo.toml"
    config.write_text("")
    rates, loud, pitches, rests = [], [], [], []
    for seed in seeds:
        out = folder / f"{scene}-{seed}.mid"
        settings = load_settings(config, {"model.scene": scene, "model.seed": seed})
        render(None, out, seconds, settings=settings)
        notes = read_midi(out)
        onsets = np.sort(notes["onset_ms"]) / 1000.0
        rates.append(len(notes) / seconds)
        loud.append(notes["velocity"])
        pitches.append(notes["pitch"])
        rests.append(float(np.max(np.diff(onsets, append=seconds))))
    low, middle, high = np.percentile(np.concatenate(pitches), [5, 50, 95])
    quiet, usual, strong = np.percentile(np.concatenate(loud), [10, 50, 90])
    return (
        f"| `{scene}` | {np.mean(rates):.1f} ({min(rates):.1f}..{max(rates):.1f}) "
        f"| {usual:.0f} ({quiet:.0f}..{strong:.0f}) | {middle:.0f} ({low:.0f}..{high:.0f}) "
        f"| {max(rests):.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", default=sorted(p.stem for p in SHIPPED.glob("*.toml")))
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seeds", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for scene in args.scenes:
            row = figures(scene, args.seconds, range(1, args.seeds + 1), Path(folder))
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Kills a process while it keeps, 100 times: `python -m tests.keep_kills [N]`; by hand."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from streamer.live.held import HeldMusic
from streamer.midi.midifile import read_midi
from streamer.service.keeping import Keeping
from tests.streamer.test_keeping import killed


def main() -> None:
    """Print how many files were told of, are there, are whole, and what else lies there."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as name:
        folder, told = Path(name), set[str]()
        for number in range(rounds):
            told |= {*killed(folder, 1 + number % 3)}
        files = {path.name for path in folder.glob("*.mid")}
        whole = sum(len(read_midi(folder / one)) == 3000 for one in files)
        parts = len(list(folder.iterdir())) - len(files)
        Keeping(HeldMusic(), folder, 10**9).sweep()
        left = len(list(folder.iterdir())) - len(files)
        sys.stdout.write(
            f"{rounds} kills: {len(told)} told of, {len(told - files)} of them lost; "
            f"{len(files)} files, {whole} whole; {parts} parts before a start, {left} after it\n"
        )


if __name__ == "__main__":
    main()

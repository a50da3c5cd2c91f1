"""Every shipped bundle renders the notes that it rendered before: three seeds each, by their hash.

The hashes are of decoded notes, so that another order of simultaneous messages in the file is no
change. Whoever changes the music or the weights replaces them in the same commit, and says why:
``python -m tests.test_same_music`` writes them anew.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import mido
import pytest

from streamer.cli import main

SECONDS = 60
SEEDS = (1, 2, 3)
BUNDLES = ("answer", "band", "beethoven", "piano", "piano-competition", "tunes")
HASHES = Path(__file__).with_name("same_music.json")


def note_hash(path: Path) -> str:
    """Return a hash of the notes of a file: channel, key, velocity, onset and end in ticks."""
    notes = []
    for track in mido.MidiFile(path).tracks:
        now, down = 0, {}
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity:
                down[key] = (now, message.velocity)
            elif key in down:
                onset, velocity = down.pop(key)
                notes.append((onset, *key, velocity, now))
    assert notes
    return hashlib.sha256(json.dumps(sorted(notes)).encode()).hexdigest()[:16]


def rendered_hash(bundle: str, seed: int, folder: Path) -> str:
    """Render a bundle and return the hash of its notes."""
    out = folder / f"{bundle}-{seed}.mid"
    arguments = ["--model", bundle, "--seed", str(seed), "--duration", str(SECONDS)]
    assert main(["render", str(out), *arguments]) == 0
    return note_hash(out)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_shipped_bundle_renders_the_same_notes_as_before(bundle: str, tmp_path: Path) -> None:
    """Three seeds of a bundle give the notes whose hashes were written down."""
    expected = json.loads(HASHES.read_text())[bundle]
    assert expected == [rendered_hash(bundle, seed, tmp_path) for seed in SEEDS]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        hashes = {b: [rendered_hash(b, seed, Path(made)) for seed in SEEDS] for b in BUNDLES}
    HASHES.write_text(json.dumps(hashes, indent=1) + "\n")

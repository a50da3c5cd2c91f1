"""The study of the second voice's roots reads a corpus with annotated chords."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.test_melodies import write, write_labels
from training.families.tunes.reader import read_melodies
from training.studies.tunes.bass import bass


def test_roots_are_compared_with_the_annotated_chords(tmp_path: Path) -> None:
    folder = tmp_path / "pop909"
    pitches = [60, 64, 67, 64] * 10 + [67, 71, 74, 65] * 7 + [60, 64, 67, 60]
    write(folder / "a.mid", {"MELODY": [(float(i), 1.0, p, 70) for i, p in enumerate(pitches)]})
    label = {
        "file": "a.mid", "song_id": "1", "variant": "original", "bpm": "100",
        "first_downbeat_s": "0.0", "beats_per_measure": "2", "quavers_per_beat": "2",
    }  # fmt: skip
    write_labels(folder, [label])
    rows = ["1,0,24,C:maj", "1,24,36,G:7", "1,36,40.8,Bb:min", "1,40.8,50,C:maj"]
    rows.insert(0, "song_id,start_s,end_s,chord")
    (folder / "chords.csv").write_text("\n".join(rows) + "\n")
    tunes = read_melodies([folder])
    split = tunes.tracks[0].split
    assert bass(tunes, folder, split) == {
        "bars": 18,
        "root": pytest.approx(16 / 18, abs=1e-4),
        "always_tonic": pytest.approx(11 / 18, abs=1e-4),
    }

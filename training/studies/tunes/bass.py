"""How often the second voice's root is the annotated one, on held-out songs of pop909.

``python -m training.studies.tunes.bass TUNES.npz POP909 -o DIR`` writes ``bass.json``: of the bars
that the voice plays a root in and whose chord is annotated, the share in which they agree, and the
share in which the tonic of the key would. POP909 is the unpacked corpus, with ``labels.csv`` and
``chords.csv``; the tunes of the file give the split and the key.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.key import find_key
from streamer.families.tunes.melody import snap
from streamer.families.tunes.secondvoice import SecondVoice
from streamer.midi.beatfile import read_beats
from training.corpora.fold import LONGEST_BEATS
from training.families.tunes.tuneset import TuneInfo, TuneSet

PHRASE_BARS = 2
_SOON_S = 0.02
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def bass(tunes: TuneSet, corpus: Path, split: str = "test") -> dict[str, Any]:
    """Compare the roots of a split's songs with the annotated chords."""
    with (corpus / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
        labels = {row["file"]: row for row in csv.DictReader(file)}
    chords: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    with (corpus / "chords.csv").open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            place = float(row["start_s"]), float(row["end_s"]), row["chord"]
            chords[row["song_id"]].append(place)
    bars = right = tonic = 0
    for index in tunes.indices(split):
        info = tunes.tracks[index]
        if info.corpus != "pop909" or info.file not in labels:
            continue
        label = labels[info.file]
        key = find_key(tunes.tune(index))
        beat_s = 60.0 / float(label["bpm"])
        start_s = float(label["first_downbeat_s"])
        for beat, pitch_class in _roots(info, corpus, start_s / beat_s, key.tonic, key.minor):
            root = _root_at(chords[label["song_id"]], start_s + beat * beat_s + _SOON_S)
            if root is not None:
                bars += 1
                right += root == pitch_class
                tonic += root == key.tonic
    share = max(1, bars)
    return {"bars": bars, "root": round(right / share, 4), "always_tonic": round(tonic / share, 4)}


def _roots(
    info: TuneInfo, corpus: Path, start: float, tonic: int, minor: bool
) -> Iterator[tuple[float, int]]:
    """Yield (quarters from the first bar line, pitch class) of the voice's notes on bar lines."""
    piece = read_beats(corpus / info.file)
    notes = piece.notes[piece.notes["track"] == int(info.track.split()[0])]
    onset = snap(notes["onset"] - start)
    length = np.minimum(np.append(np.diff(onset), 1.0), LONGEST_BEATS)
    phrase = np.floor(onset / (PHRASE_BARS * info.metre))
    voice = SecondVoice("bass")
    for number in np.unique(phrase):
        here: NDArray[np.bool_] = phrase == number
        played = voice.play(
            notes["pitch"][here].astype(np.int64), onset[here], length[here], tonic=tonic,
            minor=minor, bar_beats=info.metre, beat_ms=1000.0,
        )  # fmt: skip
        for note in played:
            bar = note.onset_ms / 1000.0 / info.metre
            if abs(bar - round(bar)) < 1e-6:
                yield note.onset_ms / 1000.0, note.pitch % 12


def _root_at(chords: list[tuple[float, float, str]], seconds: float) -> int | None:
    """Return the pitch class of the annotated root at a time, None where there is none."""
    for start, end, name in chords:
        if start <= seconds < end and name[0] in _LETTERS:
            return (_LETTERS[name[0]] + name[1:2].count("#") - name[1:2].count("b")) % 12
    return None


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tunes", type=Path, metavar="TUNES.npz")
    parser.add_argument("corpus", type=Path, metavar="POP909")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    rows = bass(TuneSet.load(args.tunes), args.corpus)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "bass.json").write_text(json.dumps(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

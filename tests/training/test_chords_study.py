"""``perpetuo study chords`` measures what is asked against what is played, corpus or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer import cli
from streamer.engine.engine import Engine
from streamer.families.bands import generator as bands
from streamer.music.progressions import read_progression
from training.studies.chords import BUILT_IN, STRENGTHS, progressions_of

LABELS = "song_id,bpm\n001,120\n002,120\n"
CHORDS = [("N", 4)] + [("C:maj", 4), ("A:min7/b3", 2), ("F:maj7", 2), ("G:sus4(b7)", 8)] * 2


def corpus(folder: Path, chords: list[tuple[str, int]] = CHORDS) -> Path:
    rows, at = ["song_id,start_s,end_s,chord"], 0.0
    for chord, beats in chords:
        for _ in range(beats):
            rows.append(f"001,{at},{at + 0.5},{chord}")
            at += 0.5
    (folder / "chords.csv").write_text("\n".join(rows) + "\n")
    (folder / "labels.csv").write_text(LABELS)
    return folder


@pytest.mark.parametrize("text", BUILT_IN)
def test_what_is_built_in_can_be_read(text):
    assert read_progression(text)[1] is not None


def test_a_song_gives_its_first_bars_with_chords_in_the_usual_spelling(tmp_path):
    text = "C:4 Am7:2 Fmaj7:2 G7sus4:8"
    assert (f"{text} {text}",) == progressions_of(corpus(tmp_path))


def test_a_song_with_too_few_chords_gives_none(tmp_path):
    assert () == progressions_of(corpus(tmp_path, [("C:maj", 4), ("N", 4), ("G:maj", 40)]))


@pytest.mark.parametrize("name", ["tunes", "band", "beethoven", "piano"])
def test_chord_tones_rise_with_the_strength_and_nothing_stays_watched(name, tmp_path, capsys):
    plain = Engine.next_block, bands.draw_states
    line = ["study", "chords", name, "--seconds", "12", "--progressions", "1"]
    assert 0 == cli.main([*line, "-o", str(tmp_path)])
    assert plain == (Engine.next_block, bands.draw_states)
    row = json.loads((tmp_path / "chords.json").read_text())["bundles"][0]
    rows = row["strengths"]
    assert [*STRENGTHS] == [one["strength"] for one in rows]
    assert rows[-1]["strong"] >= 0.95 > rows[0]["strong"]
    assert row["change_ms_p95"] > 0
    assert f"| {name} | 0.7 |" in capsys.readouterr().out


def test_a_corpus_that_is_none_is_one_line(tmp_path, capsys):
    line = ["study", "chords", "tunes", "--corpus", str(tmp_path), "-o", str(tmp_path / "out")]
    assert 1 == cli.main(line)
    said = capsys.readouterr().err
    assert "must hold labels.csv and chords.csv" in said
    assert 1 == len(said.splitlines())

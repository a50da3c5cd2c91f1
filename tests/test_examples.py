"""Every example of examples/ runs as it stands, on ports that are not there, for a moment."""

from __future__ import annotations

import io
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.music import NOTE_DTYPE
from tests.midifiles import write_midi

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
MOST_LINES = 40

ARGUMENTS = {
    "01-hello": ["null", "0.5"],
    "02-render": ["out.mid", "5"],
    "03-steer": ["null", "0.5"],
    "04-scenes": ["null", "0.1"],
    "05-own-filter": ["out.mid", "5"],
    "06-own-port": ["3"],
    "07-own-controller": ["null"],
    "08-record": ["out.mid", "3"],
    "09-evaluate": ["pieces", "0.2"],
    "10-train": ["pieces", "run"],
    "11-export": ["run", "null", "0.5"],
    "12-inspect": ["roll.png", "5"],
}
"""What each is called with: no music that anyone hears, and little of it."""

SAYS = {
    "01-hello": r"playing on null, seed \d+",
    "02-render": r"out.mid: [1-9]\d* notes in",
    "04-scenes": r"calm\nbells\nnight\nas-configured\n",
    "05-own-filter": r"\d+ of \d+ candidates kept, dropped: \{.*'wide'",
    "06-own-port": r"Message\(name='note_on'",
    "07-own-controller": r"density is 0.5, heard in(.|\n)*density must be in range 0.25..4.0",
    "08-record": r"[1-9]\d* notes in",
    "09-evaluate": r"chains(.|\n)*melodies",
    "10-train": r"4 pieces to train on(.|\n)*run/best.pt: held out, total",
    "11-export": r"run/mine: \d+ notes as torch has them",
    "12-inspect": r"piano +chain(.|\n)*roll.png: a piano roll",
}
TRAINS = ("09-evaluate", "10-train", "11-export")
TYPED = "density 0.5\ndensity 9\n"

PIECES, NOTES = ("air", "dawn", "rain", "march", "night", "waltz"), 150


def write_pieces(folder: Path) -> None:
    """Write some pieces of broken chords, as files of one's own would lie there."""
    folder.mkdir()
    for number, name in enumerate(PIECES):
        rng = np.random.default_rng(number)
        notes = np.zeros(NOTES, NOTE_DTYPE)
        notes["onset_ms"] = np.cumsum(rng.choice([0, 120, 250, 480], NOTES))
        notes["duration_ms"] = rng.choice([110, 240, 700], NOTES)
        notes["pitch"] = 50 + number + rng.choice([0, 4, 7, 12, 16], NOTES)
        notes["velocity"] = rng.integers(50, 90, NOTES)
        write_midi(folder / f"{name}.mid", notes)


def write_run(folder: Path) -> None:
    """Train a tiny chain on a made corpus, and leave its run there."""
    import torch

    from training import load_preset, make_task, tiny_corpus
    from training.run import Trainer

    folder.mkdir()
    corpus, preset = tiny_corpus("chain"), load_preset("chain-tiny")
    corpus.save(folder / "corpus.npz")
    task = make_task(preset, corpus, seed=0, device=torch.device("cpu"))
    Trainer(task, replace(preset.loop, epochs=1), folder, {"preset": preset.name}).run()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_says_what_it_did(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if path.stem in TRAINS:
        pytest.importorskip("torch", reason="needs the extras train and export")
    monkeypatch.chdir(tmp_path)
    if "pieces" in ARGUMENTS[path.stem]:
        write_pieces(tmp_path / "pieces")
    if path.stem == "11-export":
        write_run(tmp_path / "run")
    monkeypatch.setattr(sys, "argv", [str(path), *ARGUMENTS[path.stem]])
    monkeypatch.setattr(sys, "stdin", io.StringIO(TYPED))
    runpy.run_path(str(path), run_name="__main__")
    assert re.search(SAYS.get(path.stem, ""), capsys.readouterr().out)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_how_it_is_called(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < MOST_LINES
    assert f"python examples/{path.name}" in text.split('"""')[1]


def test_the_list_of_examples_names_each_with_what_it_shows() -> None:
    listed = re.findall(r"\| \[([^\]]+)\]\(([^)]+)\) \|", (FOLDER / "README.md").read_text("utf-8"))
    assert [(path.name, path.name) for path in EXAMPLES] == listed
    assert [f"{number:02}" for number in range(1, 13)] == [path.name[:2] for path in EXAMPLES]

"""A family from another package, through the three entry-point groups, from MIDI files to music.

The package is tests/sixth_family/stroll; not a line of ours knows it. It is put where pip would put
it, and the command runs as anybody's does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mido
import pytest

ROOT = Path(__file__).parent.parent
ENTRY_POINTS = """\
[perpetuo.families]
stroll = stroll.family:FAMILY
[perpetuo.training_families]
stroll = stroll.training:FAMILY
[perpetuo.export_families]
stroll = stroll.exporting:FAMILY
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip leaves one: the package, and what it registers."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tests" / "sixth_family" / "stroll", folder / "stroll")
    about = folder / "stroll-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stroll\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for i in range(3):
        track = mido.MidiTrack()
        for step in range(61):
            pitch = 50 + i + abs(step % 40 - 20)
            track.append(mido.Message("note_on", note=pitch, velocity=70))
            track.append(mido.Message("note_off", note=pitch, time=240))
        mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(folder / f"{'abc'[i]} song.mid")
    return folder


def perpetuo(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return _run(site, "-m", "streamer", *arguments)


def _run(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])},
        cwd=site,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def done(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def corpus(site: Path, songs: Path) -> Path:
    out = site / "strolls.npz"
    said = perpetuo(site, "prepare", "strolls", songs, "-o", out, "--valid", 0.3, "--test", 0)
    assert "3 files: 3 kept" in done(said)
    return out


@pytest.fixture(scope="module")
def checkpoint(site: Path, corpus: Path) -> Path:
    folder = site / "runs"
    command = ["train", "stroll", "--preset", "stroll-tiny", "--tensors", corpus, "-o", folder]
    said = done(perpetuo(site, *command, "--quiet", "--device", "cpu", "--threads", 1))
    assert "nats a stride (= key)" in said
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows] == [2]
    return folder


@pytest.fixture(scope="module")
def bundle(site: Path, corpus: Path, checkpoint: Path) -> Path:
    out = site / "bundle"
    said = perpetuo(site, "export", checkpoint, "-o", out, "--name", "stroll",
                    "--statistics-from", corpus)  # fmt: skip
    assert "stroll: " in done(said)
    return out


def test_it_is_exported_with_a_proof_and_a_card(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (error,) = manifest["metrics"]["parity"]["functions"].values()
    assert error < 1e-4
    assert manifest["metrics"]["unit"]["per"] == "stride"
    card = (bundle / "CARD.md").read_text()
    assert "Held-out compositions, nats per stride:" in card
    assert "## Keys\n\nFrom 48 on, 24 of them." in card
    assert "nats a stride (2 lines)" in card


def test_it_plays_sixteen_notes_and_obeys_its_own_live_control(site: Path, bundle: Path) -> None:
    heard = {}
    for restless in (0.0, 1.0):
        out = site / f"{restless}.mid"
        said = perpetuo(site, "render", out, "--model", bundle, "--duration", 8, "--seed", 1,
                        "--set", f"restlessness={restless}", "--json", "-")  # fmt: skip
        assert json.loads(done(said))["notes"] >= 16
        heard[restless] = [m.note for m in mido.MidiFile(out) if m.type == "note_on" and m.velocity]
    assert heard[0.0] != heard[1.0]


def test_its_control_is_in_the_help_the_listing_and_the_page(site: Path) -> None:
    assert "restlessness" in done(perpetuo(site, "render", "--help"))
    listed = json.loads(done(perpetuo(site, "controls", "--json")))
    (own,) = [control for control in listed if control["name"] == "restlessness"]
    assert own["families"] == ["stroll"]
    page = done(perpetuo(site, "controls", "--markdown"))
    assert "share of steps that go anywhere, whatever the model says" in page


def test_the_verbs_of_training_name_it(site: Path, corpus: Path, checkpoint: Path) -> None:
    search = perpetuo(site, "search", "stroll", "--preset", "stroll-tiny", "--tensors", corpus,
                      "-o", site / "search", "--trials", 1, "--budget", 0.1,
                      "--device", "cpu")  # fmt: skip
    assert "best of 1" in done(search)
    study = perpetuo(site, "study", "stroll", "--checkpoint", checkpoint, "--tensors", corpus,
                     "-o", site / "study")  # fmt: skip
    assert done(study).startswith("evenness: ")
    assert "a table of which key follows which" in done(perpetuo(site, "train", "--help"))

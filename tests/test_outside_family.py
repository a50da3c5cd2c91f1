"""A family from another package: it brings a part, a table, music and words, and nothing of ours
is changed for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle

ROOT = Path(__file__).parent.parent

PACKAGE = '''
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from streamer.errors import BundleError
from streamer.generators.base import Choosing, Opened
from streamer.generators.stats import GenerationStats, Playing
from streamer.music.notes import Note, Phrase
from streamer.registry import Family
from streamer.settings.schema import Range


class Bells(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pitches: list[int]


@dataclass(frozen=True, slots=True)
class BellSettings:
    """How bells ring.

    Attributes:
        gap_ms: Between two.
    """

    gap_ms: Annotated[float, Range(50, 5000, "ms")] = 500.0


class BellGenerator(Choosing):
    def __init__(self, pitches, gap_ms, rng):
        super().__init__(1, GenerationStats())
        self._pitches, self._gap_ms, self._rng, self._end_ms = pitches, gap_ms, rng, 0.0

    @property
    def beat_ms(self):
        return self._gap_ms

    def next_phrase(self, notes=None):
        count, start_ms = notes or 4, self._end_ms
        picked = self._rng.choice(self._pitches, count).tolist()
        struck = tuple(
            Note(pitch, start_ms + i * self._gap_ms, self._gap_ms / 2, 80)
            for i, pitch in enumerate(picked)
        )
        self._end_ms = start_ms + count * self._gap_ms
        phrase = Phrase(struck, np.zeros((count, 5), np.float32), start_ms, self._end_ms)
        self._stats.count_drawn([None])
        self._stats.count_committed(phrase)
        self._stats.playing = Playing(
            kind="bells", line="bells", text=f"{len(self._pitches)} bells", data={"bells": 2}
        )
        return phrase


def open_bells(bundle, settings, controls, rng, filters, runtime):
    bells = bundle.manifest.part("bells", Bells)
    if bells is None:
        raise BundleError(f"bundle {bundle.manifest.name} has no bells")
    gap_ms = settings.stage(BellSettings).gap_ms
    return Opened(generator=BellGenerator(bells.pitches, gap_ms, rng))


def problems(manifest, codec):
    bells = manifest.part("bells", Bells)
    return ["bells must be two or more"] if bells and len(bells.pitches) < 2 else []


FAMILY = Family(
    name="bells",
    models=("carillon",),
    codecs={},
    kind="step",
    arguments=(),
    parts={"bells": "bells:Bells"},
    problems="bells:problems",
    settings={"bells": "bells:BellSettings"},
    open="bells:open_bells",
    floors="bells:floors",
    check_defaults="bells:check_defaults",
)
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as pip leaves one: the package, and what it registers."""
    folder = tmp_path / "site"
    about = folder / "bells-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "bells.py").write_text(PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bells\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[perpetuo.families]\nbells = bells:FAMILY\n")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = write_tiny_bundle(tmp_path / "carillon").path
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "family": "carillon", "bells": {"pitches": [72, 79]}}))
    (folder / "manifest.sha256").unlink()
    return folder


def perpetuo(site: Path | None, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT)] if site is None else [str(ROOT), str(site)]
    return subprocess.run(
        [sys.executable, "-m", "streamer", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_family_from_outside_plays_its_bundle_by_its_own_settings(
    installed: Path, bundle: Path, tmp_path: Path
) -> None:
    config, out = tmp_path / "perpetuo.toml", tmp_path / "out.mid"
    config.write_text("[bells]\ngap_ms = 250\n")
    run = perpetuo(
        installed, "render", out, "--model", bundle, "--config", config, "--duration", 8,
        "--seed", 1, "--json", "-",
    )  # fmt: skip
    assert (0, "") == (run.returncode, run.stderr)
    report = json.loads(run.stdout)
    assert 32 == report["notes"]
    assert {"bells": 2} == report["bells"]


def test_its_mistakes_are_found_with_all_others(
    installed: Path, bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "perpetuo.toml"
    config.write_text("[bells]\ngap_ms = 1\nloud = true\n[model]\nredraws = 99\n")
    run = perpetuo(installed, "play", "--model", bundle, "--config", config, "--port", "null")
    assert 1 == run.returncode
    lines = run.stderr.splitlines()
    assert 3 == len(lines)
    assert "bells.gap_ms must be in range 50..5000 ms, not 1" in lines[0]
    assert "bells.loud is unknown" in lines[1]


def test_its_part_of_a_manifest_is_checked_by_it(installed: Path, bundle: Path) -> None:
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text.replace("[72, 79]", "[72]"))
    run = perpetuo(installed, "render", bundle / "out.mid", "--model", bundle)
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert "bells must be two or more" in run.stderr


def test_where_it_is_not_installed_its_bundle_is_refused_with_one_line(bundle: Path) -> None:
    run = perpetuo(None, "render", bundle / "out.mid", "--model", bundle)
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert "unknown field `bells`" in run.stderr


def test_what_it_promises_and_has_not_is_one_line(installed: Path, bundle: Path) -> None:
    run = perpetuo(installed, "bench", "--model", bundle, "--seconds", 1)
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert "bells:floors cannot be opened" in run.stderr

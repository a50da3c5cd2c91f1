"""Whether a package registers something, asked without importlib.metadata."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamer.system.packages import registers

GROUP = "perpetuo.families"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all there is on ``sys.path``."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [])
    return tmp_path


@pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
def test_what_a_package_registers_is_found(kind, place):
    about = place / f"bells-1.0.{kind}"
    about.mkdir()
    assert not registers(GROUP)
    (about / "entry_points.txt").write_text("[console_scripts]\nbells = bells:main\n")
    assert not registers(GROUP)
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nbells = bells:FAMILY\n")
    assert registers(GROUP)
    assert not registers("perpetuo.verbs")


def test_an_archive_or_a_finder_of_somebodys_own_may_have_one(place, monkeypatch):
    class Finder:
        def find_distributions(self, context):
            return []

    archive = place / "wheels.zip"
    archive.write_bytes(b"PK")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert registers(GROUP)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [Finder()])
    assert registers(GROUP)


def test_the_edge_starts_without_reading_what_packages_are_installed():
    code = (
        "import sys; from streamer import cli; status = cli.main(['play', '--help']);"
        "assert 'importlib.metadata' not in sys.modules, 'read'; sys.exit(status)"
    )
    bare = [sys.executable, "-c", code]
    run = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)

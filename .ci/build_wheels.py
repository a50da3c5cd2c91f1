"""Build what goes to the package index: ``python .ci/build_wheels.py OUT``.

In: the checkout's one pyproject.toml. Out, in OUT: ``perpetuo_midi-VERSION.whl`` (the edge: the
package ``streamer`` with the bundles that ``[tool.perpetuo.wheels]`` names),
``perpetuo_midi_lab-VERSION.whl`` (``training`` and ``export``), and in OUT/bundles every bundle as
a ``.zip`` with ``SHA256SUMS``, for ``perpetuo models --get``. The checkout is not touched.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

ROOT = Path(__file__).resolve().parents[1]
EDGE, LAB = "perpetuo-midi", "perpetuo-midi-lab"
OF_THE_LAB = ("train", "export")
"""Extras that need the packages of the lab."""

sys.path.insert(0, str(ROOT))


def main() -> None:
    """Build everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for made in (edge_of(project), lab_of(project)):
        build(made, args.out.resolve())
    pack_bundles(args.out / "bundles")


def edge_of(project: dict[str, Any]) -> dict[str, Any]:
    """Return the pyproject of the edge: ``streamer`` alone; its extras bring the lab."""
    edge = copy.deepcopy(project)
    extras = edge["project"]["optional-dependencies"]
    for extra in OF_THE_LAB:
        extras[extra] = [f"{LAB}[{extra}]"]
    del extras["dev"]
    del edge["project"]["entry-points"]
    bundles = edge["tool"]["perpetuo"]["wheels"]["edge_bundles"]
    every = sorted(p.name for p in (ROOT / "streamer" / "models").iterdir() if p.is_dir())
    left_out = [f"/streamer/models/{name}" for name in every if name not in bundles]
    return _with_build(edge, {"packages": ["streamer"], "exclude": left_out})


def lab_of(project: dict[str, Any]) -> dict[str, Any]:
    """Return the pyproject of the lab: ``training`` and ``export``, of the same version."""
    lab = copy.deepcopy(project)
    about = lab["project"]
    about["name"] = LAB
    about["description"] = "Training and export of models for perpetuo-midi."
    about["dependencies"] = [f"{EDGE} == {version()}"]
    extras = about["optional-dependencies"]
    about["optional-dependencies"] = {name: extras[name] for name in OF_THE_LAB}
    del about["scripts"]
    return _with_build(lab, {"packages": ["training", "export"]})


def version() -> str:
    """Return the version, from its one home."""
    from streamer import __version__

    return __version__


def _with_build(project: dict[str, Any], wheel: dict[str, Any]) -> dict[str, Any]:
    """Return a pyproject with what building needs, and none of the tools' settings."""
    hatch = {"version": project["tool"]["hatch"]["version"], "build": {"targets": {"wheel": wheel}}}
    return {
        "build-system": project["build-system"],
        "project": project["project"],
        "tool": {"hatch": hatch},
    }


def build(project: dict[str, Any], out: Path) -> None:
    """Build the wheel of a pyproject in a folder of links to the checkout."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name in ("streamer", "training", "export"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "pyproject.toml").write_text(tomli_w.dumps(project), encoding="utf-8")
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{project['project']['name']} cannot be built:\n{done.stdout}{done.stderr}")


def pack_bundles(out: Path) -> None:
    """Write every bundle of the checkout as a ``.zip``, and their hashes."""
    from streamer.bundle.fetching import SUMS_FILE, pack_bundle

    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for path in sorted(p for p in (ROOT / "streamer" / "models").iterdir() if p.is_dir()):
        data = pack_bundle(path)
        (out / f"{path.name}.zip").write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {path.name}.zip\n")
    (out / SUMS_FILE).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()

"""Whether all that the edge needs can be had without a compiler, on every Python and processor.

    python -m tests.wheels                       3.11 to 3.14, x86-64 and aarch64
    python -m tests.wheels --only 3.13 aarch64

pip is asked to resolve what pyproject.toml says for the base and the extras `live`, `mqtt`, `link`
and `metrics`, from wheels alone, for another Python than its own; nothing is installed. Wants the
package index.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PYTHONS, MACHINES = ("3.11", "3.12", "3.13", "3.14"), ("x86_64", "aarch64")
EXTRAS = ("live", "mqtt", "link", "metrics")
PLATFORMS = ("manylinux_2_28_{}", "manylinux_2_27_{}", "manylinux_2_17_{}", "manylinux2014_{}")
OFFLINE = ("ConnectionError", "Failed to establish", "Temporary failure", "Connection refused",
           "Could not find a version that satisfies the requirement numpy")  # fmt: skip
"""What pip says where it reaches no index."""


class Offline(Exception):
    """There is no package index."""


def wanted(python: str, machine: str) -> list[str]:
    """Return the requirements that hold on a Python and a processor of Linux."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"]]
    for extra in EXTRAS:
        listed += project["optional-dependencies"][extra]
    there = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    parsed = [Requirement(text) for text in listed]
    return [
        f"{one.name}{one.specifier}"
        for one in parsed
        if one.marker is None or one.marker.evaluate(there)
    ]


def resolve(python: str, machine: str) -> str:
    """Return why no wheels fit, or nothing.

    Raises:
        Offline: There is no package index.
    """
    platforms = [word for name in PLATFORMS for word in ("--platform", name.format(machine))]
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q",
            "install", "--dry-run", "--ignore-installed", "--target", "/nonexistent",
            "--only-binary=:all:", "--python-version", python, "--implementation", "cp",
            *platforms, *wanted(python, machine),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and any(word in done.stderr for word in OFFLINE):
        raise Offline(done.stderr.strip().splitlines()[-1])
    return done.stderr.strip() if done.returncode else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolve for all that the command line names; 0 when all can be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs=2, metavar=("PYTHON", "MACHINE"))
    only = parser.parse_args(arguments).only
    pairs = [tuple(only)] if only else [(p, m) for p in PYTHONS for m in MACHINES]
    failed = 0
    for python, machine in pairs:
        problem = resolve(python, machine)
        failed += bool(problem)
        sys.stdout.write(f"Python {python}, {machine}: {problem or 'wheels alone'}\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

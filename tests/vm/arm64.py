"""``make vm-test-arm64``: renders a minute on an emulated ARM processor, and compares it with this.

    python -m tests.vm.arm64 [--seconds 60] [--limit SECONDS] [--required]

The processor is a Cortex-A72, that of the Raspberry Pi 4, by qemu's user emulation; Debian's arm64
Python and the aarch64 wheels run on it as they would there. Exit status 0 when both machines render
the same bytes, or at least the same first phrase (which of the two is printed), or when nothing
could be run (the reason is printed); 1 otherwise. Results go to ``build/vm/arm64.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.vm.image import (
    CHECKOUT,
    Broken,
    Unavailable,
    digest,
    do,
    fetch_debs,
    fetch_wheels,
    foreign,
    unpack,
    unpack_all,
)

WORK = CHECKOUT / "build" / "vm"
LIMIT_SECONDS = 900.0
PACKAGES = ("python3", "libasound2", "libstdc++6")
PROCESSOR = "cortex-a72"
CORES = 4
RENDER = ("--model", "piano", "--seed", "7", "--candidates", "2")
PHRASE_NOTES = 32


def say(text: str) -> None:
    """Write a line at once, whoever reads."""
    sys.stdout.write(f"vm-test-arm64: {text}\n")
    sys.stdout.flush()


def fetch_emulator(work: Path) -> Path:
    """Return qemu's user emulation, from the host or from a package that is not installed."""
    if found := shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64"):
        return Path(found)
    here = work / "tools"
    program = here / "usr/bin/qemu-aarch64-static"
    if not program.exists():
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir(parents=True)
        do(["apt-get", "download", "-q", "qemu-user-static"], cwd=here)
        unpack(next(here.glob("*.deb")), here)
    return program


def fetch_arm_debs(work: Path) -> list[Path]:
    """Return Debian's packages for arm64, by apt with lists of its own."""
    lists = work / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (work / "cache").mkdir(exist_ok=True)
    options = [
        "-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64",
        "-o", f"Dir::State::Lists={lists.resolve()}", "-o", f"Dir::Cache={work.resolve()}/cache",
    ]  # fmt: skip
    silent = ["-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=root"]
    do(["apt-get", "-q", *options, *silent, "update"])
    return fetch_debs(work / "debs", PACKAGES, options)


def pretend_processor(root: Path) -> None:
    """Describe a four-core Cortex-A72 where programs look for it.

    ONNX Runtime's library reads these files, and the host's own tell it of a processor that is
    not there.
    """
    lines = []
    for core in range(CORES):
        lines += [
            f"processor\t: {core}",
            "BogoMIPS\t: 108.00",
            "Features\t: fp asimd evtstrm crc32 cpuid",
            "CPU implementer\t: 0x41",
            "CPU architecture: 8",
            "CPU variant\t: 0x0",
            "CPU part\t: 0xd08",
            "CPU revision\t: 3",
            "",
        ]
    files = {"proc/cpuinfo": "\n".join([*lines, "Model\t\t: Cortex-A72 for tests", ""])}
    system = "sys/devices/system/cpu"
    everyone = f"0-{CORES - 1}"
    files |= {f"{system}/{name}": everyone for name in ("possible", "present", "online")}
    files[f"{system}/kernel_max"] = "255"
    for core in range(CORES):
        own = f"{system}/cpu{core}"
        files |= {
            f"{own}/topology/physical_package_id": "0",
            f"{own}/topology/core_id": str(core),
            f"{own}/topology/core_siblings_list": everyone,
            f"{own}/topology/package_cpus_list": everyone,
            f"{own}/topology/thread_siblings_list": str(core),
            f"{own}/topology/core_cpus_list": str(core),
            f"{own}/cpufreq/cpuinfo_max_freq": "1800000",
            f"{own}/cpufreq/cpuinfo_min_freq": "600000",
        }
        caches = ((1, "Data", "32K"), (1, "Instruction", "48K"), (2, "Unified", "1024K"))
        for index, (level, kind, size) in enumerate(caches):
            cache = f"{own}/cache/index{index}"
            files |= {
                f"{cache}/level": str(level),
                f"{cache}/type": kind,
                f"{cache}/size": size,
                f"{cache}/shared_cpu_list": everyone if level == 2 else str(core),
            }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def make_root(work: Path) -> tuple[Path, str]:
    """Return a folder with Debian's Python for arm64 and this checkout, and Python's version."""
    debs, root = fetch_arm_debs(work), work / "root"
    stamp, told = root / "vm-stamp", digest(deb.name.encode() for deb in debs)
    if not stamp.exists() or stamp.read_text() != told:
        shutil.rmtree(root, ignore_errors=True)
        unpack_all(root, debs)
        pretend_processor(root)
        stamp.write_text(told)
    version = next((root / "usr/bin").glob("python3.[0-9]*")).name.removeprefix("python")
    fetch_wheels(work / "wheels", version, "aarch64")
    site = root / "opt/site"
    shutil.rmtree(site, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    do([
        *pip, "install", "--target", site, "--no-compile", "--no-index", "--no-deps",
        *foreign(version, "aarch64"), *(work / "wheels").glob("*.whl"),
    ])  # fmt: skip
    return root, version


def render(
    command: list[str | Path], target: Path, seconds: float, limit: float, **environ: str
) -> tuple[dict[str, Any], float]:
    """Render a piece and return the report of it, with the seconds that it took."""
    report = target.with_suffix(".json")
    words = ["render", target, "--duration", str(seconds), *RENDER, "--json", report]
    began = time.monotonic()
    plain = {"PATH": os.environ["PATH"], "HOME": str(target.parent), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*map(str, command), *map(str, words)], cwd=target.parent, env=plain | environ,
            capture_output=True, text=True, check=False, timeout=limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Broken(f"{target.name} is not rendered after {limit:.0f} s") from error
    if done.returncode:
        raise Broken(f"{target.name}: status {done.returncode}: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(report.read_text())
    return found, time.monotonic() - began


def notes(path: Path) -> list[tuple[float, int, int]]:
    """Return (seconds, key, velocity) of each note."""
    import mido

    now, found = 0.0, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.velocity:
            found.append((round(now, 3), message.note, message.velocity))
    return found


def compare(work: Path, seconds: float, limit: float) -> dict[str, Any]:
    """Render on both processors and say how far they agree."""
    emulator = fetch_emulator(work)
    root, version = make_root(work)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    here, there = out / "x86_64.mid", out / "aarch64.mid"
    render([sys.executable, "-m", "streamer"], here, seconds, limit, PYTHONPATH=str(CHECKOUT))
    say(f"rendering {seconds:g} s with piano on an emulated {PROCESSOR}")
    command = [emulator, "-cpu", PROCESSOR, "-L", root, root / f"usr/bin/python{version}"]
    code = "import platform; print(platform.machine())"
    machine = do([*command, "-c", code]).strip()
    if machine != "aarch64":
        raise Broken(f"the emulated machine calls itself {machine}")
    report, took = render(
        [*command, "-m", "streamer"], there, seconds, limit, PYTHONPATH=f"{root}/opt/site"
    )
    one, two = notes(here), notes(there)
    same = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), None)
    same = min(len(one), len(two)) if same is None else same
    return {
        "same_bytes": here.read_bytes() == there.read_bytes(),
        "same_leading_notes": same,
        "notes_x86_64": len(one),
        "notes_aarch64": len(two),
        "python": version,
        "inference_seconds_emulated": report["inference_s"],
        "seconds_emulated": round(took, 1),
    }


def main() -> int:
    """Compare, and return the exit status."""
    parser = argparse.ArgumentParser(description="Render on an emulated ARM processor.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of music")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds for a render")
    parser.add_argument("--required", action="store_true", help="not to be run is a failure")
    parser.add_argument("--work", type=Path, default=WORK, help="where machine and results lie")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        found = compare(options.work / "arm64", options.seconds, options.limit)
    except Unavailable as error:
        say(f"SKIPPED: {error}")
        return int(options.required)
    except Broken as error:
        say(f"FAILED: {error}")
        return 1
    (options.work / "arm64.json").write_text(json.dumps(found, indent=1) + "\n")
    for what, value in found.items():
        say(f"  {what.replace('_', ' ')}: {value}")
    if found["same_bytes"]:
        say("passed: the same bytes as on x86-64")
    elif found["same_leading_notes"] >= PHRASE_NOTES:
        say(f"passed: the same {found['same_leading_notes']} notes at first, then others")
    else:
        say(f"FAILED: the first phrase ({PHRASE_NOTES} notes) is another")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

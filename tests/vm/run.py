"""``make vm-test``: boots a virtual machine for each scenario and says what it found.

    python -m tests.vm.run [--only NAME ...] [--limit SECONDS] [--required] [--strict]

Exit status 0 when all scenarios passed, or could not be run (the reason is printed, and counts as
a failure with ``--required``), 1 when one failed. What each saw is in ``build/vm/results.json``,
the console of each in ``build/vm/NAME.log``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.vm.image import CHECKOUT, Broken, Unavailable, make_image, make_ready

WORK = CHECKOUT / "build" / "vm"
LIMIT_SECONDS = 480.0
"""The whole of it. What is not over then counts as not run, unless a check has failed."""

STOPS = 6
"""A start and a stop take some seconds in an emulated machine."""

OVER = "the time for all scenarios is over"


@dataclass(frozen=True)
class Scenario:
    """One boot of the machine.

    Attributes:
        name: Its script in ``guest``.
        limit_seconds: Of the boot and all, without the time in which the host let it wait; about
            three times what it takes.
        first: The first process.
        asked: It is run only when it is named.
    """

    name: str
    limit_seconds: float
    first: str = "/opt/vm/init"
    asked: bool = False


SCENARIOS = (
    Scenario("alsa", 120),
    Scenario("usb", 240),
    Scenario("stops", 240),
    Scenario("seq", 400, asked=True),
    Scenario("gadget", 240, asked=True),
    Scenario("permissions", 200),
    Scenario("service", 300, "/lib/systemd/systemd"),
)


def say(text: str) -> None:
    """Write a line at once, whoever reads."""
    sys.stdout.write(f"vm-test: {text}\n")
    sys.stdout.flush()


def boot(
    scenario: Scenario, work: Path, seconds: float, words: str
) -> tuple[list[dict[str, Any]], str]:
    """Run the machine until it is switched off.

    Args:
        scenario: What is run.
        work: Where the machine lies.
        seconds: What is left for all scenarios.
        words: More words for the kernel's command line.

    Returns:
        The lines of the scenario, and why it ended before its time, or nothing.
    """
    lines_path, log = work / f"{scenario.name}.jsonl", work / f"{scenario.name}.log"
    lines_path.write_bytes(b"")
    words = (
        f"console=ttyS0 quiet panic=-1 first={scenario.first} scenario={scenario.name} {words}"
    ).rstrip()
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-nic", "none",
        "-accel", os.environ.get("PERPETUO_VM_ACCEL", "tcg"), "-cpu", "max", "-smp", "1",
        "-m", "1024", "-device", "virtio-rng-pci",
        "-serial", f"file:{log}", "-serial", f"file:{lines_path}",
        "-drive", f"file={work / 'root.ext4'},if=virtio,format=raw,snapshot=on",
        "-kernel", str(work / "vmlinuz"), "-initrd", str(work / "initrd"), "-append", words,
    ]  # fmt: skip
    ended = watch(command, scenario.limit_seconds, seconds)
    lines = []
    for line in lines_path.read_text(errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            lines.append({"check": "a line that can be read", "ok": False, "seen": line})
    return lines, ended


def watch(command: list[str], limit_seconds: float, total_seconds: float) -> str:
    """Run qemu; what it waits for a processor on a busy host does not count towards its limit.

    Returns:
        Why it ended before its time, or nothing.
    """
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as qemu:
        waited = 0.0
        while True:
            try:
                _, error = qemu.communicate(timeout=1.0)
            except subprocess.TimeoutExpired:
                waited = max(waited, starved(qemu.pid))
                took = time.monotonic() - began
                if took - waited <= limit_seconds and took <= total_seconds:
                    continue
                qemu.kill()
                over = OVER if took > total_seconds else "not over"
                return f"{over} after {took:.0f} s, of which the host let it wait {waited:.0f} s"
            if qemu.returncode:
                return f"qemu ended with {qemu.returncode}: {error.decode().strip()[-200:]}"
            return ""


def starved(pid: int) -> float:
    """Return for how long the process's busiest thread was ready to run and could not, seconds."""
    waits = [0.0]
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waits.append(int(path.read_text().split()[1]) / 1e9)
        except (OSError, IndexError):
            continue
    return max(waits)


def judge(scenario: Scenario, work: Path, seconds: float, words: str) -> dict[str, Any]:
    """Run one scenario and return what is to be written about it."""
    began = time.monotonic()
    lines, ended = boot(scenario, work, seconds, words)
    took = round(time.monotonic() - began, 1)
    checks = [line for line in lines if "check" in line]
    status = next((line["exit"] for line in lines if "exit" in line), None)
    if ended.startswith(OVER) and all(line["ok"] for line in checks):
        verdict, why = "skipped", ended
    elif ended or status != 0:
        verdict = "failed"
        why = ended or ("no exit status" if status is None else f"exit status {status}")
    else:
        verdict, why = "passed", ""
    return {
        "scenario": scenario.name,
        "verdict": verdict,
        "why": why,
        "seconds": took,
        "exit": status,
        "checks": checks,
        "figures": {line["figure"]: line["value"] for line in lines if "figure" in line},
    }


def tell(result: dict[str, Any]) -> None:
    """Print what a scenario found."""
    why = f": {result['why']}" if result["why"] else ""
    say(f"{result['scenario']} {result['verdict']} in {result['seconds']} s{why}")
    for line in result["checks"]:
        seen = " | ".join(line["seen"].splitlines())
        say(f"  {'ok  ' if line['ok'] else 'FAIL'} {line['check']}: {seen[:200]}")
    for what, value in result["figures"].items():
        say(f"  {what}: {value}")


def main() -> int:
    """Run the scenarios and return the exit status."""
    parser = argparse.ArgumentParser(description="Boot a virtual machine and play in it.")
    parser.add_argument("--only", nargs="+", choices=[s.name for s in SCENARIOS], metavar="NAME")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds for all")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="times every limit, for a busy host"
    )
    parser.add_argument("--stops", type=int, default=STOPS, help="tries of the scenario stops")
    parser.add_argument("--required", action="store_true", help="a skipped scenario is a failure")
    parser.add_argument("--strict", action="store_true", help="hold to the time that is promised")
    parser.add_argument("--work", type=Path, default=WORK, help="where machine and results lie")
    options = parser.parse_args()
    until = time.monotonic() + options.limit
    results: list[dict[str, Any]] = []
    options.work.mkdir(parents=True, exist_ok=True)
    chosen = [
        s for s in SCENARIOS if s.name in (options.only or ()) or not (options.only or s.asked)
    ]
    why = ""
    try:
        make_ready(say)
        make_image(options.work, say)
    except Unavailable as error:
        why = str(error)
    except Broken as error:
        say(f"FAILED: {error}")
        return 1
    for scenario in chosen:
        left = until - time.monotonic()
        if not why and left < 30:
            why = f"the {options.limit:.0f} s for all scenarios are over"
        if why:
            results.append({"scenario": scenario.name, "verdict": "skipped", "why": why})
            say(f"{scenario.name} SKIPPED: {why}")
            continue
        words = f"stops={options.stops} " + "strict=1" * options.strict
        longer = replace(scenario, limit_seconds=scenario.limit_seconds * options.patience)
        results.append(judge(longer, options.work, left, words))
        tell(results[-1])
    (options.work / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    verdicts = [result["verdict"] for result in results]
    say(", ".join(f"{verdicts.count(v)} {v}" for v in ("passed", "failed", "skipped")))
    bad = "failed" in verdicts or (options.required and "skipped" in verdicts)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

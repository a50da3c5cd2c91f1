"""How much memory may still be taken: what the system has, and what the service manager allows.

In: Linux's own files. Out: bytes, or None where nothing says so. Any thread.
"""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def free_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Return the bytes that this process may take before the system runs short of them.

    Args:
        proc: Where the kernel tells of processes.
        cgroups: Where it tells of control groups (version 2).
    """
    found = [left for left in (_available(proc), _allowed(proc, cgroups)) if left is not None]
    return min(found) if found else None


def _available(proc: Path) -> int | None:
    """Return what the machine has."""
    for line in _text(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _allowed(proc: Path, cgroups: Path) -> int | None:
    """Return what the least of the limits leaves under which this process lives."""
    line = next((x for x in _text(proc / "self/cgroup").splitlines() if x.startswith("0::")), "")
    group = cgroups / line.removeprefix("0::").lstrip("/")
    left = []
    for folder in (group, *group.parents):
        limit, taken = _text(folder / "memory.max"), _text(folder / "memory.current")
        if limit.strip().isdigit() and taken.strip().isdigit():
            # Pages of files that nobody has written to are given back when they are needed.
            stated = (x.split() for x in _text(folder / "memory.stat").splitlines())
            spare = next((int(x[1]) for x in stated if x[0] == "inactive_file"), 0)
            left.append(max(int(limit) - int(taken) + spare, 0))
        if folder == cgroups:
            break
    return min(left) if left else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""

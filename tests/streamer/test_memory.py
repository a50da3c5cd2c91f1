"""Memory that is freed goes back to the system, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="glibc alone is told anything",
)

LIFE = """
import sys, threading
from pathlib import Path
import numpy as np
from streamer.memory import keep_flat

def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

if sys.argv[1] == "flat":
    keep_flat()
np.ones(1 << 21)  # 16 MiB, freed at once: from now on glibc would keep such blocks in its heaps
before = kib("RssAnon")
kept = []
for _ in range(40):
    large = np.ones(1 << 17)
    kept.append(np.ones(1 << 9))
    del large
mixed = [(np.ones(1 << 17), np.ones(1 << 9)) for _ in range(40)]
kept += [small for _, small in mixed]
del mixed
print(kib("RssAnon") - before)

before, go = kib("VmSize"), threading.Event()
threads = [threading.Thread(target=lambda: (kept.append(bytearray(2000)), go.wait()))
           for _ in range(3)]
for thread in threads:
    thread.start()
while len(kept) < 83:
    pass
print(kib("VmSize") - before)
go.set()
"""


def live(how):
    """Return how many KiB a life of large and small blocks keeps, and how far its threads reach."""
    done = subprocess.run(
        [sys.executable, "-c", LIFE, how],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return [int(line) for line in done.stdout.split()]


def test_large_blocks_go_back_to_the_system_and_threads_share_one_heap():
    kept, reach = live("flat")
    assert kept < 4_000
    assert reach < 3 * 40_000
    kept, reach = live("as glibc likes it")
    assert kept > 30_000, "glibc has learnt it: streamer.memory is not needed any more"
    assert reach > 3 * 40_000

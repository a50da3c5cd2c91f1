"""Memory that is freed goes back to the system, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="glibc alone is told anything",
)

LIFE = """
import sys, threading
from pathlib import Path
import numpy as np
from streamer.system.allocator import keep_flat

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
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")},
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )
    return [int(line) for line in done.stdout.split()]


def test_large_blocks_go_back_to_the_system_and_threads_share_one_heap():
    kept, reach = live("flat")
    assert kept < 4_000
    assert reach < 3 * 40_000
    kept, reach = live("as glibc likes it")
    assert kept > 30_000, "glibc has learnt it: streamer.system.allocator is not needed any more"
    assert reach > 3 * 40_000


HEAPS = """
import sys
from pathlib import Path
from streamer.cli import main

play = ["play", "--port", "null", "--input", "off", "--plain", "--for", "0.1"]
status = main([*play, *sys.argv[1:]])
rows = [line.split()[:2] for line in Path("/proc/self/maps").read_text().splitlines()]
spans = [(*(int(end, 16) for end in span.split("-")), rights) for span, rights in rows]
heap = 64 * 2**20  # glibc's for a thread: read and written at its start, nothing behind
print(status, sum(
    first % heap == 0 and after == rest and closing - first == heap and hidden == "---p"
    for (first, after, _), (rest, closing, hidden) in zip(spans, spans[1:])
))
"""


def test_a_stream_has_no_heap_beside_the_first(tmp_path):
    """The watch on signals is a thread too, and the command's first."""
    bundle = str(write_tiny_bundle(tmp_path).path)
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, "--model", bundle],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.split() == ["0", "0"], done.stderr

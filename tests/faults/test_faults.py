"""Every fault of the table, once or as often as one likes.

PERPETUO_FAULTS=20 pytest -m benchmark tests/faults -s
"""

import os
import shutil
import sys

import pytest

from tests.faults import simulated
from tests.faults.table import FAULTS, run

TRIES = int(os.environ.get("PERPETUO_FAULTS", "1"))


@pytest.mark.benchmark
@pytest.mark.jack
@pytest.mark.timeout(120 + 60 * TRIES)
@pytest.mark.parametrize("name", FAULTS)
def test_the_music_outlives(name, capsys):
    if name == "disk_full" and os.getuid():
        pytest.skip("only root mounts a small disk")
    if name == "wall_clock" and not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    row = run(name, TRIES)
    with capsys.disabled():
        sys.stdout.write(f"\n{row.fault}: {row.survived} of {row.tries}; {row.lost}\n")
    assert not row.faults


@pytest.mark.parametrize("name", simulated.FAULTS)
def test_the_music_outlives_a_hundred_of_the_faults_that_cost_no_time(name):
    row = run(name, 1)
    assert (100, []) == (row.survived, row.faults)

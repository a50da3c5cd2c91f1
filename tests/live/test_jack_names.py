"""The tests' own servers give back their names, of which jackd keeps eight until a reboot."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.jackserver import REGISTRY, JackServer, free_names

pytestmark = pytest.mark.jack

LEAVES = """
import os, pathlib, sys
from tests.jackserver import JackServer
server = JackServer(pathlib.Path(sys.argv[1]))
server.start()
if sys.argv[2] == "dies":
    server.kill()
    os._exit(0)
"""


def is_kept(name):
    return f"{name}:".encode() in REGISTRY.read_bytes()


def test_a_server_that_was_killed_gives_back_its_name(tmp_path):
    server = JackServer(tmp_path)
    server.start()
    server.kill()
    assert is_kept(server.name)
    server.stop()
    assert not is_kept(server.name)


@pytest.mark.parametrize("how", ["ends", "dies"])
def test_so_does_one_whose_program_has_ended(tmp_path, how):
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVES, str(tmp_path), how],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    )
    assert 0 == process.wait(120)
    name = f"perpetuo-test-{process.pid}"
    assert is_kept(name) is (how == "dies")
    free_names(tmp_path)
    assert not is_kept(name)

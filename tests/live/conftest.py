"""A JACK server of the test's own, gone when the test is over."""

import os

import pytest

from tests.jackserver import JackServer

AHEAD = -5
"""Niceness of live tests, where it is allowed: those beside them only compute, and can wait."""


@pytest.fixture(scope="module", autouse=True)
def _first():
    """Music in real time goes before what other processes of the tests compute."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(before, AHEAD))
    except PermissionError:
        yield
        return
    yield
    os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture
def jack(tmp_path, monkeypatch):
    """A running server, which this process and its children find by their environment."""
    server = JackServer(tmp_path)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    server.start()
    try:
        yield server
    finally:
        server.stop()

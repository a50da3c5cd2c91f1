"""A JACK server of the test's own, gone when the test is over."""

import pytest

from tests.jackserver import JackServer


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

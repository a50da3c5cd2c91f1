"""What tests of every family play: built once, and only read."""

from pathlib import Path

import pytest

from tests.everybundle import write_every_bundle, write_query


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return where a tiny bundle of each kind lies."""
    return write_every_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def query(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the MIDI file that the bundle "query" answers."""
    return write_query(tmp_path_factory.mktemp("query") / "query.mid")

"""Our reader beside two others on a hundred odd files; a thousand: see tests/compare_readers.py."""

from __future__ import annotations

import pytest

from tests.compare_readers import DIFFERENCES, READERS, compare, files
from tests.oddities import BY_NAME

FILES = 120


@pytest.fixture(scope="module")
def comparison():
    pytest.importorskip("symusic")
    return compare(FILES)


def test_ours_finds_what_each_file_means(comparison):
    assert FILES == comparison.files


def test_each_difference_of_another_reader_is_decided(comparison):
    assert comparison.open == []


def test_each_decision_is_of_a_difference_that_there_is(comparison):
    decided = {(reader, name) for reader, counts in comparison.decided.items() for name in counts}
    assert {(reader, name) for name, (who, _) in DIFFERENCES.items() for reader in who} == decided


def test_plain_files_and_each_oddity_alone_are_among_them():
    chosen = files(FILES, 1)
    assert [] in chosen
    assert {(name,) for name in BY_NAME} <= {tuple(names) for names in chosen}
    assert set(READERS) == {"mido", "symusic"}

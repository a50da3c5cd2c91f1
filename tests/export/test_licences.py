"""Weights take the strictest licence of what they were trained on, and never guess a freer one."""

import pytest

from export.licences import sources_of, weights_licence


def licence(**corpora: str) -> str:
    rows = {name: {"pieces": 1, "notes": 9, "licences": [text]} for name, text in corpora.items()}
    return weights_licence(sources_of(rows))


@pytest.mark.parametrize(
    ("corpora", "expected"),
    [
        ({"a": "CC BY 4.0"}, "CC-BY-4.0"),
        ({"a": "CC BY-SA 3.0 DE"}, "CC-BY-SA-4.0"),
        ({"a": "CC-BY-NC-4.0"}, "CC-BY-NC-SA-4.0"),
        ({"a": "Public Domain", "b": "MIT"}, "CC-BY-4.0"),
        ({"a": "Public-Domain", "b": "ODbL-1.0", "c": "CC-BY-2.5"}, "CC-BY-4.0"),
        ({"a": "MIT", "b": "GPL-3.0"}, "LicenseRef-unknown"),
        ({"a": "MIT", "b": "CC BY-SA 4.0"}, "CC-BY-SA-4.0"),
        ({"a": "CC BY-SA 4.0", "b": "CC BY-NC-SA 4.0"}, "CC-BY-NC-SA-4.0"),
        ({"a": "CC BY-NC-SA 4.0", "b": ""}, "LicenseRef-unknown"),
        ({"a": "all rights reserved"}, "LicenseRef-unknown"),
        ({}, "LicenseRef-unknown"),
    ],
)
def test_strictest_licence_holds(corpora: dict[str, str], expected: str) -> None:
    assert licence(**corpora) == expected


def test_known_corpora_bring_their_attribution_and_licence() -> None:
    rows = {
        "piano-midi-de": {"pieces": 2, "notes": 5, "licences": []},
        "asap-performances": {"pieces": 1, "notes": 3, "licences": [""]},
        "my-own": {"pieces": 1, "notes": 1, "licences": ["CC0"]},
    }
    found = sources_of(rows)
    assert [s.name for s in found] == ["asap-performances", "my-own", "piano-midi-de"]
    assert "Krueger" in found[2].attribution
    assert found[2].licence == "CC BY-SA 3.0 DE"
    assert weights_licence(found) == "CC-BY-NC-SA-4.0"
    assert weights_licence(found[1:]) == "CC-BY-SA-4.0"


def test_licences_stated_file_by_file_are_all_listed() -> None:
    stated = ["Public Domain", "CC BY-SA 4.0", "CC BY 3.0"]
    rows = {"mutopia": {"pieces": 3, "notes": 9, "licences": stated}}
    source = sources_of(rows)[0]
    assert source.licence == "CC BY 3.0, CC BY-SA 4.0, Public Domain"
    assert weights_licence([source]) == "CC-BY-SA-4.0"

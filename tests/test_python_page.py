"""docs/python.md says nothing that does not run: its code, block after block, as one program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "python.md"
MOST_WORDS = 900
"""It is one page."""

SHORTER = (
    (r'port="virtual"', 'port="null"'),  # no MIDI system is needed
    (r"\.wait\(\d+\)", ".wait(0.2)"),
    (r"seconds=\d+", "seconds=5"),
)
"""What the test does not take the time for."""


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_block_of_the_page_runs_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks()):
        for there, here in SHORTER:
            block = re.sub(there, here, block)
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "no bundle is called 'paino'; did you mean piano" in said
    assert {"out.mid", "calm.mid", "low.mid", "epiano.mid"} == {p.name for p in tmp_path.iterdir()}


def test_the_page_names_all_that_the_face_gives() -> None:
    import streamer

    text = PAGE.read_text(encoding="utf-8")
    typing_only = {"Bundle", "LiveControls", "Source", "__version__"}
    assert set() == {name for name in streamer.__all__ if name not in text} - typing_only


def test_the_page_is_one_page() -> None:
    assert len(PAGE.read_text(encoding="utf-8").split()) <= MOST_WORDS

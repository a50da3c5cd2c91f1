"""What listeners send back: files read strictly, each mark put to the system that it is of.

In: the key of a test and files of answers. Out: :class:`Answers`, one row a clip marked. A file
that is damaged, of another test, or lacks marks is refused with one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.errors import DataError
from streamer.system.reading import read_at_most

KEY_FORMAT, ANSWERS_FORMAT = "perpetuo listening key 1", "perpetuo listening answers 1"
LOWEST, HIGHEST = 1, 5
MOST_BYTES = 4 * 1024 * 1024
KEY_FILE = "key.json"


@dataclass(frozen=True)
class Scale:
    """What is marked from 1 to 5.

    Attributes:
        name: One word.
        about: What a listener is told.
    """

    name: str
    about: str


SCALES = (
    Scale("coherence", "Does one thing follow from another, without breaks that make no sense?"),
    Scale("structure", "Are there phrases, returns, and a shape over time?"),
    Scale("creativity", "Is it inventive, and no mere repetition of the obvious?"),
    Scale("musicality", "All in all: is it good music, as a musician might play it?"),
)
"""The four on which MIREX 2025 has listeners mark symbolic music generation."""


@dataclass(frozen=True)
class Marked:
    """The marks that one listener gave one pair.

    Attributes:
        listener: Session, random.
        pair: Its id.
        systems: Of its two clips, in the key's order.
        marks: For each clip the marks in the order of :data:`SCALES`.
        heard_s: Seconds of each clip that were played; nothing where the page could not tell.
        first: Which of the two stood first, 0 or 1.
    """

    listener: str
    pair: str
    systems: tuple[str, str]
    marks: tuple[tuple[int, ...], tuple[int, ...]]
    heard_s: tuple[float | None, float | None]
    first: int


@dataclass(frozen=True)
class Answers:
    """All that listeners said.

    Attributes:
        key: Of the test.
        marked: Every pair that was marked, listener by listener.
    """

    key: dict[str, Any]
    marked: tuple[Marked, ...]

    @property
    def listeners(self) -> list[str]:
        """Sessions in the order of their files."""
        return list(dict.fromkeys(row.listener for row in self.marked))


def read_answers(
    files: Sequence[Path], key: Path | None = None, *, partial: bool = False
) -> Answers:
    """Read files of answers, and the key of their test.

    Args:
        files: One a listener; a folder stands for the ``.json`` files in it, the key left out.
        key: The key; None finds ``key.json`` beside the first file, or in the folder above.
        partial: Whether pairs without all their marks are left out, where otherwise their file is
            refused.

    Raises:
        DataError: A file is missing, damaged, of another test, or incomplete; no key is found.
    """
    paths = list(_spread(files))
    if not paths:
        raise DataError(f"{', '.join(map(str, files))}: no files of answers")
    known = _read_key(key or _find_key(paths[0]))
    marked: list[Marked] = []
    seen: dict[str, Path] = {}
    for path in paths:
        rows = _read_one(path, known, partial)
        session = rows[0].listener if rows else ""
        if session in seen:
            raise DataError(f"{path}: the same session as {seen[session]}; give one of the two")
        if rows:
            seen[session] = path
        marked += rows
    if not marked:
        raise DataError(f"{len(paths)} files, and no pair in them has all its marks")
    return Answers(known, tuple(marked))


def _spread(files: Iterable[Path]) -> Iterable[Path]:
    for path in files:
        if path.is_dir():
            yield from sorted(f for f in path.glob("*.json") if f.name != KEY_FILE)
        else:
            yield path


def _find_key(path: Path) -> Path:
    for folder in (path.parent, path.parent.parent):
        if (folder / KEY_FILE).is_file():
            return folder / KEY_FILE
    raise DataError(f"{path.parent}: no {KEY_FILE} beside the answers; say --key FOLDER/{KEY_FILE}")


def _load(path: Path, wanted: str) -> dict[str, Any]:
    """Return a JSON object of a format."""
    what = wanted.removesuffix(" 1")
    try:
        data = json.loads(read_at_most(path, MOST_BYTES))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name the file that was saved") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not whole JSON ({error}); have it saved again") from error
    if not isinstance(data, dict) or data.get("format") != wanted:
        raise DataError(f"{path}: no {what} of this version; give what the page saved")
    return data


def _read_key(path: Path) -> dict[str, Any]:
    key = _load(path, KEY_FORMAT)
    try:
        if not all(len(p["clips"]) == 2 and str(p["id"]) for p in key["pairs"]):
            raise ValueError
        for pair in key["pairs"]:
            for clip in pair["clips"]:
                if clip["system"] not in key["systems"] or not clip["clip"]:
                    raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged; make the test again with the same --seed") from error
    return key


def _read_one(path: Path, key: dict[str, Any], partial: bool) -> list[Marked]:
    data = _load(path, ANSWERS_FORMAT)
    if data.get("test") != key["test"]:
        raise DataError(f"{path}: answers to another test than the key's; give its own --key")
    known = {pair["id"]: pair["clips"] for pair in key["pairs"]}
    rows: list[Marked] = []
    missing = 0
    try:
        session, given = str(data["session"]), {str(p["id"]): p for p in data["pairs"]}
        if not session or not set(given) <= set(known) or len(given) != len(data["pairs"]):
            raise ValueError
        for pair, clips in known.items():
            row = _row(session, pair, clips, given[pair]) if pair in given else None
            if row is None:
                missing += 1
            else:
                rows.append(row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: damaged; have the answers saved again") from error
    if missing and not partial:
        raise DataError(
            f"{path}: {missing} of {len(known)} pairs lack marks; have the listener finish them, "
            "or count the others with --partial"
        )
    return rows


def _row(
    session: str, pair: str, clips: list[dict[str, str]], given: dict[str, Any]
) -> Marked | None:
    """Return one pair's marks, or None where one is missing (ValueError where one cannot be)."""
    names = [clip["clip"] for clip in clips]
    order, marks, heard = given["order"], given["marks"], given.get("heard_s", {})
    if sorted(order) != sorted(names) or not set(marks) <= set(names):
        raise ValueError
    found: list[tuple[int, ...]] = []
    for name in names:
        mine = marks.get(name, {})
        if not set(mine) <= {scale.name for scale in SCALES}:
            raise ValueError
        values = [mine[scale.name] for scale in SCALES if scale.name in mine]
        if any(type(v) is not int or not LOWEST <= v <= HIGHEST for v in values):
            raise ValueError
        found.append(tuple(values))
    if any(len(values) != len(SCALES) for values in found):
        return None
    times = [None if name not in heard else float(heard[name]) for name in names]
    return Marked(
        listener=session,
        pair=pair,
        systems=(clips[0]["system"], clips[1]["system"]),
        marks=(found[0], found[1]),
        heard_s=(times[0], times[1]),
        first=names.index(order[0]),
    )

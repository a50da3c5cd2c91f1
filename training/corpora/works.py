"""Which composition a file is of, and which split that composition is in.

Performances of one work must lie in one split, or the held-out figures measure memory. Labels say
it best (``work_key``); without them it is worked out from titles, catalogue numbers and folders,
as well as names allow.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

_TITLE_COLUMNS = ("title", "song", "piece", "name")
_OWNER_COLUMNS = ("composer", "game")

_CATALOGUE = re.compile(
    r"\b(bwv|kv|k|d|s|op|opus|hob|rv|hwv|woo|wtc|l|b)\s*(\d+[a-z]?)(?:\s*(?:no|nr|n)\s*(\d+))?\b"
)
"""Catalogue numbers as they are written in file names, after :func:`_plain`."""

_TAKE = re.compile(
    r"\s+(?:take|version|ver|v|copy|alt|performance|perf|rec|recording|final|edit)\s*\d*$"
    r"|\s+\d{1,2}$"
)
"""What the names of several takes of one piece differ in."""


def work_key(corpus: str, file: str, labels: Mapping[str, str]) -> str:
    """Return the key of the composition that a file is a performance of.

    Args:
        corpus: Name of the corpus; it keeps titles of unrelated corpora apart.
        file: Path inside the corpus.
        labels: The file's row of labels, or an empty mapping.
    """
    if labels.get("work_key"):
        return labels["work_key"]
    if labels.get("song_id"):
        return f"{corpus}:song {labels['song_id']}"
    owner = next((labels[c] for c in _OWNER_COLUMNS if labels.get(c)), "")
    title = next((labels[c] for c in _TITLE_COLUMNS if labels.get(c)), "")
    if title:
        return ":".join(part for part in (corpus, _plain(owner), _untaken(_plain(title))) if part)
    path = PurePosixPath(file)
    folder = _plain(" ".join(path.parts[:1])) if len(path.parts) > 1 else ""
    words = _plain(" ".join(path.with_suffix("").parts))
    number = _CATALOGUE.search(words)
    if number:
        return ":".join(
            part for part in (corpus, folder, " ".join(filter(None, number.groups()))) if part
        )
    folders = _plain(" ".join(path.parts[:-1]))
    return ":".join(part for part in (corpus, folders, _untaken(_plain(path.stem))) if part)


def _plain(text: str) -> str:
    """Return lower-case words of ASCII letters and digits where there are any, else all letters."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in folded if not unicodedata.combining(c))
    words = re.sub(r"[\W_]+", " ", bare).strip()
    return words or bare.strip()


def _untaken(words: str) -> str:
    """Return a title without the mark of a take; a title that is nothing else stays."""
    return _TAKE.sub("", words) or words


def split_works(works: Iterable[str], seed: int, valid: float, test: float) -> dict[str, str]:
    """Return the split of each work: ``train``, ``valid`` or ``test``.

    Each work is placed by the hash of the seed and its own key, so that it stays where it is when
    others come or go. Only where that leaves a split empty, as it may with a handful of works, does
    one move there from the fullest; a single work is for training.

    Args:
        works: Keys, in any order, repeated or not.
        seed: Of the split.
        valid: Share of the works for validation, 0..1.
        test: Share for the final test, 0..1; both together below 1.

    Raises:
        ValueError: The shares are out of range.
    """
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise ValueError(
            f"valid and test must be in range 0..1 and below 1 together, not {valid} and {test}"
        )
    place = {work: _fraction(f"{seed}:{work}") for work in works}
    ordered = sorted(place, key=lambda work: (place[work], work))
    splits = {
        work: "test" if place[work] < test else "valid" if place[work] < test + valid else "train"
        for work in ordered
    }
    for name, share in (("train", 1.0), ("test", test), ("valid", valid)):
        if share > 0 and name not in splits.values():
            counts = Counter(splits.values())
            donor = max(("train", "valid", "test"), key=lambda split: counts[split])
            # The last of all goes to train; any other split rather stays empty than empties one.
            if counts[donor] > 1 or (name == "train" and counts[donor]):
                spare = [work for work in ordered if splits[work] == donor]
                splits[spare[-1 if name == "train" else 0]] = name
    return splits


def _fraction(text: str) -> float:
    """Return a number in [0, 1) that looks drawn at random and is always the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64

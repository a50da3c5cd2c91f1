"""Genres on a circle: which tags of a corpus get a petal, and which petals are neighbours.

In: the tags of songs. Out: at most ``most`` names in the order in which they lie around the flower
([Valenti2020], section 3.3: related genres are put side by side).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

CIRCLE = (
    "classical", "orchestral", "film", "game", "ambient", "electronic", "dance", "latin", "fusion",
    "jazz", "blues", "soul-rnb", "gospel", "pop-ballad", "pop", "oldies-rock", "rock", "prog-rock",
    "metal", "punk", "country-folk", "oldies-country", "irish-folk", "israeli-folk", "show-march",
    "solo",
)  # fmt: skip
"""Genres that are known, related ones side by side; the last is next to the first."""


def circle_of(tags: Sequence[tuple[str, ...]], most: int) -> list[str]:
    """Return the most frequent tags, related ones side by side.

    A tag that :data:`CIRCLE` does not know lies where the known ones lie that songs have with it;
    one that is never seen with any lies at the end.

    Args:
        tags: Those of each song.
        most: How many to keep at most, 1 or more.
    """
    counts = Counter(tag for some in tags for tag in dict.fromkeys(some))
    kept = sorted(counts, key=lambda tag: (-counts[tag], tag))[:most]
    return sorted(kept, key=lambda tag: (_angle(tag, tags), tag))


def _angle(tag: str, tags: Sequence[tuple[str, ...]]) -> float:
    """Return where a tag lies, 0..2π."""
    if tag in CIRCLE:
        return _place(tag)
    near = [_place(t) for some in tags if tag in some for t in some if t in CIRCLE]
    if not near:
        return 2 * math.pi
    x, y = sum(map(math.cos, near)), sum(map(math.sin, near))
    return math.atan2(y, x) % (2 * math.pi)


def _place(tag: str) -> float:
    return 2 * math.pi * CIRCLE.index(tag) / len(CIRCLE)

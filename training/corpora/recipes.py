"""Which melodies a corpus has, and how they are read: one recipe a corpus.

The corpora of this project are known by their names; any other folder or archive is a style of
its own, all its tracks looked through. To add a corpus, add a function and a line at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

FREE_LICENCES = (
    "public-domain*", "public domain*", "cc0*", "cc-by-[0-9]*", "cc by [0-9]*",
    "mit*", "bsd*", "apache*", "odbl*",
)  # fmt: skip
"""Taken unless others are asked for: whoever has weights made from these may do what they like
with them, if they name where they come from."""


@dataclass(frozen=True)
class Recipe:
    """How a file's melodies are found.

    Attributes:
        style: Style label of its tracks.
        licence: Of a file whose labels state none.
        tracks: Names of tracks to look at, in any case; none takes all but drums.
        highest: Whether only the highest of the tracks that are long enough is taken.
        chords: The greatest share of onsets with a chord, 0..1; more is ``polyphonic``.
        inner: The greatest share of notes below one that sounds on, 0..1; more is ``polyphonic``.
        played: Whether onsets are a player's and must be written down first (swing.py).
        start: Where a bar begins, beats; None finds it where the longest notes begin.
        bar: Beats in a bar; None takes the file's time signatures.
    """

    style: str
    licence: str = ""
    tracks: tuple[str, ...] = ()
    highest: bool = False
    chords: float = 0.2
    inner: float = 0.1
    played: bool = False
    start: float | None = None
    bar: float | None = None


Labels = Mapping[str, str]

_ACCOMPANIED = Recipe("folk", highest=True, chords=1.0, inner=0.3)
"""Tunes that are printed with their accompaniment: the top line of the upper staff is the tune."""

_FOLK_COMPOSERS = ("Traditional", "HoretzkyF")
"""Traditional tunes, and Horetzky's arrangements of national airs."""

_FOLK_TITLES = ("monferrine", "tune", "norfolk", "simon the king", "greensleeves")
"""Of other composers in mutopia, folk dances and the tunes of the Division Violin."""


def recipe_for(corpus: str, row: Labels, style: str = "") -> Recipe | None:
    """Return how to read a file, or None where its corpus has no melody in it.

    Args:
        corpus: Name of the corpus.
        row: The file's labels; may be empty.
        style: Overrules the style.
    """
    known = _KNOWN.get(corpus)
    recipe = known(row) if known else Recipe(row.get("melody_style") or corpus)
    if recipe is None or not style:
        return recipe
    return replace(recipe, style=style)


def _bach(row: Labels) -> Recipe | None:
    return Recipe("bach")


def _mutopia(row: Labels) -> Recipe | None:
    composer, title = row.get("composer", ""), row.get("title", "").casefold()
    if composer == "BachJS":
        return Recipe("bach")
    folk = composer in ("KnjzeF", "Anonymous") and any(word in title for word in _FOLK_TITLES)
    if composer in _FOLK_COMPOSERS or folk:
        return _ACCOMPANIED
    return None


def _jazz(row: Labels) -> Recipe | None:
    return Recipe("jazz", licence="ODbL-1.0", played=True, start=0.0)


def _pop909(row: Labels) -> Recipe | None:
    if row.get("variant") != "original":
        return None
    downbeat = float(row["first_downbeat_s"]) * float(row["bpm"]) / 60.0
    # Its bars of two beats are halves of a bar of four.
    bar = 4.0 if row["beats_per_measure"] == "2" else float(row["beats_per_measure"])
    return Recipe("pop", licence="MIT", tracks=("MELODY",), start=downbeat, bar=bar)


def _nottingham(row: Labels) -> Recipe | None:
    return Recipe("folk", licence="GPL-3.0", highest=True)


_KNOWN: dict[str, Callable[[Labels], Recipe | None]] = {
    "bach": _bach,
    "mutopia": _mutopia,
    "jazz": _jazz,
    "pop909": _pop909,
    "nottingham": _nottingham,
}

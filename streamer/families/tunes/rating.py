"""Asking a person: beginnings of tunes are heard, and what is thought of them is kept.

In: a file of ratings, what draws a beginning of a seed, what lets it be heard, and somebody who
answers. Out: rows in that file. Each beginning comes of a seed of its own, the first that the file
does not hold: whoever stops goes on later where they were. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import StreamerError
from streamer.families.tunes.codec import TuneArray
from streamer.families.tunes.features import tune_features
from streamer.families.tunes.ratings import (
    LEAST_NOTES,
    RATING_HIGH,
    RATING_LOW,
    Rating,
    append_rating,
    read_ratings,
)
from streamer.music.notes import Phrase
from streamer.version import __version__

SKIP, REPLAY, QUIT = "s", "r", "q"
QUESTION = f"{RATING_LOW}..{RATING_HIGH}, {SKIP} skip, {REPLAY} replay, {QUIT} quit: "

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a tune.

    Attributes:
        seed: Gives it again.
        bundle: Name of the bundle that played it.
        tune: Its notes.
        phrases: As they sound, from 0 ms.
    """

    seed: int
    bundle: str
    tune: TuneArray
    phrases: tuple[Phrase, ...]


Draw = Callable[[int], Beginning | None]
"""Seed -> what is to be rated; None when it came to too little."""

Play = Callable[[Beginning], str]
"""Lets it be heard, and returns a line to show."""


def rate(
    path: Path,
    draw: Draw,
    play: Play,
    ask: Callable[[str], str],
    *,
    bundle: str,
    style: str = "",
    first_seed: int = 0,
    count: int | None = None,
) -> int:
    """Ask until there are enough, or the answer is to quit.

    Args:
        path: The file of ratings; made when it is not there.
        draw: Makes what is rated.
        play: Lets it be heard.
        ask: Shows a question and returns the answer; EOFError quits.
        bundle: Name of the bundle.
        style: What was asked for; empty for no style.
        first_seed: Of the first beginning when the file is new.
        count: How many to rate in this session; None goes on.

    Returns:
        How many were rated.

    Raises:
        DataError: The file has bad rows.
    """
    done = read_ratings(path) if path.exists() else []
    seeds = [r.seed for r in done if (r.bundle, r.version, r.style) == (bundle, __version__, style)]
    seed = max([first_seed, *(one + 1 for one in seeds)])
    rated = 0
    while count is None or rated < count:
        beginning, seed = _next(draw, seed)
        answer = _answer(beginning, play, ask, f"{rated + 1}" + (f"/{count}" if count else ""))
        if answer == QUIT:
            break
        if answer != SKIP:
            features = tuple(tune_features([beginning.tune])[0].tolist())
            row = Rating(
                rating=int(answer),
                style=style,
                bundle=bundle,
                version=__version__,
                seed=beginning.seed,
                tune=beginning.tune,
                features=features,
            )
            append_rating(path, row)
            rated += 1
        seed += 1
    return rated


def _next(draw: Draw, seed: int) -> tuple[Beginning, int]:
    """Return the first beginning from a seed on that is long enough to be rated, and its seed."""
    for own in range(seed, seed + _TRIES):
        beginning = draw(own)
        if beginning is not None:
            return beginning, own
    raise StreamerError(
        f"{_TRIES} seeds from {seed} on gave no tune of {LEAST_NOTES} notes; choose another model"
    )


def _answer(beginning: Beginning, play: Play, ask: Callable[[str], str], number: str) -> str:
    """Play until there is a rating, or the wish to skip or quit."""
    legal = [str(n) for n in range(RATING_LOW, RATING_HIGH + 1)]
    shown = play(beginning)
    while True:
        try:
            answer = ask(f"[{number}] {shown} {QUESTION}").strip().lower()
        except EOFError:
            return QUIT
        if answer in (*legal, SKIP, QUIT):
            return answer
        if answer == REPLAY:
            shown = play(beginning)
        else:
            shown = f"{answer[:20]!r} is none of these."

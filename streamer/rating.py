"""Asking a person: beginnings of tunes are played or written, and what is thought of them is kept.

In: settings, a file of ratings, a port or a folder, and somebody who answers. Out: rows in that
file. Each beginning comes of a seed of its own, the first that the file does not hold: whoever
stops goes on later where they were. Nothing is selected: one candidate, no second draw, so that a
filter can learn from the bad ones too. Called by ``perpetuo rate``, in the main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamer import __version__
from streamer.clock import Clock, MonotonicClock
from streamer.controls import LiveControls
from streamer.errors import BundleError, StreamerError
from streamer.notes import Phrase
from streamer.offline import DrawnBuffer, play_out
from streamer.pipeline import open_source
from streamer.ports.base import Port
from streamer.ratings import (
    LEAST_NOTES,
    RATING_HIGH,
    RATING_LOW,
    Rating,
    append_rating,
    read_ratings,
)
from streamer.recorder import MidiFileSink
from streamer.scheduler import Scheduler
from streamer.selection.tune_features import tune_features
from streamer.settings import SchedulerSettings, Settings
from streamer.tunes import END, TuneArray

RATED_NOTES = 64
"""Notes that are heard, or fewer where a tune ends before."""

SKIP, REPLAY, QUIT = "s", "r", "q"
QUESTION = f"{RATING_LOW}..{RATING_HIGH}, {SKIP} skip, {REPLAY} replay, {QUIT} quit: "

_MOST_PHRASES = 64
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
    own = [r.seed for r in done if (r.bundle, r.version, r.style) == (bundle, __version__, style)]
    seed = max([first_seed, *(one + 1 for one in own)])
    rated = 0
    while count is None or rated < count:
        beginning, seed = _next(draw, seed)
        answer = _answer(beginning, play, ask, f"{rated + 1}" + (f"/{count}" if count else ""))
        if answer == QUIT:
            break
        if answer != SKIP:
            features = tuple(tune_features([beginning.tune])[0].tolist())
            row = Rating(
                int(answer), style, bundle, __version__, beginning.seed, beginning.tune, features
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


def draw_beginning(settings: Settings, seed: int) -> Beginning | None:
    """Draw the beginning of the tune that a seed gives, unselected.

    Raises:
        BundleError: The bundle plays no tunes, or cannot be used.
    """
    model = replace(settings.model, seed=seed, candidates=1, redraws=0)
    source = open_source(replace(settings, model=model), LiveControls(settings.controls))
    generator = source.generator
    phrases: list[Phrase] = []
    tune: list[TuneArray] = []
    while sum(map(len, tune)) < RATED_NOTES and len(phrases) < _MOST_PHRASES:
        phrases.append(source.next_phrase())
        last: TuneArray | None = getattr(generator, "last_tune", None)
        if last is None:
            raise BundleError(
                f"bundle {source.bundle.manifest.name} plays no tunes, and only tunes are rated; "
                "choose another with --model"
            )
        tune.append(last)
        if len(last) and last["length"][-1] == END:
            break
    notes = np.concatenate(tune)
    if len(notes) < LEAST_NOTES:
        return None
    return Beginning(seed, source.bundle.manifest.name, notes, tuple(phrases))


def play_to_port(beginning: Beginning, port: Port, clock: Clock | None = None) -> str:
    """Play it in time; returns an empty line when it is over.

    Raises:
        StreamerError: The port cannot be used any more.
    """
    ended, end_ms = _ended(beginning.phrases)
    buffer = DrawnBuffer(iter(ended).__next__, end_ms, lambda phrase: None)
    settings = SchedulerSettings(realtime_priority=0)
    Scheduler(buffer, port, clock or MonotonicClock(), settings).run()
    return ""


def write_to_folder(beginning: Beginning, folder: Path) -> str:
    """Write it as a ``.mid`` and return its path; one that is there of the same name is replaced.

    Raises:
        RecordingError: The file cannot be written.
    """
    path = folder / f"rate-{beginning.bundle}-{beginning.seed}.mid"
    path.unlink(missing_ok=True)
    ended, end_ms = _ended(beginning.phrases)
    sink = MidiFileSink(path)
    try:
        play_out(iter(ended).__next__, end_ms, sink, lambda phrase: None)
    finally:
        sink.close()
    return str(path)


def _ended(phrases: tuple[Phrase, ...]) -> tuple[list[Phrase], float]:
    """Let the last phrase end where its last note does, so that it is heard out."""
    last = phrases[-1]
    end_ms = max([last.end_ms, *(note.end_ms for phrase in phrases for note in phrase.notes)])
    return [*phrases[:-1], replace(last, end_ms=end_ms)], end_ms

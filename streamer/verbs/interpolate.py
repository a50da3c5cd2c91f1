"""``perpetuo interpolate``: from one song to another through the latent space of a band."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from streamer.families.bands.editing.walk import WALKS
from streamer.verbs.bandfiles import add_output, check_outputs, write_music
from streamer.verbs.options import settings_of
from streamer.verbs.report import tell

MOST_STEPS, MOST_WINDOWS = 200, 64
DEFAULT_WALK = "spherical"
"""On the straight line of the paper a sixth of the notes is lost in the middle, and hardly anything
happens in the first steps (docs/results/musae.md)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write a .mid file that begins with a passage of one song and comes to one of another in "
        "N steps, each a mixture of both. Songs are in 4/4, with drums on channel 10, bass, "
        "piano or guitar, and anything else."
    )
    parser.add_argument("first", type=Path, metavar="A.mid", help="the song it begins with")
    parser.add_argument("second", type=Path, metavar="B.mid", help="the song it ends with")
    parser.add_argument(
        "--steps",
        type=_count("steps", 2, MOST_STEPS),
        default=8,
        metavar="N",
        help="mixtures that are played, both ends among them (default %(default)s)",
    )
    parser.add_argument(
        "--from-bar",
        type=_bars,
        default=(None, None),
        metavar="A[,B]",
        help="bar of each song that is taken, counted from 1 (default: the first in which all "
        "four tracks play)",
    )
    parser.add_argument(
        "--windows",
        type=_count("windows", 1, MOST_WINDOWS),
        default=1,
        metavar="N",
        help="two-bar windows on end that are taken of each song (default %(default)s)",
    )
    parser.add_argument(
        "--walk",
        choices=WALKS,
        default=DEFAULT_WALK,
        help="way between the two: the paper's straight line, an arc, or an arc around the circle "
        "of genres (default %(default)s)",
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Interpolate, then write the report where it is wanted."""
    settings = settings_of(args)
    from streamer.families.bands.editing.editor import open_editor
    from streamer.families.bands.editing.interpolating import (
        interpolate,
        interpolation_picture,
        interpolation_report,
    )
    from streamer.families.bands.editing.picture import draw_path, plotter_for

    check_outputs(args)
    plot = plotter_for("interpolate") if args.plot else None
    editor = open_editor(settings.model, args.model)
    paths = (args.first, args.second)
    pieces = (editor.read(args.first), editor.read(args.second))
    bars = tuple(
        editor.first_bar(path, piece, asked, args.windows)
        for path, piece, asked in zip(paths, pieces, args.from_bar, strict=True)
    )
    found = interpolate(
        editor, pieces, (bars[0], bars[1]), args.steps, windows=args.windows, kind=args.walk
    )
    names = (args.first.stem, args.second.stem)
    score = write_music(args.output, editor, found.passages, settings, " to ".join(names))
    songs = [
        {"file": str(path), "from_bar": piece.first_bar + bar + 1, "bpm": piece.bpm,
         "programs": list(piece.programs)}
        for path, piece, bar in zip(paths, pieces, bars, strict=True)
    ]  # fmt: skip
    about = {
        "bundle": editor.bundle.manifest.name, "first": songs[0], "second": songs[1],
        "steps": args.steps, "windows": args.windows, "walk": args.walk,
        "notes": len(score.notes), "duration_s": round(score.seconds, 3),
    }  # fmt: skip
    report = {**about, **interpolation_report(editor, found)}
    if plot is not None:
        draw_path(plot, interpolation_picture(editor, found, report, names), args.plot)
    begins = " and ".join(f"bar {song['from_bar']} of {song['file']}" for song in songs)
    line = f"{args.output}: {args.steps} steps between {begins}, {len(score.notes)} notes, "
    tell(args.json, report, f"{line}{score.seconds:.0f} s of music", args.output)
    return 0


def _count(name: str, low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{name} must be a whole number in range {low}..{high}, not {text}"
            )
        return value

    return read


def _bars(text: str) -> tuple[int | None, int | None]:
    parts = text.split(",")
    try:
        found = [int(part) for part in parts]
    except ValueError:
        found = []
    if not 1 <= len(found) <= 2 or min(found) < 1:
        raise argparse.ArgumentTypeError(
            f"must be one or two bars of 1 or more, such as 5 or 5,17, not {text}"
        )
    return found[0], found[-1]

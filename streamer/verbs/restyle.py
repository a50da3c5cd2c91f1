"""``perpetuo restyle``: a song in the manner of another genre, bar after bar."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.verbs.bandfiles import add_output, check_outputs, write_music
from streamer.verbs.options import settings_of
from streamer.verbs.report import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write a song as a band of another genre would play it. The song is in 4/4, with drums on "
        "channel 10, bass, piano or guitar, and anything else."
    )
    parser.add_argument("song", type=Path, metavar="A.mid", help="the song")
    parser.add_argument(
        "--style",
        required=True,
        metavar="NAME",
        help="a genre of the bundle (`perpetuo models` lists them)",
    )
    parser.add_argument(
        "--strength",
        type=_strength,
        default=1.0,
        metavar="S",
        help="0 plays the song as the bundle hears it, 1 wholly as the genre does "
        "(default %(default)s)",
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Restyle, then write the report where it is wanted."""
    settings = settings_of(args)
    from streamer.families.bands.editing.editor import open_editor
    from streamer.families.bands.editing.picture import draw_path, plotter_for
    from streamer.families.bands.editing.restyling import (
        restyle,
        restyling_picture,
        restyling_report,
    )

    check_outputs(args)
    plot = plotter_for("restyle") if args.plot else None
    editor = open_editor(settings.model, args.model)
    genre = editor.genre(args.style)
    piece = editor.read(args.song)
    found = restyle(editor, piece, genre, args.strength)
    name = f"{args.song.stem} as {genre.name}"
    score = write_music(args.output, editor, found.passages, settings, name)
    report = {
        "bundle": editor.bundle.manifest.name, "song": str(args.song), "style": genre.name,
        "strength": args.strength, "bars": piece.bars, "bpm": piece.bpm,
        "bpm_restyled": round(found.passages[0].bpm, 2),
        "programs_restyled": list(found.passages[0].programs),
        "notes": len(score.notes), "duration_s": round(score.seconds, 3),
        **restyling_report(editor, found, genre, piece.first_bar + 1),
    }  # fmt: skip
    if plot is not None:
        picture = restyling_picture(editor, found, genre, report, args.song.stem)
        draw_path(plot, picture, args.plot)
    line = f"{args.output}: {piece.bars} bars of {args.song} as {genre.name}, "
    line += f"{len(score.notes)} notes, {score.seconds:.0f} s of music"
    tell(args.json, report, line, args.output)
    return 0


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"strength must be in range 0..1, not {text}")
    return value

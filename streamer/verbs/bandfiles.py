"""What the verbs share that turn files of a band into files: options, targets, who plays."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamer.settings.settings import Settings
from streamer.verbs.options import add_common, add_setting
from streamer.verbs.report import report_file


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare where the music, the report and the picture go, and the model."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.mid",
        help="the file that is written: drums on channel 10, bass, harmony and strings on 1 to 3 "
        "unless [band] says otherwise",
    )
    parser.add_argument("--json", type=Path, metavar="REPORT", help="write a report; - prints it")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="OUT.png",
        help="draw the path over the flower of genres, and piano rolls (extra train)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="bundle of family musae: a name from `perpetuo models`, a folder or a .zip (default: "
        "that of the settings if it is a band, or else the one called band)",
    )
    add_setting(
        parser,
        "--seed",
        "model.seed",
        metavar="N",
        help="of how it is played, not of what (default 0)",
    )
    add_common(parser)


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse targets that cannot be written, before any work is done.

    Raises:
        RecordingError: One of them cannot, or two are one file.
    """
    from streamer.system.atomic import check_targets

    check_targets(
        **{"--output": args.output, "--plot": args.plot, "--json": report_file(args.json)}
    )


def write_music(
    path: Path, editor: Any, passages: Sequence[Any], settings: Settings, name: str
) -> Any:
    """Play passages with the performance layer of bands, write them and return the score.

    Raises:
        RecordingError: The file cannot be written.
    """
    from streamer.families.bands.editing.score import play_passages, write_score
    from streamer.families.bands.player import PlainBand, PlayedBand
    from streamer.families.bands.settings import BandSettings

    channels, expression = settings.stage(BandSettings).channels, settings.expression
    player: PlainBand | PlayedBand = PlainBand(channels)
    if expression.enabled:
        rng = np.random.Generator(np.random.SFC64(settings.model.seed or 0))
        player = PlayedBand(channels, rng, expression.amount)
    score = play_passages(passages, editor.codec, editor.window.longest_steps, player, channels)
    write_score(path, score, name)
    return score

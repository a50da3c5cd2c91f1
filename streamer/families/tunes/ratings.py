"""Ratings: what a person thought of phrases, 1..5, one row each in a CSV file.

``perpetuo rate`` appends rows, ``perpetuo train filter --ratings`` learns from them. A row holds
the notes themselves, so that features can be taken again whatever becomes of the bundle, and the
features as they were. Each row is on the disk before the next phrase is played.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import DataError
from streamer.families.tunes.codec import TuneArray, to_tune
from streamer.families.tunes.features import TUNE_FEATURES

COLUMNS = ("rating", "style", "bundle", "version", "seed", "notes", "features")
RATING_LOW, RATING_HIGH = 1, 5
GOOD = 4
"""From here on a phrase is good ([Yamshchikov2020]: 4 and 5)."""

LEAST_NOTES = 8
_LONGEST = 2**16 - 1
_NAMED = 8
"""Bad rows that an error names; of more it says how many."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One phrase and what was thought of it.

    Attributes:
        rating: 1..5.
        style: The style it was asked for in; empty when in none.
        bundle: Name of the bundle that played it.
        version: Of this program.
        seed: Gives the same phrase again with the same bundle and version.
        tune: Its notes.
        features: As :data:`streamer.families.tunes.features.TUNE_FEATURES` names them.
    """

    rating: int
    style: str
    bundle: str
    version: str
    seed: int
    tune: TuneArray
    features: tuple[float, ...]

    @property
    def good(self) -> bool:
        """Whether a filter should keep it."""
        return self.rating >= GOOD


def append_rating(path: Path, rating: Rating) -> None:
    """Add one row; it is on the disk when this returns.

    Raises:
        OSError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    with path.open("a", encoding="utf-8", newline="") as file:
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow(_row(rating))
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())


def read_ratings(path: Path) -> list[Rating]:
    """Read a file of ratings.

    Raises:
        DataError: It is missing or no such file, or has bad rows: each is named by its line, with
            the value and what is allowed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make one with perpetuo rate -o {path}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no file of ratings ({error})") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise DataError(
            f"{path}: line 1 must be {','.join(COLUMNS)}, not {','.join(rows[0] if rows else [])}"
        )
    found, problems = [], []
    for line, row in enumerate(rows[1:], start=2):
        try:
            found.append(_rating(row))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        more = len(problems) - _NAMED
        rest = f"; and {more} more" if more > 0 else ""
        raise DataError(f"{path}: {'; '.join(problems[:_NAMED])}{rest}; correct or remove them")
    return found


def tune_text(tune: TuneArray) -> str:
    """Return a tune as ``pitch:length`` with spaces between; :func:`parse_tune` reads it."""
    return " ".join(
        f"{p}:{n}" for p, n in zip(tune["pitch"].tolist(), tune["length"].tolist(), strict=True)
    )


def parse_tune(text: str) -> TuneArray:
    """Read :func:`tune_text`'s form.

    Raises:
        ValueError: A note is no ``pitch:length``, a value is out of range, or there are too few.
    """
    notes = []
    for item in text.split():
        pitch, colon, length = item.partition(":")
        if not (colon and pitch.isascii() and pitch.isdigit() and length.isdigit()):
            raise ValueError(f"a note must be PITCH:LENGTH, not {item[:40]!r}")
        if int(pitch) > 127 or int(length) > _LONGEST:
            raise ValueError(f"a note must be in range 0:0..127:{_LONGEST}, not {item[:40]!r}")
        notes.append((int(pitch), int(length)))
    if len(notes) < LEAST_NOTES:
        raise ValueError(f"notes must be {LEAST_NOTES} or more, not {len(notes)}")
    pitches, lengths = zip(*notes, strict=True)
    return to_tune(pitches, lengths)  # type: ignore[arg-type]  # numpy takes sequences


def _row(rating: Rating) -> Sequence[object]:
    features = " ".join(f"{value:.6g}" for value in rating.features)
    return (rating.rating, rating.style, rating.bundle, rating.version, rating.seed,
            tune_text(rating.tune), features)  # fmt: skip


def _rating(row: list[str]) -> Rating:
    """Read one row (ValueError: with the value and what is allowed)."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"must have {len(COLUMNS)} columns, not {len(row)}")
    rating, style, bundle, version, seed, notes, features = row
    if not (rating.isascii() and rating.isdigit() and RATING_LOW <= int(rating) <= RATING_HIGH):
        raise ValueError(
            f"rating must be a whole number in range {RATING_LOW}..{RATING_HIGH}, not {rating!r}"
        )
    if not (seed.isascii() and seed.isdigit()):
        raise ValueError(f"seed must be a whole number of 0 or more, not {seed!r}")
    try:
        values = tuple(float(value) for value in features.split())
    except ValueError:
        raise ValueError(f"features must be numbers, not {features[:40]!r}") from None
    if len(values) != len(TUNE_FEATURES):
        raise ValueError(f"features must be {len(TUNE_FEATURES)} numbers, not {len(values)}")
    return Rating(
        rating=int(rating),
        style=style,
        bundle=bundle,
        version=version,
        seed=int(seed),
        tune=parse_tune(notes),
        features=values,
    )

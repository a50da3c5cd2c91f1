"""Numbers on a command line, each with its range; for every package's verbs.

In: what a person typed. Out: the number, or one line with the range. An option of a number takes
one of these as its ``type``; a test holds that for all verbs of training and export.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range, both ends included."""

    low: int
    high: int

    def __call__(self, text: str) -> int:
        """Read a number (argparse.ArgumentTypeError)."""
        try:
            value = int(text)
        except ValueError:
            value = self.low - 1
        if not self.low <= value <= self.high:
            raise argparse.ArgumentTypeError(
                f"must be a whole number in range {self.low}..{self.high}, not {text[:40]}"
            )
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range, both ends included."""

    low: float
    high: float

    def __call__(self, text: str) -> float:
        """Read a number (argparse.ArgumentTypeError)."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            raise argparse.ArgumentTypeError(
                f"must be in range {self.low:g}..{self.high:g}, not {text[:40]}"
            )
        return value


SEED = Whole(0, 2**31 - 1)
THREADS = Whole(1, 1024)
MANY = Whole(1, 10**9)
"""Of what there may be any number."""

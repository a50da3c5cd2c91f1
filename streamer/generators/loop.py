"""The loop of déjà vu: the figures that may come back, and which comes next (ours, after Marbles).

In: figures that were heard, how much is to return, a random generator. Out: the pieces of the next
figure, or how much of a new one is to be drawn. All of it is plain data, for bookmarks. Thread: the
generator's.
"""

from __future__ import annotations

import numpy as np

from streamer.generators.figures import Figure, Piece, beats_of, has_notes
from streamer.settings.returning import MOST_AGAIN_BARS
from streamer.system.marks import Marked

VARIED_SHARE = 1 / 3
"""So much of the loop is drawn anew when it is varied, the next figure among it."""

OCTAVE_SHARE = 1 / 3
"""So many of the figures that come back in another order do so an octave away."""


class Loop(Marked):
    """What may come back, and where the stream stands in it: all that a bookmark holds of it.

    Args:
        rng: Says what returns.

    Attributes:
        rng: The same.
        bars: Figures of the whole loop; 0 where nothing returns.
        figures: The loop; fewer than ``bars`` where so much has not been heard yet.
        place: Which is next.
        order: In which they come back, shuffled; empty where they do in their own.
        renewed: Places that are to be drawn anew.
        rest: What is still to be played of the figure that returns.
        missing: Beats that are still to be drawn of a figure that is new.
        new: What of it has been played.
        fresh: What the generator has drawn beyond, one piece or none.
        told: Programs that the synth was told.
        own: Programs in force where the generator stands.
    """

    marked = (
        "rng", "bars", "figures", "place", "order", "renewed", "rest", "missing", "new", "fresh",
        "told", "own",
    )  # fmt: skip

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.bars = self.place = 0
        self.figures: list[Figure] = []
        self.order: list[int] = []
        self.renewed: set[int] = set()
        self.rest: list[Piece] = []
        self.missing = 0.0
        self.new: list[Piece] = []
        self.fresh: list[Piece] = []
        self.told: dict[int, int] = {}
        self.own: dict[int, int] = {}

    def begin(self, figures: list[Figure], bars: int) -> None:
        """Let these come back, with what is drawn until there are so many bars."""
        self.bars, self.figures, self.place = bars, figures, len(figures) % bars
        self.order, self.renewed = [], set()
        self.rest, self.new, self.missing = [], [], 0.0

    def forget(self) -> None:
        """Let nothing come back; the figure that returns at present is still played to its end."""
        self.bars, self.figures, self.place, self.order, self.renewed = 0, [], 0, [], set()
        self.new, self.missing = [], 0.0

    def vary(self) -> None:
        """Let some of the loop be drawn anew as it comes by, the next figure among it."""
        if len(self.figures) < self.bars:
            return
        count = max(round(self.bars * VARIED_SHARE), 1)
        others = (self.place + 1 + self.rng.permutation(self.bars - 1)) % self.bars
        self.renewed = {self.place, *others[: count - 1].tolist()}

    def choose(self, amount: float, bar_beats: float) -> None:
        """Say what comes next: a figure that returns, or one to be drawn.

        Args:
            amount: The control ``again``, not 0.
            bar_beats: Quarters of a bar.
        """
        drawn, whole = self.rng.random(), len(self.figures) == self.bars
        if not whole or self.place in self.renewed or drawn >= abs(amount) or self._is_void():
            self.missing, self.new = bar_beats, []
            return
        if amount > 0:
            self.order, figure = [], self.figures[self.place]
        else:
            if self.place == 0 or len(self.order) != self.bars:
                self.order = self.rng.permutation(self.bars).tolist()
            figure = self.figures[self.order[self.place]]
            if self.rng.random() < OCTAVE_SHARE:
                octaves = 1 if self.rng.random() < 0.5 else -1
                figure = tuple(piece.octave(octaves) for piece in figure)
        self.rest = [*figure]
        self.place = (self.place + 1) % self.bars

    def play_new(self, piece: Piece, slack: float, *, ends: bool) -> None:
        """Take in a piece of a figure that is new.

        Args:
            piece: As it is played.
            slack: By how many beats the figure may be shorter than a bar.
            ends: Whether the figure ends with it, however long it is.
        """
        self.new, self.missing = [*self.new, piece], self.missing - piece.beats
        if not ends and self.missing > slack:
            return
        self.figures[self.place : self.place + 1] = [tuple(self.new)]
        self.renewed = self.renewed - {self.place}
        self.place = (self.place + 1) % self.bars
        self.missing, self.new = 0.0, []

    def check(self) -> None:
        """Refuse a loop, read from anywhere, that could not be played (ValueError)."""
        places = range(max(self.bars, 1))
        if not 0 <= self.bars <= MOST_AGAIN_BARS or self.place not in places:
            raise ValueError("its loop is none")
        if len(self.figures) > self.bars or sorted(self.order) not in ([], [*range(self.bars)]):
            raise ValueError("the figures of its loop are none")
        if not 0 <= self.missing <= 64 or not {*self.renewed} <= {*places}:
            raise ValueError("the place in its loop is none")
        for pieces in (*self.figures, self.rest, self.new, self.fresh):
            for piece in pieces:
                piece.check()

    def _is_void(self) -> bool:
        """Whether the loop is silence, or no time: it would never end."""
        return not has_notes(self.figures) or not beats_of(p for f in self.figures for p in f) > 0

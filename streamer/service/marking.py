"""Likes and dislikes: which phrase is meant by a press, and what becomes of it.

In: the live controls ``like``, ``dislike``, ``forget_taste`` as they are pressed, and what sounds
or has just sounded. Out: marks of a :class:`streamer.selection.taste.Taste`. Any thread; a press is
taken in by the thread that makes it, in about a millisecond.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from streamer.music.notes import Phrase
from streamer.selection.taste import Taste
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.taste import TasteControls

PRESSES = ("like", "dislike", "forget_taste")

logger = logging.getLogger(__name__)


class Marking:
    """Takes in presses.

    Args:
        taste: Holds the marks.
        heard: Returns phrases that sound, or have sounded, the newest first; none before the first.
            The first of them is meant that has notes enough to say anything: a press comes a little
            late, and what is drawn again begins with a short phrase.
        controls: Live.
    """

    def __init__(
        self, taste: Taste, heard: Callable[[], Sequence[Phrase]], controls: LiveControls
    ) -> None:
        self._taste, self._heard, self._controls = taste, heard, controls
        self._before = TasteControls()

    def let_go(self) -> None:
        """Switch off what is pressed, so that the next press is one; when all have been told."""
        pressed = self._controls.snapshot().of(TasteControls)
        if changes := {name: False for name in PRESSES if getattr(pressed, name)}:
            self._controls.update(**changes)

    def obey(self, controls: Controls) -> None:
        """Take in what was pressed since the last call."""
        now, before = controls.of(TasteControls), self._before
        self._before = now
        if now.forget_taste and not before.forget_taste:
            self._taste.forget()
            logger.info("all that was liked and disliked is forgotten")
        for name, on, was in (
            ("liked", now.like, before.like),
            ("disliked", now.dislike, before.dislike),
        ):
            if not on or was:
                continue
            if not any(self._taste.mark(one, liked=name == "liked") for one in self._heard()):
                logger.info("nothing sounds that could be %s", name)
                continue
            logger.info("%s: %d liked, %d disliked so far", name, *self._taste.counts)

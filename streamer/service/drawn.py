"""What of the controls matters to music as it is drawn: when it changes, music is drawn again.

In: a snapshot. Out: its values that count. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamer.settings.controls import MOMENTARY, Controls, control_specs
from streamer.settings.returning import ReturnControls
from streamer.settings.taste import LET_GO, TasteControls

PITCHES = ("low", "high", "scale", "root", "scale_lock")
"""Obeyed as notes leave, and minded in drawing too."""


def drawn_by(controls: Controls, wishes: int = 0) -> dict[str, Any]:
    """Return what matters to phrases as they are drawn.

    Args:
        controls: As they are.
        wishes: How often what comes back was to be varied.
    """
    values = controls.values()
    drawn = (
        name
        for name, spec in control_specs().items()
        if spec.declared.path == "redraw" and name not in MOMENTARY
    )
    return {name: values[name] for name in (*drawn, *PITCHES)} | {"wishes": wishes}


class Presses:
    """Counts presses after which music is drawn again: ``vary``, and ``dislike``.

    Attributes:
        count: So many.
        on: Whether anything is pressed that is to be let go of.
    """

    def __init__(self) -> None:
        self.count, self.on = 0, False
        self._down = (False, False)

    def look(self, controls: Controls, vary: Callable[[], object]) -> None:
        """Call ``vary`` where it was pressed just now, with something to vary."""
        returning, taste = controls.of(ReturnControls), controls.of(TasteControls)
        before, self._down = self._down, (returning.vary, taste.dislike)
        varies = returning.vary and not before[0] and returning.again != 0
        dislikes = taste.dislike and not before[1] and taste.taste > 0
        self.count += varies + dislikes
        self.on = any(controls.value(name) for name in LET_GO)
        if varies:
            vary()

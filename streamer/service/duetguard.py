"""What speaks against a duet, and what becomes of one that cannot be played: it is off, in a line.

In: the live controls, what plays, whether an input is heard. Out: a line for whoever asks for a
duet that cannot be, and the control put back to off where nobody was there to be told: a duet that
was kept from the last run, a scene's, a knob's. Any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, get_args

from streamer.control.duet import TURNS
from streamer.pipeline import Source
from streamer.registry import FAMILIES
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.duet import DuetControls, DuetMode

logger = logging.getLogger(__name__)

OFF = "off"


def objection(mode: Any, source: Source, *, hears: bool = True) -> str:
    """Return what speaks against a duet, in one line; "" for nothing, and for what is no duet.

    Args:
        mode: As the control ``duet`` has it.
        source: What would play it.
        hears: Whether an input is heard.
    """
    if mode not in get_args(DuetMode) or mode == OFF:
        return ""
    if source.turns is not None:
        return (
            "a stream that answers what is played (--query live) plays no duet; start again "
            "without --query"
        )
    if not hears:
        return (
            "no input is heard, and a duet is played with a person on one; start again with "
            "--input auto, virtual or a port (`perpetuo ports`)"
        )
    listener = source.listener
    if mode in TURNS and listener is None:
        return (
            f"bundle {_name(source)} takes in nothing that is played; set duet to off or shadow, "
            f"or choose a bundle of family {', '.join(FAMILIES)} (`perpetuo models`)"
        )
    if mode == "accompany" and not (listener and listener.accompanies):
        return (
            f"bundle {_name(source)} goes on from what it hears and accompanies nobody; set duet "
            "to continue, or choose a bundle of bars or tunes (`perpetuo models`)"
        )
    return ""


class DuetGuard:
    """Knows what duets can be played.

    Args:
        controls: Live.
        playing: Returns what writes, or is about to.
        hears: Whether an input is heard; it may be known later.

    Attributes:
        hears: As given.
    """

    def __init__(
        self, controls: LiveControls, playing: Callable[[], Source], *, hears: bool = True
    ) -> None:
        self._controls, self._playing, self.hears = controls, playing, hears
        self._mode = OFF

    def objection(self, changes: Mapping[str, Any]) -> str:
        """Return what speaks against changes of controls, in one line; "" for nothing."""
        return objection(changes.get("duet"), self._playing(), hears=self.hears)

    def turns_back(self, controls: Controls) -> bool:
        """Put a duet that cannot be played back to off; return whether that was done.

        One that was possible when it was set stays: another bundle may come that can play it.
        """
        mode, before = controls.of(DuetControls).duet, self._mode
        self._mode = mode
        problem = "" if mode == before else objection(mode, self._playing(), hears=self.hears)
        if problem:
            logger.warning("duet = %s is off again: %s", mode, problem)
            self._controls.update(duet=OFF)
        return bool(problem)


def _name(source: Source) -> str:
    return source.bundle.manifest.name

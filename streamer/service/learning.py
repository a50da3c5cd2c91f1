"""Knobs that a surface lets be learnt: which knob steers what, and what the next one shall steer.

In: the bindings of the input, once there is one, and wishes from any thread. Out: names of knobs by
control, and a :class:`streamer.surfaces.desk.Refusal` where nothing can be learnt. What is learnt
is kept as that of ``--learn`` is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamer.control.bindings import Bindings
from streamer.control.knobs import name_of
from streamer.surfaces.desk import Refusal

LEARN_SECONDS = 60.0
"""A knob that is turned later is not the one that was meant."""


class KnobLearning:
    """What a desk says of knobs, and does with them; any thread.

    Args:
        now: Seconds of the clock by which the input is heard.

    Attributes:
        bindings: Those of the input; None where none is heard.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.bindings: Bindings | None = None

    def state(self) -> dict[str, Any]:
        """Return ``knobs``, control to knob, None where no input is heard; and ``learning``."""
        if self.bindings is None:
            return {"knobs": None, "learning": None}
        found: Mapping[int, str] = self.bindings.bound
        return {
            "knobs": {control: name_of(knob) for knob, control in found.items()},
            "learning": self.bindings.learning_at(self._now()),
        }

    def learn(self, control: str) -> None:
        """Let the next knob that is turned, within a minute, steer a control.

        Raises:
            Refusal: 404 where no control is called so, 409 where no input is heard.
        """
        try:
            self._heard().learn(control, self._now() + LEARN_SECONDS)
        except ValueError as error:
            raise Refusal(404, str(error)) from error

    def forget(self, control: str) -> None:
        """Let no knob steer a control, nor be learnt for it any more; it writes a disk.

        Raises:
            Refusal: As :meth:`learn`.
        """
        try:
            self._heard().forget(control)
        except ValueError as error:
            raise Refusal(404, str(error)) from error

    def _heard(self) -> Bindings:
        if self.bindings is None:
            raise Refusal(
                409, "no input is heard, and a knob is learnt from one; start again with --input "
                "auto, virtual or a port (`perpetuo ports`)",
            )  # fmt: skip
        return self.bindings

"""From one scene to the next: at once, or by steps that nobody hears.

In: scenes as they are chosen, from any thread, and the passing of phrases. Out: the live controls.
A scene that morphs moves each number monotonely, once with each phrase and at most
:data:`MOST_STEP` of its range, all together in a straight line, so that what goes together at both
ends goes together on the way; what is no number, or has too few values for such steps (the root of
a scale), changes once, half-way. A step is for the phrase that is written next: nothing is drawn
again for it. What a hand moves meanwhile is the hand's. While a person has the turn in a duet, it
goes on with time alone. Where nothing is heard, it is there at once. A scene of another bundle is
taken on when that is there, and not at all where it is not.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from streamer.control.scenes import LiveScene
from streamer.settings.controls import MOMENTARY, Controls, LiveControls, control_specs

logger = logging.getLogger(__name__)

MOST_STEP = 0.05
"""Share of its range that a number moves with one phrase at most."""

HALF_WAY = 0.5

UNHEARD_SECONDS = 1.0
"""From one step to the next where nobody hears them."""


@dataclass(slots=True)
class _Morph:
    """One that is under way.

    Attributes:
        begin: The controls before it.
        target: Those after it.
        seconds: How long it is to take.
        share: How far it has come, 0..1.
        most: How far it may go with one phrase.
        set_to: What it last set each control to that it still moves.
        began: Seconds of the clock at its first look.
        unheard_at: And at the last step that nobody heard.
        phrases: How many phrases had begun then, or at the last step.
        written: And how many had been written.
    """

    begin: dict[str, Any]
    target: dict[str, Any]
    seconds: float
    share: float = 0.0
    most: float = 1.0
    set_to: dict[str, Any] = field(default_factory=dict)
    began: float | None = None
    unheard_at: float = float("-inf")
    phrases: int = 0
    written: int = 0


class SceneChanger:
    """Lets the stream take on scenes; any thread chooses, one thread steps.

    Args:
        controls: What is moved.
        configured: What a scene goes back to that it does not name; None is what the controls are
            now.
        switch: Given what a scene sets of ``[model]``, lets another bundle follow, and returns what
            is told when it is there; None where it plays already. ValueError where there is none.
    """

    def __init__(
        self,
        controls: LiveControls,
        configured: Callable[[], Controls] | None = None,
        switch: Callable[[Mapping[str, Any]], Future[str] | None] = lambda model: None,
    ) -> None:
        first = controls.snapshot()
        self._controls, self._configured = controls, configured or (lambda: first)
        self._switch, self._chosen = switch, 0
        self._morph: _Morph | None = None
        self._lock = threading.RLock()

    @property
    def morphing(self) -> bool:
        """Whether a scene is on its way."""
        return self._morph is not None

    def choose(self, scene: LiveScene, seconds: float | None = None) -> Future[str] | None:
        """Take on a scene, or begin to; one of another bundle when that is there.

        Args:
            scene: The scene.
            seconds: How long it is to take, 0 or more; None takes ``morph_seconds`` of the scene,
                or of the controls where it names none.

        Returns:
            What is told when its bundle is there, or why it will not be; None where it names none,
            or the one that plays.

        Raises:
            ValueError: It does not go together with the configuration, or there is no such bundle;
                nothing changes.
        """
        with self._lock:
            self._chosen += 1
            chosen = self._chosen
            scene.apply(self._configured(), self._controls.snapshot())
            coming = self._switch(scene.model) if scene.model else None
            if coming is None:
                self._take_on(scene, seconds)
                return None
        coming.add_done_callback(lambda told: self._follow(told, scene, seconds, chosen))
        return coming

    def _follow(
        self, told: Future[str], scene: LiveScene, seconds: float | None, chosen: int
    ) -> None:
        """Take on a scene whose bundle is there, unless another was chosen meanwhile."""
        if (error := told.exception()) is not None:
            logger.warning("scene %s was not taken on: %s", scene.name, error)
            return
        with self._lock:
            if chosen != self._chosen:
                return
            try:
                self._take_on(scene, seconds)
            except ValueError as problem:
                logger.warning("scene %s was not taken on: %s", scene.name, problem)

    def _take_on(self, scene: LiveScene, seconds: float | None) -> None:
        with self._lock:
            configured = self._configured()

            def begun(present: Controls) -> Controls:
                target, wanted = scene.apply(configured, present), seconds
                if wanted is None:
                    named = scene.changes.get("morph_seconds")
                    wanted = present.morph_seconds if named is None else target.morph_seconds
                self._morph = _morph(present, target, wanted) if wanted > 0 else None
                return present if wanted > 0 else target

            self._controls.change(begun, scene.name)

    def take(self, controls: Controls, scene: str) -> None:
        """Be at other controls at once, what is momentary excepted; what is on its way ends.

        Args:
            controls: All of them.
            scene: What they are called; "" for nothing.
        """
        with self._lock:
            self._morph = None
            self._chosen += 1
            self._controls.change(
                lambda now: controls.with_changes({name: now.value(name) for name in MOMENTARY}),
                scene,
            )

    def move(self, changes: Mapping[str, Any]) -> None:
        """Move some controls by hand; a scene that is on its way leaves them there.

        Raises:
            ValueError: A value is out of range, or does not go together with what is there; nothing
                moves.
        """
        with self._lock:
            self._controls.update(**changes)
            if self._morph is not None:
                left = {k: v for k, v in self._morph.set_to.items() if k not in changes}
                self._morph.set_to = left

    def step(
        self,
        now: float,
        phrases: int,
        written: int | None = None,
        *,
        heard: bool = True,
        waits: bool = False,
    ) -> None:
        """Go on with what is on its way, by a step at most; a few times a second, one thread.

        Args:
            now: Seconds of the clock.
            phrases: How many phrases have begun to sound.
            written: How many have been written, those not counted that took the place of others;
                None counts as ``phrases``. A step is made when both have grown.
            heard: Whether anything sounds at all; else the scene is there at once.
            waits: Whether the music is silent for a while: a person has the turn.
        """
        written = phrases if written is None else written
        with self._lock:
            morph = self._morph
            if morph is None:
                return
            if not heard:
                self._go_to(morph, 1.0)
            elif morph.began is None:
                morph.began, morph.phrases, morph.written = now, phrases, written
            elif waits:
                if now - morph.unheard_at >= UNHEARD_SECONDS:
                    morph.unheard_at, morph.phrases, morph.written = now, phrases, written
                    self._go_to(morph, min((now - morph.began) / morph.seconds, 1.0), gentle=True)
            elif phrases > morph.phrases and written > morph.written:
                morph.phrases, morph.written = phrases, written
                timed = (now - morph.began) / morph.seconds
                self._go_to(morph, min(morph.share + morph.most, timed, 1.0), gentle=True)

    def finish(self) -> None:
        """Be at the end of what is on its way, at once."""
        with self._lock:
            if self._morph is not None:
                self._go_to(self._morph, 1.0)

    def arriving(self) -> Controls:
        """Return the controls as they will be when what is on its way has arrived."""
        with self._lock:
            present, morph = self._controls.snapshot(), self._morph
            if morph is None:
                return present
            left = {k for k, value in morph.set_to.items() if present.value(k) == value}
            return _with_as_many(present, {name: morph.target[name] for name in left})[0]

    def _go_to(self, morph: _Morph, share: float, *, gentle: bool = False) -> None:
        """Move every control to its place; what a hand has moved since is left alone."""

        def moved(present: Controls) -> Controls:
            left = [k for k, value in morph.set_to.items() if present.value(k) == value]
            wanted = {name: _between(name, morph, share) for name in left}
            changed, whole = _with_as_many(present, wanted)
            morph.share, morph.set_to = share if whole else 1.0, wanted
            return present if changed == present else changed

        if share > morph.share:
            self._controls.change(moved, gentle=gentle)
        if morph.share >= 1.0:
            self._morph = None


def _with_as_many(present: Controls, wanted: Mapping[str, Any]) -> tuple[Controls, bool]:
    """Return controls with as many changes as go together, and whether those are all."""
    try:
        return present.with_changes(wanted), True
    except ValueError as error:  # a hand moved one that goes with another
        logger.debug("a scene stops half-way: %s", error)
    for name, value in wanted.items():
        try:
            present = present.with_changes({name: value})
        except ValueError as error:
            logger.debug("%s was not moved: %s", name, error)
    return present, False


def _morph(present: Controls, target: Controls, seconds: float) -> _Morph:
    begin, end = present.values(), target.values()
    names = [name for name in end if end[name] != begin[name] and name not in MOMENTARY]
    morph = _Morph(begin=begin, target=end, seconds=seconds)
    morph.set_to = {name: begin[name] for name in names}
    for name in names:
        step = _step(name, begin[name], end[name])
        if step is not None:
            morph.most = min(morph.most, step / abs(end[name] - begin[name]))
    return morph


def _step(name: str, begin: Any, end: Any) -> float | None:
    """Return how far a control may move with a phrase; None for one that changes once."""
    spec = control_specs()[name]
    if spec.range is None or begin is None or end is None:
        return None
    step = MOST_STEP * (spec.range.high - spec.range.low)
    if spec.kind != "whole number":
        return step
    return float(math.floor(step)) or None


def _between(name: str, morph: _Morph, share: float) -> Any:
    begin, end = morph.begin[name], morph.target[name]
    if share >= 1.0:
        return end
    if _step(name, begin, end) is None:
        return begin if share < HALF_WAY else end
    value = begin + (end - begin) * share
    # Not round(), which goes to even: two numbers must keep their distance.
    return math.floor(value + 0.5) if control_specs()[name].kind == "whole number" else value

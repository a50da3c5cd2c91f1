"""What the next phrase is asked to be like: from controls, moods and homing to the graph's input.

A bundle that was trained with them is asked for the dials of :mod:`streamer.families.chain.asked`.
What a person has set is asked for as it is. Of the others density, loudness, register and pedal are
asked for as a piece would have them: about the mood, wandering from phrase to phrase as far and as
slowly as they do within pieces; of repetition as much as the corpus has. What the stream does in
spite of that, homing takes back here, and no longer in the noise.

A bundle that was not trained with them is leaned on in the noise, and of what cannot be leaned on
it says so once. Thread: the generator's.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import Statistics
from streamer.families.chain.asked import ASKED_WIDTH, asked_vector
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.homing import WISHED, Homing
from streamer.families.chain.keypath import KeyPath
from streamer.families.chain.returns import DIAL as REPETITION
from streamer.families.chain.returns import Returning
from streamer.families.chain.steering import allowed_pitches
from streamer.generators.harmony import harmony_of
from streamer.music.scales import OCTAVE, SCALE_STEPS
from streamer.settings.controls import Controls
from streamer.system.marks import Marked

logger = logging.getLogger(__name__)

HOMES = {"density": "density", "pedal": "pedal", **WISHED}
"""Dials that moods know, and what homing calls them."""

WANDERS = {"density": 0.34, "loudness": 10.5, "register": 6.6, "pedal": 0.26}
"""How far phrases of 32 notes lie from the middle of the 1,200 notes around them, one standard
deviation, in units of the dial: means of piano-midi.de with GiantMIDI and of ASAP."""

HOLDS = 0.6
"""Correlation of that from one phrase to the next, in the same corpora."""

UNLEANED = ("polyphony", "regularity", REPETITION)
"""What only a bundle can do that was trained to be asked for it."""


class Wishes(Marked):
    """Makes the input ``asked`` of each phrase.

    Args:
        homing: Knows moods, and what the stream has been like.
        rng: Draws how phrases wander; the generator's.
        statistics: The bundle's.
        width: Of the bundle's input ``asked``; 0 where it was not trained to be asked.
    """

    marked = ("_away", "_keys", "_returning")

    def __init__(
        self, homing: Homing, rng: np.random.Generator, statistics: Statistics, width: int
    ) -> None:
        self._homing, self._rng, self._width = homing, rng, width
        self._away = dict.fromkeys(WANDERS, 0.0)
        self._keys = KeyPath(rng) if width else None
        self._returning = Returning(statistics, rng) if width == ASKED_WIDTH else None
        self._told = self._returning is not None

    @property
    def trained(self) -> bool:
        """Whether the bundle was trained to be asked."""
        return self._width > 0

    def wander(self) -> None:
        """Go on to the next phrase."""
        if self._keys is None:
            return
        self._keys.go_on()
        if self._returning is not None:
            self._returning.go_on()
        drawn = self._rng.standard_normal(len(WANDERS)).tolist()
        fresh = math.sqrt(1.0 - HOLDS**2)
        for (name, far), one in zip(WANDERS.items(), drawn, strict=True):
            self._away[name] = HOLDS * self._away[name] + fresh * far * one

    def asked(self, controls: Controls) -> NDArray[np.float32]:
        """Return what the next phrase is asked to be like, as wide as the bundle's input."""
        own = controls.of(ChainControls)
        wishes = {name: float(value) for name, value in own.asked().items()}
        if "polyphony" in wishes:
            wishes["polyphony"] = math.log(wishes["polyphony"])
        homes = self._homing.homes
        for dial, home in HOMES.items():
            if home not in homes:
                continue
            middle = homes[home]
            if dial not in wishes:
                middle += (1.0 - own.steadiness) * self._away[dial]
            if dial == "density":
                middle += math.log(controls.density)
            wishes[dial] = middle - self._homing.correction(home)
        if not allowed_pitches(controls).all() and "register" in wishes:
            low, high = controls.low - controls.transpose, controls.high - controls.transpose
            third = (high - low) / 3.0
            wishes["register"] = min(max(wishes["register"], low + third), high - third)
        if "pedal" in wishes:
            wishes["pedal"] = _pedalled(wishes["pedal"], own.pedal)
        share = self._share(controls)
        if share is not None:
            wishes[REPETITION] = share
        key = _key(controls)
        if key is None and self._keys is not None and harmony_of(controls) is None:
            key = self._keys.shares
        return asked_vector(wishes, key, self._width)

    def _share(self, controls: Controls) -> float | None:
        """Return what of the next phrase is to return; None asks for nothing."""
        if self._returning is None:
            return None
        return self._returning.share(controls.of(ChainControls).repetition)

    def may_return(self, controls: Controls) -> bool:
        """Whether the next phrase is asked to be one that came before."""
        return bool(self._share(controls))

    def watch(self, came: float, controls: Controls) -> None:
        """Learn from a phrase that was committed.

        Args:
            came: Share of its figures that came before, 0..1.
            controls: That it was asked with.
        """
        if self._returning is not None:
            self._returning.watch(came, controls.of(ChainControls).repetition)

    def change_mood(self) -> None:
        """Begin another mood."""
        if self._keys is not None:
            self._keys.change_home()

    def tell(self, controls: Controls) -> None:
        """Say once what this bundle cannot be asked for."""
        if self._told:
            return
        unable = (REPETITION,) if self.trained else UNLEANED
        missing = [name for name in unable if name in controls.of(ChainControls).asked()]
        if missing:
            self._told = True
            logger.warning(
                "%s: this bundle was not trained to be asked for it; choose another (perpetuo "
                "models)",
                ", ".join(missing),
            )


def _pedalled(share: float, control: float) -> float:
    """Return a share of pedal as the control has it: 1 leaves it, 2 is all, 0 none."""
    share = min(max(share, 0.0), 1.0)
    return share * control if control < 1 else share + (1.0 - share) * (control - 1.0)


def _key(controls: Controls) -> NDArray[np.float64] | None:
    """Return the pitch classes of the scale that is asked for, ``(12,)``; None: any."""
    if controls.scale == "off" or not controls.scale_lock:
        return None
    steps = np.array(sorted(SCALE_STEPS[controls.scale]))
    shares = np.zeros(OCTAVE)
    shares[(steps + controls.root - controls.transpose) % OCTAVE] = 1.0 / len(steps)
    return shares

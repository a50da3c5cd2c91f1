"""From live controls to the harmony that the next phrase is drawn to.

In: a snapshot. Out: a :class:`streamer.music.harmony.Harmony`, or None where nothing is asked: then
no family draws otherwise than without it. Chords are in the music's own key: what is transposed as
it leaves takes its chords with it. :func:`harmony_of` is for any thread, a :class:`KeyWalk` for the
generator's.
"""

from __future__ import annotations

import numpy as np

from streamer.music.chords import NAMES, Key
from streamer.music.harmony import Harmony
from streamer.music.progressions import KeyPlan, read_key_plan, read_progression
from streamer.music.scales import OCTAVE
from streamer.settings.controls import Controls
from streamer.settings.harmony import HarmonyControls
from streamer.system.marks import Marked

HOME = Key("C", 0, "major")
"""Where a walk begins when no key is set."""

MOST_CHANGED = 2
"""Notes in which neighbouring keys differ at most; a key that differs in fewer is likelier."""


def harmony_of(controls: Controls, key: Key | None = None) -> Harmony | None:
    """Return the chords and keys that hold; None where there are none, or at strength 0.

    Args:
        controls: What is asked for.
        key: Holds in the place of the keys that are asked for; None for none.
    """
    wanted = controls.of(HarmonyControls)
    _, chords = read_progression(wanted.chords)
    _, keys = read_key_plan(wanted.keys)
    if key is not None:
        keys = KeyPlan(((key, 1),))
    if wanted.chord_strength <= 0 or (chords is None and keys is None):
        return None
    return Harmony(chords, keys, wanted.chord_strength)


class KeyWalk(Marked):
    """A slow walk among neighbouring keys: of scales on other roots, those with one or two others.

    Of a major scale these are the keys a fifth or two away, and of a pentatonic one too. It does
    not go straight back to where it came from. A scale that no other root brings so near
    (whole-tone, octatonic) stays. One thread; what it draws comes from the generator's randomness.
    """

    marked = ("_from", "_above", "_came_by", "_held_s", "_now_ms")

    def __init__(self) -> None:
        self._from = ""  # the text of the keys that it set out from; "" where it has not
        self._above = 0  # semitones of its root above home's
        self._came_by = 0  # semitones of its last move
        self._held_s = self._now_ms = 0.0

    def go_on(self, controls: Controls, now_ms: float, rng: np.random.Generator) -> None:
        """Move to the next key where the last has held for long enough; before each phrase.

        Args:
            controls: How long a key holds, in the time of who listens.
            now_ms: Where the next phrase begins, in the generator's own time.
            rng: Nothing is drawn of it but with a move.
        """
        passed_ms, self._now_ms = now_ms - self._now_ms, now_ms
        wanted = controls.of(HarmonyControls)
        if not _walks(wanted) or self._from != wanted.keys:
            self._from = wanted.keys if _walks(wanted) else ""
            self._above, self._came_by, self._held_s = 0, 0, 0.0
            return
        self._held_s += max(passed_ms, 0.0) / 1000.0 / controls.tempo_scale
        moves = _moves(_home(wanted.keys))
        if self._held_s < wanted.harmony_drift or not moves:
            return
        onward = {by: weight for by, weight in moves.items() if (by + self._came_by) % OCTAVE}
        weights = np.array([*(onward or moves).values()])
        self._came_by = int(rng.choice([*(onward or moves)], p=weights / weights.sum()))
        self._above = (self._above + self._came_by) % OCTAVE
        self._held_s = 0.0

    def key(self, controls: Controls) -> Key | None:
        """Return the key that it is in; None where it does not walk."""
        wanted = controls.of(HarmonyControls)
        if not _walks(wanted):
            return None
        home, above = _home(wanted.keys), self._above if self._from == wanted.keys else 0
        root = (home.root + int(above)) % OCTAVE
        return Key(f"{NAMES[root]}-{home.scale}", root, home.scale)


def _walks(wanted: HarmonyControls) -> bool:
    """Whether keys are to move: chords that are set hold as they are written."""
    return wanted.harmony_drift > 0 and read_progression(wanted.chords)[1] is None


def _home(keys: str) -> Key:
    """Return the first key of a plan; :data:`HOME` where there is none."""
    plan = read_key_plan(keys)[1]
    return next((key for key, _ in plan.keys if key is not None), HOME) if plan else HOME


def _moves(key: Key) -> dict[int, float]:
    """Return the semitones to the neighbours of a key, and how likely each is beside the others."""
    here = {*key.tones}
    others = {by: len({*Key("", key.root + by, key.scale).tones} - here) for by in range(1, OCTAVE)}
    return {by: 1.0 / n for by, n in others.items() if 1 <= n <= MOST_CHANGED}

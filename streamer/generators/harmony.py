"""From live controls to the harmony that the next phrase is drawn to.

In: a snapshot. Out: a :class:`streamer.music.harmony.Harmony`, or None where nothing is asked: then
no family draws otherwise than without it. Chords are in the music's own key: what is transposed as
it leaves takes its chords with it. Any thread.
"""

from __future__ import annotations

from streamer.music.harmony import Harmony
from streamer.music.progressions import read_key_plan, read_progression
from streamer.settings.controls import Controls
from streamer.settings.harmony import HarmonyControls


def harmony_of(controls: Controls) -> Harmony | None:
    """Return the chords and keys that hold; None where there are none, or at strength 0."""
    wanted = controls.of(HarmonyControls)
    _, chords = read_progression(wanted.chords)
    _, keys = read_key_plan(wanted.keys)
    if wanted.chord_strength <= 0 or (chords is None and keys is None):
        return None
    return Harmony(chords, keys, wanted.chord_strength)

"""Who plays what the generators write: the performance layer behind their protocols.

In: phrases of tunes (:class:`streamer.families.tunes.line.Line`) and sections of several bars
(:class:`streamer.families.windows.player.WrittenBars`). Out: notes. Thread: the generator's.
"""

from __future__ import annotations

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.expression.expression import Expression
from streamer.expression.opening import expression_for
from streamer.families.tunes.line import Line, PlainVoice, Voice
from streamer.families.tunes.secondvoice import SecondVoice
from streamer.music.notes import Note
from streamer.settings.expression import ExpressionSettings
from streamer.system.marks import Marked


class ExpressiveVoice(Marked):
    """Plays tunes; implements :class:`streamer.families.tunes.line.Voice`.

    Args:
        expression: Gives velocity, length and timing; None plays plainly.
        second: Plays under the tune, or nobody does.
        styles: Names of the weights of a line's styles, in their order.
    """

    marked = ("_expression", "_second")

    def __init__(
        self, expression: Expression | None, second: SecondVoice | None, styles: tuple[str, ...]
    ) -> None:
        self._expression, self._second, self._styles = expression, second, styles
        self._plain = PlainVoice()

    def play(self, line: Line) -> tuple[Note, ...]:
        """Return the notes of the phrase and of what sounds under it, sorted by onset."""
        fresh = line.index == 0
        played = self._plain.play(line)
        if self._expression is not None:
            weights = zip(self._styles, line.style.tolist(), strict=True)
            played = self._expression.line(
                line.pitch, line.onset, line.length, bar_beats=line.bar_beats,
                beat_ms=line.beat_ms, start_ms=line.start_ms, style=dict(weights), fresh=fresh,
                closes=line.ends,
            )  # fmt: skip
        if self._second is None:
            return played
        under = self._second.play(
            line.pitch, line.onset, line.length, tonic=line.key.tonic, minor=line.key.minor,
            bar_beats=line.bar_beats, beat_ms=line.beat_ms, start_ms=line.start_ms, fresh=fresh,
            closes=line.ends,
        )  # fmt: skip
        return tuple(sorted((*played, *under), key=lambda note: (note.onset_ms, note.pitch)))


def voice_for(bundle: Bundle, settings: ExpressionSettings, rng: np.random.Generator) -> Voice:
    """Return who plays a bundle of tunes.

    Args:
        bundle: Its tables; without any it is played plainly.
        settings: What a person wants.
        rng: Of the generator, which it does not disturb: another is derived from its seed.

    Raises:
        BundleError: The bundle's tables cannot be used.
    """
    second = None
    if settings.voice != "off":
        channel = 0 if settings.voice_channel is None else settings.voice_channel - 1
        second = SecondVoice(settings.voice, settings.voice_velocity, channel)
    expression = expression_for(bundle, settings, rng)
    if expression is None and second is None:
        return PlainVoice()
    return ExpressiveVoice(expression, second, tuple(bundle.manifest.styles))

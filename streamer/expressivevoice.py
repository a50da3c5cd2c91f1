"""Who plays what the generators write: the performance layer behind their protocols.

In: phrases of tunes (:class:`streamer.generators.tuneline.Line`) and sections of several bars
(:class:`streamer.generators.window.Bars`). Out: notes. Made by the pipeline from a bundle's tables
and the settings; used in the generator's thread.
"""

from __future__ import annotations

import numpy as np

from streamer.bundle import Bundle
from streamer.expression import Expression
from streamer.expressionsettings import ExpressionSettings
from streamer.expressiontables import read_tables
from streamer.generators.tuneline import Line, PlainVoice, Voice
from streamer.generators.window import Bars, PlainPlayer, Player
from streamer.notes import Note
from streamer.secondvoice import SecondVoice


class ExpressiveVoice:
    """Plays tunes; implements :class:`streamer.generators.tuneline.Voice`.

    Args:
        expression: Gives velocity, length and timing; None plays plainly.
        second: Plays under the tune, or nobody does.
        styles: Names of the weights of a line's styles, in their order.
    """

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


class ExpressivePlayer:
    """Plays sections of several voices; implements :class:`streamer.generators.window.Player`.

    Args:
        expression: Gives velocity and timing.
    """

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def play_bars(self, bars: Bars) -> tuple[Note, ...]:
        """Return one note for each, in their order."""
        return self._expression.roll(
            bars.pitch, bars.start_beat + bars.onset, bars.length, bar_beats=bars.bar_beats,
            beat_ms=bars.beat_ms,
        )  # fmt: skip


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
    expression = _expression(bundle, settings, rng)
    if expression is None and second is None:
        return PlainVoice()
    return ExpressiveVoice(expression, second, tuple(bundle.manifest.styles))


def player_for(bundle: Bundle, settings: ExpressionSettings, rng: np.random.Generator) -> Player:
    """Return who plays a bundle of sections; arguments and errors as of :func:`voice_for`."""
    expression = _expression(bundle, settings, rng)
    return PlainPlayer() if expression is None else ExpressivePlayer(expression)


def _expression(
    bundle: Bundle, settings: ExpressionSettings, rng: np.random.Generator
) -> Expression | None:
    tables = read_tables(bundle.manifest.expression, bundle.manifest.name)
    if not tables or not settings.enabled:
        return None
    return Expression(tables, rng.spawn(1)[0], settings.amount)

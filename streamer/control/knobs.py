"""What moves when control changes come: a knob of seven bits, a pair of fourteen, or an NRPN.

In: control changes of any channel. Out: the numbers of the knobs that may be meant, and where each
stands, 0..127, in fractions where there are fourteen bits. Bank select, RPN and the parts of an
NRPN are no knobs of their own. CC n and CC n + 32 are the halves of one knob where the second comes
at once after the first (MIDI 1.0, "14-bit controllers"); elsewhere they are two. Thread: the
input's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from streamer.midi.messages import BANK_LSB, BANK_MSB, FIRST_MODE_MESSAGE

NRPN = 128
"""NRPN number n is knob 128 + n."""

MOST_KNOB = NRPN + (1 << 14) - 1

PAIR, PAIRS = MOST_KNOB + 1, 32
"""The pair of CC n and CC n + 32 is knob PAIR + n."""

TOGETHER_SECONDS = 0.02
"""The halves of a pair come one after the other, on a DIN cable a millisecond apart; no hand moves
two knobs within this."""

DATA_MSB, DATA_LSB, DATA_UP, DATA_DOWN = 6, 38, 96, 97
_NRPN_LSB, _NRPN_MSB, _RPN_LSB, _RPN_MSB = 98, 99, 100, 101
NO_KNOBS = frozenset(
    (BANK_MSB, BANK_LSB, DATA_MSB, DATA_LSB, DATA_UP, DATA_DOWN, 98, 99, 100, 101, *range(64, 70))
)
"""Controllers that are not learnt unless they are named: bank select, data entry, the numbers of
parameters, pedals."""

_NULL = (127, 127)
_NAMED = re.compile(r"(?:cc\s*(\d+)(?:\s*\+\s*(\d+))?|nrpn\s*(\d+))", re.I)


class Move(NamedTuple):
    """A knob, and where it stands: 0..127, in fractions where it has fourteen bits."""

    knob: int
    position: float


class Heard(NamedTuple):
    """What a control change may mean.

    Attributes:
        moves: The knobs that it may be, the one with the most bits first.
        pair: The pair of which this was the second half, come with the first; None for all else.
    """

    moves: tuple[Move, ...]
    pair: int | None = None


def name_of(knob: int) -> str:
    """Return what a knob is called: ``CC21``, ``CC21+53`` or ``NRPN 300``."""
    if knob >= PAIR:
        return f"CC{knob - PAIR}+{knob - PAIR + PAIRS}"
    return f"CC{knob}" if knob < NRPN else f"NRPN {knob - NRPN}"


def knob_named(text: str) -> int:
    """Return the knob that a person names: ``CC64``, ``CC21+53``, ``NRPN300``.

    Raises:
        ValueError: There is none such, or it chooses a parameter and is no knob.
    """
    found = _NAMED.fullmatch(text.strip())
    if found is not None and found[3]:
        if int(found[3]) <= MOST_KNOB - NRPN:
            return NRPN + int(found[3])
    elif found is not None:
        coarse, fine = int(found[1]), found[2]
        if fine is None and coarse < FIRST_MODE_MESSAGE and not DATA_UP <= coarse <= _RPN_MSB:
            return coarse
        if fine is not None and coarse < PAIRS and int(fine) == coarse + PAIRS:
            return PAIR + coarse
    raise ValueError(
        "a knob must be CC0 to CC119 (not CC96 to CC101, which choose parameters), a pair CC0+32 "
        f"to CC31+63, or NRPN0 to NRPN16383, not {text.strip()[:40]!r}"
    )


def halves(knob: int) -> tuple[int, ...]:
    """Return the controllers that are the halves of a pair; none of any other knob."""
    return (knob - PAIR, knob - PAIR + PAIRS) if knob >= PAIR else ()


class Knobs:
    """Follows the parameter that each channel has chosen; one thread."""

    def __init__(self) -> None:
        self._number: dict[int, tuple[int, int] | None] = {}
        self._coarse: dict[int, int] = {}
        self._halves: dict[tuple[int, int], tuple[int, float]] = {}

    def hear(self, channel: int, number: int, data: int, at: float) -> Heard:
        """Take in a control change; return the knobs that it may move, which may be none.

        Args:
            channel: 0..15.
            number: 0..119.
            data: 0..127.
            at: When it came, seconds.
        """
        if number in (_RPN_LSB, _RPN_MSB):
            self._number[channel] = None
            return Heard(())
        if number in (_NRPN_LSB, _NRPN_MSB):
            high, low = self._number.get(channel) or (0, 0)
            self._number[channel] = (data, low) if number == _NRPN_MSB else (high, data)
            self._coarse.pop(channel, None)
            return Heard(())
        chosen = self._number.get(channel)
        if number not in (DATA_MSB, DATA_LSB) or chosen is None:
            return self._controller(channel, number, data, at)
        if chosen == _NULL:
            return Heard(())
        knob = NRPN + (chosen[0] << 7 | chosen[1])
        if number == DATA_MSB:
            self._coarse[channel] = data
            return Heard((Move(knob, float(data)),))
        return Heard((Move(knob, _fourteen(self._coarse.get(channel, 0), data)),))

    def _controller(self, channel: int, number: int, data: int, at: float) -> Heard:
        """Return what a controller may be: itself, and a half of its pair."""
        alone = Move(number, float(data))
        if number >= 2 * PAIRS:
            return Heard((alone,))
        if number < PAIRS:
            self._halves[channel, number] = data, at
            return Heard((Move(PAIR + number, float(data)), alone))
        coarse, then = self._halves.get((channel, number - PAIRS), (None, 0.0))
        if coarse is None:
            return Heard((alone,))
        pair = PAIR + number - PAIRS
        together = pair if at - then <= TOGETHER_SECONDS else None
        return Heard((Move(pair, _fourteen(coarse, data)), alone), together)


def _fourteen(coarse: int, fine: int) -> float:
    return min(coarse + fine / 128.0, 127.0)

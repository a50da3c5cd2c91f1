"""Letters for pictures: capitals, figures and a few signs, five points wide and seven high.

In: a text. Out: which points of a picture are ink. Small letters are shown as capitals; what has no
letter here is left blank. Drawn for this project, so that a Pi carries no library for a picture.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, STEP = 5, 7, 6
"""Of a letter, points, and from one to the next."""

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_ROWS = {
    "A": "ehhvhhh", "B": "uhhuhhu", "C": "ehggghe", "D": "uhhhhhu", "E": "vgguggv", "F": "vgguggg",
    "G": "ehgnhhe", "H": "hhhvhhh", "I": "e44444e", "J": "72222ic", "K": "hikokih", "L": "ggggggv",
    "M": "hrllhhh", "N": "hhpljhh", "O": "ehhhhhe", "P": "uhhuggg", "Q": "ehhhlid", "R": "uhhukih",
    "S": "fgge11u", "T": "v444444", "U": "hhhhhhe", "V": "hhhhha4", "W": "hhhllla", "X": "hha4ahh",
    "Y": "hha4444", "Z": "v1248gv", "0": "ehjlphe", "1": "4c4444e", "2": "eh1248v", "3": "v2421he",
    "4": "26aiv22", "5": "vgu11he", "6": "68guhhe", "7": "v124888", "8": "ehhehhe", "9": "ehhf12c",
    ":": "0cc0cc0", ".": "00000cc", "-": "000v000", "#": "aavavaa", "(": "2488842", ")": "8422248",
    ",": "0000c48", "+": "044v440", "/": "01248g0",
}  # fmt: skip
"""Seven rows of each, a digit to base 32 a row: its bits are points, the highest the left one."""


@functools.cache
def _letter(sign: str) -> NDArray[np.bool_]:
    points = np.zeros((HEIGHT, STEP), dtype=bool)
    for row, digit in enumerate(_ROWS.get(sign, "")):
        bits = _DIGITS.index(digit)
        points[row, :WIDTH] = [bits >> (WIDTH - 1 - column) & 1 for column in range(WIDTH)]
    return points


def written(text: str, scale: int = 1) -> NDArray[np.bool_]:
    """Return a text as ``(7 * scale, 6 * scale * length)`` points, True for ink."""
    if not text:
        return np.zeros((HEIGHT * scale, 0), dtype=bool)
    points = np.hstack([_letter(sign) for sign in text.upper()])
    return points.repeat(scale, axis=0).repeat(scale, axis=1)


def write_on(
    picture: NDArray[np.uint8], text: str, x: int, y: int, ink: tuple[int, ...], scale: int = 1
) -> None:
    """Write a text into a picture, its upper left corner at a place; what lies outside is cut."""
    points = written(text, scale)
    place = picture[max(y, 0) : y + len(points), max(x, 0) : x + points.shape[1]]
    place[points[max(-y, 0) :, max(-x, 0) :][: place.shape[0], : place.shape[1]]] = ink

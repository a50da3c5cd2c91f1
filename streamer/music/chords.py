"""Chord symbols and keys: what a person writes of harmony, read into pitch classes.

In: a word such as ``Am7``, ``F#m7b5``, ``C/E`` or ``D-dorian``. Out: :class:`Chord` and
:class:`Key`, plain values. Symbols are those of lead sheets and of the quoted chord symbols of the
ABC standard 2.1, section 4.18. No numpy: the command line reads these to answer ``--help``. Any
thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamer.music.scales import OCTAVE, SCALE_STEPS, Scale

MOST_WORD = 24
"""Characters of one symbol."""

_NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME = re.compile(r"([A-Ga-g])([#b♯♭]?)(.*)")

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""How the pitch classes are called where we name them."""

QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "aug": (0, 4, 8),
    "aug7": (0, 4, 8, 10),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "9": (0, 4, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2),
    "m9": (0, 3, 7, 10, 2),
    "9sus4": (0, 5, 7, 10, 2),
    "69": (0, 4, 7, 9, 2),
    "m69": (0, 3, 7, 9, 2),
    "add9": (0, 4, 7, 2),
    "madd9": (0, 3, 7, 2),
    "7b5": (0, 4, 6, 10),
    "7b9": (0, 4, 7, 10, 1),
    "7#9": (0, 4, 7, 10, 3),
    "11": (0, 7, 10, 2, 5),
    "m11": (0, 3, 7, 10, 2, 5),
    "13": (0, 4, 7, 10, 2, 9),
}
"""What a symbol may say behind its root, to semitones above it."""

_SAME = {
    "maj": "", "M": "", "min": "m", "mi": "m", "-": "m", "maj6": "6", "min6": "m6", "-6": "m6",
    "dom7": "7", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "j7": "maj7", "min7": "m7", "mi7": "m7",
    "-7": "m7", "mM7": "mmaj7", "m(maj7)": "mmaj7", "minmaj7": "mmaj7", "o": "dim", "°": "dim",
    "o7": "dim7", "°7": "dim7", "ø": "m7b5", "ø7": "m7b5", "h7": "m7b5", "min7b5": "m7b5",
    "-7b5": "m7b5", "m7(b5)": "m7b5", "+": "aug", "+7": "aug7", "7#5": "aug7", "7+": "aug7",
    "sus": "sus4", "7sus": "7sus4", "9sus": "9sus4", "M9": "maj9", "min9": "m9", "-9": "m9",
    "6/9": "69", "m6/9": "m69", "add2": "add9", "(add9)": "add9", "m(add9)": "madd9",
    "minadd9": "madd9", "min11": "m11",
}  # fmt: skip

SAID = "maj m 7 maj7 m7 dim dim7 m7b5 aug sus2 sus4 6 9 add9"
"""The commonest, for people."""

NO_CHORD = ("N", "NC", "N.C.")
"""What is written where no chord holds."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord.

    Attributes:
        symbol: Its root and one of :data:`QUALITIES`, in ASCII: other spellings are one chord.
        root: Pitch class, 0..11 (0 is C).
        tones: Its pitch classes, ascending, the bass among them.
        bass: Pitch class that the lowest notes are to be.
        slash: Whether the bass was asked for.
    """

    symbol: str
    root: int
    tones: tuple[int, ...]
    bass: int
    slash: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or another scale on a root.

    Attributes:
        symbol: As it is written, its letters as usual.
        root: Pitch class, 0..11.
        scale: Its name.
    """

    symbol: str
    root: int
    scale: Scale

    @property
    def tones(self) -> tuple[int, ...]:
        """Its pitch classes, ascending."""
        return tuple(sorted((self.root + step) % OCTAVE for step in SCALE_STEPS[self.scale]))


def read_chord(word: str) -> Chord | None:
    """Read a chord symbol; None for :data:`NO_CHORD`.

    Raises:
        ValueError: It is none; a few words that say so.
    """
    if word.upper() in NO_CHORD:
        return None
    root, name, rest = _note(word, "chord")
    above, slash, low = rest.rpartition("/")
    if not slash or _quality(rest) is not None:
        above, slash = rest, ""
    quality = _quality(above)
    if quality is None:
        raise ValueError(f"{shown_word(word)} is no chord: behind a root comes one of {SAID}")
    tones, bass = {(root + step) % OCTAVE for step in QUALITIES[quality]}, root
    if slash:
        bass, low, more = _note(low, "bass note")
        if more:
            raise ValueError(f"{shown_word(word)} has no bass note behind its /")
        tones.add(bass)
    symbol = f"{name}{quality}/{low}" if slash else f"{name}{quality}"
    return Chord(symbol, root, tuple(sorted(tones)), bass, bool(slash))


def read_key(word: str) -> Key | None:
    """Read a key: ``C``, ``Am``, ``F#m``, ``D-dorian``; None for :data:`NO_CHORD`.

    Raises:
        ValueError: It is none; a few words that say so.
    """
    if word.upper() in NO_CHORD:
        return None
    root, name, rest = _note(word, "key")
    if rest.lower() in ("", "maj") or rest == "M":
        return Key(name, root, "major")
    if rest.lower() in ("m", "min"):
        return Key(f"{name}m", root, "minor")
    wanted = rest.removeprefix("-").lower()
    scale = next((one for one in SCALE_STEPS if one == wanted and one != "off"), None)
    if scale is None or not rest.startswith("-"):
        raise ValueError(f"{shown_word(word)} is no key: write C, Am or D-dorian")
    return Key(f"{name}-{scale}", root, scale)


def name_chord(tones: frozenset[int], bass: int) -> str | None:
    """Return the symbol of pitch classes that are held, by the plainest name that fits.

    Args:
        tones: Pitch classes, 0..11.
        bass: The lowest of them.

    Returns:
        None where they are no chord that has a name.
    """
    for root in (bass, *sorted(tones - {bass})):
        steps = {(tone - root) % OCTAVE for tone in tones}
        for quality, wanted in QUALITIES.items():
            if {*wanted} == steps:
                slash = "" if root == bass else f"/{NAMES[bass]}"
                return f"{NAMES[root]}{quality}{slash}"
    return None


def _note(word: str, what: str) -> tuple[int, str, str]:
    """Return the pitch class that a word begins with, how it is spelt, and what is behind it."""
    found = _NAME.fullmatch(word) if len(word) <= MOST_WORD else None
    if found is None:
        raise ValueError(f"{shown_word(word)} is no {what}: it must begin with a note from A to G")
    letter, sign, rest = found[1].upper(), found[2], found[3]
    sign = "#" if sign == "♯" else "b" if sign == "♭" else sign
    return (_NOTES[letter] + _SIGNS[sign]) % OCTAVE, letter + sign, rest


def _quality(text: str) -> str | None:
    """Return which of :data:`QUALITIES` is meant; None where none is."""
    plain = _SAME.get(text, text)
    if plain not in QUALITIES and text[:3].lower() in ("maj", "min", "dim", "aug", "sus", "add"):
        plain = _SAME.get(text.lower(), text.lower())
    return plain if plain in QUALITIES else None


def shown_word(word: str, most: int = MOST_WORD) -> str:
    """Return a word as a message shows it: short, and nothing that a terminal would obey.

    Args:
        word: Any text.
        most: Characters that are shown of it.
    """
    text = ascii(word)[1:-1] if not word.isprintable() else word
    return text if len(text) <= most else f"{text[:most]}..."

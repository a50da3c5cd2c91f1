"""Progressions and key plans: which chord and which key hold at which beat, for ever.

In: text such as ``Am F C G`` (a chord a bar), ``Am:2 F:2`` (beats), ``| Am F | C |`` (a bar's
chords share it) and ``C Am F/4`` (keys, for so many bars), or a file of such lines. Out: what
holds, and for how long. Both begin again when they are over. No numpy: the command line reads these
to answer ``--help``. Any thread; nothing is kept but what was read.
"""

from __future__ import annotations

import errno
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from streamer.music.chords import Chord, Key, read_chord, read_key, shown_word
from streamer.system.reading import named_path, read_at_most

OFF = "off"
"""What is written for none."""

MOST_TEXT, MOST_SLOTS = 1000, 256
"""Characters of a text, as it is written and as it is kept, and chords or keys in it."""

WRITTEN_OUT = "written out it"
"""What is kept, with each ``%`` as its chord: more characters than were written."""

LEAST_BEATS, MOST_BEATS, MOST_BARS = 0.125, 64.0, 64
"""How long one may hold."""

MOST_NUMBER = 16
"""Characters of a number of beats."""

FILE_ENDS = (".txt", ".chords")
MOST_FILE_BYTES = 64 * 1024

MOST_NAME = 80
"""Characters of a file's name that a message shows."""

_REMARK = re.compile(r"^\s*#.*|\s#(\s.*)?$")
"""A line that begins with ``#``, and what stands behind a ``#`` alone: ``C#m`` has none."""

EXAMPLES = ("off", "C G Am F", "Am F C G", "Dm7 G7 Cmaj7 Am7", "C Am F G", "Am G F E7", "Em D C B7")
KEY_EXAMPLES = ("off", "C", "Am", "C/8 Am/8", "D-dorian", "C/4 F/4 Bb/4 Eb/4", "F#-pentatonic")
"""What a knob goes through; the first is none."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A chord and how long it holds: ``beats`` where they are given, else a share of a bar."""

    chord: Chord | None
    beats: float | None = None
    bars: float = 1.0

    def length(self, bar_beats: float) -> float:
        """Return its beats in music of so many quarters a bar."""
        return self.bars * bar_beats if self.beats is None else self.beats


@dataclass(frozen=True, slots=True)
class Progression:
    """Chords one after the other, at least one."""

    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Keys one after the other, each with its bars; at least one."""

    keys: tuple[tuple[Key | None, int], ...]


@lru_cache(maxsize=64)
def read_progression(text: str) -> tuple[str, Progression | None]:
    """Read chords.

    Args:
        text: A chord a bar; ``:2`` behind one is its beats; between bar lines ``|`` the chords of a
            bar share it; ``%`` is the chord before; symbols may stand in double quotes.

    Returns:
        The text in its usual spelling, and the progression; None for ``off`` and for nothing.

    Raises:
        ValueError: What is wrong with it, in a few words that name the symbol.
    """
    text = _bounded(text)
    if text.lower() in ("", OFF):
        return OFF, None
    barred, words, slots = "|" in text, list[str](), list[Slot]()
    for bar in text.split("|") if barred else [text]:
        found = bar.split()
        for word in found:
            slot = _slot(word, slots[-1] if slots else None, 1 / len(found) if barred else 1.0)
            slots.append(slot)
            beats = "" if slot.beats is None else f":{slot.beats:.7g}"
            words.append(("N" if slot.chord is None else slot.chord.symbol) + beats)
        if barred and found:
            words.append("|")
    if not 1 <= len(slots) <= MOST_SLOTS:
        raise ValueError(f"there are {len(slots)} chords, and must be 1..{MOST_SLOTS}")
    kept = _bounded(" ".join(["|", *words] if barred else words), WRITTEN_OUT)
    return kept, Progression(tuple(slots))


@lru_cache(maxsize=64)
def read_key_plan(text: str) -> tuple[str, KeyPlan | None]:
    """Read keys.

    Args:
        text: A key a bar, ``/4`` behind one is its bars.

    Returns:
        The text in its usual spelling, and the plan; None for ``off`` and for nothing.

    Raises:
        ValueError: What is wrong with it, in a few words that name the key.
    """
    text = _bounded(text)
    if text.lower() in ("", OFF):
        return OFF, None
    words, keys = [], []
    for word in text.replace("|", " ").split():
        name, slash, bars = word.partition("/")
        key = read_key(name)
        # isdigit alone takes digits of any script
        count = int(bars) if bars.isascii() and bars.isdigit() and len(bars) < 4 else 0
        if slash and not 1 <= count <= MOST_BARS:
            raise ValueError(f"{shown_word(word)} holds for no number of bars in 1..{MOST_BARS}")
        keys.append((key, count if slash else 1))
        words.append(("N" if key is None else key.symbol) + (f"/{count}" if slash else ""))
    if not 1 <= len(keys) <= MOST_SLOTS:
        raise ValueError(f"there are {len(keys)} keys, and must be 1..{MOST_SLOTS}")
    return _bounded(" ".join(words), WRITTEN_OUT), KeyPlan(tuple(keys))


def chords_text(text: str) -> str:
    """Return chords in their usual spelling (:func:`read_progression`)."""
    return read_progression(text)[0]


def keys_text(text: str) -> str:
    """Return keys in their usual spelling (:func:`read_key_plan`)."""
    return read_key_plan(text)[0]


def text_or_file(text: str) -> str:
    """Return a text, or what the file of that name holds: its lines without their remarks (``#``).

    Raises:
        ValueError: The file cannot be read, is no plain file, or holds too much or nothing.
    """
    if not text.lower().endswith(FILE_ENDS):
        return text
    shown = shown_word(text, MOST_NAME)
    try:
        data = _plain_file(named_path(text))
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ValueError(f"must be a file that can be read ({why}), not {shown}") from error
    held = " ".join(filter(None, (_REMARK.sub("", line).strip() for line in lines)))
    if not held:
        raise ValueError(f"must be a file that says some, or off; nothing is in {shown}")
    return held


def _plain_file(path: Path) -> bytes:
    """Return what is in a file; nobody may ever write into a pipe (OSError, ValueError)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    return read_at_most(path, MOST_FILE_BYTES)


def _bounded(text: str, what: str = "it") -> str:
    if len(text) > MOST_TEXT:
        raise ValueError(f"{what} has {len(text)} characters, and may have {MOST_TEXT}")
    return " ".join(text.split())


def _slot(word: str, before: Slot | None, bars: float) -> Slot:
    name, colon, number = word.partition(":")
    name = name.strip('"')
    beats = _beats(number) if colon else None
    if colon and beats is None:
        legal = f"{LEAST_BEATS:g}..{MOST_BEATS:g}"
        raise ValueError(f"{shown_word(word)} holds for no beats in {legal}")
    if name == "%":
        if before is None:
            raise ValueError("% stands for the chord before it, and there is none")
        return Slot(before.chord, beats, bars)
    return Slot(read_chord(name), beats, bars)


def _beats(text: str) -> float | None:
    """Return beats, rounded to what is kept of them."""
    try:
        beats = float(f"{float(text):.7g}") if len(text) <= MOST_NUMBER else 0.0
    except ValueError:
        return None
    return beats if LEAST_BEATS <= beats <= MOST_BEATS else None

"""Damage for fuzz tests: bytes, JSON and values changed at random, the same for the same seed.

A case that neither passes nor is refused in the way it should is shown whole, so that it can become
a test of its own.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LONG = "PERPETUO_FUZZ" in os.environ
CASES = int(os.environ.get("PERPETUO_FUZZ", "300"))
"""Cases of each fuzz test; docs/results/reliability.md has the figures of long runs."""

HANG_SECONDS = 10
"""No case may take so much of a processor: the slowest seen took a fifth of a second."""

TIMEOUT_SECONDS = 120 + CASES // 20

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 127, 128, 2**31, 2**63, -(2**63), 2**64, 10**40, 0.0, -0.0,
    0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), "", " ", "auto", "a\nb", "\0",
    "\ud83d", "../../etc/passwd", "~nobody/x", "x" * 5000, "é" * 40, [], [1], [[]], {}, {"a": 1},
)  # fmt: skip


def odd_value(chance: random.Random, depth: int = 2) -> Any:
    """Return a value that hardly any reader expects."""
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randint(-(2**40), 2**40)
    if kind == 1:
        return chance.uniform(-1e6, 1e6)
    if kind == 2:
        return "".join(chr(chance.randrange(1, 0x2FF)) for _ in range(chance.randrange(12)))
    if kind == 3 and depth:
        return [odd_value(chance, depth - 1) for _ in range(chance.randrange(7))]
    if kind == 4 and depth:
        return {str(odd_value(chance, 0)): odd_value(chance, depth - 1) for _ in range(3)}
    return copy.deepcopy(chance.choice(ODD_VALUES))


def damaged(data: bytes, chance: random.Random, tokens: Sequence[bytes] = ()) -> bytes:
    """Return bytes with one to eight pieces changed, taken out, doubled, put in or cut off."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(found) + 1)
        length = min(chance.choice((1, 1, 2, 4, 16, 64)), len(found) - at)
        kind = chance.randrange(7)
        if kind == 0 and length:
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and length:
            found[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            del found[at : at + length]
        elif kind == 3:
            found[at:at] = found[at : at + length] * chance.choice((1, 1, 2, 50))
        elif kind == 4 and tokens:
            found[at : at + chance.randrange(length + 1)] = chance.choice(tokens)
        elif kind == 5:
            found[at:at] = chance.randbytes(length)
        elif kind == 6 and chance.random() < 0.3:
            del found[at:]
    return bytes(found)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a document."""
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


class Documents:
    """A JSON document that is changed in one to four places, again and again."""

    def __init__(self, document: Any) -> None:
        self._document = document
        by_shape: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for path in places(document):
            shape = tuple(part if isinstance(part, str) else 0 for part in path)
            by_shape.setdefault(shape, []).append(path)
        self._paths = list(by_shape.values())  # else long rows of numbers would take every case

    def changed(self, chance: random.Random) -> Any:
        """Return a changed copy."""
        document = copy.deepcopy(self._document)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            *parents, last = chance.choice(chance.choice(self._paths))
            with contextlib.suppress(LookupError, TypeError):  # a parent may be gone by now
                inside = document
                for key in parents:
                    inside = inside[key]
                _change(inside, last, chance)
        return document


def _change(inside: Any, last: Any, chance: random.Random) -> None:
    kind = chance.randrange(5)
    if kind == 0:
        del inside[last]
    elif kind == 1 and isinstance(inside, dict):
        inside[str(odd_value(chance, 0))] = inside[last]
    elif kind == 2 and isinstance(inside, list):
        inside.insert(last, copy.deepcopy(inside[last]))
    elif kind == 3 and isinstance(inside[last], int | float) and not isinstance(inside[last], bool):
        inside[last] = chance.choice((-inside[last], inside[last] + 1, inside[last] * 1e3, 0))
    else:
        inside[last] = odd_value(chance)


class Hung(Exception):
    """A case took too long."""


def fuzz(
    make: Callable[[random.Random], Any],
    check: Callable[[Any], bool],
    cases: int = CASES,
    seed: int = 1,
) -> str:
    """Check ``cases`` cases and return a line of figures.

    Args:
        make: Returns a case.
        check: Returns whether it was accepted; any exception is a defect.
        cases: How many.
        seed: The same gives the same cases.

    Raises:
        AssertionError: A case raised or hung; it is in the message.
    """

    def hung(number: int, frame: object) -> None:
        raise Hung(f"more than {HANG_SECONDS} s")

    accepted, slowest, began = 0, 0.0, time.monotonic()
    before = signal.signal(signal.SIGPROF, hung)
    try:
        for number in range(cases):
            case = make(random.Random(seed * 10**9 + number))
            signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
            start = time.process_time()
            try:
                accepted += check(case)
            except Exception as error:
                raise AssertionError(f"case {number}: {error!r} for {case!r:.2000}") from error
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, time.process_time() - start)
    finally:
        signal.signal(signal.SIGPROF, before)
    return (
        f"{cases} cases, {accepted} accepted, slowest {slowest * 1000:.0f} ms, "
        f"{time.monotonic() - began:.0f} s"
    )

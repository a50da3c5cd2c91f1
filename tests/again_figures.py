"""What comes back under the control `again`: `python -m tests.again_figures BUNDLE ...`.

For each bundle: whether a locked loop is the same in each of a hundred rounds, what is down after
it, and the share of what is given that has come before, for some values of the control. The tests
do the same with tiny bundles.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from streamer.music.notes import Phrase
from streamer.offline.playout import play_out
from streamer.pipeline import Source, open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from tests.steering import StrictPort

VALUES = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0)
ROUNDS, PHRASES = 100, 400
DIGITS = 6
"""Places of a time in ms that are compared: sums of many rounds are rounded."""


def locked(source: Source, phrases: int = 6) -> tuple[int, float]:
    """Play some phrases and lock the last bars; return pieces and length in ms of a round."""
    for _ in range(phrases):
        source.next_phrase()
    source.controls.update(again=1.0)
    mark = source.mark()
    source.next_phrase()
    assert source.returning is not None
    pieces = [piece for figure in source.returning.loop.figures for piece in figure]
    source.go_back(mark)
    return len(pieces), sum(piece.length_ms for piece in pieces)


def content(phrase: Phrase) -> tuple[Any, ...]:
    """Return what is struck in a phrase, wherever it lies."""
    return tuple(
        (round(n.onset_ms - phrase.start_ms, DIGITS), n.pitch, n.velocity,
         round(n.duration_ms, DIGITS), n.pedal, n.channel, n.unpitched)
        for n in phrase.notes
    )  # fmt: skip


def rounds_of(source: Source, count: int) -> list[list[tuple[Any, ...]]]:
    """Return what is struck in each round of a locked loop, and how long each phrase is."""
    pieces, _ = locked(source)
    return [
        [(*content(phrase), round(phrase.end_ms - phrase.start_ms, DIGITS)) for phrase in played]
        for played in ([source.next_phrase() for _ in range(pieces)] for _ in range(count))
    ]


def share_returned(phrases: Iterable[Phrase]) -> float:
    """Return the share of phrases that have come before, of those in which something is struck."""
    seen, came, count = set[Any](), 0, 0
    for phrase in phrases:
        struck = content(phrase)
        if struck:
            count += 1
            came += struck in seen
            seen.add(struck)
    return came / max(count, 1)


def figures(bundle: str, seed: int = 1, **more: Any) -> dict[str, Any]:
    """Return the figures of one bundle."""

    def opened(again: float) -> Source:
        live = LiveControls(Controls.from_values({"again": again}))
        model = ModelSettings(model=bundle, seed=seed, candidates=2, **more)
        return open_source(settings=Settings(model=model), controls=live)

    source = opened(0.0)
    played = rounds_of(source, ROUNDS)
    port = StrictPort()
    source = opened(0.0)
    pieces, round_ms = locked(source)
    left = [pieces * ROUNDS]

    def draw() -> Phrase:
        left[0] -= 1
        return source.next_phrase()

    start_ms = source.performer.mark()[0]
    play_out(draw, start_ms + round_ms * ROUNDS, port, lambda phrase: None)
    return {
        "bundle": bundle,
        "rounds_that_differ": sum(one != played[0] for one in played),
        "notes_a_round": sum(len(phrase) - 1 for phrase in played[0]),
        "struck": port.notes,
        "left_down": len(port.down),
        "struck_twice": port.twice,
        "share_returned": {
            value: round(share_returned(s.next_phrase() for _ in range(PHRASES)), 3)
            for value, s in ((value, opened(value)) for value in VALUES)
        },
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+")
    for bundle in parser.parse_args().bundles:
        sys.stdout.write(json.dumps(figures(bundle)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""What listeners with a known taste do to the stream: `python -m tests.taste_figures BUNDLE ...`.

A listener hears phrases and marks 30 of them: liked where a figure lies above the middle of what
the bundle plays by itself. Printed are the AUC of the model on phrases that it has not heard, how
far the figure has moved at `taste` = 1 (towards the listener, in standard deviations of the plain
stream of the same seed), and the entropy of pitch classes before and after. The tests do the same
with a tiny bundle.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streamer.music.notes import Phrase
from streamer.pipeline import open_source
from streamer.selection.taste import FEATURES, Taste, describe
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings

LISTENERS = {
    "loud": ("loudness", 1), "soft": ("loudness", -1), "dense": ("density", 1),
    "sparse": ("density", -1), "major": ("mode", 1), "minor": ("mode", -1),
}  # fmt: skip
"""Which figure each looks at, and whether they like it great or small."""

MARKS, HELD_OUT, HEARD = 30, 80, 120


def figure_of(name: str) -> Callable[[Phrase], float | None]:
    """Return what reads a figure of a phrase."""
    at = FEATURES.index(name)

    def read(phrase: Phrase) -> float | None:
        found = describe(phrase)
        return None if found is None else float(found[at])

    return read


def played(
    bundle: str, taste: Taste, live: LiveControls, seed: int, count: int, **more: Any
) -> list[Phrase]:
    """Return phrases of a bundle, chosen to a taste."""
    settings = Settings(model=ModelSettings(model=bundle, seed=seed, **more))
    source = open_source(settings=settings, controls=live, filters=(taste,))
    return [source.next_phrase() for _ in range(count)]


def plainly(
    bundle: str, held_out: int = HELD_OUT, heard: int = HEARD, **more: Any
) -> tuple[list[Phrase], list[Phrase]]:
    """Return what is heard without taste: phrases to mark and to hold out, and another stream."""
    live = LiveControls()
    taste = Taste(live)
    first = played(bundle, taste, live, 1, MARKS + held_out, **more)
    return first, played(bundle, taste, live, 2, heard, **more)


def auc(scores: Sequence[float], liked: Sequence[bool]) -> float:
    """Return how often a liked phrase has the higher score of a pair; ties count half."""
    good = np.array([s for s, one in zip(scores, liked, strict=True) if one])
    bad = np.array([s for s, one in zip(scores, liked, strict=True) if not one])
    pairs = good[:, None] - bad[None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def variety(phrases: Sequence[Phrase]) -> float:
    """Return the entropy of pitch classes over phrases, bits; 0 of one alone, at most 3.58."""
    pitches = [n.pitch % 12 for p in phrases for n in p.notes if not n.unpitched]
    share = np.bincount(pitches, minlength=12) / max(len(pitches), 1)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def listened(
    bundle: str,
    listener: str,
    plain: tuple[Sequence[Phrase], Sequence[Phrase]],
    strength: float = 1.0,
    **more: Any,
) -> dict[str, Any]:
    """Let a listener mark phrases of a bundle; return the figures.

    Args:
        bundle: Name or path.
        listener: Of :data:`LISTENERS`.
        plain: Of :func:`plainly`.
        strength: The control ``taste``.
        more: Of ``[model]``.
    """
    name, sign = LISTENERS[listener]
    read, live = figure_of(name), LiveControls(Controls.from_values({"taste": strength}))
    taste = Taste(live)
    first, before = plain
    middle = float(np.median([value for p in first if (value := read(p)) is not None]))

    def likes(phrase: Phrase) -> bool:
        return sign * ((read(phrase) or 0.0) - middle) > 0

    for phrase in first[:MARKS]:
        taste.mark(phrase, liked=likes(phrase))
    rest = first[MARKS:]
    logits = taste.logits(rest)
    told = [likes(phrase) for phrase in rest]
    after = played(bundle, taste, live, 2, len(before), **more)
    old, new = (np.array([v for p in one if (v := read(p)) is not None]) for one in (before, after))
    return {
        "bundle": bundle,
        "listener": listener,
        "auc": None if logits is None else round(auc(logits.tolist(), told), 3),
        "moved_sd": round(sign * float(new.mean() - old.mean()) / float(old.std()), 2),
        "variety": [round(variety(before), 2), round(variety(after), 2)],
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--taste", type=float, default=1.0)
    args = parser.parse_args()
    for bundle in args.bundles:
        plain = plainly(bundle)
        for listener in LISTENERS:
            found = listened(bundle, listener, plain, strength=args.taste)
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

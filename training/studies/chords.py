"""``perpetuo study chords``: are chords that are asked for heard, how soon, and what do they cost?

In: bundles, and progressions: of the annotated songs of pop909 where the corpus is given, else some
that we wrote. Out: for each bundle and strength the share of notes on strong beats that are chord
tones, the same of all notes, and what a note costs, in nats under the model's own probabilities
against the same seeds with nothing asked; and how long after a change the first note is drawn under
it. JSON, and a table. Notes are played as they are written, without the performance layer.

What a note costs is its surprise less the entropy of what it was drawn from, so that a stream that
has wandered to where the model is unsure does not count as dear: of chain and tunes over all of its
arguments; of bands over the pitches of bass, harmony and strings as they are drawn, all candidates
alike. Of windows it is by how much less likely the network holds the cell that a note was moved to
than its own, at its onset; that a section is moved as a whole is free.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import Engine, StepBlock
from streamer.errors import DataError
from streamer.families.bands import generator as bands
from streamer.families.windows import section as windows
from streamer.generators.harmony import harmony_of
from streamer.music.harmony import Harmony
from streamer.music.progressions import read_progression
from streamer.pipeline import Source, open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from streamer.system.atomic import write_whole
from streamer.verbs.numbers import MANY, SEED, Number

BUNDLES = ("piano", "piano-competition", "tunes", "beethoven", "answer", "band")
STRENGTHS = (0.0, 0.5, 0.7, 1.0)

BUILT_IN = (
    "Am F C G", "C G Am F", "Dm7 G7 Cmaj7 A7", "Em C D B7", "F Bbmaj7 Gm7 C7", "| Bm A | G F#m |",
    "Eb Ab Bb7 Cm:2 Fm:2", "F#m E D C#7",
)  # fmt: skip
"""Progressions where no corpus is given."""

EVERY_SONG, BARS, BAR_BEATS = 10, 8, 4.0
"""Of pop909 every tenth song, its first so many bars that have chords."""

FREE_BEAT_MS = 500.0
FIRST_NOTES, FIRST_CANDIDATES = 8, 4
"""What is drawn first after a change (:mod:`streamer.service.writing`)."""

_HARTE = {
    "maj": "", "min": "m", "min7": "m7", "min6": "m6", "maj6": "6", "minmaj7": "mmaj7",
    "hdim7": "m7b5", "sus4(b7)": "7sus4",
}  # fmt: skip
"""Qualities of [Harte2005] that lead sheets call otherwise."""


@dataclass
class _Counted:
    """What was played at one strength.

    Attributes:
        strong: Of notes on strong beats, whether each is a chord tone.
        every: The same of all notes.
        nats: What each note cost, before it is compared.
    """

    strong: list[bool] = field(default_factory=list)
    every: list[bool] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "Measure chords that are asked for against what is played."
    parser.add_argument("bundles", nargs="*", default=list(BUNDLES), metavar="BUNDLE",
                        help=f"names or paths (default {' '.join(BUNDLES)})")  # fmt: skip
    parser.add_argument("--corpus", type=Path, metavar="POP909",
                        help="the unpacked corpus, with chords.csv and labels.csv (default: "
                             "progressions that we wrote)")  # fmt: skip
    parser.add_argument("--progressions", type=MANY, default=8, metavar="N",
                        help="at most so many (default 8)")  # fmt: skip
    parser.add_argument("--seconds", type=Number(1, 1e6), default=60.0,
                        help="of music for each, at each strength (default 60)")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=SEED, default=0, help="of the first stream")


def run(args: argparse.Namespace) -> int:
    """Measure; return the exit status."""
    texts = BUILT_IN if args.corpus is None else progressions_of(args.corpus)
    texts = texts[: args.progressions]
    rows = [row_of(name, texts, args.seconds, args.seed) for name in args.bundles]
    args.output.mkdir(parents=True, exist_ok=True)
    told = {"progressions": list(texts), "seconds": args.seconds, "bundles": rows}
    write_whole(args.output / "chords.json", json.dumps(told, indent=1) + "\n")
    text = "\n".join(table(rows)) + "\n"
    write_whole(args.output / "chords.md", text)
    print(text, end="")
    return 0


def row_of(bundle: str, texts: Sequence[str], seconds: float, seed: int) -> dict[str, Any]:
    """Return what is measured of one bundle."""
    counted = {strength: _Counted() for strength in STRENGTHS}
    for number, text in enumerate(texts):
        for strength, into in counted.items():
            _play(bundle, text, strength, seconds, seed + number, into)
    plain = float(np.mean(counted[0.0].nats)) if counted[0.0].nats else 0.0
    waits = changes(bundle, texts, seed)
    return {
        "bundle": bundle,
        "strengths": [
            {
                "strength": strength,
                "strong": float(np.mean(one.strong)),
                "strong_notes": len(one.strong),
                "all": float(np.mean(one.every)),
                "cost_nats": float(np.mean(one.nats) - plain) if one.nats else None,
            }
            for strength, one in counted.items()
        ],
        "change_beats_p50": float(np.median([beats for beats, _ in waits])),
        "change_beats_p95": float(np.quantile([beats for beats, _ in waits], 0.95)),
        "change_ms_p95": float(np.quantile([ms for _, ms in waits], 0.95)),
    }


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| bundle | strength | chord tones on strong beats | of all notes | nats a note more |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        for one in row["strengths"]:
            cost = "" if one["cost_nats"] is None else f"{one['cost_nats']:+.2f}"
            yield (
                f"| {row['bundle']} | {one['strength']:g} | {100 * one['strong']:.1f} % of "
                f"{one['strong_notes']} | {100 * one['all']:.1f} % | {cost} |"
            )
    yield ""
    for row in rows:
        yield (
            f"{row['bundle']}: a change is drawn from {row['change_beats_p50']:.2f} beats on, p95 "
            f"{row['change_beats_p95']:.2f}, in {row['change_ms_p95']:.0f} ms, p95"
        )


def progressions_of(corpus: Path) -> tuple[str, ...]:
    """Return the progressions of every tenth song of pop909.

    Raises:
        DataError: The corpus lacks its tables.
    """
    songs: dict[str, list[tuple[float, str]]] = defaultdict(list)
    try:
        with (corpus / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
            bpm = {row["song_id"]: float(row["bpm"]) for row in csv.DictReader(file)}
        with (corpus / "chords.csv").open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                seconds = float(row["end_s"]) - float(row["start_s"])
                songs[row["song_id"]].append((seconds, row["chord"]))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{corpus}: must hold labels.csv and chords.csv ({error})") from error
    chosen = sorted(song for song in songs if song in bpm)[::EVERY_SONG]
    found = (_progression(songs[song], 60.0 / bpm[song]) for song in chosen)
    return tuple(dict.fromkeys(text for text in found if text))


def _progression(rows: Sequence[tuple[float, str]], beat_s: float) -> str:
    """Return the first bars of a song that have chords; "" where it has none for so long."""
    words, beats = list[str](), 0.0
    for chord, group in groupby(rows, key=lambda row: row[1]):
        long = round(sum(seconds for seconds, _ in group) / beat_s)
        symbol = _symbol(chord)
        if symbol is None or long < 1:
            if words:
                break
            continue
        long = min(long, round(BARS * BAR_BEATS - beats))
        words.append(f"{symbol}:{long}")
        beats += long
        if beats >= BARS * BAR_BEATS:
            return " ".join(words)
    return ""


def _symbol(harte: str) -> str | None:
    """Return a chord as lead sheets write it, without its bass; None for none."""
    root, colon, rest = harte.partition(":")
    if not colon:
        return None
    quality = rest.partition("/")[0]
    symbol = root + _HARTE.get(quality, quality)
    try:
        read_progression(symbol)
    except ValueError:
        return None
    return symbol


def _opened(bundle: str, live: LiveControls, seed: int) -> Source:
    plain = ExpressionSettings(enabled=False)
    model = ModelSettings(model=bundle, seed=seed)
    return open_source(settings=Settings(model=model, expression=plain), controls=live)


def _play(
    bundle: str, text: str, strength: float, seconds: float, seed: int, into: _Counted
) -> None:
    """Play to a progression, and count."""
    asked = Controls.from_values({"chords": text, "chord_strength": strength})
    harmony = harmony_of(asked.with_changes({"chord_strength": 1.0}))
    assert harmony is not None
    with _costs(into.nats) as after:
        source = _opened(bundle, LiveControls(asked), seed)
        begun_ms, number = 0.0, None
        while True:
            phrase = source.next_phrase()
            after(source)
            playing = source.generator.stats.playing
            if playing is not None and playing.data.get("number") != number:
                number, begun_ms = playing.data.get("number"), phrase.start_ms
            beat_ms = FREE_BEAT_MS if phrase.grid is None else phrase.grid.beat_ms
            pitched = [note for note in phrase.notes if not note.unpitched]
            onsets = np.array([note.onset_ms for note in pitched])
            if phrase.grid is None or number is not None:
                beats = (onsets - begun_ms) / beat_ms
            else:
                beats = phrase.grid.beat + (onsets - phrase.start_ms) / beat_ms
            bar = source.generator.bar_beats or BAR_BEATS
            _count(harmony, [note.pitch for note in pitched], beats, bar, into)
            if phrase.end_ms >= seconds * 1000.0:
                return


def _count(
    harmony: Harmony,
    pitches: Sequence[int],
    beats: NDArray[np.float64],
    bar: float,
    into: _Counted,
) -> None:
    for pitch, beat in zip(pitches, beats.tolist(), strict=True):
        place = harmony.place(beat, bar)
        if place.chord is None:
            continue
        fits = pitch % 12 in place.chord.tones
        into.every.append(fits)
        if place.strong:
            into.strong.append(fits)


@contextmanager
def _costs(nats: list[float]) -> Iterator[Callable[[Source], None]]:
    """Watch what is drawn; yields what is to be called after each phrase."""
    blocks: list[StepBlock] = []

    def spied(step: Any) -> Any:
        def next_block(self: Engine, *args: Any, **more: Any) -> StepBlock:
            blocks.append(step(self, *args, **more))
            return blocks[-1]

        return next_block

    def drawing(drawn: Any) -> Any:
        def draw_states(shown: NDArray[np.float32], *args: Any, **more: Any) -> Any:
            states = drawn(shown, *args, **more)
            nats.extend(_of_states(shown, states))
            return states

        return draw_states

    def fitting(fitted: Any) -> Any:
        def fit(cells: Any, values: Any, codec: Any, *more: Any) -> Any:
            found = fitted(cells, values, codec, *more)
            before, moved = (_starts(codec.decode(one)) for one in (cells, found[0]))
            nats.extend(_of_moves(before, moved, values[..., 0], codec.low))
            return found

        return fit

    def after(source: Source) -> None:
        classes = getattr(source.trail and source.trail.drawn.trail, "classes", None)
        if classes is not None:
            last = next(one for one in reversed(blocks) if one.classes.shape[1] > 1)
            same = (last.classes[: len(classes)] == classes[:, None]).all(axis=(0, 2))
            which = slice(len(classes)), int(same.argmax())
            excess = -last.log_probs[which] - last.entropies[which]
            nats.extend(excess.sum(-1).tolist())
        blocks.clear()

    with (
        _swapped(Engine, "next_block", spied),
        _swapped(bands, "draw_states", drawing),
        _swapped(windows, "fitted", fitting),
    ):
        yield after


@contextmanager
def _swapped(owner: Any, name: str, of: Callable[[Any], Any]) -> Iterator[None]:
    """Let something that is called be watched, for as long as the context lasts."""
    plain = getattr(owner, name)
    setattr(owner, name, of(plain))
    try:
        yield
    finally:
        setattr(owner, name, plain)


def _of_states(shown: NDArray[np.float32], states: NDArray[Any]) -> list[float]:
    """Return how surprising each pitch is that was drawn behind the drums, given that one begins.

    Less the entropy, nats.
    """
    struck = shown[:, 1:, :128].astype(np.float64)
    at = np.nonzero(states[:, 1:] < 128)
    p = struck[at] / np.maximum(struck[at].sum(-1, keepdims=True), 1e-12)
    logs = np.log(np.maximum(p, 1e-9))
    own = logs[np.arange(len(logs)), states[:, 1:][at]]
    return [float(nats) for nats in (p * logs).sum(-1) - own]


def _of_moves(
    before: dict[int, list[int]],
    after: dict[int, list[int]],
    values: NDArray[np.float64],
    low: int,
) -> list[float]:
    """Return by how much less likely each note's cell became, nats, 0 where it stayed."""
    p = np.clip(values, 1e-6, 1 - 1e-6)
    logits, found = np.log(p) - np.log1p(-p), list[float]()
    for onset, keys in before.items():
        new = after.get(onset, [])
        lost = sum(logits[onset, key - low] for key in keys if key not in new)
        won = sum(logits[onset, key - low] for key in new if key not in keys)
        found.extend([float(lost - won) / len(keys)] * len(keys))
    return found


def _starts(notes: NDArray[Any]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for note in notes:
        found[int(note["onset"])].append(int(note["pitch"]))
    return found


def changes(bundle: str, texts: Sequence[str], seed: int) -> list[tuple[float, float]]:
    """Change the chords within phrases; return how far away the music changes, and drawing time.

    Returns:
        Of each change, beats from the place that was asked for to the one at which the music goes
        on under it, and ms that it took to draw the first phrase.
    """
    live = LiveControls(Controls.from_values({"chords": texts[0]}))
    source, rng = _opened(bundle, live, seed), np.random.default_rng(seed)
    found = []
    for text in [*texts, *reversed(texts)] * 3:
        phrase, trail = source.next_phrase(), source.trail
        source.generator.set_candidates(FIRST_CANDIDATES)
        place_ms = phrase.start_ms + float(rng.uniform(0.0, 0.5)) * phrase.seconds * 1000.0
        live.update(chords=text)
        began = time.perf_counter()
        if not source.cut(trail, phrase, place_ms):
            continue
        new = source.next_phrase(FIRST_NOTES)
        took_ms = 1000.0 * (time.perf_counter() - began)
        beat_ms = FREE_BEAT_MS if new.grid is None else new.grid.beat_ms
        found.append(((new.start_ms - place_ms) / beat_ms, took_ms))
    return found

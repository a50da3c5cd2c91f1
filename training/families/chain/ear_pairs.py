"""Pairs that an ear is trained on: how music went on, and how a bundle goes on from there.

In: a bundle of the chain and real pieces. Out: for each of many places, numbers of the notes before
it, of the notes that came, and of some that the bundle drew after the same notes
(:mod:`streamer.families.chain.hearing`). Real notes are put through the bundle's classes first, as
what is drawn comes out of them: an ear that could read the resolution of files would learn that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine, State
from streamer.engine.noise import force_classes, gumbel_noise
from streamer.errors import DataError
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW, ChainCodec
from streamer.families.chain.hands import AGAIN_INPUT, release_in_time, second_noise
from streamer.families.chain.hearing import FEATURES, LOOKBACK, describe, padded
from streamer.families.chain.remembering import PAST_STATE
from streamer.measures.repetition import returning_notes
from streamer.music.notes import ARGUMENTS, NoteArray
from training.families.chain.asking import Asking
from training.families.chain.tensors import TensorSet

CONTEXT = 64
"""Notes that the ear hears before it judges."""

PHRASE = 32
"""Notes that it judges."""

FED = 64
"""Notes before that the bundle goes on from."""

BATCH = 32
EACH = 2
"""Continuations of the bundle for each real one."""

Half = NDArray[np.float16]
Classes = NDArray[np.uint8]


@dataclass(frozen=True)
class Pairs:
    """Places in real music, described.

    Attributes:
        past: ``(places, CONTEXT, FEATURES)``.
        real: What came, ``(places, PHRASE, FEATURES)``.
        own: What the bundle draws there, ``(places, EACH, PHRASE, FEATURES)``.
        works: Of each place.
    """

    past: Half
    real: Half
    own: Half
    works: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.past)


@dataclass(frozen=True)
class _Place:
    """A place in a piece: the notes before it, padded, and what came."""

    piece: int
    start: int


def pairs_of(
    bundle: Bundle, corpus: TensorSet, split: str, rng: np.random.Generator, most: int
) -> Pairs:
    """Describe places of a split of a prepared corpus; errors as of :func:`heard_pairs`."""
    indices = corpus.indices(split)
    works = [corpus.pieces[i].work_key for i in indices]
    return heard_pairs(bundle, [corpus.notes(i) for i in indices], works, rng, most=most)


def heard_pairs(
    bundle: Bundle,
    pieces: Sequence[NoteArray],
    works: Sequence[str],
    rng: np.random.Generator,
    *,
    most: int,
) -> Pairs:
    """Describe places of pieces, evenly drawn, and let the bundle go on from each.

    Args:
        bundle: Of the chain.
        pieces: Real music, sorted by onset, on a piano.
        works: The work of each.
        rng: Draws all.
        most: Most places.

    Raises:
        DataError: No piece is long enough.
    """
    places = [
        _Place(index, start)
        for index, piece in enumerate(pieces)
        for start in range(PHRASE, len(piece) - PHRASE + 1, PHRASE)
    ]
    if not places:
        raise DataError(
            f"none of {len(pieces)} pieces has {2 * PHRASE} notes or more; give longer ones"
        )
    chosen = [places[i] for i in sorted(rng.permutation(len(places))[:most].tolist())]
    out = Pairs(
        np.zeros((len(chosen), CONTEXT, FEATURES), np.float16),
        np.zeros((len(chosen), PHRASE, FEATURES), np.float16),
        np.zeros((len(chosen), EACH, PHRASE, FEATURES), np.float16),
        np.array([works[place.piece] for place in chosen], dtype=np.str_),
    )
    player = _Player(bundle)
    known = {i: _Known.of(pieces[i], player.codec) for i in {p.piece for p in chosen}}
    heard = {i: as_drawn(pieces[i], player.codec, rng) for i in {p.piece for p in chosen}}
    for rows in _alike(chosen):
        group = [chosen[i] for i in rows]
        exact = [pieces[p.piece][max(0, p.start - FED) : p.start] for p in group]
        # Each note of the context is heard against as many as in play, where it was heard when it
        # was played, against what came before it.
        before = [padded(padded(heard[p.piece][: p.start])) for p in group]
        past = np.stack([notes[-(LOOKBACK + CONTEXT) :] for notes in before])
        came = np.stack([heard[p.piece][p.start : p.start + PHRASE] for p in group])
        both = describe(np.concatenate([past, came], axis=1))
        out.past[rows], out.real[rows] = both[:, :CONTEXT], both[:, CONTEXT:]
        begun = player.fed(exact, past[:, -1], [known[p.piece].past(p.start) for p in group])
        asked = [known[p.piece].asked(p.start) for p in group]
        drawn = player.go_on(begun, past[:, -1], np.stack(asked), rng)
        late = np.repeat(past[:, -LOOKBACK:], EACH, axis=0)
        own = describe(np.concatenate([late, drawn], axis=1))
        out.own[rows] = own.reshape(len(group), EACH, PHRASE, FEATURES)
    return out


def _alike(places: Sequence[_Place]) -> Iterator[list[int]]:
    """Yield places whose past is equally long, a batch at a time."""
    lengths = np.array([min(place.start, FED) for place in places])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        for first in range(0, len(rows), BATCH):
            yield rows[first : first + BATCH]


def as_drawn(piece: NoteArray, codec: ChainCodec, rng: np.random.Generator) -> NoteArray:
    """Return a piece with times as they come out of the classes, and velocities in their range."""
    notes = codec.decode(codec.encode(piece), rng)
    notes["velocity"] = np.clip(piece["velocity"], VELOCITY_LOW, VELOCITY_HIGH)
    release_in_time(notes)
    return notes


@dataclass(frozen=True)
class _Known:
    """What a bundle that has a memory, and can be asked, is told of a place in a piece."""

    notes: NoteArray
    classes: Classes
    returning: NDArray[np.bool_]

    @classmethod
    def of(cls, piece: NoteArray, codec: ChainCodec) -> _Known:
        return cls(piece, codec.encode(piece), returning_notes(piece))

    def past(self, start: int) -> Classes:
        """Return the classes of all notes before a place."""
        return self.classes[:start]

    def asked(self, start: int) -> NDArray[np.float32]:
        """Return what asks for a phrase like the one that came."""
        return Asking(None).of_phrase(self.notes, slice(start, start + PHRASE), self.returning)


class _Player:
    """Goes on from real notes as the stream would: one draw, nothing chosen, nothing leaned on.

    It is asked for what came, where it can be asked: an ear is to tell how it plays that, and not
    that something else was wanted.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.codec = codec_as(bundle.codec, ChainCodec)
        self._engine = Engine(bundle)
        told = bundle.manifest.defaults.get("temperature", 1.0)
        each = tuple(told) if isinstance(told, list) else (float(told),) * len(ARGUMENTS)
        self._temperature: tuple[float, ...] = each

    def go_on(
        self,
        begun: State,
        last: NoteArray,
        asked: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NoteArray:
        """Return what is drawn after each past, ``(pasts * EACH, PHRASE)`` notes.

        Args:
            begun: Of :meth:`fed`.
            last: The last note of each past, as it was heard.
            asked: What asks for what came, ``(pasts, ASKED_WIDTH)``.
            rng: Draws.
        """
        codec, many = self.codec, len(last) * EACH
        noise = gumbel_noise(rng, (PHRASE, many, codec.offsets[-1]), self._temperature, codec)
        more, inputs = {}, self._engine.further_inputs
        if AGAIN_INPUT in inputs:
            flat = np.zeros(codec.shift.classes)
            more[AGAIN_INPUT] = second_noise(rng, (PHRASE, many), self._temperature[1], flat)
        if ASKED_INPUT in inputs:
            width = int(inputs[ASKED_INPUT][-1])
            more[ASKED_INPUT] = np.repeat(asked[:, :width], EACH, axis=0)
        classes = self._engine.next_block(begun, noise, more).classes
        drawn = []
        for row in range(many):
            before = last[row // EACH]
            notes = codec.decode(
                classes[:, row], rng, float(before["onset_ms"]), int(before["velocity"])
            )
            release_in_time(notes)
            drawn.append(notes)
        return np.stack(drawn)

    def fed(self, pasts: Sequence[NoteArray], last: NoteArray, known: Sequence[Classes]) -> State:
        """Return the state after each past, ``EACH`` times.

        Args:
            pasts: Equally long.
            last: The last note of each, as it was heard.
            known: Classes of all notes before each place, for a memory.
        """
        codec = self.codec
        classes = np.stack([codec.encode(past) for past in pasts], axis=1)
        noise = np.zeros((*classes.shape[:2], codec.offsets[-1]), dtype=np.float32)
        state = self._engine.initial_state(len(pasts))
        after = self._engine.next_block(state, force_classes(noise, classes, codec)).state
        if "velocity" in after.arrays:
            after = after.replace(velocity=last["velocity"].astype(np.float32))
        if PAST_STATE in after.arrays:
            remembered = np.full_like(after.arrays[PAST_STATE], -1)
            for row, classes_before in enumerate(known):
                recent = classes_before[-remembered.shape[1] :]
                remembered[row, remembered.shape[1] - len(recent) :] = recent
            after = after.replace(**{PAST_STATE: remembered})
        repeated = {n: np.repeat(a, EACH, axis=after.axes[n]) for n, a in after.arrays.items()}
        return State(MappingProxyType(repeated), after.axes, after.shared)

"""The ear: a trained judge that hears all candidates in their context, and picks one (ours).

In: the notes that were committed, and K candidates. Out: a logit for each, the logarithm of how
much likelier real music is to go on so than the model; and a pick in proportion to its exponential,
which keeps the variety that taking the greatest would lose. Trained by ``perpetuo train ear``; it
travels in the bundle as a graph of its own, run once for all candidates. What lies below the
bundle's floor is dropped as a filter would, counted and, when all of every draw lie below it,
given up first.

Thread: the generator's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import Codec
from streamer.bundle.manifest import Manifest, shape_problems
from streamer.engine.engine import Function
from streamer.engine.session import Array, Runtime
from streamer.families.chain.hands import HANDS
from streamer.families.chain.hearing import FEATURES, LOOKBACK, describe, padded
from streamer.music.notes import NOTE_DTYPE, NoteArray, Phrase
from streamer.selection.filters import RELAX_ORDER, Context, Filter
from streamer.selection.ranking import EAR
from streamer.system.marks import Marked

CHAIN_RELAX_ORDER = (EAR, *RELAX_ORDER[:-1], HANDS, RELAX_ORDER[-1])
"""What the ear objects to is given up first; what hands cannot do, among the last."""

PART = "hearing"
"""Its key in the manifest."""

Graph = Callable[..., Mapping[str, Array]]
"""Named arrays in, named arrays out: :class:`streamer.engine.engine.Function`."""


class EarSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A graph that judges phrases in their context: part ``hearing`` of the manifest.

    Attributes:
        graph: Its name in the bundle. Inputs ``notes (notes, batch, features)`` and ``state
            (batch, hidden)``; outputs ``logit (batch)`` after the last note, and ``state_out``.
        hidden: Units of its state.
        features: Numbers that it takes of a note; those of this version are
            :data:`streamer.families.chain.hearing.FEATURES`.
        context: Notes that it hears before a phrase.
        floor: Logit below which a phrase is dropped: nearly all real music lies above, and most
            of what the model draws.
        metrics: Held-out figures.
    """

    graph: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
    hidden: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    features: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    context: Annotated[int, msgspec.Meta(ge=1, le=LOOKBACK)]
    floor: float
    metrics: dict[str, float] = {}


def ear_of(manifest: Manifest) -> EarSpec | None:
    """Return what a manifest says of its ear; None where it has none."""
    return manifest.part(PART, EarSpec)


def problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what contradicts itself in a manifest, each as a line without path or remedy."""
    del codec
    spec = ear_of(manifest)
    if spec is None:
        return []
    graphs = {graph.name: graph for graph in manifest.graphs}
    if spec.graph not in graphs:
        return [f"the ear wants the graph {spec.graph}"]
    found = []
    if spec.features != FEATURES:
        found.append(f"the ear takes {spec.features} numbers of a note, not {FEATURES}")
    state: list[int | str] = ["batch", spec.hidden]
    shapes: dict[str, list[int | str]] = {"notes": ["notes", "batch", spec.features]}
    shapes |= {"state": state, "logit": ["batch"], "state_out": state}
    return [*found, *shape_problems(graphs[spec.graph], shapes)]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of the candidates of a draw.

    Attributes:
        logits: ``(candidates,)``.
        features: ``(candidates, notes, FEATURES)`` float32.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    def pick(self, kept: Sequence[int], rng: np.random.Generator) -> int:
        """Return one of the candidates ``kept``, drawn in proportion to exp(logit)."""
        chance = self.logits[list(kept)].astype(np.float64) + rng.gumbel(size=len(kept))
        return kept[int(chance.argmax())]


class Ear(Marked):
    """Hears candidates after what was committed; one thread.

    Args:
        spec: What the bundle says of it.
        graph: Runs it.
    """

    marked = ("_past", "_features", "_state")

    def __init__(self, spec: EarSpec, graph: Graph) -> None:
        self._spec, self._graph = spec, graph
        self._past: NoteArray = np.zeros(LOOKBACK, dtype=NOTE_DTYPE)
        self._features = describe(padded(self._past)[None])[0, -spec.context :]
        self._state: NDArray[np.float32] | None = None

    @property
    def floor(self) -> float:
        """Logit below which a phrase is dropped."""
        return self._spec.floor

    def begin(self, notes: NoteArray) -> None:
        """Hear the notes that a stream goes on from, in place of all before."""
        past = padded(padded(notes))[-2 * LOOKBACK :]
        self._take(past, describe(past[None])[0])

    def hear(self, candidates: Sequence[NoteArray]) -> Heard:
        """Judge candidates of equal length, at least one.

        Raises:
            EngineError: The graph cannot be run, or answered with NaN.
        """
        if self._state is None:
            nothing = np.zeros((1, self._spec.hidden), dtype=np.float32)
            heard = self._graph(notes=self._features[:, None], state=nothing)
            self._state = heard["state_out"]
        ahead = np.stack(candidates)
        past = np.broadcast_to(self._past, (len(ahead), LOOKBACK))
        features = describe(np.concatenate([past, ahead], axis=1))
        state = np.repeat(self._state, len(ahead), axis=0)
        logits = self._graph(notes=features.transpose(1, 0, 2), state=state)["logit"]
        return Heard(logits, features)

    def commit(self, notes: NoteArray, features: NDArray[np.float32]) -> None:
        """Take in a candidate that is played, with what was heard of it."""
        past = np.concatenate([self._past, notes])
        self._take(past, np.concatenate([self._features, features]))

    def _take(self, past: NoteArray, features: NDArray[np.float32]) -> None:
        self._past = past[-LOOKBACK:]
        self._features = features[-self._spec.context :]
        self._state = None


@dataclass(frozen=True, slots=True)
class HeardContext(Context):
    """A context that knows what the ear says of its phrase.

    Attributes:
        logit: Of the phrase; infinite where none was heard.
        floor: What it must reach.
    """

    logit: float = np.inf
    floor: float = -np.inf


def unreal(phrase: Phrase, context: Context) -> str | None:
    """Drop a phrase that sounds less real than nearly all real music; a :data:`Filter`."""
    del phrase
    heard = isinstance(context, HeardContext) and context.logit < context.floor
    return EAR if heard else None


def bundle_ear(bundle: Bundle, runtime: Runtime | None = None) -> Ear | None:
    """Return the ear of a bundle; None where it has none.

    Raises:
        EngineError: ONNX Runtime refuses its graph.
    """
    spec = ear_of(bundle.manifest)
    return None if spec is None else Ear(spec, Function(bundle, spec.graph, runtime))


EAR_FILTERS: tuple[Filter, ...] = (unreal,)
"""Asked where there is an ear, after the hard filters."""

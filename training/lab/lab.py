"""The laboratory: from paths and bundles to one report of every measure, as plain data.

What ``perpetuo evaluate`` was asked for comes in; a dictionary ready for JSON, and the sets for the
plots, go out. Reading, rendering and measuring report their progress.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamer.bundle.bundle import load_bundle
from streamer.errors import BundleError, DataError
from streamer.music.notes import Note, NoteArray, to_array
from streamer.settings.settings import Judging
from streamer.version import __version__
from training.corpora.corpus import Selection, read_corpus
from training.corpora.sources import MIDI_SUFFIXES
from training.evaluation import MEASURES
from training.evaluation.asked import TENSOR_SUFFIX, is_bundle, label_of
from training.evaluation.compare import Reference, compare, make_reference
from training.evaluation.controls import markov_set, random_set, shuffled_set
from training.evaluation.embedding import WEIGHTS, Encoder
from training.evaluation.measures import LEAST_NOTES
from training.evaluation.musicset import MusicSet, Skipped, measure_sets
from training.families.chain.tensors import TensorSet

if TYPE_CHECKING:
    from streamer.pipeline import Source

SCHEMA = 1
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


@dataclass(frozen=True)
class LabSettings:
    """What to compare, and how.

    Attributes:
        sources: ``[NAME=]SOURCE``: a folder, archive or MIDI file, or a bundle's name or path.
        reference: Real music, or a tensor file of ``perpetuo prepare``.
        train: The corpus the models learned from, to find copies of; None: no search.
        model: A bundle that judges all sets note by note; None: none does.
        seeds: A bundle is rendered once with each.
        judge: As ``perpetuo play --judge``, for renders and for the study of selection.
        minutes: Length of each render, minutes, above 0.
        controls: Whether random, shuffled and Markov music is measured too.
        limit: Most pieces of each folder, evenly chosen; None: all.
        rates: The information rate is computed for at most this many pieces of a set.
        seed: Of all random choices.
        processes: How many to read and measure with; None: one a core.
        measures: Those that are wanted.
        windows: Notes of the windows that trees try to tell apart; none: no such test.
        encoder: Weights of ``perpetuo train encoder``; None takes those that ship.
        drawing: Settings (``"stage.key"``) and values with which bundles are rendered.
        selection: Whether, for bundles, what the stream plays is compared with what it does not.
    """

    sources: tuple[str, ...]
    reference: Path
    train: Path | None = None
    model: str | None = None
    seeds: tuple[int, ...] = tuple(range(10))
    minutes: float = 3.0
    controls: bool = True
    limit: int | None = None
    rates: int = 60
    seed: int = 0
    processes: int | None = None
    measures: tuple[str, ...] = MEASURES
    selection: bool = False
    judge: Judging = "none"
    windows: tuple[int, ...] = ()
    encoder: Path | None = None
    drawing: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(notes < LEAST_NOTES for notes in self.windows):
            raise ValueError(f"windows must be {LEAST_NOTES} notes or more, not {self.windows}")
        if not self.minutes > 0:
            raise ValueError(f"minutes must be above 0, not {self.minutes}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, not {self.limit}")
        for name in self.measures:
            if name not in MEASURES:
                raise ValueError(f"measures must be of {', '.join(MEASURES)}, not {name}")
        if self.rates < 0:
            raise ValueError(f"rates must be 0 or more, not {self.rates}")


@dataclass
class Laboratory:
    """Everything a run found.

    Attributes:
        report: Plain data; NaN stands for what could not be measured.
        sets: The measured sets in the order of the report's columns.
        reference: What they were compared with.
    """

    report: dict[str, Any]
    sets: list[MusicSet] = field(default_factory=list)
    reference: Reference | None = None


def evaluate(settings: LabSettings, progress: Progress = lambda *_: None) -> Laboratory:
    """Measure everything that was asked for.

    Raises:
        DataError: The reference, the training corpus or a source is missing or holds nothing
            that can be used. Single bad files are left out and named in the report.
        BundleError: A bundle cannot be used.
    """
    rng = np.random.default_rng(settings.seed)
    real, in_reference, held = _real(settings, progress)
    if not real.pieces:
        raise DataError(
            f"{settings.reference}: none of its {len(real.skipped)} files can be used as a "
            "reference; give a folder of MIDI files with notes"
        )
    wanted = settings.train
    train = None if wanted is None else _music("train", wanted, settings, progress, every=True)
    sets = _asked_for(settings, progress)
    if not any(own.pieces for own in sets):
        reasons = [f"; {s.text}" for own in sets for s in own.skipped[:1]]
        raise DataError(
            f"{', '.join(settings.sources)}: nothing in there can be measured{''.join(reasons[:1])}"
        )
    sets.insert(0, held)
    if settings.controls:
        progress("controls", 0, 1)
        sets += [shuffled_set(held, rng), markov_set(train or in_reference, rng)]
        sets += [random_set(rng), random_set(rng, 0, 127)]
    _measure([in_reference, *sets], settings, progress)
    wants = "embedding" in settings.measures
    encoder = Encoder.load(settings.encoder or WEIGHTS) if wants else None
    reference = make_reference(in_reference, train, encoder)
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "seed": settings.seed,
        "reference": _about_reference(settings, real, in_reference, reference),
        "train": str(wanted) if wanted else None,
        "drawing": {name: str(value) for name, value in settings.drawing.items()},
        "sets": {},
    }
    for i, own in enumerate(sets):
        progress("comparing", i, len(sets))
        section = compare(own, reference, rng, settings.measures, settings.windows)
        if settings.model is not None and own.pieces:
            section["model"] = _model_view(settings.model, own, rng)
        if settings.selection and own.kind == "bundle":
            section["selection"] = _selection(own, real, settings, rng)
        report["sets"][own.name] = section
    progress("comparing", len(sets), len(sets))
    return Laboratory(report, sets, reference)


def _about_reference(
    settings: LabSettings, real: MusicSet, in_reference: MusicSet, reference: Reference
) -> dict[str, Any]:
    """Return what the report says of the music that all is compared with."""
    return {
        "path": str(settings.reference),
        "pieces": len(in_reference.pieces),
        "works": len({*in_reference.works}),
        "notes": sum(m.notes for m in in_reference.measures),
        "skipped": [vars(s) for s in real.skipped],
        "remarks": [vars(s) for s in real.remarks],
        "signature": reference.signature.to_dict() if reference.signature else None,
        "counts": {
            name: np.sum([m.counts[name] for m in in_reference.measures], axis=0).tolist()
            for name in (in_reference.measures[0].counts if in_reference.measures else ())
        },
    }


def _measure(sets: list[MusicSet], settings: LabSettings, progress: Progress) -> None:
    count = sum(len(s.pieces) for s in sets)
    rates = settings.rates if "information_rate" in settings.measures else 0
    measure_sets(sets, rates, settings.processes, lambda done: progress("measuring", done, count))


def _real(settings: LabSettings, progress: Progress) -> tuple[MusicSet, MusicSet, MusicSet]:
    """Return all real music, what sets are compared with, and real music to compare with it.

    A tensor file knows which works a model has not seen: its training pieces are the reference, and
    the others the column "real". Other music is split in halves.
    """
    if settings.reference.suffix != TENSOR_SUFFIX:
        real = _music("reference", settings.reference, settings, progress)
        return real, *_halves(real, settings.seed)
    known = _prepared("reference", settings.reference, ("train",), settings.limit)
    held = _prepared("real", settings.reference, ("valid", "test"), settings.limit)
    known.kind = held.kind = "real"
    return known, known, held


def _prepared(name: str, path: Path, splits: tuple[str, ...], limit: int | None) -> MusicSet:
    """Read pieces of some splits of a tensor file (``perpetuo prepare``)."""
    tensors = TensorSet.load(path)
    indices = [i for split in splits for i in tensors.indices(split)]
    if limit is not None and len(indices) > limit:
        chosen = np.unique(np.linspace(0, len(indices) - 1, limit).round().astype(int))
        indices = [indices[i] for i in chosen]
    own = MusicSet(name, "files")
    for i in indices:
        info = tensors.pieces[i]
        own.add(tensors.notes(i), info.work_key, f"{info.corpus}/{info.file}")
    return own


def _halves(real: MusicSet, seed: int) -> tuple[MusicSet, MusicSet]:
    """Split real music by work: what sets are compared with, and real music to compare with it."""
    works = sorted({*real.works}, key=lambda w: hashlib.sha256(f"{seed}:{w}".encode()).digest())
    held = {*works[: len(works) // 2]}
    return (
        real.part("reference", "real", [w not in held for w in real.works]),
        real.part("real", "real", [w in held for w in real.works]),
    )


def _asked_for(settings: LabSettings, progress: Progress) -> list[MusicSet]:
    """Read or render every source; MIDI files that are named one by one become one set."""
    sets: list[MusicSet] = []
    loose: MusicSet | None = None
    for text in settings.sources:
        label, source = label_of(text)
        path = Path(source)
        if is_bundle(path):
            sets.append(_rendered(label, source, settings, progress))
        elif path.is_file() and path.name.lower().endswith(MIDI_SUFFIXES) and not label:
            if loose is None:
                loose = MusicSet("files", "files")
                sets.append(loose)
            one = _music("files", path, settings, progress)
            for piece, work, file in zip(one.pieces, one.works, one.files, strict=True):
                loose.add(piece, work, file)
            loose.skipped += one.skipped
            loose.remarks += one.remarks
        else:
            sets.append(_music(label or path.resolve().name, path, settings, progress))
    taken = {"real", "shuffled", "markov"}
    for own in sets:
        base, number = own.name, 2
        while own.name in taken:
            own.name, number = f"{base} {number}", number + 1
        taken.add(own.name)
    return sets


def _music(
    name: str, path: Path, settings: LabSettings, progress: Progress, every: bool = False
) -> MusicSet:
    """Read a folder, archive or file; files that cannot be used are named, not fatal.

    Of a tensor file, the training pieces.
    """
    if path.suffix == TENSOR_SUFFIX:
        return _prepared(name, path, ("train",), None if every else settings.limit)
    corpus = read_corpus(
        [path],
        Selection(min_notes=1),
        processes=settings.processes,
        progress=lambda done, found: progress(f"reading {path.name}", done, found),
    )
    own = MusicSet(name, "files")
    own.skipped = [Skipped(f"{s.corpus}/{s.file}", s.reason, s.text) for s in corpus.skipped]
    own.remarks = [Skipped(f"{s.corpus}/{s.file}", s.reason, s.text) for s in corpus.remarks]
    pieces = corpus.pieces
    if settings.limit is not None and len(pieces) > settings.limit and not every:
        chosen = np.unique(np.linspace(0, len(pieces) - 1, settings.limit).round().astype(int))
        pieces = [pieces[i] for i in chosen]
    for piece in pieces:
        own.add(piece.notes, piece.work_key, f"{piece.corpus}/{piece.file}")
    return own


def _rendered(label: str, source: str, settings: LabSettings, progress: Progress) -> MusicSet:
    """Render a bundle once with each seed."""
    from streamer.pipeline import open_source
    from streamer.settings.reading import load_settings

    own: MusicSet | None = None
    for i, seed in enumerate(settings.seeds):
        asked = {"model.model": source, "model.seed": seed, "model.judge": settings.judge}
        wanted = load_settings(None, {**settings.drawing, **asked}, alone=True)
        player = open_source(settings=wanted)
        name = label or player.bundle.manifest.name
        own = own or MusicSet(name, "bundle", source=source)
        progress(f"rendering {name}", i, len(settings.seeds))
        piece = _collect(player, settings.minutes * 60_000.0)
        own.add(piece, f"{name} seed {seed}", f"{name} seed {seed}")
    if own is None:
        raise BundleError(f"{source}: no seed to render it with; give --seeds")
    return own


def _selection(
    own: MusicSet, real: MusicSet, settings: LabSettings, rng: np.random.Generator
) -> dict[str, Any]:
    from training.lab.selection import selection_study

    try:
        return selection_study(
            own.source, real.pieces, real.works, rng, settings.seeds, settings.judge
        )
    except DataError as error:
        return {"problem": str(error)}


def _collect(player: Source, duration_ms: float) -> NoteArray:
    """Return the notes of a stream up to a time."""
    notes: list[Note] = []
    end_ms = 0.0
    while end_ms < duration_ms:
        phrase = player.next_phrase()
        notes += phrase.notes
        end_ms = phrase.end_ms
    return to_array(n for n in notes if n.onset_ms < duration_ms)


def _model_view(model: str, own: MusicSet, rng: np.random.Generator) -> dict[str, Any]:
    from streamer.engine.engine import Engine
    from training.evaluation.entropy_sequences import entropy_section

    return entropy_section(Engine(load_bundle(model)), own.pieces, rng)

"""MIDI files -> melodic tracks with styles: what ``perpetuo prepare --melodies`` does.

Normalisation is specs 003-vrash's: tracks split, one line each, octaves moved, lengths in twelfths
of the track's median, tracks of more than eleven lengths, of too little change or too few notes
dropped; every drop counted by reason, corpus and style. Which tracks of a corpus are melodies is
in recipes.py, how played onsets become rhythm in swing.py, and what is done about rare lengths in
fold.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.beatfile import BeatPiece, parse_beats
from streamer.errors import DataError, MidiFileError
from streamer.melody import (
    Line,
    as_twelfths,
    lower_median,
    octave_shift,
    snap,
    top_line,
    tracks_of,
)
from streamer.midifile import DEFAULT_LIMITS
from streamer.notes import NOTE_DTYPE
from streamer.tunes import END, TuneCodec
from training.data.bars import Bars, tempo_of
from training.data.fold import MOST_FOLDED, MOST_LENGTHS, fold, shorten_rests
from training.data.kinship import figures, join_works
from training.data.recipes import FREE_LICENCES, Recipe, recipe_for
from training.data.sources import Job, Labels, corpus_of, find_jobs
from training.data.swing import written_onsets
from training.data.tensors import SPLITS
from training.data.tunes import TRACK_DTYPE, TuneInfo, TuneSet, fit_codec
from training.data.works import split_works, work_key

FILE_REASONS = ("unreadable", "not-midi", "broken", "empty", "drums-only", "too-large", "no-beats")

_MIDDLE, _REACH = 66, 24
"""A note further than two octaves from the middle of a normalised tune comes nearer by octaves."""


@dataclass(frozen=True)
class MelodyOptions:
    """Which melodies are taken, and how they are split.

    Attributes:
        seed: Of the split.
        valid: Share of the compositions for validation, 0..1.
        test: Share for the last test, 0..1.
        include: Shell patterns of paths inside the corpus; none takes all.
        exclude: Shell patterns of files to leave out.
        licences: Shell patterns of licences to take, in any case. A file without a stated licence
            is the user's own affair, and is taken unless this is set.
        licence: What is written down for a file whose labels state none.
        style: Style of everything; empty lets the corpora say.
        tracks: Names of tracks to take, in any case; none lets the corpora say.
        min_notes: Shorter tracks are dropped.
        min_entropy: Tracks whose pitches have less are dropped, bits.
    """

    seed: int = 0
    valid: float = 0.1
    test: float = 0.1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""
    style: str = ""
    tracks: tuple[str, ...] = ()
    min_notes: int = 32
    min_entropy: float = 1.0

    def __post_init__(self) -> None:
        split_works((), self.seed, self.valid, self.test)
        if self.min_notes < 2:
            raise ValueError(f"min_notes must be 2 or more, not {self.min_notes}")
        if not self.min_entropy >= 0:
            raise ValueError(f"min_entropy must be 0 or more, not {self.min_entropy}")


@dataclass
class _Found:
    """What was taken, and what was not, by (corpus, style) and reason."""

    notes: list[NDArray[Any]] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: list[dict[str, str]] = field(default_factory=list)
    changes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seen: dict[bytes, str] = field(default_factory=dict)

    def skip_file(self, corpus: str, file: str, reason: str, text: str) -> None:
        self.files[reason] += 1
        self.skipped.append({"corpus": corpus, "file": file, "reason": reason, "text": text})

    def drop(self, corpus: str, style: str, file: str, track: str, reason: str, text: str) -> None:
        self.dropped[f"{corpus}/{style}"][reason] += 1
        self.skipped.append(
            {"corpus": corpus, "file": file, "track": track, "reason": reason, "text": text}
        )


@dataclass(frozen=True)
class _Refusal(Exception):
    """Why a track is left out."""

    reason: str
    text: str


def read_melodies(
    sources: Sequence[Path],
    options: MelodyOptions = MelodyOptions(),
    *,
    progress: Callable[[int, int], None] = lambda done, found: None,
) -> TuneSet:
    """Read corpora into a tune set.

    Args:
        sources: Folders, archives or files. Of copies the first is kept.
        options: What to take.
        progress: Called with the files of the source read and found so far.

    Raises:
        DataError: A source cannot be read, or nothing in any of them is usable.
    """
    found = _Found()
    for source in dict.fromkeys(sources):
        labels: Labels = {}
        jobs = list(find_jobs(source, DEFAULT_LIMITS.file_bytes, labels))
        for number, job in enumerate(sorted(jobs, key=lambda job: job.file), start=1):
            _take(job, labels, options, found)
            progress(number, len(jobs))
    if not found.notes:
        reasons = found.files + sum(found.dropped.values(), Counter[str]())
        counts = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        where = ", ".join(map(str, sources))
        raise DataError(f"{where}: no usable melody ({counts or 'no MIDI files (.mid) in there'})")
    joined = _join(found)
    splits = split_works(
        [info["work_key"] for info in found.infos], options.seed, options.valid, options.test
    )
    infos = [TuneInfo(**info, split=splits[info["work_key"]]) for info in found.infos]
    training = [
        rows for rows, info in zip(found.notes, infos, strict=True) if info.split == "train"
    ]
    codec = fit_codec(found.notes, training)
    snapped = sum(_snap_to(codec, rows) for rows in found.notes)
    tunes = TuneSet.from_tracks(found.notes, infos, codec)
    tunes.report.update(_report(tunes, found, joined, options))
    tunes.report["codec_coverage"] = round(1.0 - snapped / max(1, len(tunes.length)), 5)
    return tunes


def _snap_to(codec: TuneCodec, rows: NDArray[Any]) -> int:
    """Give each length the nearest value that has a class; return how many had none."""
    lengths = codec.decode(codec.encode(rows))["length"]
    changed = int((lengths != rows["length"]).sum())
    rows["length"] = lengths
    return changed


def _take(job: Job, labels: Labels, options: MelodyOptions, found: _Found) -> None:
    """Read one file's melodies into ``found``, or say there why not."""
    row = labels.get(job.file, {})
    corpus, file = corpus_of(job.source, job.file, labels)
    if options.include and not any(fnmatch(file, pattern) for pattern in options.include):
        found.skip_file(corpus, file, "not-chosen", "no pattern of --include matches")
        return
    if any(fnmatch(file, pattern) for pattern in options.exclude):
        found.skip_file(corpus, file, "not-chosen", "a pattern of --exclude matches")
        return
    recipe = recipe_for(corpus, row, options.style)
    if recipe is None:
        found.skip_file(corpus, file, "no-style", "the corpus has no melody in this file")
        return
    licence = row.get("licence") or row.get("license") or recipe.licence or options.licence
    if not _licensed(licence, options):
        found.skip_file(corpus, file, "licence", f"its licence is {licence or 'not stated'}")
        return
    try:
        data = job.data if job.data is not None else job.path.read_bytes() if job.path else b""
        piece = parse_beats(data, file)
    except MidiFileError as error:
        found.skip_file(corpus, file, error.reason, str(error).removeprefix(f"{file}: "))
        return
    except OSError as error:
        found.skip_file(corpus, file, "unreadable", str(error.strerror or error))
        return
    where = {"file": file, "corpus": corpus, "licence": licence}
    _take_tracks(piece, recipe, {**where, "work_key": work_key(corpus, file, row)}, options, found)


def _licensed(licence: str, options: MelodyOptions) -> bool:
    if not licence and not options.licences:
        return True
    wanted = options.licences or FREE_LICENCES
    return any(fnmatch(licence.casefold(), pattern.casefold()) for pattern in wanted)


def _take_tracks(
    piece: BeatPiece,
    recipe: Recipe,
    where: dict[str, str],
    options: MelodyOptions,
    found: _Found,
) -> None:
    """Take the tracks of a file that are melodies."""
    file, corpus = where["file"], where["corpus"]
    wanted = {name.casefold() for name in options.tracks or recipe.tracks}
    tracks = [
        (f"{number} {name}".strip(), notes)
        for number, name, notes in tracks_of(piece)
        if not wanted or name.casefold() in wanted
    ]
    if not tracks:
        names = ", ".join(filter(None, piece.track_names))
        found.skip_file(corpus, file, "no-such-track", f"none of its tracks is chosen ({names})")
        return
    if recipe.highest:
        best = max(tracks, key=lambda item: _height(item[1], options))
        for track, _ in tracks:
            if track != best[0]:
                text = "another track lies higher"
                found.drop(corpus, recipe.style, file, track, "accompaniment", text)
        tracks = [best]
    bars = Bars(piece, recipe.start, recipe.bar)
    for track, notes in tracks:
        try:
            rows, info, changes = _track(notes, recipe, bars, options)
            digest = _content(rows)
            if digest in found.seen:
                raise _Refusal("duplicate", f"the same tune as in {found.seen[digest]}")
        except _Refusal as refusal:
            found.drop(corpus, recipe.style, file, track, refusal.reason, refusal.text)
            continue
        found.seen[digest] = f"{corpus}/{file}"
        found.changes[f"{corpus}/{recipe.style}"].update(changes)
        found.notes.append(rows)
        info |= {"style": recipe.style, "bpm": tempo_of(piece, notes), "metre": bars.usual}
        found.infos.append({**where, **info, "track": track})


def _height(notes: NDArray[Any], options: MelodyOptions) -> tuple[bool, float]:
    return len(notes) >= options.min_notes, float(notes["pitch"].mean())


def _track(
    notes: NDArray[Any], recipe: Recipe, bars: Bars, options: MelodyOptions
) -> tuple[NDArray[Any], dict[str, Any], Counter[str]]:
    """Return a track's rows, what is known of it, and what was changed.

    Raises:
        _Refusal: It is no melody.
    """
    line = top_line(notes)
    _check_line(line, len(notes), recipe, options)
    played = line.notes["onset"] - bars.start
    written = written_onsets(played) if recipe.played else snap(played)
    delays, shortened = shorten_rests(np.diff(written), bars.usual)
    # Six digits: a unit is a number of twelfths of a beat, and sums of floats leave dust on it.
    unit = round(float(lower_median(delays)), 6)
    twelfths = as_twelfths(delays, unit)
    before = len(np.unique(twelfths))
    lengths, folded = fold(twelfths)
    if folded > MOST_FOLDED:
        text = f"{before} lengths; folding them to {MOST_LENGTHS} would change {folded:.0%}"
        raise _Refusal("too-many-lengths", text)
    rows = np.zeros(len(line.notes), dtype=TRACK_DTYPE)
    rows["pitch"] = _pitches(line)
    rows["length"] = np.append(np.minimum(lengths, 2**16 - 1), END)
    rows["velocity"] = line.notes["velocity"]
    rows["articulation"] = 1.0
    sounding = line.notes["length"][:-1] / np.diff(line.notes["onset"])
    rows["articulation"][:-1] = np.clip(sounding, 0.0, 2.0)
    rows["deviation"] = np.clip(played - written, -1.0, 1.0)
    rows["position"] = bars.position(written)
    changes = Counter(
        notes=len(rows),
        not_in_line=line.dropped,
        rests_shortened=shortened,
        lengths_folded=round(folded * len(lengths)),
        tracks_folded=int(before > MOST_LENGTHS),
    )
    programme = int(line.notes["program"][0]) // 8
    return rows, {"programme": programme, "unit_beats": unit}, +changes


def _check_line(line: Line, notes: int, recipe: Recipe, options: MelodyOptions) -> None:
    """Raise for a line that is no melody."""
    pitch = line.notes["pitch"]
    if len(pitch) < options.min_notes:
        text = f"{len(pitch)} notes; at least {options.min_notes} are asked for"
        raise _Refusal("too-short", text)
    if line.chords > recipe.chords or line.inner > recipe.inner:
        text = f"{line.chords:.0%} of its onsets are chords, {line.inner:.0%} lie below a held note"
        raise _Refusal("polyphonic", text)
    share = np.unique(pitch, return_counts=True)[1] / len(pitch)
    entropy = float(-(share * np.log2(share)).sum())
    if entropy < options.min_entropy:
        text = f"{entropy:.2f} bits of pitch; at least {options.min_entropy:g} are asked for"
        raise _Refusal("low-entropy", text)


def _pitches(line: Line) -> NDArray[np.int64]:
    """Return the pitches with their median in 60..71; one far away comes nearer by octaves."""
    pitch = line.notes["pitch"].astype(np.int64)
    pitch += octave_shift(pitch)
    return pitch - 12 * np.trunc((pitch - _MIDDLE) / _REACH).astype(np.int64)


def _content(rows: NDArray[Any]) -> bytes:
    """Return a hash that the same tune has in any key."""
    steps = np.diff(rows["pitch"].astype(np.int16))
    return hashlib.sha256(steps.tobytes() + rows["length"].tobytes()).digest()


def _join(found: _Found) -> dict[str, str]:
    """Make works that share their music one; return the old keys and the new."""
    melodies = []
    for rows in found.notes:
        notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
        notes["onset_ms"], notes["pitch"] = np.arange(len(rows)) * 1000.0, rows["pitch"]
        melodies.append(figures(notes))
    joined = join_works(melodies, [info["work_key"] for info in found.infos])
    for info in found.infos:
        info["work_key"] = joined.get(info["work_key"], info["work_key"])
    return {old: new for old, new in sorted(joined.items()) if old != new}


def _report(
    tunes: TuneSet, found: _Found, joined: dict[str, str], options: MelodyOptions
) -> dict[str, Any]:
    """Return plain data: what was taken, what was left out and why, and with which options."""
    lengths = np.diff(tunes.offsets)
    styles: dict[str, dict[str, dict[str, int]]] = {}
    for style in tunes.styles:
        styles[style] = {}
        for split in SPLITS:
            mine = tunes.indices(split, style)
            styles[style][split] = {
                "tracks": len(mine),
                "works": len({tunes.tracks[i].work_key for i in mine}),
                "notes": int(lengths[mine].sum()),
            }
    return {
        "kept": len(tunes),
        "styles": styles,
        "files": dict(sorted(found.files.items())),
        "dropped": {key: dict(sorted(n.items())) for key, n in sorted(found.dropped.items())},
        "changes": {key: dict(sorted(n.items())) for key, n in sorted(found.changes.items())},
        "joined_works": joined,
        "licences": dict(sorted(Counter(t.licence or "not stated" for t in tunes.tracks).items())),
        "codec_fingerprint": tunes.codec.fingerprint,
        "skipped": found.skipped,
        "options": asdict(options),
    }

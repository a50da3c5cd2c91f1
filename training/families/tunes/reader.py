"""MIDI files -> melodic tracks with styles: what ``perpetuo prepare tunes`` does.

Normalisation is that of docs/design/tunes.md: tracks split, one line each, octaves moved, lengths
in twelfths of the track's median, tracks of more than eleven lengths, of too little change or too
few notes dropped; every drop counted by reason, corpus and style. Which tracks of a corpus are
melodies is in :mod:`training.corpora.recipes`, how played onsets become rhythm in
:mod:`training.corpora.swing`, and what is done about rare lengths in :mod:`training.corpora.fold`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, TuneCodec
from streamer.families.tunes.melody import (
    Line,
    as_twelfths,
    lower_median,
    normal_pitches,
    snap,
    top_line,
    tracks_of,
)
from streamer.midi.beatfile import BeatPiece
from streamer.music.notes import NOTE_DTYPE
from training.corpora.bars import BarLines, tempo_of
from training.corpora.fold import LENGTHS_IN_TRACK, MOST_FOLDED, fold, shorten_rests
from training.corpora.kinship import figures, join_works
from training.corpora.reading import (
    FileOptions,
    FoundFile,
    Progress,
    Record,
    Refused,
    no_progress,
    read_files,
    with_splits,
)
from training.corpora.recipes import FREE_LICENCES, Recipe, recipe_for
from training.corpora.splits import SPLITS
from training.corpora.swing import written_onsets
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet, fit_codec


@dataclass(frozen=True)
class MelodyOptions(FileOptions):
    """Which melodies are taken.

    Unless licences are asked for, free ones are taken, and files without a stated one, which are
    the user's own affair.

    Attributes:
        style: Style of everything; empty lets the corpora say.
        tracks: Names of tracks to take, in any case; none lets the corpora say.
        min_notes: Shorter tracks are dropped.
        min_entropy: Tracks whose pitches have less are dropped, bits.
    """

    style: str = ""
    tracks: tuple[str, ...] = ()
    min_notes: int = 32
    min_entropy: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_notes < 2:
            raise ValueError(f"min_notes must be 2 or more, not {self.min_notes}")
        if not self.min_entropy >= 0:
            raise ValueError(f"min_entropy must be 0 or more, not {self.min_entropy}")


@dataclass
class _Found(Record):
    """What was taken, and what was not; tracks by ``corpus/style`` and reason."""

    notes: list[NDArray[Any]] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    dropped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    changes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seen: dict[bytes, str] = field(default_factory=dict)

    def drop(self, where: FoundFile, style: str, track: str, refused: Refused) -> None:
        self.dropped[f"{where.corpus}/{style}"][refused.reason] += 1
        self.note(where.corpus, where.file, refused, track=track)


def read_melodies(
    sources: Sequence[Path],
    options: MelodyOptions = MelodyOptions(),
    *,
    progress: Progress = no_progress,
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
    read_files(sources, lambda file: _take(file, options, found), found, progress)
    if not found.notes:
        found.reasons += sum(found.dropped.values(), Counter[str]())
        raise found.nothing(sources, "usable melody")
    joined = _join(found)
    infos = with_splits(TuneInfo, found.infos, options)
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


def _take(source: FoundFile, options: MelodyOptions, found: _Found) -> None:
    """Read one file's melodies (:class:`Refused` and what keeps it from being read)."""
    options.check_path(source.file)
    recipe = recipe_for(source.corpus, source.labels, options.style)
    if recipe is None:
        raise Refused("no-style", "the corpus has no melody in this file")
    licence = source.licence or recipe.licence or options.licence
    options.check_licence(licence, FREE_LICENCES if licence else ())
    piece = source.beats()
    tracks = _chosen(piece, recipe, options)
    if recipe.highest:
        best = max(tracks, key=lambda item: _height(item[1], options))
        lower = Refused("accompaniment", "another track lies higher")
        for track, _ in tracks:
            if track != best[0]:
                found.drop(source, recipe.style, track, lower)
        tracks = [best]
    bars = BarLines(piece, recipe.start, recipe.bar)
    where = {"file": source.file, "corpus": source.corpus, "licence": licence}
    where["work_key"] = source.work_key
    for track, notes in tracks:
        try:
            rows, info, changes = _track(notes, recipe, bars, options)
            digest = _content(rows)
            if digest in found.seen:
                raise Refused("duplicate", f"the same tune as in {found.seen[digest]}")
        except Refused as refused:
            found.drop(source, recipe.style, track, refused)
            continue
        found.seen[digest] = f"{source.corpus}/{source.file}"
        found.changes[f"{source.corpus}/{recipe.style}"].update(changes)
        found.notes.append(rows)
        info |= {"style": recipe.style, "bpm": tempo_of(piece, notes), "metre": bars.usual}
        found.infos.append({**where, **info, "track": track})


def _chosen(
    piece: BeatPiece, recipe: Recipe, options: MelodyOptions
) -> list[tuple[str, NDArray[Any]]]:
    """Return names and notes of the tracks to look at (:class:`Refused`: there is none)."""
    wanted = {name.casefold() for name in options.tracks or recipe.tracks}
    tracks = [
        (f"{number} {name}".strip(), notes)
        for number, name, notes in tracks_of(piece)
        if not wanted or name.casefold() in wanted
    ]
    if not tracks:
        names = ", ".join(filter(None, piece.track_names))
        raise Refused("no-such-track", f"none of its tracks is chosen ({names})")
    return tracks


def _height(notes: NDArray[Any], options: MelodyOptions) -> tuple[bool, float]:
    return len(notes) >= options.min_notes, float(notes["pitch"].mean())


def _track(
    notes: NDArray[Any], recipe: Recipe, bars: BarLines, options: MelodyOptions
) -> tuple[NDArray[Any], dict[str, Any], Counter[str]]:
    """Return a track's rows, what is known of it, and what was changed.

    Raises:
        Refused: It is no melody.
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
        text = f"{before} lengths; folding them to {LENGTHS_IN_TRACK} would change {folded:.0%}"
        raise Refused("too-many-lengths", text)
    rows = np.zeros(len(line.notes), dtype=TRACK_DTYPE)
    rows["pitch"] = normal_pitches(line.notes["pitch"])
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
        tracks_folded=int(before > LENGTHS_IN_TRACK),
    )
    programme = int(line.notes["program"][0]) // 8
    return rows, {"programme": programme, "unit_beats": unit}, +changes


def _check_line(line: Line, notes: int, recipe: Recipe, options: MelodyOptions) -> None:
    """Raise for a line that is no melody."""
    pitch = line.notes["pitch"]
    if len(pitch) < options.min_notes:
        text = f"{len(pitch)} notes; at least {options.min_notes} are asked for"
        raise Refused("too-short", text)
    if line.chords > recipe.chords or line.inner > recipe.inner:
        text = f"{line.chords:.0%} of its onsets are chords, {line.inner:.0%} lie below a held note"
        raise Refused("polyphonic", text)
    share = np.unique(pitch, return_counts=True)[1] / len(pitch)
    entropy = float(-(share * np.log2(share)).sum())
    if entropy < options.min_entropy:
        text = f"{entropy:.2f} bits of pitch; at least {options.min_entropy:g} are asked for"
        raise Refused("low-entropy", text)


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
        "files": found.files,
        "dropped": {key: dict(sorted(n.items())) for key, n in sorted(found.dropped.items())},
        "changes": {key: dict(sorted(n.items())) for key, n in sorted(found.changes.items())},
        "joined_works": joined,
        "codec_fingerprint": tunes.codec.fingerprint,
        **found.report((track.licence for track in tunes.tracks), options),
    }

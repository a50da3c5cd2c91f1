"""Continuations in the form of MIREX 2025: prompts in, ranked answers out.

In: prompts, as ``.mid`` or as MIREX's JSON (``prompt``: notes with ``start``, ``pitch`` and
``duration`` in sixteenths; a pickup bar and four bars, 0..79). Out, for each, a folder of answers,
the best first: ``01.mid`` ..., to JSON prompts also ``01.json`` (``generation``: twelve bars,
80..271), and ``ranking.json``. An answer's time 0 is the prompt's last onset, or, to JSON prompts,
the end of their fifth bar, before which nothing is written. Answers of one bundle are drawn with
different seeds and ranked by how like the prompt they are to the encoder of
:mod:`training.evaluation.embedding`, which was taught to tell whether two excerpts are of one
piece. Such folders are what ``perpetuo listen-test`` compares, prompt against prompt.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import DataError
from streamer.midi.midifile import read_midi
from streamer.music.notes import NOTE_DTYPE, NoteArray, from_array, sort_notes
from streamer.system.atomic import write_whole
from streamer.system.reading import read_at_most
from training.evaluation.embedding import Encoder
from training.listening.material import Excerpt
from training.listening.sound import write_midi

SIXTEENTH_MS = 125.0
"""At 120 quarters a minute; MIREX's form has no tempo."""

PROMPT_STEPS, ALL_STEPS = 80, 272
VELOCITY = 72
"""Of prompts in JSON, which have none."""

MOST_BYTES = 1024 * 1024
LEAST_NOTES = 2
JSON_SUFFIX = ".json"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Continuing:
    """How prompts are continued.

    Attributes:
        model: Bundle.
        answers: To each prompt, 1 or more.
        seconds: Length of an answer; to JSON prompts it is twelve bars.
        seed: Of the first answer; the next takes the next.
    """

    model: str
    answers: int = 8
    seconds: float = 24.0
    seed: int = 0


def read_prompt(path: Path) -> NoteArray:
    """Read a prompt, from onset 0.

    Raises:
        MidiFileError: A ``.mid`` that cannot be used.
        DataError: JSON that is none of MIREX's form, or too few notes.
    """
    notes = _from_json(path) if path.suffix.lower() == JSON_SUFFIX else read_midi(path)
    if len(notes) < LEAST_NOTES:
        raise DataError(f"{path}: {len(notes)} notes; {LEAST_NOTES} are the least of a prompt")
    return notes


def _from_json(path: Path) -> NoteArray:
    wrong = f"{path}: no prompt in MIREX's form (prompt: [{{start, pitch, duration}}, ...])"
    try:
        rows = json.loads(read_at_most(path, MOST_BYTES))["prompt"]
        found = [(row["start"], row["duration"], row["pitch"]) for row in rows]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a prompt") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(wrong) from error
    for start, duration, pitch in found:
        whole = all(type(value) is int for value in (start, duration, pitch))
        if not (whole and 0 <= start < PROMPT_STEPS and duration >= 1 and 0 <= pitch <= 127):
            raise DataError(
                f"{path}: a note with start {start}, duration {duration}, pitch {pitch}; whole "
                f"numbers, start in 0..{PROMPT_STEPS - 1}, duration 1 or more, pitch in 0..127"
            )
    notes = np.zeros(len(found), NOTE_DTYPE)
    for note, (start, duration, pitch) in zip(notes, found, strict=True):
        note["onset_ms"], note["duration_ms"] = start * SIXTEENTH_MS, duration * SIXTEENTH_MS
        note["pitch"], note["velocity"] = pitch, VELOCITY
    return sort_notes(notes)


def as_generation(notes: NoteArray) -> dict[str, list[dict[str, int]]]:
    """Return notes in MIREX's form, 80..271, cut at the end; their time 0 is that of step 80."""
    rows = []
    for note in notes:
        start = PROMPT_STEPS + round(float(note["onset_ms"]) / SIXTEENTH_MS)
        if start < ALL_STEPS:
            length = max(1, round(float(note["duration_ms"]) / SIXTEENTH_MS))
            rows.append({"start": start, "pitch": int(note["pitch"]),
                         "duration": min(length, ALL_STEPS - start)})  # fmt: skip
    return {"generation": rows}


def continue_prompts(
    prompts: list[Path],
    folder: Path,
    how: Continuing,
    encoder: Encoder,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """Write answers to prompts, and return their rankings.

    Raises:
        DataError: A prompt cannot be used; two have one name; the folder holds something.
        StreamerError: The bundle cannot be used, or does not continue files.
    """
    if len({path.stem for path in prompts}) < len(prompts):
        raise DataError("two prompts have one name; name them apart, their folders of answers are")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already; name another folder, or empty this one")
    read = [read_prompt(path) for path in prompts]
    rankings = []
    for number, (path, notes) in enumerate(zip(prompts, read, strict=True)):
        progress(f"continuing {path.name}", number, len(prompts))
        in_json = path.suffix.lower() == JSON_SUFFIX
        seconds = (ALL_STEPS - PROMPT_STEPS) * SIXTEENTH_MS / 1000 if in_json else how.seconds
        begins_ms = PROMPT_STEPS * SIXTEENTH_MS if in_json else float(notes["onset_ms"][-1])
        answers = _answers(notes, begins_ms, replace(how, seconds=seconds))
        rankings.append(_write(path, folder / path.stem, notes, answers, encoder, in_json))
    return rankings


def _answers(prompt: NoteArray, begins_ms: float, how: Continuing) -> list[tuple[int, NoteArray]]:
    """Return answers with their seeds, as the stream would play them.

    Args:
        prompt: What they go on from, at once after its last onset.
        begins_ms: Where in the prompt's time an answer's time 0 is; what lies before is left out.
        how: Its length counts from there.

    Raises:
        DataError: An answer has no note.
    """
    from streamer.offline.render import render
    from streamer.settings.settings import ModelSettings, Settings

    found = []
    before_ms = begins_ms - float(prompt["onset_ms"][-1])
    with tempfile.TemporaryDirectory() as place:
        first, out = Path(place) / "prompt.mid", Path(place) / "answer.mid"
        write_midi(Excerpt("", from_array(prompt), ()), first)
        settings = Settings(model=ModelSettings(model=how.model, prime=first))
        for seed in range(how.seed, how.seed + how.answers):
            render(None, out, how.seconds + before_ms / 1000, seed=seed, settings=settings)
            notes = read_midi(out)
            # What lies within half a sixteenth of the beginning is meant to lie on it.
            notes["onset_ms"] -= before_ms
            notes = notes[notes["onset_ms"] >= (-SIXTEENTH_MS / 2 if before_ms else 0.0)]
            notes["onset_ms"] = np.maximum(notes["onset_ms"], 0.0)
            if not len(notes):
                raise DataError(
                    f"the answer of seed {seed} has no note in {how.seconds:g} s; take more "
                    "--seconds, or another --seed"
                )
            found.append((seed, notes))
    return found


def _write(
    path: Path,
    folder: Path,
    prompt: NoteArray,
    answers: list[tuple[int, NoteArray]],
    encoder: Encoder,
    in_json: bool,
) -> dict[str, Any]:
    own = encoder([prompt])[0]
    ranked = sorted(
        ((_likeness(own, encoder([notes])[0]), seed, notes) for seed, notes in answers),
        key=lambda one: (-one[0], one[1]),
    )
    rows = []
    folder.mkdir(parents=True)
    for place, (likeness, seed, notes) in enumerate(ranked, 1):
        name = f"{place:02d}"
        write_midi(Excerpt("", from_array(notes), ()), folder / f"{name}.mid")
        if in_json:
            text = json.dumps(as_generation(notes)) + "\n"
            write_whole(folder / f"{name}{JSON_SUFFIX}", text)
        rows.append({"answer": name, "seed": seed, "likeness": likeness, "notes": len(notes)})
    told = {"prompt": str(path), "answers": rows}
    write_whole(folder / "ranking.json", json.dumps(told, indent=1) + "\n")
    return told


def _likeness(one: Any, other: Any) -> float:
    """Return the cosine of two vectors."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0

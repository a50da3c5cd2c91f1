"""How a duet does with real music: how soon it takes over and yields, and whose music it goes on.

``python -m tests.duet_figures FOLDER`` takes excerpts of the .mid files in a folder (a corpus that
the bundle was not trained on) and prints

* for each excerpt whether the machine's continuation lies nearer to it than to the middle of the
  corpus: in density, register, loudness and pitch classes, and in all of them together;
* with ``--jack``, through a JACK server of its own and a player that is JACK's (``jack_midiseq``),
  how long it takes from the end of ``duet_after`` to the machine's first note, and from the
  person's first key to the machine's last note-on. The load of the machine is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

import streamer
from streamer.errors import MidiFileError
from streamer.midi.midifile import read_midi
from streamer.music.notes import Note, from_array
from streamer.pipeline import open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from tests.jackserver import JackServer

CALL_SECONDS, LEAST_NOTES = 15.0, 32
CONTINUED_NOTES = 64
AFTER_SECONDS = 2.0

ROUND_SECONDS, ROUND_CALL_SECONDS = 9.0, 4.0
PERSON, MACHINE = 0x90, 0x91
"""Note-ons of the two, on channels 1 and 2."""

FIGURES = ("density", "register", "loudness", "pitch classes")

Say = Callable[[str], object]


def excerpts(folder: Path, count: int, seconds: float, seed: int = 1) -> list[tuple[Note, ...]]:
    """Return one excerpt from the midst of each of some files of a folder, from 0 ms on."""
    rng, found = np.random.default_rng(seed), []
    paths = sorted(folder.rglob("*.mid"))
    for index in rng.permutation(len(paths)):
        try:
            notes = read_midi(paths[index])
        except (MidiFileError, ValueError):
            continue
        if len(notes) < 4 * LEAST_NOTES:
            continue
        first = notes[int(rng.integers(len(notes) // 4, len(notes) // 2))]["onset_ms"]
        part = notes[(notes["onset_ms"] >= first) & (notes["onset_ms"] < first + seconds * 1000.0)]
        if len(part) < LEAST_NOTES:
            continue
        part["onset_ms"] -= part["onset_ms"][0]
        found.append(from_array(part))
        if len(found) == count:
            break
    return found


def figures_of(notes: Sequence[Note]) -> list[np.ndarray]:
    """Return density (log), mean pitch, mean velocity, and shares of the twelve pitch classes."""
    seconds = (notes[-1].onset_ms - notes[0].onset_ms) / 1000.0
    classes = np.bincount([note.pitch % 12 for note in notes], minlength=12) / len(notes)
    values = (
        np.log(len(notes) / max(seconds, 1e-3)),
        np.mean([note.pitch for note in notes]),
        np.mean([note.velocity for note in notes]),
    )
    return [*(np.array([value]) for value in values), classes]


def continued(model: str, notes: Sequence[Note], seed: int) -> list[Note]:
    """Return what the machine plays after somebody has played these notes, one by one."""
    live = LiveControls(Controls.from_values({"duet": "continue"}))
    source = open_source(
        settings=Settings(model=ModelSettings(model=model, seed=seed)), controls=live
    )
    assert source.listener is not None
    last_ms = 0.0
    for note in notes:
        heard = Note(
            note.pitch, note.onset_ms - last_ms, note.duration_ms, note.velocity, note.pedal
        )
        source.listener.hear([heard])
        last_ms = note.onset_ms
    source.listener.rest(AFTER_SECONDS * 1000.0)
    found: list[Note] = []
    while len(found) < CONTINUED_NOTES:
        found += source.next_phrase(8 if not found else None).notes
    return found


def nearness(model: str, calls: Sequence[Sequence[Note]], say: Say) -> None:
    """Print how often the continuation is nearer to the call than to the corpus's middle."""
    described = [figures_of(call) for call in calls]
    middles, spreads = [], []
    for number in range(len(FIGURES)):
        values = np.stack([one[number] for one in described])
        middle = np.median(values, axis=0)
        middles.append(middle)
        away = np.abs(values - middle).sum(axis=1)
        spreads.append(max(float(np.median(away)), 1e-6))
    near = np.zeros(len(FIGURES) + 1)
    for seed, (call, own) in enumerate(zip(calls, described, strict=True)):
        came = figures_of(continued(model, call, seed))
        to_call, to_middle = (
            [float(np.abs(a - b).sum()) / s for a, b, s in zip(came, where, spreads, strict=True)]
            for where in (own, middles)
        )
        near[:-1] += [a < b for a, b in zip(to_call, to_middle, strict=True)]
        near[-1] += sum(to_call) < sum(to_middle)
    shares = ", ".join(
        f"{name} {share / len(calls):.0%}"
        for name, share in zip((*FIGURES, "all together"), near, strict=True)
    )
    say(f"{model}: of {len(calls)} excerpts the continuation is nearer to the player: {shares}")


def played_by(calls: Iterable[Sequence[Note]]) -> list[tuple[float, int, float]]:
    """Return calls, a silence after each, as ``JackServer.player`` takes notes."""
    return [
        (number * ROUND_SECONDS + at, note.pitch, max(min(length, ROUND_CALL_SECONDS - at), 0.02))
        for number, call in enumerate(calls)
        for note in call
        for at, length in [(note.onset_ms / 1000.0, note.duration_ms / 1000.0)]
    ]


def through_jack(model: str, calls: Sequence[Sequence[Note]], say: Say) -> None:
    """Print how soon the machine takes over and yields, with a player of JACK's own."""
    with tempfile.TemporaryDirectory() as folder:
        jack = JackServer(Path(folder))
        jack.start()
        command = (
            *(sys.executable, "-m", "streamer", "play", "--duet", "continue", "--plain"),
            *("--input", "virtual", "--port", "mon", "--channel", "2", "--model", model),
            *("--set", f"duet_after={AFTER_SECONDS}"),
        )
        env = {**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])}
        monitor = jack.monitor()
        machine = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        notes, seconds = played_by(calls), ROUND_SECONDS * len(calls)

        def is_enough(messages: list[bytes]) -> bool:
            return sum(message[0] == PERSON for message in messages) >= len(notes)

        try:
            with jack.player("person", seconds, notes):
                jack.connect("person:out", "mon:input")
                jack.connect("person:out", "Perpetuo in:in")
                # A server that lets the listener go ends it early: what was heard counts.
                messages = monitor.listen(is_enough, seconds + ROUND_SECONDS)
                machine.terminate()
                machine.wait(20.0)
        finally:
            machine.kill()
            jack.stop()
    turns = turns_of(list(zip(messages, monitor.times, strict=False)))
    heard = [turn for turn in turns if turn is not None]
    say(f"{model}: takes over in {len(heard)} of {len(turns)} silences")
    for name, column in (("takes over", 0), ("yields", 1)) if heard else ():
        ms = np.array([turn[column] for turn in heard]) * 1000.0
        say(
            f"{model} {name}: {len(ms)} times, p50 {np.quantile(ms, 0.5):.0f} ms, p95 "
            f"{np.quantile(ms, 0.95):.0f} ms, most {ms.max():.0f} ms"
        )
    say(f"load {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} cores")


def turns_of(timed: Sequence[tuple[bytes, float]]) -> list[tuple[float, float] | None]:
    """Return a pair for each silence between two calls of the person.

    Seconds until the machine took over, and until its last note-on after the person's next key;
    None where it did not take over.
    """
    person = [at for message, at in timed if message[0] in (0x80, PERSON)]
    ours = [at for message, at in timed if message[0] == MACHINE and message[2]]
    found: list[tuple[float, float] | None] = []
    for last, key in zip(person, person[1:], strict=False):
        due = last + AFTER_SECONDS
        if key <= due + 0.5:
            continue
        played = [at for at in ours if due - 0.5 < at < key + 1.0]
        found.append((min(played) - due, max(max(played) - key, 0.0)) if played else None)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.duet_figures", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of .mid files")
    parser.add_argument("--model", default="piano")
    parser.add_argument("--excerpts", type=int, default=100)
    parser.add_argument("--jack", type=int, default=0, metavar="N", help="with so many excerpts")
    args = parser.parse_args(argv)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    if args.excerpts:
        nearness(args.model, excerpts(args.folder, args.excerpts, CALL_SECONDS), say)
    if args.jack:
        through_jack(args.model, excerpts(args.folder, args.jack, ROUND_CALL_SECONDS), say)
    return 0


if __name__ == "__main__":
    sys.exit(main())

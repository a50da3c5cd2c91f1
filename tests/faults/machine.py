"""Faults of the machine: time, disk and files, under a real process on a real JACK port.

Each function takes a folder and a number of tries, and returns a
:class:`tests.faults.stage.Row`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import mido

from tests.faults.stage import Row, Stage, repeat
from tests.fuzzing import damaged

SHIM = Path(__file__).with_name("wallclock.c")


def process_stands_still(folder: Path, tries: int) -> Row:
    """The process is stopped for up to six seconds, and goes on."""
    row = Row("the process stands still for 0.1 to 6 s (SIGSTOP)")
    with Stage(folder, 3) as stage:

        def once() -> tuple[str, float | None]:
            stage.service.signal(signal.SIGSTOP)
            stage.wait(0.1, 6.0)
            stage.service.signal(signal.SIGCONT)
            resumed = stage.hear()
            return stage.verdict(resumed), resumed

        repeat(row, tries, once)
        figures = stage.service.figures()
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        f"the time itself; notes again {row.spread()} after it; {figures['notes_late_dropped']:.0f}"
        f" of {figures['notes']:.0f} notes were too late, {figures['underruns']:.0f} underruns"
    )
    return row


@contextmanager
def small_disk(folder: Path):
    """A disk of two megabytes; CalledProcessError where none may be mounted."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def disk_full(folder: Path, tries: int) -> Row:
    """The disk under the recording is filled to the last byte, and freed again."""
    row = Row("the disk under recording and state is full for 1 to 4 s")
    with small_disk(folder / "disk") as disk:
        more = f'[record]\nfolder = "{disk}/recordings"\nminutes = 60.0\n'
        environ = {"STATE_DIRECTORY": f"{disk}/state"}
        with Stage(folder, 4, more, environ=environ) as stage:

            def once() -> tuple[str, float | None]:
                with (disk / "filler").open("wb", buffering=0) as filler:
                    filled = _fill(filler)
                stage.wait(1.0, 4.0)
                resumed = stage.hear()
                wrong = stage.verdict(resumed) or _unreadable(disk)
                (disk / "filler").unlink()
                size = _recorded_bytes(disk)
                grew = stage.service.wait(lambda: _recorded_bytes(disk) > size, 5.0)
                wrong = wrong or ("" if filled else "the disk was not full")
                return wrong or ("" if grew else "recording did not go on"), resumed

            repeat(row, tries, once)
            sent = stage.service.figures()["notes"]
            if wrong := stage.end():
                row.faults.append(wrong)
            kept = sum(_notes(path) for path in (disk / "recordings").glob("*.mid"))
    row.lost = f"no music; the recording holds {kept} of {sent:.0f} notes or more"
    if kept < sent - 2:  # two strikes at one tick are one note in a file
        row.faults.append(f"{sent - kept:.0f} notes are not in the recording")
    return row


def _fill(filler) -> bool:
    try:
        while True:
            filler.write(bytes(1024) if filler.tell() < 1 << 22 else b"")
    except OSError:
        pass
    try:
        while True:
            filler.write(b"\0")
    except OSError:
        return True


def _recorded_bytes(disk: Path) -> int:
    return sum(path.stat().st_size for path in (disk / "recordings").glob("*.mid"))


def _unreadable(disk: Path) -> str:
    """Return which recording cannot be read while the disk is full, or nothing."""
    for path in (disk / "recordings").glob("*.mid"):
        try:
            _notes(path)
        except (OSError, EOFError, ValueError, IndexError) as error:
            return f"{path.name} cannot be read: {error}"
    return ""


def _notes(path: Path) -> int:
    return sum(m.type == "note_on" and m.velocity > 0 for m in mido.MidiFile(path).tracks[0])


def settings_damaged(folder: Path, tries: int) -> Row:
    """The file of settings is damaged and read again."""
    row = Row("settings damaged, then read again (SIGHUP)")
    with Stage(folder, 5) as stage:
        whole = stage.service.config.read_bytes()
        refused = 0

        def once() -> tuple[str, float | None]:
            text = damaged(whole, stage.chance, (b"[", b"=", b"\n", b"\xff", b"9" * 5000))
            # Not what it may well obey: a pause, or a tempo that leaves no notes to wait for.
            text = text.replace(b"pause", b"pawse")
            if not stage.reload(text):
                return stage.verdict(None) or "SIGHUP was not answered", None
            resumed = stage.hear()
            return stage.verdict(resumed), resumed

        repeat(row, tries, once)
        refused = stage.service.output.count("settings not read again")
        if not stage.reload(whole):
            row.faults.append("whole settings were not read after damaged ones")
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = f"nothing; {refused} mistakes named, the next note {row.spread()} after"
    return row


def bundle_replaced(folder: Path, tries: int) -> Row:
    """The bundle's files are damaged, emptied, removed, exchanged while it plays."""
    row = Row("the bundle damaged, removed or replaced while it plays")
    with Stage(folder, 6) as stage:
        whole, bundle = next(stage.whole.iterdir()), stage.bundle

        def once() -> tuple[str, float | None]:
            shutil.rmtree(bundle, ignore_errors=True)
            shutil.copytree(whole, bundle)
            victim = stage.chance.choice(sorted(bundle.iterdir()))
            kind = stage.chance.randrange(4)
            if kind == 0:
                victim.write_bytes(damaged(victim.read_bytes(), stage.chance))
            elif kind == 1:
                victim.write_bytes(b"")
            elif kind == 2:
                victim.unlink()
            else:
                shutil.rmtree(bundle)
            resumed = stage.hear()
            return stage.verdict(resumed) or _start_says(stage), resumed

        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = "nothing; a start with such a bundle plays or is refused with one line"
    return row


def _start_says(stage: Stage) -> str:
    """Return what is wrong with a start over the damaged bundle, or nothing."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "streamer", "render", str(stage.folder / "out.mid")),
            *("--duration", "2", "--seed", "1", "--model", str(stage.bundle)),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    if "Traceback" in done.stderr:
        return f"a start gave {done.stderr[-400:]}"
    if done.returncode == 1 and len(lines) != 1:
        return f"a start was refused with {len(lines)} lines: {done.stderr[-300:]}"
    return "" if done.returncode in (0, 1) else f"a start ended with {done.returncode}"


def wall_clock(folder: Path, tries: int) -> Row:
    """The date leaps an hour forth and back; needs a C compiler."""
    row = Row("the wall clock leaps 1 or 2 h forth or back")
    offset, shim = folder / "offset", folder / "wallclock.so"
    offset.write_bytes(bytes(8))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, SHIM], check=True)
    environ = {"LD_PRELOAD": str(shim), "WALLCLOCK_OFFSET": str(offset)}
    more = f'[record]\nfolder = "{folder}/recordings"\n'
    with Stage(folder, 8, more, environ=environ) as stage:
        now = 0
        before = stage.service.figures()

        def once() -> tuple[str, float | None]:
            nonlocal now
            now = stage.chance.choice([o for o in (0, 3600, -3600) if o != now])
            with offset.open("r+b") as file:
                file.write(now.to_bytes(8, sys.byteorder, signed=True))
            leapt = stage.service.wait(lambda: _is_off(stage, now), 5.0)
            resumed = stage.hear(5.0)
            return stage.verdict(resumed) or ("" if leapt else "the clock did not leap"), resumed

        repeat(row, tries, once)
        after = stage.service.figures()
        if wrong := stage.end():
            row.faults.append(wrong)
    late, stalls, underruns = (
        after[name] - before[name] for name in ("notes_late_dropped", "stalls", "underruns")
    )
    row.lost = (
        f"nothing; {late:.0f} of {after['notes'] - before['notes']:.0f} notes too late, "
        f"{stalls:.0f} stalls, {underruns:.0f} underruns; the next note {row.spread()} after"
    )
    if stalls or underruns:
        row.faults.append("the music was put off")
    return row


def _is_off(stage: Stage, seconds: int) -> bool:
    """Whether the process has another date than this one, by so much."""
    return abs(stage.service.scrape()[1] - time.time() - seconds) < 60


FAULTS: dict[str, Callable[[Path, int], Row]] = {
    function.__name__: function
    for function in (process_stands_still, disk_full, settings_damaged, bundle_replaced, wall_clock)
}

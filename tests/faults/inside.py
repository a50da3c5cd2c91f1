"""Faults inside the program: a send or the engine misbehaves, in a real process on a real port.

Each function takes a folder and a number of tries, and returns a
:class:`tests.faults.stage.Row`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.stage import Row, Stage, repeat


class Marked(Stage):
    """A stage whose service has faults inside."""

    def __init__(self, folder: Path, seed: int, **more) -> None:
        self.word = folder / "fault"
        self.word.write_text("")
        environ = {"PERPETUO_FAULT": str(self.word)}
        super().__init__(folder, seed, module="tests.faults.life", environ=environ, **more)

    def fault(self, word: str) -> None:
        """Let it come."""
        self.word.write_text(word)
        self.service.signal(signal.SIGUSR1)


def slow_inference(folder: Path, tries: int) -> Row:
    """Each block takes seconds, then none again."""
    row = Row("inference takes 2 to 6 s a block, for 10 s")
    with Marked(folder, 9) as stage:

        def once() -> tuple[str, float | None]:
            stage.fault(f"slow {stage.chance.uniform(2, 6):.2f}")
            stage.wait(10, 10)
            stage.fault("slow 0")
            resumed = stage.hear()
            return stage.verdict(resumed), resumed

        repeat(row, tries, once)
        figures = stage.service.figures()
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        f"{figures['underruns']:.0f} rests became longer; "
        f"{figures['notes_late_dropped']:.0f} notes too late; notes again {row.spread()} after"
    )
    return row


def send_loses(folder: Path, tries: int) -> Row:
    """One send meets a port that is gone, and it is there again at once."""
    row = Row("a send raises PortLost")
    with Marked(folder, 10) as stage:

        def once() -> tuple[str, float | None]:
            stage.wait(0.0, 0.5)
            stage.fault("lost")
            resumed = stage.hear()
            return stage.verdict(resumed), resumed

        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = f"one message at most; the next notes {row.spread()} after"
    return row


def send_fails(folder: Path, tries: int) -> Row:
    """One send raises what ends the stream: it ends with one line, silent, and starts again."""
    row = Row("a send raises anything else")
    with Marked(folder, 11) as stage:

        def once() -> tuple[str, float | None]:
            stage.wait(0.0, 0.5)
            heard = len(stage.monitor.wait_for(lambda _: True))
            stage.fault(stage.chance.choice(("error", "bug")))
            return _ends_and_starts(stage, heard, 1)

        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        f"the stream ends silent, with status 1; started again it plays, {row.spread()} after"
    )
    return row


def _ends_and_starts(stage: Stage, heard: int, status: int) -> tuple[str, float | None]:
    """See an end, and a start after it that silences what was left."""
    service = stage.service
    ended = service.process.wait(20) if service.process else None
    began = time.monotonic()
    service.start()
    resumed = stage.hear()
    wrong = stage.verdict(resumed)
    if ended != status:
        wrong = wrong or f"ended with {ended}, not {status}"
    return wrong, None if resumed is None else time.monotonic() - began


def send_blocks(folder: Path, tries: int) -> Row:
    """One send never returns: the watchdog hears nothing, and the service is started again."""
    row = Row("a send never returns (watchdog of 4 s)")
    silent: list[float] = []
    with Marked(folder, 12, watchdog_seconds=4.0) as stage:

        def once() -> tuple[str, float | None]:
            stage.service.wait(lambda: stage.service.sign_age < 1.0, 10.0)
            stage.wait(0.0, 1.0)
            stage.fault("block")
            began = time.monotonic()
            if not stage.service.wait(lambda: stage.service.sign_age > 4.0, 20.0):
                return "signs of life went on", None
            silent.append(time.monotonic() - began)
            heard = len(stage.monitor.wait_for(lambda _: True))
            stage.service.signal(signal.SIGABRT)
            resumed = _ends_and_starts(stage, heard, -signal.SIGABRT)
            return ("" if _silenced(stage, heard) else "keys left down") or resumed[0], resumed[1]

        # What SIGABRT prints is a traceback of each thread: it is meant to be there.
        real_verdict = stage.verdict
        stage.verdict = lambda resumed: (  # type: ignore[method-assign]
            real_verdict(resumed) if "Traceback (most" in stage.service.output else
            ("" if resumed is not None and stage.service.alive else "no notes")
        )  # fmt: skip
        repeat(row, tries, once)
        if wrong := stage.end():
            row.faults.append(wrong)
    row.lost = (
        f"the time until the watchdog: {max(silent, default=0):.1f} s at most; playing "
        f"{row.spread()} after the start"
    )
    return row


def _silenced(stage: Stage, heard: int) -> bool:
    """Whether all that sounded when the process was ended is released before the next note."""
    messages = stage.monitor.wait_for(lambda _: True)
    down = set()
    for number, message in enumerate(messages):
        key = message[1] if len(message) > 1 else 0
        if message[0] & 0xF0 == 0x90 and message[2]:
            if number >= heard:
                return not down
            down.add(key)
        elif message[0] & 0xF0 in (0x80, 0x90):
            down.discard(key)
    return not down


FAULTS: dict[str, Callable[[Path, int], Row]] = {
    function.__name__: function
    for function in (slow_inference, send_loses, send_fails, send_blocks)
}

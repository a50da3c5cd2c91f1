"""Two programs in a session of Ableton Link, in network namespaces: how near they are.

``python -m tests.link_figures`` (root, iproute2, LinkPython-extern) lays a cable between two
namespaces. In one a peer (LinkPython alone) opens a session at 133 BPM; in the other the stream
joins, from Link's session to the notes that leave, a quarter each. Then the peer changes the
tempo, leaves, comes again, and the cable is cut and mended. Printed are the phase of the beat and
of the notes against the peer's beat, how long joining took, and whether the tempo was ever touched.
``--jitter 5`` lets each packet wait 0 to 5 ms: by netem where the kernel has it, else by a relay of
ours between two tap devices.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.netcable import Cable, lacking

QUANTUM = 4.0
PEER_BPM, OWN_BPM = 133.0, 96.0
PATIENCE_SECONDS = 20.0
MOST_BEATS = 4096


class Program:
    """A process in a namespace that writes a line of JSON for each thing it sees.

    Attributes:
        seen: The lines.
    """

    def __init__(self, name: str, role: str, *more: str) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-m", "tests.link_figures",
             "--role", role, *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        self.seen: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen.append(json.loads(line))

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for(self, holds: Callable[[], Any]) -> float:
        """Return how long it took until something is so, seconds."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise TimeoutError("a peer did not do what was waited for")
            time.sleep(0.02)
        return time.monotonic() - began

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.seen[:] if one["kind"] == kind]

    @property
    def last(self) -> dict[str, Any]:
        looks = self.of("look")
        return looks[-1] if looks else {"peers": -1, "bpm": 0.0}

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(5.0)


def say(kind: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, **values}) + "\n")
    sys.stdout.flush()


def commands(obey: Callable[[str], object]) -> None:
    """Obey the lines of stdin in a thread."""

    def read() -> None:
        for line in sys.stdin:
            obey(line.strip())

    threading.Thread(target=read, daemon=True).start()


def peer(bpm: float) -> None:
    """Be another program: LinkPython alone."""
    from link import Link

    link = Link(bpm)
    clock, link.enabled = link.clock(), True

    def obey(line: str) -> None:
        state = link.captureAppSessionState()
        state.setTempo(float(line), clock.micros())
        link.commitAppSessionState(state)

    commands(obey)
    while True:
        state, micros = link.captureAppSessionState(), clock.micros()
        say("look", at=micros, beat=state.beatAtTime(micros, QUANTUM), bpm=state.tempo(),
            peers=link.numPeers())  # fmt: skip
        time.sleep(0.02)


def ours() -> None:
    """Be a stream that follows: a quarter note on each beat, sent by the scheduler."""
    from streamer.control.follow import Following
    from streamer.control.link import LinkFollower, open_session
    from streamer.live.buffer import RollingBuffer
    from streamer.live.scheduler import Scheduler
    from streamer.ports.sinks import NullPort
    from streamer.service.beats import FIND_SECONDS
    from streamer.settings.controls import Controls
    from streamer.settings.midi import ClockSettings
    from streamer.settings.settings import SchedulerSettings
    from streamer.system.clock import MonotonicClock
    from tests.streamer.test_beatline import tune

    clock, buffer = MonotonicClock(), RollingBuffer(4.0, 10.0)
    for number in range(MOST_BEATS // 32):
        buffer.put(tune(beats=31, bpm=OWN_BPM, start_beat=32 * number))
    session = open_session(OWN_BPM, start_stop=False)

    class Ear(NullPort):
        def send(self, message: bytes, at_ms: float | None = None) -> None:
            if message[0] == 0x90:
                say("note", at=session.micros())

    scheduler = Scheduler(buffer, Ear(), clock, SchedulerSettings())

    class Own:
        held = False

        def __init__(self) -> None:
            self.bpm = OWN_BPM

        @property
        def place(self) -> float | None:
            return scheduler.now_beats if scheduler.phrases_begun and scheduler.pace else None

        def keep(self, bpm: float) -> None:
            self.bpm = bpm
            scheduler.steer(Controls(tempo_scale=bpm / OWN_BPM))

    class Told(LinkFollower):
        def look(self, now: float) -> Any:
            followed = super().look(now)
            micros = session.micros() - round((clock.now() - followed.at) * 1e6)
            say("look", at=micros, beat=followed.beat, bpm=followed.tempo_bpm,
                peers=self.others, external=followed.external)  # fmt: skip
            return followed

    follower = Told(session, Own(), clock, ClockSettings(mode="link"))
    say("begun", at=session.micros())
    with Following(follower, scheduler, clock, 120.0, FIND_SECONDS):
        playing = threading.Thread(target=scheduler.run)
        playing.start()
        playing.join()


def beat_of(looks: list[dict[str, Any]], micros: int) -> float:
    """Return the beat of a program at a moment, from the nearest of its looks."""
    nearest = min(looks, key=lambda one: abs(one["at"] - micros))
    return nearest["beat"] + (micros - nearest["at"]) * nearest["bpm"] / 60e6


def phases(
    what: list[dict[str, Any]], looks: list[dict[str, Any]], since: int, own: bool
) -> list[float]:
    """Return by how much each beat or note is off the peer's, ms.

    Args:
        what: Looks or notes of ours.
        looks: Those of the peer.
        since: Microseconds from which on they count.
        own: Whether they have a beat of their own, or lie on one.
    """
    found, last = [], looks[-1]["at"]
    for one in what:
        if since <= one["at"] <= last and (not own or one["external"]):
            beat = beat_of(looks, one["at"])
            off = math.remainder((one["beat"] if own else 0.0) - beat, QUANTUM if own else 1.0)
            found.append(abs(off) * 60_000.0 / looks[-1]["bpm"])
    return found


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1] if values else math.nan


def measure(cable: Cable, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield name and value of each figure."""
    one = Program(cable.names[1], "peer", "--bpm", str(PEER_BPM))
    programs = [one]
    try:
        one.wait_for(lambda: len(one.of("look")) > 50)
        us = Program(cable.names[0], "ours")
        programs.append(us)
        us.wait_for(lambda: us.of("note"))
        us.wait_for(lambda: us.last["peers"] == 1)
        first = us.of("note")[0]["at"]
        began = us.of("begun")[0]["at"]
        found = next(look["at"] for look in us.of("look") if look["peers"] == 1)
        time.sleep(1.0)
        yield "found the session after, s", (found - began) / 1e6
        yield "first note after it was found, bars", (first - found) / 1e6 * PEER_BPM / 60 / QUANTUM
        place = math.remainder(beat_of(one.of("look"), first), QUANTUM)
        yield "first note off the peer's bar, ms", abs(place) * 60_000 / PEER_BPM
        time.sleep(seconds)
        looks = one.of("look")
        yield "phase of the beat, p99, ms", p99(phases(us.of("look"), looks, first, own=True))
        off = phases(us.of("note"), looks, first, own=False)
        yield "phase of the notes, p99, ms", p99(off)
        yield "notes", len(off)
        tempos = {round(look["bpm"], 2) for look in looks}
        yield "tempos that the peer saw besides its own", len(tempos - {PEER_BPM})
        yield from _changes(cable, one, us, seconds)
        one.end()
        us.wait_for(lambda: us.last["peers"] == 0)
        left = len(us.of("note"))
        time.sleep(6.0)
        yield "notes in 6 s after the peer was killed", len(us.of("note")) - left
        again = Program(cable.names[1], "peer", "--bpm", "140")
        programs.append(again)
        again.wait_for(lambda: again.last["peers"] == 1)
        time.sleep(2.0)
        yield "tempo that a newcomer with 140 finds, BPM", again.last["bpm"]
    finally:
        for program in programs:
            program.end()


def _changes(
    cable: Cable, one: Program, us: Program, seconds: float
) -> Iterator[tuple[str, float]]:
    """Change the tempo; cut the cable, and mend it."""
    one.tell("97")
    took = us.wait_for(lambda: abs(us.last["bpm"] - 97.0) < 0.01)
    yield "a change to 97 BPM was known after, s", took
    time.sleep(6.0)
    since = us.last["at"]
    time.sleep(min(seconds, 10.0))
    yield (
        "phase of the notes after it, p99, ms",
        p99(phases(us.of("note"), one.of("look"), since, own=False)),
    )
    cable.cut(whole=False)
    us.wait_for(lambda: us.last["peers"] == 0)
    before = len(us.of("note"))
    time.sleep(3.0)
    yield "notes in 3 s without the network", len(us.of("note")) - before
    cable.cut(whole=True)
    yield "found again after, s", us.wait_for(lambda: us.last["peers"] == 1)
    yield "tempo of the peer then, BPM", one.last["bpm"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--role", choices=("peer", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--bpm", type=float, default=PEER_BPM, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long phases are taken")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="MS")
    args = parser.parse_args()
    if args.role == "peer":
        peer(args.bpm)
    elif args.role == "ours":
        ours()
    elif (why := lacking(args.jitter)) is not None:
        sys.stdout.write(f"no figures here: {why}\n")
    else:
        with Cable(args.jitter) as cable:
            how = f", by {cable.how}" if cable.how else ""
            sys.stdout.write(f"jitter {args.jitter:g} ms{how}\n")
            for name, value in measure(cable, args.seconds):
                sys.stdout.write(f"{name:48} {value:9.3f}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

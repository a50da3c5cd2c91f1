"""A JACK server that is killed again and again under one stream, and started again.

    PERPETUO_KILLS=20 pytest -m benchmark tests/benchmarks/test_jack_kills.py -s

One real ``perpetuo play`` lives through all of it, with ``jack_midi_dump`` at the other end. Seen
from outside: when it noticed, when it played again, whether it ever hung. What it sent and what
each receiver heard is written down with times, and where keys did not pair it is told on which side
of the server that was: what left pairs by itself, or it was lost between the two.
"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle
from tests.jackserver import JackServer, silenced
from tests.service_manager import Service
from tests.streams import lost, struck, unpaired

pytestmark = pytest.mark.jack

KILLS = int(os.environ.get("PERPETUO_KILLS", "3"))

KEPT = os.environ.get("PERPETUO_KEEP")
"""A folder in which the logs of the run stay."""

HUNG_SECONDS = 10.0
"""Without a sign of life for so long the service would be started again (WatchdogSec)."""

SETTINGS = """
[port]
port = "mon"
[model]
model = "{model}"
seed = 3
[controls]
density = 4.0
tempo_scale = 4.0
"""


class Watch:
    """Asks for figures all the time, as somebody would who fears that the process hangs."""

    def __init__(self, service):
        self.service, self.slowest, self.over = service, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.2):
            began = time.monotonic()
            self.service.figures(HUNG_SECONDS)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def stop(self):
        self.over.set()
        self.thread.join(2 * HUNG_SECONDS)
        return self.slowest


class Life:
    """What one receiver heard, and what was sent to it."""

    def __init__(self, monitor, messages, told):
        self.heard, self.times = messages, monitor.times[: len(messages)]
        self.sent = [line for line in told if line[3] == "sent"]
        self.again, self.left = unpaired(messages)[1:]

    @classmethod
    def all_of(cls, heard, told_path):
        """Return the lives of all receivers: each has the connections made while it was there."""
        lines = [line.split(maxsplit=3) for line in told_path.read_text("ascii").splitlines()]
        told = [(float(at), number, bytes.fromhex(m), came) for at, number, m, came in lines]
        lives, ends = [], [*(ended for _, _, ended in heard[:-1]), float("inf")]
        began = 0.0
        for (monitor, messages, _), ended in zip(heard, ends, strict=True):
            lives.append(cls(monitor, messages, [t for t in told if began <= t[0] < ended]))
            began = ended
        return lives

    @property
    def lost(self):
        """What was sent, and not heard, before the last that was heard."""
        return [self.sent[i] for i in lost([m for _, _, m, _ in self.sent], self.heard)]

    def report(self, ended):
        """Say what is wrong with it, and on which side of the server."""
        messages = [message for _, _, message, _ in self.sent]
        ons, again, left = unpaired(messages)
        after = messages[len(messages) - 40 :] if ended else []
        return (
            f"{self.again} struck while down and {self.left} left down at the receiver; sent "
            f"{len(messages)} ({ons} notes, {again} struck while down, {left} left down), heard "
            f"{len(self.heard)}, lost on the way {[(at, m.hex()) for at, _, m, _ in self.lost]}; "
            f"last sent {[m.hex() for m in after]}, last heard {[m.hex() for m in self.heard[-9:]]}"
        )

    def keep(self, path):
        """Write it all down, in the order of its times."""
        rows = [(at, f"sent {number} {m.hex()}") for at, number, m, _ in self.sent]
        rows += [(at, f"heard {m.hex()}") for at, m in zip(self.times, self.heard, strict=False)]
        path.write_text("".join(f"{at:.6f} {text}\n" for at, text in sorted(rows)))


@pytest.mark.benchmark
@pytest.mark.timeout(60 + 40 * KILLS)
def test_a_stream_outlives_every_kill_of_the_jack_server(tmp_path, capsys):
    jack, chance = JackServer(tmp_path), random.Random(7)
    bundle, told = write_tiny_bundle(tmp_path).path, tmp_path / "told.txt"
    service = Service(
        tmp_path,
        SETTINGS.format(model=bundle),
        environ={**jack.env, "PERPETUO_TOLD": str(told)},
        module="tests.faults.life",
    )
    noticed, resumed, heard = [], [], []
    try:
        jack.start()
        monitor = jack.monitor()
        service.start()
        watch = Watch(service)
        for kill in range(KILLS):
            monitor.listen(lambda messages: len(struck(messages)) >= 5, seconds=60)
            time.sleep(chance.uniform(0.0, 2.0))
            killed_at = time.monotonic()
            jack.kill()
            if service.wait(lambda kill=kill: service.figures()["port_losses"] > kill):
                noticed.append(time.monotonic() - killed_at)
            # Closed first: what it has printed is read to its end.
            monitor.close()
            heard.append((monitor, monitor.wait_for(lambda _: True), time.monotonic()))
            time.sleep(chance.uniform(0.0, 3.0))
            jack.start()
            monitor = jack.monitor()
            back_at = time.monotonic()
            if struck(monitor.listen(lambda messages: bool(struck(messages)), seconds=30)):
                resumed.append(time.monotonic() - back_at)
        slowest = watch.stop()
        status = service.stop()
        messages = monitor.listen(silenced)
        heard.append((monitor, messages, time.monotonic()))
        gaps = [b - a for a, b in zip(service.signs, service.signs[1:], strict=False)]
    finally:
        service.close()
        jack.stop()
    lives = Life.all_of(heard, told)
    for number, life in enumerate(lives):
        life.keep(Path(KEPT or tmp_path) / f"life-{number}.txt")
    # What sounds when the server dies is ended by no one: the receiver went with it.
    again, left = sum(life.again for life in lives), lives[-1].left
    wrong = [
        f"receiver {number}: {life.report(life is lives[-1])}"
        for number, life in enumerate(lives)
        if life.again or (life is lives[-1] and life.left)
    ]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills: noticed {len(noticed)}, within {max(noticed, default=0):.2f} s; "
            f"resumed {len(resumed)}, {median(resumed):.2f} s after the receiver's return, at "
            f"most {max(resumed, default=0):.2f} s; slowest answer to a scrape {slowest:.2f} s, "
            f"longest time between signs of life {max(gaps):.2f} s; {again} keys struck while "
            f"down, {left} left down, of {sum(len(struck(life.heard)) for life in lives)} notes; "
            f"{sum(len(life.lost) for life in lives)} messages lost on the way; "
            f"{service.output.count('Traceback')} tracebacks; load {os.getloadavg()[0]:.1f}\n"
        )
    assert (KILLS, KILLS) == (len(noticed), len(resumed))
    assert max(gaps) < HUNG_SECONDS
    assert (status, again, left) == (128 + signal.SIGTERM, 0, 0), "\n".join(wrong)
    assert "Traceback" not in service.output


def median(values):
    return sorted(values)[len(values) // 2] if values else 0.0

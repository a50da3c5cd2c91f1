"""A JACK server that is killed again and again under one stream, and started again.

    PERPETUO_KILLS=20 pytest -m benchmark tests/benchmarks/test_jack_kills.py -s

One real ``perpetuo play`` lives through all of it, with ``jack_midi_dump`` at the other end. Seen
from outside: when it noticed, when it played again, whether it ever hung.
"""

import os
import random
import signal
import sys
import threading
import time

import pytest

from tests.bundles import write_tiny_bundle
from tests.jackserver import JackServer
from tests.service_manager import Service
from tests.streams import struck, unpaired

pytestmark = pytest.mark.jack

KILLS = int(os.environ.get("PERPETUO_KILLS", "3"))

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


@pytest.mark.benchmark
@pytest.mark.timeout(60 + 40 * KILLS)
def test_a_stream_outlives_every_kill_of_the_jack_server(tmp_path, capsys):
    jack, chance = JackServer(tmp_path), random.Random(7)
    bundle = write_tiny_bundle(tmp_path).path
    service = Service(tmp_path, SETTINGS.format(model=bundle), environ=jack.env)
    noticed, resumed, heard = [], [], []
    try:
        jack.start()
        monitor = jack.monitor()
        service.start()
        watch = Watch(service)
        for kill in range(KILLS):
            monitor.wait_for(lambda messages: len(struck(messages)) >= 5, seconds=60)
            time.sleep(chance.uniform(0.0, 2.0))
            killed_at = time.monotonic()
            jack.kill()
            heard.append(monitor.wait_for(bool))
            if service.wait(lambda kill=kill: service.figures()["port_losses"] > kill):
                noticed.append(time.monotonic() - killed_at)
            monitor.close()
            time.sleep(chance.uniform(0.0, 3.0))
            jack.start()
            monitor = jack.monitor()
            back_at = time.monotonic()
            if struck(monitor.wait_for(lambda messages: bool(struck(messages)), seconds=30)):
                resumed.append(time.monotonic() - back_at)
        slowest = watch.stop()
        status = service.stop()
        heard.append(monitor.wait_for(lambda messages: messages[-1][:2] == b"\xb0\x79"))
        # What sounds when the server dies is ended by no one: the receiver went with it.
        again, left = sum(unpaired(life)[1] for life in heard), unpaired(heard[-1])[2]
        for number, life in enumerate(heard):
            (tmp_path / f"heard-{number}.txt").write_text("\n".join(m.hex(" ") for m in life))
        gaps = [b - a for a, b in zip(service.signs, service.signs[1:], strict=False)]
    finally:
        service.close()
        jack.stop()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills: noticed {len(noticed)}, within {max(noticed, default=0):.2f} s; "
            f"resumed {len(resumed)}, {median(resumed):.2f} s after the receiver's return, at "
            f"most {max(resumed, default=0):.2f} s; slowest answer to a scrape {slowest:.2f} s, "
            f"longest time between signs of life {max(gaps):.2f} s; {again} keys struck while "
            f"down, {left} left down, of {sum(len(struck(life)) for life in heard)} notes; "
            f"{service.output.count('Traceback')} tracebacks; load {os.getloadavg()[0]:.1f}\n"
        )
    assert (KILLS, KILLS) == (len(noticed), len(resumed))
    assert max(gaps) < HUNG_SECONDS
    assert (status, again, left) == (128 + signal.SIGTERM, 0, 0)
    assert "Traceback" not in service.output


def median(values):
    return sorted(values)[len(values) // 2] if values else 0.0

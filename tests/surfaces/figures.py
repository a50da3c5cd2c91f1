"""Figures of the surfaces, by hand: ``python -m tests.surfaces.figures WHAT... [--seconds N]``.

WHAT is ``round-trip``, ``paint``, ``axe``, ``idle``, ``clients``, ``flood``, ``attack``; without
any it is all. Each prints one line of JSON with the machine's load at the time. Needs the extras
``live`` and ``mqtt``, Chromium with its driver, and mosquitto. docs/results/live.md has what was
measured.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from streamer.surfaces.web import LIVE
from tests.freeports import free_port
from tests.surfaces import attack
from tests.surfaces.test_browser import FLAGS
from tests.surfaces.test_mqtt import Mosquitto
from tests.waiting import comes

MODEL = "piano"
STEPS, PAINTS, FRAMES = 1000, 7, 300
FLOOD_RATE, ROLL_NOTES = 2000, 50
TICKS = os.sysconf("SC_CLK_TCK")


class Stream:
    """``perpetuo play`` to nobody, with or without surfaces."""

    def __init__(self, *surfaces: str, web: bool = True) -> None:
        self.web, self.osc = free_port(), free_port()
        opened = ["--web", f"127.0.0.1:{self.web}"] if web else []
        command = [sys.executable, "-m", "streamer", "play", "--port", "null", "--plain"]
        command += ["--model", MODEL, "--seed", "1", "--no-exact", "--input", "off", *opened]
        self.process = subprocess.Popen([*command, *surfaces], stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.log: list[str] = []
        for line in self.process.stderr:
            self.log.append(line)
            if "playing to null" in line:
                break
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    def state(self) -> dict[str, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.web, timeout=30)
        client.request("GET", "/api/v1/state")
        return dict(json.loads(client.getresponse().read()))

    def rss_mb(self) -> float:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096 / 1e6

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Client:
    """A WebSocket client that reads all it is told."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._socket.sendall(self._ws.send(Request(host="localhost", target=LIVE)))
        self._held = ""
        self._early: list[Any] = []
        while not any(isinstance(event, AcceptConnection) for event in self._early):
            self._ws.receive_data(self._socket.recv(65536))
            self._early += list(self._ws.events())

    def say(self, value: Any) -> None:
        self._socket.sendall(self._ws.send(TextMessage(json.dumps(value))))

    def texts(self) -> Iterator[dict[str, Any]]:
        events, self._early = self._early, []
        while True:
            for event in events:
                if isinstance(event, TextMessage):
                    self._held += event.data
                    if event.message_finished:
                        text, self._held = self._held, ""
                        yield json.loads(text)
            data = self._socket.recv(65536)
            if not data:
                return
            self._ws.receive_data(data)
            events = list(self._ws.events())

    def read_for_ever(self) -> None:
        with contextlib.suppress(OSError):
            for _ in self.texts():
                pass


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of them lies."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def round_trip(seconds: float) -> dict[str, Any]:
    """A page moves a control; another page is told of it."""
    del seconds
    stream = Stream()
    mover, watcher = Client(stream.web), Client(stream.web)
    texts, took = watcher.texts(), []
    threading.Thread(target=mover.read_for_ever, daemon=True).start()
    for step in range(STEPS):
        wanted = 0.5 + step / STEPS
        began = time.perf_counter()
        mover.say({"set": {"velocity_scale": wanted}})
        for told in texts:
            if told["type"] == "controls" and told["values"].get("velocity_scale") == wanted:
                break
        took.append((time.perf_counter() - began) * 1000.0)
        time.sleep(0.02)
    stream.stop()
    found = {name: round(quantile(took, q), 2) for name, q in (("p50", 0.5), ("p99", 0.99))}
    return {"steps": STEPS, **found, "max": round(max(took), 2), "unit": "ms"}


def paint(seconds: float) -> dict[str, Any]:
    """First paint at six times CPU throttling; script of a frame without it."""
    del seconds
    stream = Stream()
    paints = []
    with browser() as page:
        page.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 6})
        for _ in range(PAINTS):
            page.get(f"http://127.0.0.1:{stream.web}/")
            painted = "return performance.getEntriesByName('first-contentful-paint')"
            assert comes(lambda painted=painted: page.execute_script(f"{painted}.length"))
            paints.append(page.execute_script(f"{painted}[0].startTime"))
        page.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 1})
        full = f"return roll.notes.length > {ROLL_NOTES}"
        assert comes(lambda: page.execute_script(full))
        frames = page.execute_async_script(
            f"const done = arguments[0], took = []; function one() {{ const a = performance.now();"
            f"roll.draw(); took.push(performance.now() - a); took.length < {FRAMES} ?"
            "requestAnimationFrame(one) : done(took); } requestAnimationFrame(one)"
        )
        size = page.execute_script("return document.documentElement.outerHTML.length")
    stream.stop()
    return {
        "first_paint_ms": {"median": round(statistics.median(paints)), "max": round(max(paints))},
        "frame_ms": {"p50": quantile(frames, 0.5), "p99": quantile(frames, 0.99)},
        "page_characters": size,
    }  # fmt: skip


def axe(seconds: float) -> dict[str, Any]:
    """Violations that axe finds, phone and desktop, dark and light."""
    del seconds
    import axe_core_python

    stream, found = Stream(), {}
    script = (resources.files(axe_core_python) / "axe.min.js").read_text(encoding="utf-8")
    with browser() as page:
        page.set_script_timeout(60)
        page.get(f"http://127.0.0.1:{stream.web}/")
        assert comes(lambda: page.execute_script("return roll.notes.length > 0"))
        for width in (360, 1280):
            for scheme in ("dark", "light"):
                media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                page.execute_cdp_cmd(
                    "Emulation.setDeviceMetricsOverride",
                    {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
                )
                page.execute_script(script)
                found[f"{scheme} {width}"] = page.execute_async_script(
                    "axe.run().then(r => arguments[0](r.violations.length))"
                )
    stream.stop()
    return {"violations": found}


def idle(seconds: float) -> dict[str, Any]:
    """Processor time of all surfaces that nobody uses: two held streams side by side."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        bare = Stream("--set", "pause=true", web=False)
        full = Stream("--set", "pause=true", "--osc", f"127.0.0.1:{free_port()}",
                      "--mqtt", f"mqtt://127.0.0.1:{broker.port}")  # fmt: skip
        time.sleep(10.0)
        before = bare.cpu_seconds(), full.cpu_seconds()
        time.sleep(seconds)
        shares = [(one.cpu_seconds() - was) / seconds * 100.0
                  for one, was in zip((bare, full), before, strict=True)]  # fmt: skip
        rss = full.rss_mb() - bare.rss_mb()
        for one in (bare, full):
            one.stop()
        broker.stop()
    return {
        "seconds": seconds, "none_percent": round(shares[0], 2), "all_percent": round(shares[1], 2),
        "cost_percent": round(shares[1] - shares[0], 2), "more_rss_mb": round(rss, 1),
    }  # fmt: skip


def clients(seconds: float) -> dict[str, Any]:
    """One browser and seven WebSocket clients, beside a stream that has none."""
    alone, watched = Stream(), Stream()
    for _ in range(7):
        client = Client(watched.web)
        threading.Thread(target=client.read_for_ever, daemon=True).start()
    with browser() as page:
        page.get(f"http://127.0.0.1:{watched.web}/")
        time.sleep(seconds)
        shown = page.execute_script("return document.getElementById('what').textContent")
        states = alone.state(), watched.state()
    rss = alone.rss_mb(), watched.rss_mb()
    for one in (alone, watched):
        one.stop()
    return {
        "seconds": seconds, "page": shown,
        "none": {**states[0]["lateness_ms"], "late_dropped": states[0]["late_dropped"]},
        "eight": {**states[1]["lateness_ms"], "late_dropped": states[1]["late_dropped"]},
        "rss_mb": [round(rss[0], 1), round(rss[1], 1)], "more_rss_mb": round(rss[1] - rss[0], 1),
    }  # fmt: skip


def flood(seconds: float) -> dict[str, Any]:
    """OSC at 2,000 messages a second into a stream that plays, beside one that gets none."""
    alone, flooded = Stream(), None
    port = free_port()
    flooded = Stream("--osc", f"127.0.0.1:{port}")
    time.sleep(10.0)
    rss = flooded.rss_mb()
    began, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while (now := time.monotonic() - began) < seconds:
            while sent < now * FLOOD_RATE:
                builder = OscMessageBuilder("/perpetuo/velocity_scale")
                builder.add_arg(0.5 + sent % 1000 / 1000.0)
                sender.sendto(builder.build().dgram, ("127.0.0.1", port))
                sent += 1
            time.sleep(0.002)
    states = alone.state(), flooded.state()
    grown = flooded.rss_mb() - rss
    for one in (alone, flooded):
        one.stop()
    return {"messages": sent, "seconds": seconds, **_both(states), "rss_grown_mb": round(grown, 1)}


def under_attack(seconds: float) -> dict[str, Any]:
    """A hundred thousand messages to each surface of a stream that plays, beside one without."""
    count = max(int(seconds * 166), 1000)
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        port = free_port()
        alone = Stream()
        held = Stream("--osc", f"127.0.0.1:{port}", "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
        time.sleep(10.0)
        device = "perpetuo_" + "".join(
            c if c.isalnum() else "_" for c in socket.gethostname().split(".")[0].lower()
        )
        found: dict[str, Any] = {"messages_each": count}
        for name, send in (
            ("osc", lambda: attack.osc("127.0.0.1", port, count)),
            ("http", lambda: attack.http("127.0.0.1", held.web, count)),
            ("websocket", lambda: attack.websocket("127.0.0.1", held.web, count)),
            ("mqtt", lambda: attack.mqtt("127.0.0.1", broker.port, device, count)),
        ):
            began, rss = time.monotonic(), held.rss_mb()
            found[name] = {
                "borne": send(),
                "seconds": round(time.monotonic() - began), "rss_mb": round(held.rss_mb(), 1),
                "grown_mb": round(held.rss_mb() - rss, 1),
            }  # fmt: skip
        states = alone.state(), held.state()
        for one in (alone, held):
            one.stop()
        found["tracebacks"] = sum("Traceback" in line for line in held.log)
        found["log_lines"] = len(held.log)
        broker.stop()
    return {**found, **_both(states)}


def _both(states: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    keep = ("late_dropped", "underruns", "notes_sent")
    return {
        name: {**state["lateness_ms"], **{key: state[key] for key in keep}}
        for name, state in zip(("none", "with"), states, strict=True)
    }


WHAT: dict[str, tuple[Callable[[float], dict[str, Any]], float]] = {
    "round-trip": (round_trip, 0.0), "paint": (paint, 0.0), "axe": (axe, 0.0), "idle": (idle, 60.0),
    "flood": (flood, 60.0), "attack": (under_attack, 600.0), "clients": (clients, 600.0),
}  # fmt: skip


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *WHAT])
    parser.add_argument("--seconds", type=float)
    args = parser.parse_args()
    for name in args.what or WHAT:
        measure, usual = WHAT[name]
        load = os.getloadavg()[0]
        found = measure(args.seconds or usual)
        ends = os.getloadavg()[0]
        line = json.dumps({"what": name, "load": [round(load, 1), round(ends, 1)], **found})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

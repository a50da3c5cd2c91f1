"""``perpetuo play`` as a service, with the caller in the place of systemd.

In: a text of settings and a folder. Out: a real process with its state and runtime folders, a
notification socket, a watchdog and metrics, and what can be seen of it from outside. Used by the
soak, the faults and other long runs.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

import streamer
from tests.freeports import free_port

CHECKOUT = Path(streamer.__file__).parents[1]
METRIC = re.compile(r"^(perpetuo_\S+?)(?:\{le=\"([^\"]+)\"\})? (\S+)$")


class Service:
    """One life after another of ``perpetuo play``, looked at from outside.

    Args:
        folder: Everything of it lies here.
        settings: TOML without ``[service]`` and ``[input]``, which are added.
        words: More of the command line.
        environ: More of the environment.
        watchdog_seconds: Within which a sign of life is wanted.
        hears: Its MIDI input.
        module: What is run in the place of ``streamer``.

    Attributes:
        signs: Seconds of ``time.monotonic`` at which signs of life came.
        said: Every other notification.
    """

    def __init__(
        self,
        folder: Path,
        settings: str,
        *words: str,
        environ: dict[str, str] | None = None,
        watchdog_seconds: float = 10.0,
        hears: str = "off",
        module: str = "streamer",
    ) -> None:
        self.folder, self.words, self._module = folder, words, module
        self.config, self.log = folder / "perpetuo.toml", folder / "perpetuo.log"
        self._metrics_port = free_port()
        self._tail = (
            f'\n[service]\nmetrics_port = {self._metrics_port}\n[input]\nport = "{hears}"\n'
        )
        self.write_settings(settings)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._environ = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(int(watchdog_seconds * 1e6)),
            "STATE_DIRECTORY": str(folder / "state"),
            "RUNTIME_DIRECTORY": str(folder / "run"),
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.signs: list[float] = []
        self.said: list[str] = []
        self._heard = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def write_settings(self, settings: str, *, whole: bool = True) -> None:
        """Write the file of settings; ``whole`` adds what the caller relies on."""
        self.config.write_text(settings + (self._tail if whole else ""), encoding="utf-8")

    def start(self, ready_seconds: float = 60.0) -> float:
        """Start a life and wait until it says that it is ready; return how long that took.

        Raises:
            RuntimeError: It does not, with what it has logged.
        """
        began, before = time.monotonic(), self.count("READY=1")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", self._module, "play", "--plain"),
                    *("--config", str(self.config), *self.words),
                ],
                env=self._environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if not self.wait(lambda: self.count("READY=1") > before, ready_seconds):
            raise RuntimeError(f"not ready within {ready_seconds:g} s: {self.output[-1000:]}")
        return time.monotonic() - began

    def wait(self, holds, seconds: float = 20.0, pause: float = 0.05) -> bool:
        """Return whether something came to hold within a time, while the process lives."""
        until = time.monotonic() + seconds
        with self._heard:
            while not holds():
                if time.monotonic() >= until or not self.alive:
                    return bool(holds())
                self._heard.wait(pause)
        return True

    def count(self, word: str) -> int:
        """Return how many notifications hold a word."""
        return sum(word in message for message in list(self.said))

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def sign_age(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self.signs[-1] if self.signs else float("inf")

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self, seconds: float = 30.0) -> int:
        """End it as systemd does: SIGTERM, and SIGKILL when that is in vain; return its status."""
        if self.process is None:
            return 0
        if self.alive:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Stop, and let the socket go."""
        self.stop()
        self._socket.close()

    @property
    def output(self) -> str:
        """All that it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def scrape(self, seconds: float = 10.0) -> tuple[str, float]:
        """Return the metrics as text, and the process's own idea of the date, seconds."""
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            date = parsedate_to_datetime(answer.headers["Date"])
            return answer.read().decode(), date.timestamp()

    def figures(self, seconds: float = 10.0) -> dict[str, float]:
        """Return the metrics; cumulative counts of lateness as ``le=BOUND``."""
        text, _ = self.scrape(seconds)
        found = {}
        for line in text.splitlines():
            if match := METRIC.match(line):
                name, bound, value = match.groups()
                name = name.removeprefix("perpetuo_").removesuffix("_total")
                found[f"le={bound}" if bound else name] = float(value)
        return found

    def resources(self) -> dict[str, float]:
        """Return memory in KiB, and how many threads and file descriptors there are."""
        pid = self.process.pid if self.process is not None else 0
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        names = ("VmRSS", "RssAnon", "VmSwap", "VmData")
        kib = {name: float(status[name].split()[0]) for name in names}
        return {
            "rss_kib": kib["VmRSS"],
            "anonymous_kib": kib["RssAnon"] + kib["VmSwap"],
            # What the process has asked for, of which only touched pages are resident.
            "asked_kib": kib["VmData"],
            "threads": float(status["Threads"]),
            "descriptors": float(len(os.listdir(f"/proc/{pid}/fd"))),
        }

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(4096).decode("utf-8", "replace")
            except OSError:
                return
            with self._heard:
                if message == "WATCHDOG=1":
                    self.signs.append(time.monotonic())
                else:
                    self.said.append(message)
                self._heard.notify_all()

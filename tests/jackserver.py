"""A JACK server of the tests' own: dummy driver, own name; and a listener beside it."""

import atexit
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

RATE = 48000
"""Frames a second of the server."""

READY_SECONDS = 20
"""How long a program may take to start on a machine that is busy with something else."""

REGISTRY, TOO_MANY = Path("/dev/shm/jack-shm-registry"), "Too many servers"
"""jackd keeps eight names for servers, and those of killed ones until they are taken up again."""

ON_JACK_ALONE = """
import sys, rtmidi
rtmidi.get_compiled_api = lambda: [rtmidi.API_UNIX_JACK]
from streamer import cli
sys.exit(cli.main(sys.argv[1:]))
"""
"""``perpetuo`` where there is no ALSA: on a desktop an input of our own is opened there first."""

POLITE = """
import sys, rtmidi
ear = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=sys.argv[1])
ear.set_callback(lambda event, data: print("0:", " ".join(f"{b:02x}" for b in event[0])))
ear.open_virtual_port("input")
sys.stdin.read()
ear.cancel_callback()
ear.delete()
"""


def silenced(messages):
    """Whether the last message resets the controllers of a channel (CC121), as a silence ends.

    A stream's first silence comes before its first note. Nobody else may play to the listener: what
    comes from elsewhere may come last.
    """
    return bool(messages) and messages[-1][0] & 0xF0 == 0xB0 and messages[-1][1:2] == b"\x79"


class Monitor:
    """``jack_midi_dump``, read by a thread of its own, so that a test can wait for a count.

    What a test waits for is asked of an empty list too: nothing may have come yet.

    Attributes:
        times: Seconds of ``time.monotonic`` at which each message came out of it.
    """

    LINE = re.compile(r"^\s*\d+:((?: [0-9a-f]{2})+)")

    def __init__(self, env, command=("stdbuf", "-oL", "jack_midi_dump", "-a", "mon")):
        self._process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._heard = threading.Condition()
        self._messages, self.times = [], []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            found = self.LINE.match(line)
            if found:
                with self._heard:
                    self._messages.append(bytes.fromhex(found[1]))
                    self.times.append(time.monotonic())
                    self._heard.notify_all()

    def wait_for(self, enough, seconds=READY_SECONDS):
        """Return the messages once ``enough(messages)`` holds; that it never does is an error."""
        with self._heard:
            if not self._heard.wait_for(lambda: enough(self._messages), seconds):
                last = [one.hex(" ") for one in self._messages[-8:]]
                raise TimeoutError(f"{len(self._messages)} messages were heard, the last {last}")
            return list(self._messages)

    def listen(self, enough, seconds=READY_SECONDS):
        """Return the messages once ``enough(messages)`` holds, or after so many seconds."""
        with self._heard:
            self._heard.wait_for(lambda: enough(self._messages), seconds)
            return list(self._messages)

    def leave(self):
        """Let a polite one go; returns when it has gone."""
        self._process.stdin.close()
        self._process.wait(READY_SECONDS)

    def close(self):
        """End the program."""
        self._process.kill()
        self._process.wait(READY_SECONDS)
        self._thread.join(READY_SECONDS)


def free_names(folder):
    """Give back the names that servers hold which were killed, of tests that have ended."""
    for pid in map(int, re.findall(rb"perpetuo-test-(\d+)\b", REGISTRY.read_bytes())):
        if not Path(f"/proc/{pid}").exists():
            JackServer(folder, pid).free()


class JackServer:
    """``jackd`` with the dummy driver, and the programs around it.

    Args:
        folder: Where its log lies.
        pid: Of the process that it is for; None is this one.
    """

    def __init__(self, folder, pid=None):
        self.name = f"perpetuo-test-{pid or os.getpid()}"
        self.folder = folder
        self.env = {**os.environ, "JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        self._process = None
        self._monitors = []

    def start(self):
        """Start the server and wait until it answers."""
        atexit.register(self.stop)
        self._start()
        if self._process.poll() is not None and TOO_MANY in self._log():
            free_names(self.folder)
            self._start()
        if self._process.poll() is not None:
            raise RuntimeError(self._log())

    def _start(self):
        with (self.folder / "jackd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("jackd", "--no-realtime", "-S", "--port-max", "64", "-n", self.name),
                    *("-d", "dummy", "-r", str(RATE), "-p", "256"),
                ],
                env=self.env,
                stdout=log,
                stderr=log,
            )
        self._run("jack_wait", "-w", "-t", str(READY_SECONDS))

    def _log(self):
        return (self.folder / "jackd.log").read_text(encoding="utf-8", errors="replace")

    def monitor(self):
        """Start a listener, ``mon:input``."""
        monitor = Monitor(self.env)
        self._monitors.append(monitor)
        self.wait_for_port("mon:input")
        return monitor

    def polite_monitor(self, name):
        """Start a listener that can leave without holding up the server, ``NAME:input``."""
        monitor = Monitor(self.env, (sys.executable, "-u", "-c", POLITE, name))
        self._monitors.append(monitor)
        self.wait_for_port(f"{name}:input")
        return monitor

    @contextmanager
    def player(self, name, round_seconds, notes):
        """Play notes over and over by ``jack_midiseq``, as soon as ``NAME:out`` is connected.

        Args:
            name: Of the client.
            round_seconds: From one beginning to the next.
            notes: Onset in seconds, pitch, length in seconds.
        """
        words = [
            str(round(value))
            for onset, pitch, length in notes
            for value in (onset * RATE, pitch, length * RATE)
        ]
        process = subprocess.Popen(
            ["jack_midiseq", name, str(round(round_seconds * RATE)), *words],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def connect(self, source, target):
        """Connect two ports, once they are there."""
        self.wait_for_port(source)
        self.wait_for_port(target)
        self._run("jack_connect", source, target)

    def wait_for_port(self, name, *, there=True):
        """Return when the port is in the graph, or is not."""
        tries = READY_SECONDS * 20
        pause = threading.Event()
        for _ in range(tries):
            if (name in self._run("jack_lsp").splitlines()) is there:
                return
            pause.wait(0.05)
        raise TimeoutError(f"JACK and port {name}: {self._run('jack_lsp')}")

    def signal(self, number):
        """Send the server a signal: to stand still, say."""
        self._process.send_signal(number)

    def kill(self):
        """Let the server die without a word."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """End everything; a second time does nothing."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        # The server first: it waits six seconds for clients that have left without a word.
        if process is not None and not self._end(process):
            self.free()
        for monitor in self._monitors:
            monitor.close()
        for left in Path("/dev/shm").glob(f"jack*{self.name}_*"):
            left.unlink(missing_ok=True)

    def free(self):
        """Give back the name of a server that was killed: one that takes it up and ends does."""
        self._start()
        self._end(self._process)
        self._process = None

    def _end(self, process):
        """End a server; return whether it ended well, and has given back its name."""
        if process.poll() is None:
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that stands still ends too
        try:
            return process.wait(READY_SECONDS) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False

    def _run(self, *command):
        done = subprocess.run(
            command,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=READY_SECONDS * 2,
            check=False,
        )
        return done.stdout

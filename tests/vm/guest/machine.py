"""What every scenario uses: the verdicts, the receiver, the product, and a USB cable to pull.

Runs in the virtual machine, as root, with the Python of the installed product. Verdicts go to the
second serial line, one JSON object each, and to the console for people.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PERPETUO = "/opt/perpetuo/venv/bin/perpetuo"
ENVIRON: dict[str, str] = {}
"""What a scenario adds to the environment of each start."""

RESULTS = Path("/dev/ttyS1")
CLIENTS = Path("/proc/asound/seq/clients")
GADGET = Path("/sys/kernel/config/usb_gadget/synth")
SYNTH = "USB Piano"
INSTRUMENT = "f_midi"
"""The far end of the cable: what an instrument with a USB socket hears."""

TINY = "/opt/vm/bundles/tiny"
"""An untrained bundle that is no burden to an emulated processor."""

START_SECONDS = 600.0
"""How long the product may take to load. A busy host can make minutes of seconds in an emulated
machine; how long it truly had is known outside alone, where the limit of a scenario is kept."""

RESUME_SECONDS = 1.5
"""What is promised: after the return of a port the music goes on within this."""

STRICT = " strict=1" in Path("/proc/cmdline").read_text()
PATIENCE_SECONDS = RESUME_SECONDS if STRICT else 30.0
"""What is held against it: a machine that is emulated by a busy host may stand still for long."""


class Report:
    """Verdicts and figures of one scenario."""

    def __init__(self) -> None:
        self._failed = 0

    def check(self, what: str, good: bool, seen: object = "") -> bool:
        """Note whether something is as it should be, and what was seen."""
        self._write({"check": what, "ok": bool(good), "seen": str(seen)})
        self._failed += not good
        return bool(good)

    def figure(self, what: str, value: object) -> None:
        """Note a figure."""
        self._write({"figure": what, "value": value})

    def status(self) -> int:
        """Return the scenario's exit status."""
        return 1 if self._failed else 0

    def _write(self, line: dict[str, object]) -> None:
        text = json.dumps(line)
        say(text)
        with RESULTS.open("w") as serial:
            serial.write(text + "\n")


def say(text: str) -> None:
    """Write a line to the console."""
    sys.stdout.write(f"[{time.monotonic():7.2f}] {text}\n")
    sys.stdout.flush()


def wait_for(condition: Callable[[], object], seconds: float, look_seconds: float = 0.02) -> bool:
    """Wait until something is true; False when it has not become so.

    Args:
        condition: What is to be true.
        seconds: How long it may take.
        look_seconds: How often it is looked at; rarely, where looking is work for the machine.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(look_seconds)
    return True


def modprobe(*names: str) -> None:
    """Load modules of the kernel."""
    subprocess.run(["modprobe", "-a", *names], check=True)


class Receiver:
    """``aseqdump``, and what a synth would make of what it shows.

    A note ends with its note-off alone: a synth may ignore CC123.

    Attributes:
        heard: (monotonic seconds, words of the line) of all messages.
        struck: When each (channel, key) that sounds was struck.
        pedals: CC64 of each channel that had one.
        strays: Note-offs for keys that did not sound.
    """

    _LINE = re.compile(r"^\s*\d+:\d+\s+(\S.*?)(?:\s{2,}(\d+)(?:, (.*))?)?$")

    def __init__(self, port: str, seconds: float = START_SECONDS) -> None:
        self.heard: list[tuple[float, str, tuple[int, ...]]] = []
        self.struck: dict[tuple[int, int], float] = {}
        self.pedals: dict[int, int] = {}
        self.strays = 0
        # It ends where the port is not there yet.
        until = time.monotonic() + seconds
        while True:
            self._process = subprocess.Popen(
                ["stdbuf", "-oL", "aseqdump", "-p", port],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert self._process.stdout is not None
            first = self._process.stdout.readline()
            if first.startswith("Waiting"):
                break
            self._process.wait()
            if time.monotonic() > until:
                raise TimeoutError(f"aseqdump does not hear {port}: {first.strip()}")
            time.sleep(0.1)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.hear(line, time.monotonic())

    def hear(self, line: str, now: float) -> None:
        """Take in one line of aseqdump."""
        found = self._LINE.match(line.rstrip())
        if found is None or found[1].startswith(("Source", "Port ", "Client ")):
            return
        event = found[1]
        numbers = tuple(int(number) for number in re.findall(r"-?\d+", found[3] or ""))
        channel = int(found[2] or 0)
        self.heard.append((now, event, (channel, *numbers)))
        if event == "Note on" and numbers[1]:
            self.struck[channel, numbers[0]] = now
        elif event in ("Note off", "Note on"):
            self.strays += self.struck.pop((channel, numbers[0]), None) is None
        elif event == "Control change" and numbers[0] == 64:
            self.pedals[channel] = numbers[1]

    @property
    def silent(self) -> bool:
        """Whether no key sounds and no pedal is down."""
        return not self.struck and not any(self.pedals.values())

    def notes(self, since: float = 0.0) -> list[tuple[float, int, int]]:
        """Return (seconds, key, velocity) of the note-ons after a moment."""
        return [
            (when, numbers[1], numbers[2])
            for when, event, numbers in list(self.heard)
            if event == "Note on" and numbers[2] and when >= since
        ]

    def messages(self, since: float) -> list[float]:
        """Return when messages of any kind came after a moment."""
        return [when for when, _, _ in list(self.heard) if when >= since]

    def close(self) -> None:
        """End aseqdump."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(5)


class Product:
    """``perpetuo``, as its own process; what it says is kept and shown."""

    def __init__(self, *arguments: str, **more: object) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            [PERPETUO, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**more.pop("env", os.environ), **ENVIRON},
            **more,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            say(f"perpetuo: {line.rstrip()}")

    def end(self, number: int = signal.SIGTERM, seconds: float = 120.0) -> int:
        """Send a signal and return the exit status; killed when it does not end."""
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Return the exit status; killed when it does not end."""
        try:
            status = int(self.process.wait(seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = int(self.process.wait())
        self._thread.join(5)
        return status

    @property
    def text(self) -> str:
        """All that it said."""
        return "\n".join(self.lines)


def tracebacks(text: str) -> int:
    """Return how many tracebacks there are."""
    return text.count("Traceback (most recent call last)")


def explain(*arguments: str, **more: object) -> Product:
    """Run ``perpetuo check`` and return what it said."""
    checked = Product("check", *arguments, **more)
    checked.wait()
    return checked


class Cable:
    """A USB cable between this machine and an instrument that goes on when it is pulled.

    The instrument is a gadget of the kernel. Pulling its cable leaves it powered: what sounds there
    sounds on.
    """

    def __init__(self) -> None:
        modprobe("snd-seq", "snd-seq-midi", "snd-usb-audio", "dummy_hcd", "libcomposite")
        modprobe("usb_f_midi")
        if not Path("/sys/kernel/config/usb_gadget").is_dir():
            subprocess.run(["mount", "-t", "configfs", "none", "/sys/kernel/config"], check=True)
        texts = {
            "idVendor": "0x1209",
            "idProduct": "0x0001",
            "strings/0x409/manufacturer": "Perpetuo tests",
            "strings/0x409/product": SYNTH,
            "strings/0x409/serialnumber": "1",
            "functions/midi.cable/id": "instrument",
            "functions/midi.cable/in_ports": "1",
            "functions/midi.cable/out_ports": "1",
        }
        for folder in ("strings/0x409", "configs/c.1", "functions/midi.cable"):
            (GADGET / folder).mkdir(parents=True)
        for name, text in texts.items():
            (GADGET / name).write_text(text)
        (GADGET / "configs/c.1/midi.cable").symlink_to(GADGET / "functions/midi.cable")
        controller = next(Path("/sys/class/udc").iterdir())
        (GADGET / "UDC").write_text(controller.name)
        # The socket of the host's side, without power and with it: what the instrument's own
        # `soft_connect` should do, and does not in Linux 6.1.
        self._disable = next(Path("/sys/bus/usb/devices").glob("usb*/*/usb*-port1/disable"))

    @property
    def plugged(self) -> bool:
        """Whether this machine's sequencer knows the instrument."""
        return f'"{SYNTH}"' in CLIENTS.read_text()

    @property
    def number(self) -> str:
        """The number by which the sequencer knows the instrument, or nothing."""
        found = re.search(rf'Client +(\d+) : "{SYNTH}"', CLIENTS.read_text())
        return found[1] if found else ""

    def unplug(self) -> float:
        """Pull the cable; returns when the sequencer has noticed, with the time of the pull."""
        now = time.monotonic()
        self._disable.write_text("1")
        if not wait_for(lambda: not self.plugged, 60):
            raise TimeoutError("the sequencer has not noticed the pulled cable")
        return now

    def plug(self) -> tuple[float, float]:
        """Put the cable back; returns when, and when the sequencer knew the instrument again."""
        now = time.monotonic()
        self._disable.write_text("0")
        if not wait_for(lambda: self.plugged, 60):
            raise TimeoutError("the sequencer has not noticed the cable")
        return now, time.monotonic()

    def flicker(self) -> tuple[float, float]:
        """Let the instrument be gone for a moment only; returns the time before and after.

        Its driver is taken off and put back, which is quicker than any hand.
        """
        driver = Path("/sys/bus/usb/drivers/snd-usb-audio")
        interfaces = sorted(path.name for path in driver.glob("*:*"))
        before = time.monotonic()
        for name in interfaces:
            (driver / "unbind").write_text(name)
        if self.plugged:
            raise RuntimeError("the instrument was not gone at all")
        (driver / "bind").write_text(interfaces[0])
        if not self.plugged:
            raise RuntimeError("the instrument has not come back")
        return before, time.monotonic()


def run(scenario: Callable[[Report], None]) -> None:
    """Run a scenario and leave with its status; whatever it raises is a failure."""
    report = Report()
    try:
        scenario(report)
    except Exception as error:  # noqa: BLE001 - the verdict of a scenario that cannot go on
        import traceback

        traceback.print_exc(file=sys.stdout)
        report.check("the scenario runs to its end", False, f"{type(error).__name__}: {error}")
    # Threads and children that are left must not hold up the machine's end.
    sys.stdout.flush()
    os._exit(report.status())


def figures(seconds: Sequence[float]) -> dict[str, float]:
    """Return least, middle and most of some times, in seconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    places = {"least": 0, "middle": len(ordered) // 2, "most": -1}
    return {name: round(ordered[place], 3) for name, place in places.items()}

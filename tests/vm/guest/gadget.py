"""This machine as a USB instrument (docs/install.md), with a controller of the kernel's own.

``dummy_hcd`` is a device's port and a host's in one: what is played to the gadget comes out at the
other end of the cable, where a computer would be.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from machine import TINY, Product, Receiver, Report, modprobe, run, tracebacks, wait_for

SCRIPT = "/opt/perpetuo-source/systemd/usb-gadget/perpetuo-gadget"
FOLDER = Path("/sys/kernel/config/usb_gadget/perpetuo")
CLIENTS = Path("/proc/asound/seq/clients")
NOTES = 40


def script(word: str) -> tuple[int, str]:
    """Run the recipe's script; return its status and what it said."""
    done = subprocess.run(["sh", SCRIPT, word], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def scenario(report: Report) -> None:
    """Make the instrument, play to it, listen at the computer's side, take it away."""
    modprobe("snd-seq", "snd-seq-midi", "snd-usb-audio", "dummy_hcd", "usb_f_midi")
    status, said = script("start")
    report.check("the script makes a device", status == 0 and "a MIDI device named" in said, said)
    there = wait_for(lambda: '"Perpetuo"' in CLIENTS.read_text(), 120)
    report.check("the computer sees an instrument named Perpetuo", there, CLIENTS.read_text())
    report.check("a second start is refused with a line", script("start")[0] == 1, "")
    receiver = Receiver("Perpetuo")
    product = Product("play", "--port", "f_midi", "--plain", "--seed", "7", "--model", TINY)
    wait_for(lambda: len(receiver.notes()) >= NOTES or product.process.poll() is not None, 600)
    status = product.end()
    wait_for(lambda: receiver.silent, 10)
    report.check(f"{NOTES} notes come out", len(receiver.notes()) >= NOTES, len(receiver.notes()))
    report.check("SIGTERM ends it with status 143", status == 143, status)
    report.check("nothing sounds after the stop", receiver.silent, dict(receiver.struck))
    report.check("no traceback", not tracebacks(product.text), tracebacks(product.text))
    receiver.close()
    status, said = script("stop")
    report.check("it is taken away without a trace", status == 0 and not FOLDER.exists(), said)


if __name__ == "__main__":
    run(scenario)

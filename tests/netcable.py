"""Two network namespaces with a cable between them, which can be cut, or delay what it carries."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import importlib.util
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time

TUN_SET, TAP, NO_HEADER = 0x400454CA, 0x0002, 0x1000
NEW_NETWORK = 0x40000000


def lacking(jitter_ms: float = 0.0) -> str | None:
    """Return why the figures cannot be had here, in a line; None where they can.

    A cable is laid and taken away again, so it is no thing to do where tests are only collected.
    """
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip is not there (apt install iproute2)"
    if importlib.util.find_spec("link") is None:
        return "LinkPython-extern is not there (pip install LinkPython-extern)"
    try:
        with Cable(jitter_ms):
            return None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        return f"no cable can be laid between two network namespaces: {said or error}"
    except OSError as error:
        return f"no cable can be laid between two network namespaces: {error}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Cable:
    """Two namespaces and what lies between them.

    Attributes:
        names: Of the namespaces.
        how: What delays packets; "" where nothing does.
    """

    def __init__(self, jitter_ms: float = 0.0) -> None:
        pid = os.getpid()
        self.names = (f"perp{pid}a", f"perp{pid}b")
        self.how = ""
        self._jitter, self._stop = jitter_ms / 1000.0, threading.Event()
        self._taps: list[int] = []

    def __enter__(self) -> Cable:
        try:
            self._lay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _lay(self) -> None:
        for name in self.names:
            ip("netns", "add", name)
        if self._jitter and not self._has_netem():
            self._relay()
        else:
            ip("link", "add", "pa", "netns", self.names[0], "type", "veth",
               "peer", "name", "pb", "netns", self.names[1])  # fmt: skip
        for number, (name, device) in enumerate(zip(self.names, ("pa", "pb"), strict=True)):
            self._in(name, "addr", "add", f"10.77.1.{number + 1}/24", "dev", device)
            for one in ("lo", device):
                self._in(name, "link", "set", one, "up")
            self._in(name, "route", "add", "224.0.0.0/4", "dev", device)
            if self._jitter and not self.how:
                half = f"{self._jitter * 500:g}ms"
                netem = ["qdisc", "add", "dev", device, "root", "netem", "delay", half, half]
                subprocess.run(
                    ["ip", "netns", "exec", name, "tc", *netem], check=True, capture_output=True
                )
        if self._jitter and not self.how:
            self.how = "netem"

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        for tap in self._taps:
            os.close(tap)

    def cut(self, *, whole: bool) -> None:
        """Cut the cable, or mend it."""
        self._in(self.names[0], "link", "set", "pa", "up" if whole else "down")
        if whole:
            self._in(self.names[0], "route", "replace", "224.0.0.0/4", "dev", "pa")

    def _in(self, name: str, *words: str) -> None:
        ip("-n", name, *words)

    def _has_netem(self) -> bool:
        tried = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        done = subprocess.run(
            ["ip", "netns", "exec", self.names[0], *tried], check=False, capture_output=True
        )
        return done.returncode == 0

    def _relay(self) -> None:
        """Carry frames between two tap devices, each after a while, in order."""
        self.how = "a relay between two taps"
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as home:
            for name, device in zip(self.names, ("pa", "pb"), strict=True):
                with open(f"/run/netns/{name}", "rb") as inside:
                    libc.setns(inside.fileno(), NEW_NETWORK)
                try:
                    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
                    fcntl.ioctl(tap, TUN_SET, struct.pack("16sH", device.encode(), TAP | NO_HEADER))
                finally:
                    libc.setns(home.fileno(), NEW_NETWORK)
                self._taps.append(tap)
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self) -> None:
        waits: list[tuple[float, int, int, bytes]] = []
        last, count = [0.0, 0.0], 0
        while not self._stop.is_set():
            rest = waits[0][0] - time.monotonic() if waits else 0.1
            with contextlib.suppress(OSError):
                ready, _, _ = select.select(self._taps, [], [], min(max(rest, 0.0), 0.1))
                for tap in ready:
                    side = self._taps.index(tap)
                    frame = os.read(tap, 4096)
                    due = time.monotonic() + random.random() * self._jitter
                    last[side] = max(last[side], due)
                    count += 1
                    heapq.heappush(waits, (last[side], count, 1 - side, frame))
                while waits and waits[0][0] <= time.monotonic():
                    _, _, side, frame = heapq.heappop(waits)
                    with contextlib.suppress(OSError):
                        os.write(self._taps[side], frame)

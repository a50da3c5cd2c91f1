"""A stream without music, for tests of the surfaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from streamer.settings.controls import LiveControls, control_specs
from streamer.surfaces.desk import Ghost, Later, Refusal, Sent, Written


class FakeDesk:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.controls = LiveControls()
        self.well = True
        self.plays = "tiny"
        self.written = [Written(1000.0, 500.0, 60, 80, 0), Written(1500.0, 500.0, 64, 80, 0)]
        self.sent = [Sent(time.monotonic(), bytes((0x90, 60, 80)))]
        self.ghosts = [Ghost("range", (Written(1000.0, 500.0, 99, 80, 0, pedal=True),))]
        self.there = [
            {"name": "Perpetuo", "direction": "output", "system": "jack", "kind": "builtin",
             "used": True, "connected": ["mon:input"]},
        ]  # fmt: skip
        self.saved: list[tuple[str, str, bool]] = []
        self.held = {"take-1.mid": b"MThd"}
        self.disk = threading.Event()
        """Unset, whatever reads or writes a disk waits for it."""
        self.disk.set()
        self.waiting = 0
        self.objects = ""
        self.knobs, self.learning = {"density": "CC74"}, None
        self.scene_bundle = "band"
        """Of the scene elsewhere."""

    def learn(self, control: str) -> None:
        if control not in control_specs():
            raise Refusal(404, f"no control is called {control!r}")
        self.learning = control

    def forget(self, control: str) -> None:
        self._wait_for_disk()
        self.knobs.pop(control, None)
        self.learning = None

    def objection(self, changes: Mapping[str, Any]) -> str:
        return self.objects if "duet" in changes else ""

    def state(self) -> dict[str, Any]:
        return {
            "model": self.plays, "next_model": None, "family": "chain", "port": "null",
            "paused": False, "waiting_for_port": False, "sounding": [[0, 60]], "pedal": False,
            "notes_sent": 7, "buffer_seconds": 9.5, "underruns": 0, "late": 0.2, "dropped": 3,
            "knobs": self.knobs, "learning": self.learning,
            "uptime_seconds": 61, "memory_mb": 100.0, "playing": "",
        }  # fmt: skip

    def healthy(self) -> bool:
        return self.well

    def now_ms(self) -> float:
        return 1200.0

    def rate(self) -> float:
        return 1.0

    def written_since(self, serial: int) -> tuple[int, Sequence[Written]]:
        return len(self.written), self.written[serial:]

    def sent_since(self, serial: int) -> tuple[int, Sequence[Sent]]:
        return len(self.sent), self.sent[serial:]

    def ghosts_since(self, serial: int) -> tuple[int, Sequence[Ghost]]:
        return len(self.ghosts), self.ghosts[serial:]

    def ports(self) -> Sequence[Mapping[str, Any]]:
        return self.there

    def _wait_for_disk(self) -> None:
        self.waiting += 1
        assert self.disk.wait(30.0)
        self.waiting -= 1

    def scenes(self) -> Sequence[Mapping[str, Any]]:
        self._wait_for_disk()
        saved = [{"name": name, "about": about} for name, about, _ in self.saved]
        return [{"name": "calm", "about": "quiet"}, {"name": "night", "about": "soft"}, *saved]

    def choose_scene(self, name: str) -> None:
        self._wait_for_disk()
        if name not in ("calm", "night"):
            raise Refusal(404, f"no scene is called {name!r}; did you mean calm?")
        self.controls.put(self.controls.snapshot().with_changes({"density": 0.7}), name)

    def start_scene(self, name: str) -> Later | None:
        if name != "elsewhere":
            self.choose_scene(name)
            return None
        return lambda: self.choose_bundle(self.scene_bundle)

    def bundle(self) -> str:
        return self.plays

    def bundles(self) -> Sequence[Mapping[str, Any]]:
        self._wait_for_disk()
        return [
            {"name": name, "family": "chain", "about": about, "licence": "CC0-1.0", "styles": [],
             "playing": name == self.plays}
            for name, about in (("tiny", "a small piano"), ("band", "a small band"))
        ]  # fmt: skip

    def choose_bundle(self, name: str) -> None:
        self._wait_for_disk()
        if name not in ("tiny", "band"):
            raise Refusal(404, f"no bundle is called {name!r}; did you mean tiny?")
        self.plays = name
        self.controls.tell()

    def snapshot(self) -> dict[str, Any]:
        return {"model": {"model": "tiny"}, "controls": {"density": 0.7}}

    def save_scene(self, name: str, *, description: str = "", replace: bool = False) -> str:
        self._wait_for_disk()
        if name == "night" and not replace:
            raise Refusal(409, "a scene night ships with the program; choose another name")
        self.saved.append((name, description, replace))
        return f"/scenes/{name}.toml"

    def keep(self, seconds: float | None = None) -> dict[str, Any]:
        self._wait_for_disk()
        if not self.sent:
            raise Refusal(409, "no note has sounded yet; keep when the music plays")
        self.held["keep-1.mid"] = b"MThd"
        return {"name": "keep-1.mid", "path": "/kept/keep-1.mid", "seconds": seconds, "notes": 1}

    def bookmark(self) -> dict[str, Any]:
        self._wait_for_disk()
        self.held["keep-1.bookmark"] = b"perpetuo bookmark"
        return {"name": "keep-1.bookmark", "path": "/kept/b", "bytes": 17, "seed": 3}

    def recordings(self) -> Sequence[Mapping[str, Any]]:
        self._wait_for_disk()
        return [{"name": n, "bytes": len(b), "seconds_ago": 5} for n, b in self.held.items()]

    def recording(self, name: str) -> bytes:
        self._wait_for_disk()
        if name not in self.held:
            raise Refusal(404, f"no recording is called {name!r}")
        return self.held[name]

    def delete_recording(self, name: str) -> None:
        self.recording(name)
        del self.held[name]

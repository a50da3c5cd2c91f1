"""A knob learnt over HTTP from a real input, and who is connected to our ports, as JACK has it."""

import http.client
import json
import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from tests.bundles import write_tiny_bundle
from tests.freeports import free_port
from tests.jackserver import ON_JACK_ALONE
from tests.waiting import comes

pytestmark = pytest.mark.jack


class Stream:
    """``perpetuo play --port jack --input virtual --web``, asked over HTTP."""

    def __init__(self, folder, jack):
        self.port = free_port()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", ON_JACK_ALONE, "play", "--port", "jack", "--plain"),
                *("--input", "virtual", "--web", f"127.0.0.1:{self.port}"),
                *("--model", str(write_tiny_bundle(folder / "bundle").path)),
            ],
            env={
                **jack.env,
                "PYTHONPATH": str(Path(streamer.__file__).parents[1]),
                "STATE_DIRECTORY": str(folder / "state"),
            },
        )

    def ask(self, method, path):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60.0)
        client.request(method, f"/api/v1/{path}")
        answer = json.loads(client.getresponse().read())
        client.close()
        return answer

    def is_there(self):
        try:
            return self.ask("GET", "state")
        except OSError:
            return False

    def connected(self):
        return {
            port["name"]: port["connected"]
            for port in self.ask("GET", "ports")
            if port["kind"] == "builtin"
        }

    def close(self):
        self._process.terminate()
        self._process.wait(60.0)


@pytest.fixture
def stream(tmp_path, jack):
    (tmp_path / "state").mkdir()
    held = Stream(tmp_path, jack)
    yield held
    held.close()


@pytest.fixture
def knobs(jack):
    """A program of knobs that sends to the input that perpetuo opens for others."""
    import rtmidi

    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Knobs")
    out.open_virtual_port("out")
    yield out
    out.delete()


def test_the_next_knob_is_learnt_and_who_is_connected_is_told(jack, stream, knobs, tmp_path):
    jack.monitor()
    assert comes(stream.is_there)
    assert comes(lambda: {"Perpetuo": [], "Perpetuo in": []} == stream.connected())
    jack.connect("Perpetuo:out", "mon:input")
    jack.connect("Knobs:out", "Perpetuo in:in")
    told = {"Perpetuo": ["mon:input"], "Perpetuo in": ["Knobs:out"]}
    assert comes(lambda: told == stream.connected())
    assert {"learning": "transpose"} == stream.ask("POST", "learn/transpose")
    positions = iter([1, 127] * 1000)

    def is_learnt():
        knobs.send_message([0xB0, 21, next(positions)])
        return stream.ask("GET", "state")["knobs"].get("transpose") == "CC21"

    assert comes(is_learnt)
    assert stream.ask("GET", "state")["learning"] is None
    assert comes(lambda: stream.ask("GET", "controls")["transpose"] in (-24, 24, -23))
    kept = json.loads((tmp_path / "state" / "bindings.json").read_text())
    assert "transpose" == kept["cc"]["21"]
    assert {"forgotten": "transpose"} == stream.ask("DELETE", "learn/transpose")
    assert "transpose" not in stream.ask("GET", "state")["knobs"]

"""`perpetuo play` steered from outside: the surfaces serve a stream that plays."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.cli import main
from streamer.generators.bookmark import read_bookmark
from streamer.midi.midifile import read_midi
from streamer.scenes import read_scene
from streamer.settings.taste import LET_GO
from tests.bundles import write_tiny_bundle
from tests.freeports import free_port
from tests.waiting import comes

PATIENCE_SECONDS = 30.0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The web port of a stream that plays."""
    port, bundle = free_port(), write_tiny_bundle(tmp_path)
    command = [sys.executable, "-m", "streamer", "play", "--port", "null", "--plain"]
    command += ["--model", str(bundle.path), "--web", f"127.0.0.1:{port}", "--seed", "1"]
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ)
    assert process.stderr is not None
    for line in process.stderr:
        if "playing to null" in line:
            break
    yield port
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (143, False) == (process.returncode, "Traceback" in errors)


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    client.request(method, path, None if body is None else json.dumps(body))
    answer = client.getresponse()
    told = json.loads(answer.read())
    client.close()
    return answer.status, told


def test_a_stream_is_steered_and_watched_over_http(port):
    state = ask(port, "GET", "/api/v1/state")[1]
    assert ("tiny", "chain", "null", 1) == tuple(
        state[k] for k in ("model", "family", "port", "seed")
    )
    assert 200 == ask(port, "PATCH", "/api/v1/controls", {"pause": True, "density": 0.5})[0]
    assert comes(lambda: ask(port, "GET", "/api/v1/state")[1]["paused"])
    assert (200, "night") == (
        ask(port, "POST", "/api/v1/scene/night")[0],
        ask(port, "GET", "/api/v1/state")[1]["scene"],
    )
    assert 404 == ask(port, "POST", "/api/v1/scene/nigt")[0]
    assert [] == ask(port, "GET", "/api/v1/recordings")[1]


def test_another_bundle_follows_and_all_that_is_kept_names_it(port, tmp_path):
    listed = {one["name"]: one for one in ask(port, "GET", "/api/v1/bundles")[1]}
    assert listed["tiny"]["playing"]
    assert ("windows", False) == (listed["beethoven"]["family"], listed["beethoven"]["playing"])
    assert (200, {"bundle": "beethoven"}) == ask(port, "POST", "/api/v1/bundle/beethoven")
    assert comes(lambda: ask(port, "GET", "/api/v1/state")[1]["model"] == "beethoven")
    state = ask(port, "GET", "/api/v1/state")[1]
    assert ("windows", None, 0) == (state["family"], state["next_model"], state["underruns"])
    assert "beethoven" == ask(port, "GET", "/api/v1/snapshot")[1]["model"]["model"]
    kept = ask(port, "POST", "/api/v1/bookmark")[1]
    assert "beethoven" == read_bookmark(Path(kept["path"])).bundle
    for name, status in (("beethovn", 404), ("..%2f..%2fetc", 404), (".hidden", 422)):
        assert status == ask(port, "POST", f"/api/v1/bundle/{name}")[0]
    assert 200 == ask(port, "POST", "/api/v1/bundle/tiny")[0]
    assert comes(lambda: ask(port, "GET", "/api/v1/state")[1]["model"] == "tiny")


def test_another_shell_says_what_it_likes_and_forgets_it(port, tmp_path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text("")
    stream = ["--web", f"127.0.0.1:{port}", "--config", str(config)]
    assert comes(lambda: ask(port, "GET", "/api/v1/state")[1]["notes_sent"] > 2)
    told = []
    for options in (["--reset"], ["--like"], ["--dislike"], [], ["--reset"]):
        assert comes(lambda: not any(ask(port, "GET", "/api/v1/controls")[1][n] for n in LET_GO))
        assert 0 == main(["taste", *options, *stream])
        told.append(capsys.readouterr().out.splitlines()[0])
    assert ["0 liked, 0 disliked", "1 liked, 0 disliked", *["1 liked, 1 disliked"] * 2] == told[:4]
    assert "0 liked, 0 disliked" == told[4]
    state = ask(port, "GET", "/api/v1/state")[1]
    assert {"liked": 0, "disliked": 0, "weights": {}} == state["taste"]


def test_another_shell_keeps_what_was_heard_and_saves_it_as_a_scene(port, tmp_path, capsys):
    config, out = tmp_path / "perpetuo.toml", tmp_path / "kept.mid"
    config.write_text("")
    stream = ["--web", f"127.0.0.1:{port}", "--config", str(config)]
    ask(port, "PATCH", "/api/v1/controls", {"density": 0.5})
    assert comes(lambda: ask(port, "GET", "/api/v1/state")[1]["notes_sent"] > 2)
    assert 0 == main(["keep", str(out), "--last", "60", *stream])
    assert "notes" in capsys.readouterr().out
    assert len(read_midi(out)) >= 2
    assert 1 == len(ask(port, "GET", "/api/v1/recordings")[1])
    place = tmp_path / "here.bookmark"
    assert 0 == main(["keep", "--bookmark", str(place), *stream])
    assert "seed 1" in capsys.readouterr().out
    rendered = ["render", str(tmp_path / "on.mid"), "--duration", "5", "--from", str(place)]
    bundle = str(next(tmp_path.glob("tiny*")))
    assert 0 == main([*rendered, "--config", str(config), "--model", bundle])
    capsys.readouterr()
    assert 0 == main(["scenes", "--save", "mine", *stream])
    assert f"{tmp_path / 'scenes' / 'mine.toml'}\n" == capsys.readouterr().out
    assert {"controls.density": 0.5} == dict(read_scene("mine", tmp_path / "scenes").values)
    assert 1 == main(["scenes", "--save", "mine", *stream])
    assert "there is a scene mine already" in capsys.readouterr().err


def test_no_stream_to_ask_is_one_line(tmp_path, capsys):
    for verb in (["keep"], ["scenes", "--save", "mine"]):
        assert 1 == main([*verb, "--web", f"127.0.0.1:{free_port()}"])
        said = capsys.readouterr().err
        assert "no stream answers at 127.0.0.1:" in said
        assert 1 == len(said.splitlines())


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--web", "0.0.0.0:1"], 2, "live.web must be on the loopback (127.0.0.1), not 0.0.0.0"),
        (["--osc", "pi.local"], 2, "live.osc must be on the loopback"),
        (["--web", "here:x"], 1, "live.web must be HOST:PORT with a port in 1..65535"),
        (["--mqtt", "http://pi"], 1, "live.mqtt must be mqtt://"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(arguments, status, says, capsys):
    assert status == main(["play", "--port", "null", "--for", "1", *arguments])
    err = capsys.readouterr().err
    assert says in err
    assert 1 == err.count("\n")


def test_a_port_that_is_taken_ends_the_start_with_one_line(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--port", "null", "--plain", "--model", str(bundle.path), "--web", address]
        assert 1 == main(["play", "--for", "1", *arguments])
    err = capsys.readouterr().err
    assert f"live.web {address} cannot be opened" in err
    assert "Traceback" not in err


def test_the_token_is_printed_kept_and_renewed(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    printed = []
    for arguments in ([], [], ["--new"]):
        assert 0 == main(["token", *arguments])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert (tmp_path / "token").read_text() == printed[2]
    assert 0o600 == os.stat(tmp_path / "token").st_mode & 0o777


def test_without_the_extra_a_surface_is_one_line(tmp_path, capsys, monkeypatch):
    for module in ("h11", "streamer.surfaces.web"):
        monkeypatch.setitem(sys.modules, module, None)
    bundle = write_tiny_bundle(tmp_path)
    arguments = ["--port", "null", "--plain", "--model", str(bundle.path), "--web"]
    assert 1 == main(["play", "--for", "1", *arguments])
    assert "live.web needs the live extra" in capsys.readouterr().err

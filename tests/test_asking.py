"""Verbs that ask a stream over HTTP, where something else answers: one line, never a trace."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.cli import main
from streamer.errors import ConfigError
from streamer.settings.live import LiveSettings
from streamer.settings.settings import Settings
from streamer.verbs.asking import ask_stream, fetch

KEEP = ["keep"]
BOOKMARK = ["keep", "--bookmark", "here.bookmark"]
SCENE = ["scenes", "--save", "mine"]
TASTE = ["taste"]


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Let something answer each connection once it has asked; yields its HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    asked, _ = server.accept()
                except OSError:
                    return
                with asked:
                    try:
                        asked.recv(65536)
                        answer(asked)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


def says(body: bytes, head: str = "HTTP/1.1 200 OK", length: int | None = None) -> bytes:
    return f"{head}\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body


def told(value: object, head: str = "HTTP/1.1 200 OK") -> bytes:
    return says(json.dumps(value).encode(), head)


@pytest.mark.parametrize("verb", [KEEP, BOOKMARK, SCENE, TASTE])
@pytest.mark.parametrize(
    "answer",
    [
        says(b"<html>It works!</html>"),
        says(b'{"name": "keep-1.mid", "pa'),
        says(b"[" * 100_000),
        says(b"\xff\xfe"),
        told([]),
        told("ok"),
        told({}),
        told({"name": 1, "path": 2, "notes": "x", "seconds": "y", "controls": [], "model": 3}),
        told({"name": "n", "bytes": True, "seed": 1.5, "notes": 1, "controls": {}, "model": None}),
        told({"name": "n", "path": "p", "notes": 1, "seconds": 10**400}),
        says(b"<html>no</html>", "HTTP/1.1 404 Not Found"),
        says(b"", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/"),
        told({"fault": "no"}, "HTTP/1.1 500 Oh"),
        says(b'{"name": 1}', length=500),
        says(b"0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"220 mail.example ESMTP\r\n",
        b"\x00\x01\x02",
        b"",
    ],
)
def test_what_is_no_stream_is_one_line(verb, answer, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "perpetuo.toml"
    config.write_text("")
    with answering(lambda asked: asked.sendall(answer)) as address:
        assert 1 == main([*verb, "--web", address, "--config", str(config)])
    said = capsys.readouterr()
    assert ("", 1) == (said.out, len(said.err.splitlines()))
    assert address in said.err
    assert "with --web HOST:PORT" in said.err
    assert [config] == list(tmp_path.rglob("*"))


def test_a_scene_that_this_version_could_not_read_is_not_saved(tmp_path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text("")
    odd = {"sparkle": 1, "density": "loud", 'x = 1\n[model]\nmodel = "../p"\n#': 2}
    with answering(lambda asked: asked.sendall(told({"controls": odd, "model": {}}))) as address:
        assert 1 == main([*SCENE, "--web", address, "--config", str(config)])
    said = capsys.readouterr().err
    assert "the stream: controls.sparkle is unknown" in said
    assert "controls.density must be" in said
    assert [config] == list(tmp_path.rglob("*"))


def test_why_a_stream_refuses_is_told_in_its_own_words(capsys):
    refused = told({"error": "no note has sounded\nyet" + "!" * 9999}, "HTTP/1.1 409 Conflict")
    with answering(lambda asked: asked.sendall(refused)) as address:
        assert 1 == main([*KEEP, "--web", address])
    said = capsys.readouterr().err
    assert "no note has sounded yet!" in said
    assert (1, True) == (len(said.splitlines()), len(said) < 1000)


def test_a_path_of_odd_letters_is_printed_as_python_writes_it(capsys):
    kept = {"name": "\ud800.mid", "path": "/tmp/\ud800\x1b[2J.mid", "notes": 3, "seconds": 2.0}
    with answering(lambda asked: asked.sendall(told(kept))) as address:
        assert 0 == main([*KEEP, "--web", address])
    assert "/tmp/\\ud800\\x1b[2J.mid: 3 notes, 2 s of music\n" == capsys.readouterr().out


def asked_of(address: str) -> Settings:
    return Settings(live=LiveSettings(web=address))


def test_what_says_nothing_is_waited_for_no_longer_than_patience_lasts():
    gone = threading.Event()
    with answering(lambda _: gone.wait(10.0)) as address:
        try:
            with pytest.raises(ConfigError, match=r"nothing came within 0\.05 s"):
                ask_stream(asked_of(address), None, "GET", "/", wanted={}, patience_seconds=0.05)
        finally:
            gone.set()


def test_what_sends_without_an_end_is_let_go():
    def pour(asked: socket.socket) -> None:
        asked.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            asked.sendall(b"x" * 65536)

    with answering(pour) as address, pytest.raises(ConfigError, match="sends more than 1 MiB"):
        fetch(asked_of(address), None, "GET", "/", most_bytes=1 << 20)


def test_what_drips_is_waited_for_some_patiences_in_all():
    gone = threading.Event()

    def drip(asked: socket.socket) -> None:
        asked.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while not gone.wait(0.01):
            asked.sendall(b"x")

    with answering(drip) as address:
        try:
            with pytest.raises(ConfigError, match=r"does not come to an end within 0\.2 s"):
                fetch(asked_of(address), None, "GET", "/", patience_seconds=0.02)
        finally:
            gone.set()


@pytest.mark.parametrize("first", ["9999-12-31", "9999-12-31T23:59:59+00:00", "0001-01-01", "1899"])
def test_a_week_at_the_end_of_all_dates_is_refused_in_one_line(first, tmp_path: Path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text('[[day]]\nat = "22:00"\nscene = "night"\n')
    assert 2 == main(["day", "--config", str(config), "--from", first])
    said = capsys.readouterr().err
    assert (1, True) == (len(said.splitlines()), "argument --from: must be" in said)
    for first in ("1900-01-01T00:00+23:59", "2999-12-31T23:59-23:59"):
        assert 0 == main(["day", "--config", str(config), "--from", first])
        assert 7 == len(capsys.readouterr().out.splitlines())

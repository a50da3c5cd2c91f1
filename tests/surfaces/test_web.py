"""The web surface over real sockets: the API, who is let in, and what a client can do wrong."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request, TextMessage

from streamer.errors import ConfigError
from streamer.settings.controls import control_specs
from streamer.settings.live import Address
from streamer.surfaces.access import Access
from streamer.surfaces.web import CLOSE_SECONDS, LIVE, MOST_BODY, MOST_CLIENTS, WebSurface
from tests.surfaces.desks import FakeDesk
from tests.waiting import comes

TOKEN = "t" * 32
PATIENCE_SECONDS = 10.0


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def web(desk: FakeDesk) -> Iterator[WebSurface]:
    surface = WebSurface(desk, Address("127.0.0.1", 0), Access())
    yield surface
    surface.close()


@pytest.fixture
def guarded(desk: FakeDesk) -> Iterator[WebSurface]:
    surface = WebSurface(
        desk, Address("127.0.0.1", 0), Access(TOKEN, frozenset({"perpetuo.local"}))
    )
    yield surface
    surface.close()


def ask(
    web: WebSurface, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, http.client.HTTPResponse]:
    """Ask once and return status, what the JSON says, and the answer."""
    client = http.client.HTTPConnection("127.0.0.1", web.address.port, timeout=PATIENCE_SECONDS)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    client.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = client.getresponse()
    text = answer.read()
    client.close()
    is_json = "json" in (answer.getheader("Content-Type") or "")
    return answer.status, json.loads(text) if is_json and text else text, answer


class Page:
    """A WebSocket client."""

    def __init__(self, web: WebSurface, target: str = LIVE, **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", web.address.port), PATIENCE_SECONDS)
        self._ws = WSConnection(ConnectionType.CLIENT)
        extra = [(k.encode(), v.encode()) for k, v in headers.items()]
        self._socket.sendall(
            self._ws.send(Request(host="localhost", target=target, extra_headers=extra))
        )
        self._events: list[Any] = []
        first = self.event()
        self.status = first.status_code if isinstance(first, RejectConnection) else 101
        assert isinstance(first, AcceptConnection | RejectConnection)

    def event(self) -> Any:
        while not self._events:
            data = self._socket.recv(65536)
            self._ws.receive_data(data or None)
            self._events += list(self._ws.events())
        return self._events.pop(0)

    def told(self, kind: str) -> dict[str, Any]:
        """Wait for a text of a kind."""
        held = ""
        while True:
            event = self.event()
            assert isinstance(event, TextMessage), event
            held += event.data
            if event.message_finished:
                text, held = json.loads(held), ""
                if text["type"] == kind:
                    return text

    def wait_for(self, text: bytes) -> None:
        """Wait until a text has come, and leave it unread."""
        while text not in self._socket.recv(65536, socket.MSG_PEEK):
            pass

    def say(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self._socket.sendall(self._ws.send(TextMessage(text)))

    def close(self) -> None:
        self._socket.close()


def test_the_addresses_that_scripts_rely_on_answer(web, desk):
    assert (200, {"status": "ok"}) == ask(web, "GET", "/healthz")[:2]
    assert "tiny" == ask(web, "GET", "/api/v1/state")[1]["model"]
    controls = ask(web, "GET", "/api/v1/controls")[1]
    assert set(control_specs()) == set(controls)
    assert (200, {"density": 0.5}) == ask(web, "PATCH", "/api/v1/controls", {"density": 0.5})[:2]
    assert 0.5 == desk.controls.snapshot().density
    assert 200 == ask(web, "POST", "/api/v1/scene/night")[0]
    assert "night" == desk.controls.scene


def test_bundles_are_listed_and_another_is_taken_on(web, desk):
    status, found, _ = ask(web, "GET", "/api/v1/bundles")
    assert (200, ["tiny", "band"]) == (status, [one["name"] for one in found])
    assert {"name", "family", "about", "licence", "styles", "playing"} == {*found[0]}
    assert (200, {"bundle": "band"}) == ask(web, "POST", "/api/v1/bundle/band")[:2]
    assert "band" == desk.plays
    status, told, _ = ask(web, "POST", "/api/v1/bundle/bnd")
    assert (404, "no bundle is called 'bnd'; did you mean tiny?") == (status, told["error"])


def test_a_page_that_waits_for_a_bundle_is_heard_on_and_told_why_it_does_not_come(web, desk):
    page = Page(web)
    page.told("hello")
    desk.disk.clear()
    page.say({"bundle": "bnd"})
    page.say({"set": {"density": 0.5}})
    assert comes(lambda: desk.controls.snapshot().density == 0.5)
    desk.disk.set()
    assert "did you mean tiny?" in page.told("error")["error"]
    page.close()


def test_what_plays_is_saved_as_a_scene(web, desk):
    assert (200, {"scene": "mine", "path": "/scenes/mine.toml"}) == ask(
        web, "POST", "/api/v1/scenes/mine"
    )[:2]
    assert 200 == ask(web, "POST", "/api/v1/scenes/night", {"replace": True, "description": "d"})[0]
    assert [("mine", "", False), ("night", "d", True)] == desk.saved
    status, told, _ = ask(web, "POST", "/api/v1/scenes/night")
    assert (409, True) == (status, "choose another name" in told["error"])
    for body in ([], {"replace": 1}, {"path": "/etc"}, {"description": None}):
        assert 422 == ask(web, "POST", "/api/v1/scenes/mine", body)[0]
    assert {"model", "controls"} == {*ask(web, "GET", "/api/v1/snapshot")[1]}
    page = Page(web)
    page.say({"save": "again"})
    assert [True] == [{"name": "calm", "about": "quiet"} in page.told("scenes")["scenes"]]
    page.close()
    assert ("again", "", False) == desk.saved[-1]


def test_a_scene_that_is_saved_anywhere_is_told_to_every_page(desk):
    web = WebSurface(desk, Address("127.0.0.1", 0), Access(), scenes_seconds=0.02)
    one, other = Page(web), Page(web)
    assert ["calm", "night"] == [scene["name"] for scene in one.told("hello")["scenes"]]
    one.say({"save": "mine"})
    while "saved" not in (told := one.told("scenes")):
        pass  # whoever looks may be quicker than the answer
    assert ("mine", "mine") == (told["saved"], told["scenes"][-1]["name"])
    told = other.told("scenes")
    assert ("mine", False) == (told["scenes"][-1]["name"], "saved" in told)
    assert 200 == ask(web, "POST", "/api/v1/scenes/yours")[0]
    for page in (one, other):
        while "yours" != page.told("scenes")["scenes"][-1]["name"]:
            pass
        page.close()
    desk.saved.append(("theirs", "written by hand", False))
    page = Page(web)
    assert "theirs" == page.told("hello")["scenes"][-1]["name"]
    desk.saved.append(("ours", "", False))
    assert "ours" == page.told("scenes")["scenes"][-1]["name"]
    page.close()
    web.close()


def test_what_was_heard_is_kept_whole_or_its_end(web, desk):
    assert (200, None) == (lambda a: (a[0], a[1]["seconds"]))(ask(web, "POST", "/api/v1/keep"))
    assert 60 == ask(web, "POST", "/api/v1/keep", {"seconds": 60})[1]["seconds"]
    assert b"MThd" == ask(web, "GET", "/api/v1/recordings/keep-1.mid")[1]
    for body in ({"seconds": 0}, {"seconds": 9999}, {"seconds": True}, {"second": 1}, [], 5):
        status, told, _ = ask(web, "POST", "/api/v1/keep", body)
        assert (422, True) == (status, '"seconds": above 0 to 1800' in told["error"])
    page = Page(web)
    page.say({"keep": {"seconds": 5}})
    assert 5 == page.told("kept")["seconds"]
    page.close()
    desk.sent.clear()
    assert 409 == ask(web, "POST", "/api/v1/keep")[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/keep"),
        ("POST", "/api/v1/bookmark"),
        ("POST", "/api/v1/scenes/mine"),
        ("POST", "/api/v1/scene/calm"),
        ("GET", "/api/v1/scenes"),
        ("GET", "/api/v1/recordings"),
        ("GET", "/api/v1/recordings/take-1.mid"),
        ("HEAD", "/api/v1/recordings/take-1.mid"),
        ("DELETE", "/api/v1/recordings/take-1.mid"),
        ("GET", "/perpetuo"),
    ],
)
def test_a_disk_that_one_client_waits_for_holds_up_no_other(method, path, web, desk):
    page, answers = Page(web), []
    page.told("hello")
    desk.disk.clear()
    waits = threading.Thread(target=lambda: answers.append(ask(web, method, path)[0]))
    waits.start()
    try:
        assert comes(lambda: desk.waiting)
        page.say({"ping": 3})
        assert 3 == page.told("pong")["ping"]
        assert 200 == ask(web, "PATCH", "/api/v1/controls", {"density": 0.5})[0]
        assert [] == answers
    finally:
        desk.disk.set()
        waits.join(PATIENCE_SECONDS)
    assert [200] == answers
    page.close()


@pytest.mark.parametrize("asked", [{"keep": {}}, {"save": "mine"}, {"scene": "calm"}])
def test_a_page_that_waits_for_a_disk_holds_up_no_other_and_asks_in_order(asked, web, desk):
    one, other = Page(web), Page(web)
    for page in (one, other):
        page.told("hello")
    densities = [1.1, 1.2, 1.3, 1.4, 1.5]
    obeyed: list[float] = []
    desk.controls.listen(lambda controls: obeyed.append(controls.density))
    desk.disk.clear()
    try:
        one.say(asked)
        assert comes(lambda: desk.waiting)
        for density in densities:
            one.say(asked)
            one.say({"set": {"density": density}})
        other.say({"ping": 4})
        assert 4 == other.told("pong")["ping"]
        assert (1, []) == (desk.waiting, obeyed)
    finally:
        desk.disk.set()
    one.say({"ping": 5})
    assert 5 == one.told("pong")["ping"]
    assert densities == [density for density in obeyed if density in densities]
    for page in (one, other):
        page.close()


def test_a_disk_that_hangs_holds_up_no_end(desk):
    web = WebSurface(desk, Address("127.0.0.1", 0), Access())
    desk.disk.clear()
    try:
        for waiting in (1, 2, 3):
            with socket.create_connection(("127.0.0.1", web.address.port)) as raw:
                raw.sendall(b"POST /api/v1/keep HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert comes(lambda waiting=waiting: desk.waiting == waiting)
        assert 200 == ask(web, "GET", "/api/v1/state")[0]
        began = time.monotonic()
        web.close()
        assert time.monotonic() - began < CLOSE_SECONDS
    finally:
        desk.disk.set()


def test_a_place_is_bookmarked_and_fetched(web):
    assert "keep-1.bookmark" == ask(web, "POST", "/api/v1/bookmark")[1]["name"]
    assert b"perpetuo bookmark" == ask(web, "GET", "/api/v1/recordings/keep-1.bookmark")[1]


def test_health_is_503_when_the_stream_fails(web, desk):
    desk.well = False
    assert (503, {"status": "failing"}) == ask(web, "GET", "/healthz")[:2]


def test_null_puts_a_control_back_to_its_default(web, desk):
    ask(web, "PATCH", "/api/v1/controls", {"density": 3.0, "bits": 5})
    assert 200 == ask(web, "PATCH", "/api/v1/controls", {"density": None, "bits": None})[0]
    assert 1.0 == desk.controls.snapshot().density


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("PATCH", "/api/v1/controls", {"density": 9}, 422, "density must be in range 0.25..4.0"),
        ("PATCH", "/api/v1/controls", {"densty": 1}, 404, "did you mean density?"),
        ("PATCH", "/api/v1/controls", {"density": 1, "bits": "x"}, 422, "bits must be"),
        ("PATCH", "/api/v1/controls", [], 422, "must be an object"),
        ("PATCH", "/api/v1/controls", b"{", 400, "must be JSON"),
        ("PATCH", "/api/v1/controls", b"[" * 60000, 400, "must be JSON"),
        ("PATCH", "/api/v1/controls", b"x" * (MOST_BODY + 1), 413, "at most 65536 bytes"),
        ("POST", "/api/v1/scene/clam", None, 404, "did you mean calm?"),
        ("POST", "/api/v1/scene/..%2f..%2fetc", None, 404, "there is nothing at"),
        ("GET", "/api/v1/recordings/..%2f..%2fetc%2fpasswd", None, 404, "there is nothing at"),
        ("GET", "/api/v1/recordings/passwd", None, 404, "no recording is called"),
        ("GET", "/../../etc/passwd", None, 404, "there is nothing at"),
        ("DELETE", "/api/v1/controls", None, 405, "none of GET, PATCH"),
    ],
)
def test_what_is_wrong_is_one_json_error_and_changes_nothing(
    method, path, body, status, says, web, desk
):
    before = desk.controls.snapshot()
    found, told, _ = ask(web, method, path, body)
    assert (status, status) == (found, told["status"])
    assert says in told["error"]
    assert "\n" not in told["error"]
    assert before == desk.controls.snapshot()


def test_a_page_of_another_site_and_a_name_that_is_not_ours_are_refused(web, desk):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ):
        status, told, _ = ask(web, "PATCH", "/api/v1/controls", {"density": 4.0}, **headers)
        assert 403 == status, headers
        assert "error" in told
    assert 1.0 == desk.controls.snapshot().density
    own = {
        "Origin": f"http://localhost:{web.address.port}",
        "Host": f"localhost:{web.address.port}",
    }
    assert 200 == ask(web, "PATCH", "/api/v1/controls", {"density": 4.0}, **own)[0]


def test_the_network_asks_for_the_token_everywhere_but_for_health(guarded):
    assert 200 == ask(guarded, "GET", "/healthz")[0]
    for path in ("/", "/api/v1/state", "/api/v1/openapi.json"):
        assert 401 == ask(guarded, "GET", path)[0]
        assert 401 == ask(guarded, "GET", f"{path}?token={TOKEN}x")[0]
        assert 200 == ask(guarded, "GET", path, Authorization=f"Bearer {TOKEN}")[0]
        assert 200 == ask(guarded, "GET", f"{path}?token={TOKEN}")[0]
    assert 200 == ask(guarded, "GET", f"/?token={TOKEN}", Host="192.168.1.7:8765")[0]
    assert 200 == ask(guarded, "GET", f"/?token={TOKEN}", Host="perpetuo.local:8765")[0]
    assert 403 == ask(guarded, "GET", f"/?token={TOKEN}", Host="evil.example")[0]


def test_a_websocket_is_refused_like_any_request(web, guarded):
    assert 403 == Page(web, Origin="https://evil.example").status
    assert 401 == Page(guarded).status
    page = Page(guarded, f"{LIVE}?token={TOKEN}")
    assert 101 == page.status
    page.close()


def test_a_change_from_anywhere_reaches_every_page(web, desk):
    one, other = Page(web), Page(web)
    assert {spec["name"] for spec in one.told("hello")["registry"]} == set(control_specs())
    assert set(control_specs()) == set(one.told("controls")["values"])
    other.told("controls")
    one.say({"set": {"density": 2.0}})
    assert {"density": 2.0} == other.told("controls")["values"]
    ask(web, "POST", "/api/v1/scene/calm")
    assert "calm" == one.told("controls")["scene"] or "calm" == one.told("controls")["scene"]
    desk.controls.update(tempo_scale=0.5)
    assert 0.5 == other.told("controls")["values"].get("tempo_scale", 0.5)
    one.close()
    other.close()


def test_a_page_gets_what_is_written_and_what_is_sent(web, desk):
    page = Page(web)
    page.told("hello")
    assert [[1000, 500, 60, 80, 0], [1500, 500, 64, 80, 0]] == page.told("written")["notes"]
    assert {"ms": 1200.0, "rate": 1.0, "type": "now"} == page.told("now")
    from streamer.surfaces.desk import Sent

    desk.sent.append(Sent(time.monotonic(), bytes((0x80, 60, 0))))
    ((ago, *message),) = page.told("sent")["messages"]
    assert ([0x80, 60, 0], True) == (message, 0 <= ago < 1000)
    page.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "must be JSON"),
        ("[]", "JSON object"),
        ("{}", "must be {"),
        ('{"set": {"density": 99}}', "density must be in range"),
        ('{"scene": "clam"}', "did you mean calm"),
        ("[" * 5000, "must be JSON"),
    ],
)
def test_a_page_that_asks_wrongly_is_told_and_stays(text, says, web):
    page = Page(web)
    page.say(text)
    assert says in page.told("error")["error"]
    page.say({"ping": 7})
    assert 7 == page.told("pong")["ping"]
    page.close()


def test_a_page_that_says_too_much_is_let_go(web):
    page = Page(web)
    page.say("x" * 20_000)
    while not isinstance(event := page.event(), CloseConnection):
        pass
    assert 1009 == event.code
    page = Page(web)
    for _ in range(400):
        page.say({"ping": 1})
    while not isinstance(event := page.event(), CloseConnection):
        pass
    assert 1008 == event.code


def test_a_page_that_goes_on_talking_still_reads_why_it_was_let_go(web):
    page = Page(web)
    page.say("x" * 20_000)
    page.wait_for(b"too long")
    for _ in range(50):
        page.say({"ping": 1})
    while not isinstance(event := page.event(), CloseConnection):
        pass
    assert 1009 == event.code


def test_a_body_that_is_refused_half_way_is_still_answered(web):
    with socket.create_connection(("127.0.0.1", web.address.port), PATIENCE_SECONDS) as raw:
        raw.sendall(
            b"PATCH /api/v1/controls HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 9000000\r\n\r\n"
        )
        raw.sendall(b" " * (MOST_BODY + 1))
        raw.recv(1, socket.MSG_PEEK)
        raw.sendall(b" " * 300_000)
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_clients_are_counted_and_a_further_one_is_told(web):
    pages = [Page(web) for _ in range(MOST_CLIENTS)]
    status, told, _ = ask(web, "GET", "/api/v1/state")
    assert (503, True) == (status, "at most" in told["error"])
    pages[0].close()
    assert comes(lambda: 200 == ask(web, "GET", "/api/v1/state")[0])
    for page in pages:
        page.close()


def test_what_is_no_http_ends_quietly_and_others_are_served(web):
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"A" * 20_000,
        b"\r\n" * 50,
    ):
        with socket.create_connection(("127.0.0.1", web.address.port), PATIENCE_SECONDS) as raw:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert 200 == ask(web, "GET", "/healthz")[0]


def test_the_page_runs_its_own_scripts_alone_and_is_small(web):
    status, body, answer = ask(web, "GET", "/")
    assert 200 == status
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(body) <= 80 * 1024
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body


def test_every_route_is_in_the_openapi_and_answers_head(web):
    paths = ask(web, "GET", "/api/v1/openapi.json")[1]["paths"]
    assert {"/healthz", "/api/v1/state", "/api/v1/controls", "/api/v1/scene/{name}"} <= set(paths)
    assert (200, b"") == ask(web, "HEAD", "/api/v1/state")[:2]


def test_the_openapi_says_which_bodies_may_be_left_out_and_they_may(web):
    paths = ask(web, "GET", "/api/v1/openapi.json")[1]["paths"]
    bodies = {
        (method.upper(), path.replace("{name}", "mine")): operation["requestBody"]["required"]
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }
    assert {True, False} == {*bodies.values()}
    for (method, path), required in bodies.items():
        assert (400 if required else 200) == ask(web, method, path)[0]


def test_a_port_that_is_taken_is_one_line(web, desk):
    with pytest.raises(ConfigError, match=r"live\.web 127.* cannot be opened .* choose another"):
        WebSurface(desk, web.address, Access())


def test_a_kept_connection_answers_again_and_again(web):
    client = http.client.HTTPConnection("127.0.0.1", web.address.port, timeout=PATIENCE_SECONDS)
    for _ in range(20):
        client.request("GET", "/healthz")
        assert b'{"status":"ok"}' == client.getresponse().read()
    client.close()


def test_the_tree_of_osc_addresses_is_there_for_programs_that_build_themselves(desk):
    desk.controls.update(density=2.0, pause=True)
    web = WebSurface(desk, Address("127.0.0.1", 0), Access(), osc=Address("127.0.0.1", 7001))
    host = ask(web, "GET", "/?HOST_INFO")[1]
    assert ("Perpetuo", 7001, "UDP") == (host["NAME"], host["OSC_PORT"], host["OSC_TRANSPORT"])
    assert host["EXTENSIONS"]["RANGE"]
    whole = ask(web, "GET", "/", Accept="*/*")[1]
    nodes = whole["CONTENTS"]["perpetuo"]["CONTENTS"]
    assert {*control_specs(), "scene", "bundle"} == set(nodes)
    assert nodes["density"] == ask(web, "GET", "/perpetuo/density")[1] == {
        "FULL_PATH": "/perpetuo/density", "ACCESS": 3, "TYPE": "f", "VALUE": [2.0],
        "RANGE": [{"MIN": 0.25, "MAX": 4.0}], "UNIT": ["x"],
        "DESCRIPTION": control_specs()["density"].declared.help,
    }  # fmt: skip
    assert ("T", [True]) == (nodes["pause"]["TYPE"], nodes["pause"]["VALUE"])
    assert "dorian" in nodes["scale"]["RANGE"][0]["VALS"]
    assert ("i", [None]) == (nodes["candidates"]["TYPE"], nodes["candidates"]["VALUE"])
    assert ["calm", "night"] == nodes["scene"]["RANGE"][0]["VALS"]
    assert 2 == nodes["scene"]["CONTENTS"]["night"]["ACCESS"]
    assert ["tiny", "band"] == nodes["bundle"]["RANGE"][0]["VALS"]
    assert ["tiny"] == nodes["bundle"]["VALUE"]
    assert {"VALUE": [2.0]} == ask(web, "GET", "/perpetuo/density?VALUE")[1]
    assert 204 == ask(web, "GET", "/perpetuo/scale?UNIT")[0]
    web.close()


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/perpetuo/densty", 404, "no OSC address"),
        ("/perpetuo/density/x", 404, "no OSC address"),
        ("/perpetuo/density?LISTEN", 400, "none of HOST_INFO"),
        ("/perpetuo/..%2f..", 404, "no OSC address"),
    ],
)
def test_an_osc_address_that_is_none_is_one_json_error(path, status, says, web):
    found, told, _ = ask(web, "GET", path)
    assert (status, True) == (found, says in told["error"])


def test_the_tree_asks_for_the_token_and_a_browser_gets_the_page(guarded, web):
    assert 401 == ask(guarded, "GET", "/?HOST_INFO")[0]
    assert 200 == ask(guarded, "GET", f"/?HOST_INFO&token={TOKEN}")[0]
    assert 401 == ask(guarded, "GET", "/perpetuo/density")[0]
    assert b"<canvas" in ask(web, "GET", "/", Accept="text/html,*/*;q=0.8")[1]
    assert b"<canvas" in ask(web, "GET", "/")[1]
    assert "OSC_PORT" not in ask(web, "GET", "/?HOST_INFO")[1]


def test_a_recording_is_removed_by_its_name_alone(web, desk):
    assert (200, {"deleted": "take-1.mid"}) == ask(web, "DELETE", "/api/v1/recordings/take-1.mid")[
        :2
    ]
    assert 404 == ask(web, "DELETE", "/api/v1/recordings/take-1.mid")[0]
    assert 404 == ask(web, "DELETE", "/api/v1/recordings/..%2fpasswd")[0]
    assert {} == desk.held


def test_ports_and_dropped_phrases_are_told(web, desk):
    assert desk.there == ask(web, "GET", "/api/v1/ports")[1]
    page = Page(web)
    assert desk.there == page.told("ports")["ports"]
    page.close()
    page = Page(web)
    assert [["range", [[1000, 500, 99, 80, 0, 1]]]] == page.told("dropped")["phrases"]
    page.close()


def test_closing_lets_every_client_go_and_ends_the_thread(desk):
    surface = WebSurface(desk, Address("127.0.0.1", 0), Access())
    page = Page(surface)
    surface.close()
    surface.close()
    assert "web" not in {thread.name for thread in threading.enumerate()}
    page.close()


def test_the_page_of_the_api_is_made_from_the_routes():
    """``make docs`` writes it."""
    run = subprocess.run(
        [sys.executable, ".ci/write_api.py", "--check"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stderr)


def test_a_page_that_waits_for_the_bundle_of_a_scene_is_heard_on_and_told_too(web, desk):
    page = Page(web)
    page.told("hello")
    desk.scene_bundle = "bnd"
    desk.disk.clear()
    page.say({"scene": "elsewhere"})
    page.say({"set": {"density": 0.5}})
    page.say({"ping": 7})
    try:
        assert 7 == page.told("pong")["ping"]
        assert 0.5 == desk.controls.snapshot().density
    finally:
        desk.disk.set()
    assert "did you mean tiny?" in page.told("error")["error"]
    page.close()


def test_a_knob_is_learnt_and_forgotten_and_the_state_says_which_steers_what(web, desk):
    assert (200, {"learning": "density"}) == ask(web, "POST", "/api/v1/learn/density")[:2]
    state = ask(web, "GET", "/api/v1/state")[1]
    assert ({"density": "CC74"}, "density") == (state["knobs"], state["learning"])
    assert (200, {"forgotten": "density"}) == ask(web, "DELETE", "/api/v1/learn/density")[:2]
    state = ask(web, "GET", "/api/v1/state")[1]
    assert ({}, None) == (state["knobs"], state["learning"])
    assert 404 == ask(web, "POST", "/api/v1/learn/densty")[0]
    assert 405 == ask(web, "GET", "/api/v1/learn/density")[0]


def test_a_page_that_learns_a_knob_is_told_at_once(web, desk):
    page = Page(web)
    page.told("hello")
    page.told("state")
    page.say({"learn": "transpose"})
    while page.told("state")["learning"] != "transpose":
        pass
    page.say({"forget": "transpose"})
    while page.told("state")["learning"] is not None:
        pass
    page.say({"learn": "transpos"})
    assert "no control is called" in page.told("error")["error"]
    page.close()

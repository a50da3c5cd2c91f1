"""What each address of the web surface answers: method, path and body in, status and bytes out.

In: a request that :mod:`streamer.surfaces.access` let in. Out: a :class:`Response`. No sockets, no
waiting: the table below is the API, and docs/api.md is made from it. Any thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from streamer.surfaces.desk import Desk, Refusal, change, declarations, keep

JSON = "application/json; charset=utf-8"

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
        status: HTTP status.
        body: Its bytes.
        kind: Media type.
        headers: More headers.
    """

    status: int
    body: bytes
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address.

    Attributes:
        method: GET, PATCH, POST, DELETE.
        path: Below the root; ``{name}`` stands for one part of it.
        about: One line for people, for docs/api.md and OpenAPI.
        answer: ``(desk, name, body) -> Response``.
        example: What a body may be; None where there is none.
        optional: Whether the body may be left out; it is then None.
        disk: Whether a disk is read or written, which may take a while.
        free: Whether no token is asked for.
    """

    method: str
    path: str
    about: str
    answer: Callable[[Desk, str, Any], Response]
    example: Any = None
    free: bool = False
    optional: bool = False
    disk: bool = False


def as_json(value: Any, status: int = 200) -> Response:
    """Return a value as an answer."""
    return Response(status, json.dumps(value, separators=(",", ":")).encode())


def refusal(error: Refusal) -> Response:
    """Return what is wrong as an answer."""
    return as_json({"error": str(error), "status": error.status}, error.status)


def respond(desk: Desk, method: str, path: str, body: bytes) -> Response:
    """Answer a request.

    Args:
        desk: The stream.
        method: HTTP method; HEAD answers as GET, and whoever sends leaves the body out.
        path: Without the query.
        body: What came with it.

    Raises:
        Refusal: 404, 405 or 415 where there is no such thing, 400 for what is no JSON, and what the
            address itself refuses.
    """
    method = "GET" if method == "HEAD" else method
    found = [(route, name) for route in ROUTES if (name := _match(route.path, path)) is not None]
    if not found:
        raise Refusal(404, f"there is nothing at {path[:120]!r}; see {API}/openapi.json")
    for route, name in found:
        if route.method == method:
            return route.answer(desk, name, _parsed(route, body))
    allowed = ", ".join(sorted({route.method for route, _ in found}))
    raise Refusal(405, f"{method[:20]} is none of {allowed}")


def is_free(path: str) -> bool:
    """Whether an address asks for no token."""
    return any(route.free and _match(route.path, path) is not None for route in ROUTES)


def waits_for_disk(method: str, path: str) -> bool:
    """Whether answering reads or writes a disk."""
    method = "GET" if method == "HEAD" else method
    asked = (route for route in ROUTES if route.method == method and route.disk)
    return any(_match(route.path, path) is not None for route in asked)


def openapi() -> dict[str, Any]:
    """Return the API as OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        operation: dict[str, Any] = {
            "summary": route.about,
            "responses": {
                "200": {"description": "done"},
                "4XX": {"description": "one line why not"},
            },
        }
        if "{name}" in route.path:
            operation["parameters"] = [
                {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
            ]
        if route.example is not None:
            content = {"application/json": {"example": route.example, "schema": {"type": "object"}}}
            operation["requestBody"] = {"required": not route.optional, "content": content}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    about = {"title": "Perpetuo", "version": "1"}
    return {"openapi": "3.1.0", "info": about, "paths": paths}


def _match(pattern: str, path: str) -> str | None:
    """Return what stands for ``{name}``, "" where nothing does; None where the path is another."""
    if "{name}" not in pattern:
        return "" if pattern == path else None
    before, _, after = pattern.partition("{name}")
    if not path.startswith(before) or not path.endswith(after) or len(path) <= len(pattern) - 6:
        return None
    name = unquote(path[len(before) : len(path) - len(after)])
    return name if name and "/" not in name and "\x00" not in name else None


def _parsed(route: Route, body: bytes) -> Any:
    if route.example is None or (route.optional and not body.strip()):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body must be JSON, such as {json.dumps(route.example)}") from error


def _health(desk: Desk, _: str, __: Any) -> Response:
    well = desk.healthy()
    return as_json({"status": "ok" if well else "failing"}, 200 if well else 503)


def _state(desk: Desk, _: str, __: Any) -> Response:
    return as_json(desk.state())


def _controls(desk: Desk, _: str, __: Any) -> Response:
    return as_json(desk.controls.snapshot().values())


def _patch(desk: Desk, _: str, body: Any) -> Response:
    return as_json(change(desk, body))


def _registry(_: Desk, __: str, ___: Any) -> Response:
    return as_json(declarations())


def _learn(desk: Desk, name: str, _: Any) -> Response:
    desk.learn(name)
    return as_json({"learning": name})


def _forget(desk: Desk, name: str, _: Any) -> Response:
    desk.forget(name)
    return as_json({"forgotten": name})


def _scenes(desk: Desk, _: str, __: Any) -> Response:
    return as_json(list(desk.scenes()))


def _scene(desk: Desk, name: str, _: Any) -> Response:
    desk.choose_scene(name)
    return as_json({"scene": name, "controls": desk.controls.snapshot().values()})


def _bundles(desk: Desk, _: str, __: Any) -> Response:
    return as_json(list(desk.bundles()))


def _bundle(desk: Desk, name: str, _: Any) -> Response:
    desk.choose_bundle(name)
    return as_json({"bundle": name})


def _snapshot(desk: Desk, _: str, __: Any) -> Response:
    return as_json(desk.snapshot())


def _save(desk: Desk, name: str, body: Any) -> Response:
    wanted = {} if body is None else body
    legal = {"replace": bool, "description": str}
    if not isinstance(wanted, dict) or any(
        not isinstance(value, legal.get(key, ())) for key, value in wanted.items()
    ):
        raise Refusal(422, 'a body may hold "replace": true and "description": "a line"')
    path = desk.save_scene(
        name,
        description=wanted.get("description", ""),
        replace=wanted.get("replace", False),
    )
    return as_json({"scene": name, "path": path})


def _bookmark(desk: Desk, _: str, __: Any) -> Response:
    return as_json(desk.bookmark())


def _keep(desk: Desk, _: str, body: Any) -> Response:
    return as_json(keep(desk, body))


def _recordings(desk: Desk, _: str, __: Any) -> Response:
    return as_json(list(desk.recordings()))


def _recording(desk: Desk, name: str, _: Any) -> Response:
    body = desk.recording(name)
    safe = "".join(c for c in name if c.isalnum() or c in "-_.")
    held = {"Content-Disposition": f'attachment; filename="{safe}"'}
    return Response(200, body, "audio/midi", held)


def _delete(desk: Desk, name: str, _: Any) -> Response:
    desk.delete_recording(name)
    return as_json({"deleted": name})


def _ports(desk: Desk, _: str, __: Any) -> Response:
    return as_json(list(desk.ports()))


def _openapi(_: Desk, __: str, ___: Any) -> Response:
    return as_json(openapi())


ROUTES = (
    Route("GET", "/healthz", "200 while the stream does what it should, else 503", _health,
          free=True),
    Route("GET", f"{API}/state", "what plays at this moment", _state),
    Route("GET", f"{API}/controls", "every live control by name, as it is now", _controls),
    Route("PATCH", f"{API}/controls", "moves controls; null is a control's default", _patch,
          example={"density": 0.5, "temperature": 1.1}),
    Route("GET", f"{API}/registry", "every live control with its range, unit and help", _registry),
    Route("POST", API + "/learn/{name}",
          "lets the next knob that is turned, within a minute, steer a control", _learn),
    Route("DELETE", API + "/learn/{name}", "lets no knob steer a control any more", _forget,
          disk=True),
    Route("GET", f"{API}/scenes", "the scenes that can be chosen", _scenes, disk=True),
    Route("POST", API + "/scene/{name}", "takes on a scene", _scene, disk=True),
    Route("GET", f"{API}/bundles", "the bundles that can be chosen", _bundles, disk=True),
    Route("POST", API + "/bundle/{name}",
          "loads another bundle, which follows when the phrase in play has ended", _bundle,
          disk=True),
    Route("GET", f"{API}/snapshot", "what plays, as a scene would hold it", _snapshot),
    Route("POST", API + "/scenes/{name}", "saves what plays as a scene of one's own", _save,
          example={"description": "as it was on Sunday", "replace": False}, optional=True,
          disk=True),
    Route("POST", f"{API}/bookmark", "keeps the place before the phrase that sounds, to go on from",
          _bookmark, disk=True),
    Route("POST", f"{API}/keep", "keeps the last half hour, or its end, as a .mid file", _keep,
          example={"seconds": 60}, optional=True, disk=True),
    Route("GET", f"{API}/recordings", "what was recorded, newest first", _recordings,
          disk=True),
    Route("GET", API + "/recordings/{name}", "one recording, as a .mid file", _recording,
          disk=True),
    Route("DELETE", API + "/recordings/{name}", "removes a recording that has ended", _delete,
          disk=True),
    Route("GET", f"{API}/ports", "MIDI ports that are there, and which of them we are on", _ports),
    Route("GET", f"{API}/openapi.json", "this table, as OpenAPI", _openapi),
)  # fmt: skip

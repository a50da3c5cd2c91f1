"""OSCQuery: the tree of OSC addresses as JSON at the HTTP port, so that programs build themselves.

In: a path, attributes behind its question mark, a desk. Out: nodes with ``FULL_PATH``, ``TYPE``,
``RANGE``, ``VALUE``, ``ACCESS``, ``DESCRIPTION`` and ``UNIT``, made from the control registry, as
the OSCQuery proposal (Vidvox, 2019) has them; ``?HOST_INFO`` says where OSC is heard. Pure; any
thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.settings.controls import control_specs
from streamer.settings.live import Address
from streamer.settings.schema import ControlSpec
from streamer.surfaces.desk import Desk, Refusal
from streamer.surfaces.routes import Response, as_json

ROOT = "/perpetuo"
"""Below it lie all addresses; the node ``/`` holds it alone."""

ATTRIBUTES = ("FULL_PATH", "TYPE", "RANGE", "VALUE", "ACCESS", "DESCRIPTION", "UNIT", "CONTENTS")
HOST_INFO = "HOST_INFO"

NOTHING, READ, WRITE, BOTH = 0, 1, 2, 3
"""Values of ``ACCESS``."""

Node = dict[str, Any]


def asks(path: str, query: Mapping[str, str], accept: str | None) -> bool:
    """Whether a request is for this tree: the root is the page's where a browser asks.

    Args:
        path: Without the query.
        query: By name.
        accept: The header; None where there is none.
    """
    if path == ROOT or path.startswith(f"{ROOT}/"):
        return True
    named = any(name in (HOST_INFO, *ATTRIBUTES) for name in query)
    return path == "/" and (named or (accept is not None and "text/html" not in accept))


def answer(desk: Desk, path: str, query: Mapping[str, str], osc: Address | None) -> Response:
    """Answer a request for the tree, a node of it, or one attribute of a node.

    Args:
        desk: The stream.
        path: Without the query.
        query: By name; ``token`` is none of ours.
        osc: Where OSC is heard; None where it is not.

    Raises:
        Refusal: 404 where there is no such node, 400 for an attribute that nothing has.
    """
    asked = [name for name in query if name != "token"]
    if HOST_INFO in asked:
        return as_json(host_info(osc))
    node = tree(desk)
    for part in filter(None, path.split("/")):
        found = node.get("CONTENTS", {}).get(part)
        if found is None:
            raise Refusal(404, f"there is no OSC address {path[:120]!r}; {ROOT} has all there are")
        node = found
    for name in asked:
        if name not in ATTRIBUTES:
            raise Refusal(400, f"{name[:40]!r} is none of {', '.join((HOST_INFO, *ATTRIBUTES))}")
    if not asked:
        return as_json(node)
    if asked[0] not in node:
        return Response(204, b"")
    return as_json({asked[0]: node[asked[0]]})


def host_info(osc: Address | None) -> Node:
    """Return who we are, what of OSCQuery we have, and where OSC is heard."""
    has = ("ACCESS", "VALUE", "RANGE", "TYPE", "DESCRIPTION", "UNIT")
    found: Node = {"NAME": "Perpetuo", "EXTENSIONS": {**dict.fromkeys(has, True), "LISTEN": False}}
    if osc is not None:
        found |= {"OSC_PORT": osc.port, "OSC_TRANSPORT": "UDP"}
    return found


def tree(desk: Desk) -> Node:
    """Return the whole tree, with the values of this moment."""
    values = desk.controls.snapshot().values()
    nodes = {spec.name: _control(spec, values[spec.name]) for spec in control_specs().values()}
    for word, found, value, about in (
        ("scene", desk.scenes(), desk.controls.scene, "takes on a scene by its name"),
        ("bundle", desk.bundles(), desk.bundle(), "lets another bundle follow, by its name"),
    ):
        names = [str(one["name"]) for one in found]
        nodes[word] = {
            **_node(word, about),
            "TYPE": "s",
            "ACCESS": BOTH,
            "RANGE": [{"VALS": names}],
            "VALUE": [value],
            "CONTENTS": {name: _named(word, name) for name in names},
        }
    holder = {**_node("", "what steers the stream"), "FULL_PATH": ROOT, "CONTENTS": nodes}
    root = {"FULL_PATH": "/", "ACCESS": NOTHING, "DESCRIPTION": "Perpetuo"}
    return {**root, "CONTENTS": {ROOT[1:]: holder}}


def _node(word: str, about: str) -> Node:
    return {"FULL_PATH": f"{ROOT}/{word}", "ACCESS": NOTHING, "DESCRIPTION": about}


def _named(word: str, name: str) -> Node:
    return {**_node(f"{word}/{name}", f"takes on this {word}"), "ACCESS": WRITE, "TYPE": "T"}


def _control(spec: ControlSpec, value: Any) -> Node:
    node = {**_node(spec.name, spec.declared.help), "ACCESS": BOTH, "VALUE": [value]}
    if spec.kind == "switch":
        node["TYPE"] = "T" if value else "F"
    elif spec.kind == "choice":
        node |= {"TYPE": "s", "RANGE": [{"VALS": list(spec.choices)}]}
    elif spec.kind == "text":
        node["TYPE"] = "s"
    else:
        node["TYPE"] = "f" if spec.kind == "number" else "i"
        if spec.range is not None:
            node["RANGE"] = [{"MIN": spec.range.low, "MAX": spec.range.high}]
    if spec.unit:
        node["UNIT"] = [spec.unit]
    return node

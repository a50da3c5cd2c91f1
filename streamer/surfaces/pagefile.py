"""The page as one answer: markup, style and scripts of the folder ``page`` put into one file.

In: nothing. Out: a :class:`~streamer.surfaces.routes.Response` whose policy lets the browser run
these scripts alone, by their hashes, and speak to this server alone. Read once; any thread.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from streamer.surfaces.routes import Response

FOLDER = Path(__file__).with_name("page")

SCRIPTS = ("synth.js", "roll.js", "panels.js", "app.js")
"""In the order in which they run."""


@cache
def page() -> Response:
    """Return the page."""
    style = _read("style.css")
    script = "\n".join(_read(name) for name in SCRIPTS)
    markup = _read("index.html").replace("/*style*/", style).replace("/*script*/", script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = {"Content-Security-Policy": policy}
    return Response(200, markup.encode(), "text/html; charset=utf-8", headers)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"

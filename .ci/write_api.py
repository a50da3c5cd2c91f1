"""Writes docs/api.md from the table of addresses in streamer/surfaces/routes.py.

``write_api.py`` writes, ``write_api.py --check`` exits with 1 when what is there is stale. Needs
the streamer with the extra ``live``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from streamer.surfaces.desk import MOST_CHANGES  # noqa: E402  # after the path
from streamer.surfaces.live import BURST, FIGURES_SECONDS, MOST_TEXT, RATE  # noqa: E402
from streamer.surfaces.osc import LISTEN_SECONDS  # noqa: E402
from streamer.surfaces.routes import ROUTES, Route  # noqa: E402
from streamer.surfaces.web import LIVE, MOST_BODY, MOST_CLIENTS, MOST_HEAD  # noqa: E402

PAGE = ROOT / "docs" / "api.md"


def made() -> str:
    """Return the page."""
    rows = [
        f"| `{route.method}` | `{route.path}` | {route.about}{_example(route)} |"
        for route in ROUTES
    ]
    return f"""# The API

Made from `streamer/surfaces/routes.py` by `make docs`. [live.md](live.md) says how it is opened and who is let in.

Every answer but the page and a recording is JSON. What is wrong is a status of 400 or more and `{{"error": "one line with value, limit and remedy", "status": 422}}`: 400 no JSON, 401 no token, 403 a strange host or origin, 404 no such thing (with the nearest name), 405, 409 not now (a name that is taken, nothing to keep yet), 413 too large, 422 out of range, 503 too many clients or a disk that is waited for, 507 a disk that cannot be written. Names and ranges of the controls are in [controls.md](controls.md).

| method | address | does |
| --- | --- | --- |
{chr(10).join(rows)}
| WebSocket | `{LIVE}` | pushes what changes and takes changes, below |

`curl -X PATCH http://127.0.0.1:8765/api/v1/controls -d '{{"density": 0.5}}'` moves a control; `null` puts one back to its default. One message moves at most {MOST_CHANGES} controls, all or none. A head has at most {MOST_HEAD // 1024} KiB, a body {MOST_BODY // 1024} KiB; {MOST_CLIENTS} clients are served at once.

`POST /api/v1/bundle/{{name}}` is answered when the bundle is loaded, which takes a second on a desktop and some on a Pi; it is heard when the phrase in play has ended: `model` of the state is what is heard, `next_model` what is on its way, or null. 404 is a name that `GET /api/v1/bundles` does not have, 422 a bundle that is broken or cannot play as it is asked to, 409 one that is too large for the memory that is free, and a wish that a later one has overtaken. What plays plays on. A scene that names another bundle answers the same.

## The live channel

Text messages, JSON both ways. The stream says:

| `type` | holds |
| --- | --- |
| `hello` | first: `registry` (every control's declaration), `scenes` and `bundles` |
| `controls` | `values` that have changed, `scene`; all of them at first |
| `state` | as `GET /api/v1/state`, every {FIGURES_SECONDS:g} s |
| `written` | `notes` that were written: `[onset ms, duration ms, pitch, velocity, channel]` in ms of the stream, and a 1 behind where the pedal is down |
| `dropped` | `phrases` that were drawn and dropped: `[reason, notes]`, the notes as above |
| `scenes` | `scenes` anew, when one was saved, on whatever surface or by hand; `saved`, its name, to the client that asked for it |
| `kept` | what was kept, as `POST /api/v1/keep` answers |
| `ports` | `ports` as `GET /api/v1/ports`, when they have changed |
| `now` | `ms` of the stream at this moment, and `rate` at which they pass (0: held) |
| `sent` | `messages` that left: `[ms ago, status, data, data]` |
| `pong`, `error` | answers |

A client says `{{"set": {{"density": 0.5}}}}`, `{{"scene": "night"}}`, `{{"bundle": "tunes"}}` or `{{"ping": 1}}`; at most {RATE:g} messages a second ({BURST:g} at once), of at most {MOST_TEXT // 1024} KiB. One that says more, or does not read what it is told, is let go.

## OSC

UDP 7001. `/perpetuo/<control> value` moves a control (numbers may be floats, switches 0 or 1), without a value it is answered; `/perpetuo/get [names]`; `/perpetuo/scene/<name>`, `/perpetuo/scene` without a value is answered, `/perpetuo/bundle` likewise; `/perpetuo/listen 1` has every change pushed to the sender for {LISTEN_SECONDS:g} s, `0` ends it; `/perpetuo/error` is what is wrong. On the network the first message of a sender is `/perpetuo/token TOKEN`.

### OSCQuery

`GET /?HOST_INFO` says where OSC is heard, `GET /perpetuo` is the tree of all addresses, `GET /perpetuo/density` one node of it (`FULL_PATH`, `TYPE`, `RANGE`, `VALUE`, `ACCESS`, `DESCRIPTION`, `UNIT`), `GET /perpetuo/density?VALUE` one attribute. `GET /` is the whole tree for a program that does not accept `text/html`, and the page for a browser. Who is let in is the same as everywhere.

## MQTT

`perpetuo/<id>/<control>` holds each value, retained, and `.../set` moves it; `perpetuo/<id>/scene` and `.../set`, `perpetuo/<id>/bundle` and `.../set`; `perpetuo/<id>/state` has what plays, as JSON; `perpetuo/<id>/status` is `online` or `offline`. `<id>` is `perpetuo_` and the machine's name. Home Assistant finds sliders, switches, choices and a sensor by itself.
"""


def _example(route: Route) -> str:
    if route.example is None:
        return ""
    optional = " (may be left out)" if route.optional else ""
    return f", such as `{json.dumps(route.example)}`{optional}"


def main(arguments: list[str]) -> int:
    """Write the page, or say that it is stale."""
    text = made()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"{PAGE}: stale; run .ci/write_api.py (make docs)\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

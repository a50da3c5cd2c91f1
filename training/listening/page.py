"""The page of a listening test, as one file: markup, style, script, and what is to be heard.

In: the key. Out: HTML that holds no name of a system. Its policy lets the browser run this script
alone and load nothing but the clips beside it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.listening.answers import ANSWERS_FORMAT, SCALES

FOLDER = Path(__file__).with_name("page")


def page(key: Mapping[str, Any], suffix: str) -> str:
    """Return the page.

    Args:
        key: Of the test; systems and sources are left out of the page.
        suffix: Of the clips' files.
    """
    style, script = _read("style.css"), _read("test.js")
    test = {
        "format": ANSWERS_FORMAT,
        "test": key["test"],
        "suffix": suffix,
        "pairs": [
            {"id": pair["id"], "clips": [clip["clip"] for clip in pair["clips"]]}
            for pair in key["pairs"]
        ],
        "scales": [vars(scale) for scale in SCALES],
    }
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "media-src 'self' file:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "<!--policy-->": policy,
        "<!--title-->": html.escape(str(key["title"])),
        "<!--count-->": str(len(key["pairs"])),
        "<!--minutes-->": str(max(1, round(len(key["pairs"]) * (2 * key["seconds"] + 30) / 60))),
        "/*style*/": style,
        "/*test*/": json.dumps(test).replace("<", "\\u003c"),
        "/*script*/": script,
    }
    text = _read("index.html")
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"

"""Writes what is made from the declarations of live controls.

Out: docs/controls.md, and the table ``[controls]`` of systemd/perpetuo.toml. Usage:
``write_controls.py`` writes, ``write_controls.py --check`` exits with 1 when what is there is
stale. Needs the streamer, and nothing of training.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from streamer.settings.controls import control_specs  # noqa: E402  # after the path
from streamer.settings.listing import as_page, as_toml  # noqa: E402

PAGE = ROOT / "docs" / "controls.md"
SETTINGS = ROOT / "systemd" / "perpetuo.toml"
TABLE = re.compile(r"^\[controls\]\n(?:(?!\[).*\n)*?(?=\n\[)", re.MULTILINE)
"""The table up to the empty line before the next."""


def made() -> dict[Path, str]:
    """Return what each file is to hold."""
    specs = control_specs().values()
    settings, count = TABLE.subn(lambda _: as_toml(specs), SETTINGS.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{SETTINGS}: must have one table [controls] and another after it")
    return {PAGE: as_page(specs), SETTINGS: settings}


def main(arguments: list[str]) -> int:
    """Write the files, or say which are stale."""
    stale = [
        path
        for path, text in made().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path}: stale; run .ci/write_controls.py (make docs)\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the site of docs/ has beyond the files of docs/; called by mkdocs.

README, CONTRIBUTING and CHANGELOG become pages, with their links as they are seen from docs/. Each
room of the three packages gets a page of its API, out of its docstrings. Links to files that are no
pages (code, cards, folders of pictures) are shown as plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
PACKAGES = ("streamer", "training", "export")
SPLIT = ("families", "studies")

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def rooms() -> dict[str, list[str]]:
    """Return the modules of each room by its dotted name; a package's own files are its room."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            folder = parts[:-1]
            if len(folder) > 2 and folder[1] not in SPLIT:
                folder = folder[:2]
            elif len(folder) > 3:
                folder = folder[:3]
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            names = found.setdefault(".".join(folder), [])
            if parts[-1] == "__init__":
                names.insert(0, module)
            elif parts[-1] != "__main__":
                names.append(module)
    return found


def on_config(config: Any) -> Any:
    """Leave out pages that are not written, and put the API at the end of the navigation."""
    there = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")} | set(OUTSIDE.values())
    config.nav = [_present(entry, there) for entry in config.nav]
    groups: dict[str, list[str]] = {}
    for room in rooms():
        groups.setdefault(room.split(".")[0], []).append(f"api/{room}.md")
    config.nav.append({"API": [{package: pages} for package, pages in groups.items()]})
    return config


def _present(entry: Any, there: set[str]) -> Any:
    if isinstance(entry, dict):
        return {title: _present(pages, there) for title, pages in entry.items()}
    if isinstance(entry, list):
        kept = (page for page in entry if not isinstance(page, str) or page in there)
        return [_present(page, there) for page in kept]
    return entry


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside and those of the API."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for room, modules in rooms().items():
        lines = [f"# {room}", ""]
        for module in modules:
            lines += [f"::: {module}", ""]
        files.append(File.generated(config, f"api/{room}.md", content="\n".join(lines)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links that leave docs/ point at pages of the site, or be plain text."""
    src = page.file.src_uri
    if src.startswith("api/"):
        return markdown
    outside = {page_: source for source, page_ in OUTSIDE.items()}
    here = ROOT / outside[src] if src in outside else DOCS / src

    def replace(found: re.Match[str]) -> str:
        text, link = found.groups()
        if re.match(r"[a-z]+:|#", link):
            return found.group(0)
        path, hash_, anchor = link.partition("#")
        target = (here.parent / path).resolve()
        if not target.is_relative_to(ROOT):
            return found.group(0)
        name = str(target.relative_to(ROOT))
        if name in OUTSIDE:
            uri = OUTSIDE[name]
        elif target.is_relative_to(DOCS) and target.is_file():
            uri = str(target.relative_to(DOCS))
        elif target.exists():
            return text
        else:
            return found.group(0)
        return f"[{text}]({os.path.relpath(uri, Path(src).parent)}{hash_}{anchor})"

    return _LINK.sub(replace, markdown)

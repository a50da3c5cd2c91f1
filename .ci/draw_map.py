"""Draws which room of each package imports which, for docs/architecture.md.

In: the imports of the tree as it is (read, never executed) and the layers of import-linter in
pyproject.toml. Out: ``docs/maps/PACKAGE.svg``, and a table of rooms between the marks of
docs/architecture.md. Usage: ``draw_map.py`` writes, ``draw_map.py --check`` exits with 1 when what
is there is stale. Standard library only.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
MAPS = ROOT / "docs" / "maps"
BEGIN, END = "<!-- map: begin (make docs) -->", "<!-- map: end -->"
PACKAGES = ("streamer", "training", "export")
SPLIT = ("families", "studies")
"""Rooms whose packages are rooms of their own."""

Graph = dict[str, set[str]]

BOX_WIDTH, BOX_HEIGHT, GAP, ROW, MARGIN, MOST = 132, 30, 14, 82, 20, 7


def room_of(package: str, parts: tuple[str, ...]) -> str:
    """Return the room of a module: its folder in the package, or itself where it has none."""
    if len(parts) > 2 and parts[0] in SPLIT and (ROOT / package / parts[0] / parts[1]).is_dir():
        return ".".join(parts[:2])
    return parts[0] if parts else package


def module_parts(package: str, path: Path) -> tuple[str, ...]:
    """Return a file's dotted place in its package."""
    parts = path.relative_to(ROOT / package).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def imported(tree: ast.Module, place: tuple[str, ...]) -> Iterable[str]:
    """Yield dotted names that a module imports, wherever in the file; ``place`` is its package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = place[: len(place) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            for alias in node.names:
                yield f"{base}.{alias.name}"


def read_graph(package: str) -> tuple[Graph, dict[str, str]]:
    """Return which room imports which, and the first sentence of each room's docstring."""
    modules = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        modules[(package, *module_parts(package, path))] = path
    rooms = {name: room_of(package, (*name[1:], *_tail(path))) for name, path in modules.items()}
    graph: Graph = {room: set() for room in rooms.values()}
    words: dict[str, str] = {}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        room = rooms[name]
        if path.name == "__init__.py" or len(name) == 2:
            words.setdefault(room, (ast.get_docstring(tree) or "").split("\n\n")[0])
        place = name if path.name == "__init__.py" else name[:-1]
        for dotted in imported(tree, place):
            target = _longest(tuple(dotted.split(".")), rooms)
            if target and target != room:
                graph[room].add(target)
    return graph, words


def _tail(path: Path) -> tuple[str, ...]:
    """Mark a package's own file, which belongs to the package's room."""
    return ("__init__",) if path.name == "__init__.py" else ()


def _longest(parts: tuple[str, ...], rooms: dict[tuple[str, ...], str]) -> str | None:
    while parts:
        if parts in rooms:
            return rooms[parts]
        parts = parts[:-1]
    return None


def declared_layers(package: str) -> list[list[str]]:
    """Return the layers that import-linter holds the package to, from the top; none where none."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in contracts["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and package in contract.get("containers", []):
            return [
                [name.strip(" ()") for name in layer.replace(":", "|").split("|")]
                for layer in contract["layers"]
            ]
    return []


def rows_of(graph: Graph, layers: list[list[str]]) -> list[list[str]]:
    """Return the rooms row by row, from the top: by declared layers, or by how deep they lie."""
    left = set(graph)
    rows = []
    for layer in layers:
        row = sorted(n for n in left if any(n == e or n.startswith(e + ".") for e in layer))
        left.difference_update(row)
        if row:
            rows.append(row)
    if left and not layers:
        depth = depths(graph)
        top = max(depth.values(), default=0)
        rows += [sorted(n for n in left if depth[n] == d) for d in range(top, -1, -1)]
    elif left:
        rows.append(sorted(left))
    return [row for row in rows if row]


def depths(graph: Graph) -> dict[str, int]:
    """Return how many rooms lie below each; a circle is cut where it is met."""
    found: dict[str, int] = {}

    def depth(room: str, above: frozenset[str]) -> int:
        if room not in found:
            below = [depth(t, above | {room}) for t in sorted(graph[room]) if t not in above]
            found[room] = 1 + max(below, default=-1)
        return found[room]

    for room in sorted(graph):
        depth(room, frozenset())
    return found


def reduced(graph: Graph) -> Graph:
    """Return the graph without the arrows that follow from others."""

    def reach(room: str, seen: set[str]) -> set[str]:
        for target in graph[room]:
            if target not in seen:
                seen.add(target)
                reach(target, seen)
        return seen

    short: Graph = {}
    for room, targets in graph.items():
        farther = set[str]().union(*(reach(t, set()) for t in targets)) if targets else set()
        short[room] = {t for t in targets if t not in farther or room in reach(t, set())}
    return short


def draw(package: str, rows: list[list[str]], graph: Graph) -> str:
    """Return the picture: a box a room, a row a layer, a line an import."""
    lines = [row[i : i + MOST] for row in rows for i in range(0, len(row), MOST)]
    most = max(map(len, lines))
    width = MARGIN * 2 + most * BOX_WIDTH + (most - 1) * GAP
    height = MARGIN * 2 + (len(lines) - 1) * ROW + BOX_HEIGHT
    at: dict[str, tuple[float, float]] = {}
    for y, row in enumerate(lines):
        start = (width - len(row) * BOX_WIDTH - (len(row) - 1) * GAP) / 2
        for x, room in enumerate(row):
            at[room] = (start + x * (BOX_WIDTH + GAP), MARGIN + y * ROW)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13" role="img">',
        f"<title>Rooms of {package}: what imports what</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<g stroke="#8899aa" fill="none" stroke-width="1.2">',
    ]
    for room, targets in sorted(graph.items()):
        for target in sorted(targets):
            x0, y0 = at[room][0] + BOX_WIDTH / 2, at[room][1] + BOX_HEIGHT
            x1, y1 = at[target][0] + BOX_WIDTH / 2, at[target][1]
            bend = (y1 - y0) / 2
            wrong = ' stroke="#cc3322"' if y1 < y0 else ""  # sideways, or back up
            out.append(
                f'<path d="M{x0:g} {y0:g} C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} '
                f'{x1:g} {y1:g}"{wrong}/>'
            )
    out.append("</g>")
    for room, (x, y) in at.items():
        fill = "#fff3d6" if room.startswith("families.") else "#e8f0fa"
        out.append(
            f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" '
            f'fill="{fill}" stroke="#445566"/>'
            f'<text x="{x + BOX_WIDTH / 2:g}" y="{y + 20:g}" text-anchor="middle" '
            f'fill="#112233">{escape(room)}</text>'
        )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def table(package: str, rows: list[list[str]], graph: Graph, words: dict[str, str]) -> str:
    """Return what each room is for and which it imports, as Markdown."""
    arrows = sum(map(len, graph.values()))
    out = [
        f"### {package}",
        "",
        f"![rooms of {package}](maps/{package}.svg)",
        "",
        f"{len(graph)} rooms, {arrows} arrows between them, from the top:",
        "",
        "| room | what it is for | imports |",
        "| --- | --- | --- |",
    ]
    for row in rows:
        for room in row:
            text = " ".join(words.get(room, "").split()).replace("``", "`").replace("|", "\\|")
            below = ", ".join(sorted(graph[room]))
            out.append(f"| `{room}` | {text} | {below} |")
    return "\n".join(out)


def main() -> int:
    """Write the maps, or say which are stale."""
    check = sys.argv[1:] == ["--check"]
    wanted: dict[Path, str] = {}
    parts = []
    for package in PACKAGES:
        graph, words = read_graph(package)
        graph = {room: {t for t in targets if t != package} for room, targets in graph.items()}
        graph.pop(package, None)
        graph.pop("__init__", None)
        graph = {room: targets - {"__init__"} for room, targets in graph.items()}
        rows = rows_of(graph, declared_layers(package))
        wanted[MAPS / f"{package}.svg"] = draw(package, rows, reduced(graph))
        parts.append(table(package, rows, graph, words))
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    wanted[PAGE] = f"{head}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{tail}"
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text("utf-8") != text]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: make docs draws it anew", file=sys.stderr)
        return 1 if stale else 0
    MAPS.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"drew {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What docstrings and documents point at is there: papers, modules, files, pages.

Everything is read, nothing imported, so that it holds without torch and takes seconds.
"""

import ast
import builtins
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("streamer", "training", "export")
CODE = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
TESTS = sorted(p for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__))
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
CARDS = sorted((ROOT / "streamer" / "models").glob("*/CARD.md"))

KEY = re.compile(r"\[([A-Z][A-Za-z]+(?:19|20)\d\d[a-z]?)\]")
ROLE = re.compile(r":(mod|class|func|meth|data|attr|exc|obj|const):`~?([^`]+)`")
LEADS_NOWHERE = re.compile(
    r"\bpapers? 00\d|\bspecs? (?:00\d|engine|realtime)|\bspecs/|\bDESIGN[,.]|\bHOUSE\.md"
    r"|\bSTYLE\.md|\b[Ii]ssue \d",
)
CALLER = re.compile(r"\b[Cc]alled by (?!any\b|(?:the )?[\w']+'s threads?\b|the \w+ thread\b)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`\n]+)`")


def place(path: Path) -> str:
    """Return a file's path as people write it."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in [*CODE, *TESTS, Path(__file__)]}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def docstrings(path: Path) -> list[tuple[str, list[str]]]:
    """Return every string that stands by itself, with the classes around it."""
    found: list[tuple[str, list[str]]] = []

    def walk(node: ast.AST, around: list[str]) -> None:
        for child in ast.iter_child_nodes(node):
            value = getattr(child, "value", None)
            if isinstance(child, ast.Expr) and isinstance(value, ast.Constant):
                if isinstance(value.value, str):
                    found.append((value.value, around))
            elif isinstance(child, ast.ClassDef):
                walk(child, [*around, child.name])
            else:
                walk(child, around)

    walk(parsed(path), [])
    return found


@cache
def names_of(path: Path) -> dict[str, ast.AST | str]:
    """Return what a module has by name: nodes, or dotted names of what it imports."""
    names: dict[str, ast.AST | str] = {}

    def take(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names[node.name] = node
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
            elif isinstance(node, ast.Import):
                names.update({a.asname or a.name.split(".")[0]: a.name for a in node.names})
            elif isinstance(node, ast.If | ast.Try):
                for part in ("body", "orelse", "finalbody"):
                    take(getattr(node, part, []))
            else:
                names.update(dict.fromkeys(bound(node), node))

    take(parsed(path).body)
    return names


def bound(node: ast.stmt) -> list[str]:
    """Return the names that an assignment binds."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    flat = [t for target in targets for t in getattr(target, "elts", [target])]
    return [t.id for t in flat if isinstance(t, ast.Name)]


def members(node: ast.ClassDef) -> set[str]:
    """Return the names of a class's methods and attributes, those of ``self`` counted in."""
    found = set()
    for child in ast.walk(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(child.name)
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            found.update(bound(child))
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            flat = [t for target in targets for t in getattr(target, "elts", [target])]
            found.update(t.attr for t in flat if isinstance(t, ast.Attribute))
    return found


def has(module: str, parts: list[str], seen: frozenset[str] = frozenset()) -> bool:
    """Return whether a module has a thing, followed through what it imports."""
    if not parts:
        return True
    dotted = f"{module}.{parts[0]}"
    if dotted in modules():
        return has(dotted, parts[1:])
    thing = names_of(modules()[module]).get(parts[0])
    if thing is None or dotted in seen:
        return thing is not None and len(parts) == 1
    if isinstance(thing, str):
        return resolves(f"{thing}.{'.'.join(parts[1:])}".rstrip("."), seen | {dotted})
    if len(parts) == 1:
        return True
    if not isinstance(thing, ast.ClassDef):
        return False
    if parts[1] in members(thing):
        return True
    bases = [ast.unparse(base).split("[")[0] for base in thing.bases]
    return any(has(module, [*base.split("."), *parts[1:]], seen | {dotted}) for base in bases)


def resolves(dotted: str, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether a dotted name from the top is there; of other packages the first part."""
    parts = dotted.split(".")
    if parts[0] not in {*PACKAGES, "tests"}:
        return hasattr(builtins, parts[0]) or importlib.util.find_spec(parts[0]) is not None
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in modules():
            return has(module, parts[length:], seen)
    return False


def reference_resolves(path: Path, around: list[str], target: str) -> bool:
    """Return whether a role's target is there, as seen from a docstring."""
    target = target.strip().removesuffix("()")
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    if target.startswith("."):
        return resolves(f"{package}{target}")
    parts = target.split(".")
    scopes = [around[:n] for n in range(len(around), -1, -1)]
    return any(has(module, [*scope, *parts]) for scope in scopes) or resolves(target)


def test_the_resolver_tells_what_is_there_from_what_is_not():
    assert resolves("streamer.errors.StreamerError")
    assert resolves("tests.test_words.resolves")
    assert resolves("numpy.random.Generator")
    assert not resolves("streamer.errors.NoSuchError")
    assert not resolves("streamer.no_such_module")
    assert reference_resolves(ROOT / "streamer/errors.py", [], "ValueError")
    assert not reference_resolves(ROOT / "streamer/errors.py", ["StreamerError"], "no_such_method")


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_every_cross_reference_names_something_that_is_there(package):
    lost = [
        f"{place(path)}: {role[0]}"
        for path in [*CODE, *TESTS]
        if path.relative_to(ROOT).parts[0] == package
        for text, around in docstrings(path)
        for role in ROLE.finditer(text)
        if not reference_resolves(path, around, role[2])
    ]
    assert [] == lost


def test_every_citation_key_is_resolved_by_the_page_of_papers():
    known = set(re.findall(r"^### \[(\w+)\]$", (ROOT / "docs/papers.md").read_text(), re.M))
    assert {"Liu2025", "Sabathe2017", "Dubnov2019", "Yamshchikov2020", "Valenti2020"} <= known
    lost = [
        f"{place(path)}: {key}"
        for path in [*CODE, *TESTS, *TEXTS, *CARDS]
        for key in KEY.findall(path.read_text(encoding="utf-8"))
        if key not in known
    ]
    assert [] == lost


def test_nothing_cites_what_is_not_in_the_repository():
    others = [ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "systemd").glob("*")]
    others += [p for p in (ROOT / ".ci").iterdir() if p.is_file()]
    cited = [
        f"{place(path)}: {found[0]}"
        for path in [*CODE, *TESTS, *TEXTS, *CARDS, *others]
        if path.is_file()
        for found in LEADS_NOWHERE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert [] == cited


def test_no_docstring_says_who_calls():
    said = [
        f"{place(path)}: {text[found.start() : found.start() + 60]!r}"
        for path in CODE
        for text, _ in docstrings(path)
        for found in CALLER.finditer(" ".join(text.split()))
    ]
    assert [] == said


def slugs(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    heads = re.findall(r"^#+ +(.+?)\s*$", path.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"[^\w\s-]", "", head).strip().lower() for head in heads]
    return {re.sub(r"\s", "-", head) for head in plain} | {re.sub(r"[-\s]+", "-", h) for h in plain}


def test_links_between_pages_lead_somewhere():
    lost = []
    for path in [*TEXTS, *CARDS]:
        for link in LINK.findall(path.read_text(encoding="utf-8")):
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            page = (path.parent / target).resolve() if target else path
            if not page.exists() or (anchor and page.suffix == ".md" and anchor not in slugs(page)):
                lost.append(f"{place(path)}: {link}")
    assert [] == lost


def test_files_that_pages_name_are_there():
    tops = "|".join(re.escape(t) for t in (*PACKAGES, "tests", "docs", "systemd", ".ci"))
    named = re.compile(rf"(?:{tops})/[\w./-]+")
    lost = [
        f"{place(path)}: {name}"
        for path in TEXTS
        if path.name != "CHANGELOG.md"  # says what was
        for ticked in TICKED.findall(path.read_text(encoding="utf-8"))
        for name in named.findall(ticked)
        if named.fullmatch(ticked.split(" ")[0]) or ticked == name
        if "NAME" not in ticked and not (ROOT / name).exists()
    ]
    assert [] == lost


def test_files_that_docstrings_name_are_there():
    named = re.compile(r"(?<![\w./-])([\w-]+(?:/[\w.-]+)*\.(?:py|md|toml))(?![\w/])")
    lost = []
    for path in CODE:
        for text, _ in docstrings(path):
            for name in named.findall(text):
                known = [path.parent / name, ROOT / name, path.parents[1] / name]
                written = name in {"CARD.md", "perpetuo.toml"} or name[0].isupper()
                if not written and "/" not in name and name.endswith(".toml"):
                    continue
                if not written and not any(p.exists() for p in known):
                    lost.append(f"{place(path)}: {name}")
    assert [] == lost


def test_ten_questions_of_a_newcomer_are_answered_by_one_file_each():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.split("## Where is X decided?")[1].split("\n## ")[0]
    questions = re.findall(r"^\d+\. .+\? (.*)$", section, re.M)
    assert 10 == len(questions)
    for answer in questions:
        (name,) = TICKED.findall(answer)
        assert (ROOT / name).is_file(), name


def test_the_map_of_the_rooms_is_drawn_from_the_code_as_it_is():
    run = subprocess.run(
        [sys.executable, ROOT / ".ci" / "draw_map.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stderr)

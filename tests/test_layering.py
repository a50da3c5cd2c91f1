"""The edge starts where nothing of training is installed: the wall that keeps it small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = (
    "torch", "onnx", "sklearn", "symusic", "matplotlib", "scipy", "optuna", "training", "export",
)  # fmt: skip

IMPORT_EVERYTHING = f"""
import importlib, pkgutil, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"the streamer imported {{name}}", name=name)

sys.meta_path.insert(0, Wall())
import streamer
names = [m.name for m in pkgutil.walk_packages(streamer.__path__, "streamer.")
         if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def isolated(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_streamer_module_is_imported_where_training_libraries_cannot_be():
    run = isolated(IMPORT_EVERYTHING)
    assert (0, "") == (run.returncode, run.stderr)
    assert int(run.stdout) >= len(list((ROOT / "streamer").glob("*.py"))) - 2


def test_the_wall_stops_an_import_of_torch():
    run = isolated(IMPORT_EVERYTHING.replace("import streamer", "import torch", 1))
    assert run.returncode == 1
    assert "the streamer imported torch" in run.stderr


def test_help_and_edge_verbs_run_behind_the_wall():
    code = IMPORT_EVERYTHING.split("import streamer")[0] + (
        "from streamer.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    for arguments in (["--help"], ["--version"], ["play", "--help"], ["models"]):
        run = isolated(code, *arguments)
        assert (0, "") == (run.returncode, run.stderr), arguments


def test_help_imports_nothing_heavy():
    code = "import sys\nfrom streamer.cli import main\nmain(sys.argv[1:])\n"
    code += (
        "print([m for m in ('numpy', 'onnxruntime', 'mido', 'rich', 'torch') if m in sys.modules])"
    )
    for arguments in (["--help"], ["play", "--help"], ["render", "--help"], ["controls"]):
        assert "[]" == isolated(code, *arguments).stdout.splitlines()[-1], arguments


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "streamer").rglob("*.py")), ids=lambda p: p.name)
def test_no_streamer_file_names_a_training_library_even_inside_a_function(path):
    assert not {name for name in imports_of(path) if name.split(".")[0] in FORBIDDEN}


def test_training_names_nothing_of_export():
    guilty = {
        path.name
        for path in (ROOT / "training").rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[0] == "export"
    }
    assert set() == guilty

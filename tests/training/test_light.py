"""What answers ``--help`` and knows all families opens none of what they need."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "numpy", "scipy", "sklearn", "matplotlib")


@pytest.mark.parametrize(
    "code",
    [
        "from training.registry import families; families()",
        "from export.registry import families; families()",
        "from streamer.cli import main; main(['train', '--help'])",
        "from streamer.cli import main; main(['search', '--help'])",
        "from streamer.cli import main; main(['prepare', '--help'])",
        "from streamer.cli import main; main(['study', '--help'])",
        "from streamer.cli import main; main(['export', '--help'])",
        "from streamer.cli import main; main(['bundle', 'restate', '--help'])",
    ],
)
def test_families_are_known_without_opening_them(code: str) -> None:
    code = f"import sys\n{code}\nsys.stderr.write(' '.join({HEAVY!r} & sys.modules.keys()))"
    code = code.replace(repr(HEAVY), f"set({HEAVY!r})")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""

"""A start imports what it asks for, and leaves the rest to whoever asks."""

import os
import subprocess
import sys
from pathlib import Path

IDLE = (
    "asyncio", "ssl", "zipfile", "statistics", "difflib", "streamer.ports.backends",
    "streamer.ports.fluidsynth", "streamer.ports.rotation", "streamer.selection.judges",
    "streamer.midi.midifile", "streamer.surfaces.web", "streamer.surfaces.osc",
    "streamer.surfaces.mqtt",
)  # fmt: skip
"""What costs a start milliseconds, and serves options and mistakes alone."""

START = f"""
import sys
from streamer.cli import main
status = main(["play", "--port", "null", "--input", "off", "--plain", "--for", "0.05"])
print(*(name for name in {IDLE!r} if name in sys.modules))
sys.exit(status)
"""


def test_a_plain_start_imports_nothing_that_only_options_ask_for(tmp_path: Path) -> None:
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    run = subprocess.run(
        [sys.executable, "-c", START],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **dict.fromkeys(homes, str(tmp_path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stdout.strip()), run.stderr

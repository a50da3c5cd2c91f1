"""macOS and Windows, pretended: what needs no Linux works there, and what does is one line.

`python -m tests.pretend PLATFORM tests/streamer/test_daemon.py` runs the daemon's own tests so.
Nothing here was tried on the systems themselves.
"""

import subprocess
import sys
from pathlib import Path

import mido
import pytest

from streamer import cli
from streamer.engine.session import import_onnxruntime
from streamer.errors import PortError
from streamer.ports.backends import make_backends
from tests.bundles import write_tiny_bundle
from tests.pretend import PLATFORMS, pretended


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = str(write_tiny_bundle(tmp_path_factory.mktemp("bundles")).path)
    import_onnxruntime()
    return path


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_stream_plays_is_recorded_and_ends(platform, bundle, tmp_path, capsys):
    take, out = tmp_path / "take.mid", tmp_path / "out.mid"
    out.write_bytes(b"an earlier file")
    words = ["--model", bundle, "--seed", "1"]
    with pretended(platform):
        play = ["play", "--port", "null", "--input", "off", "--for", "0.6", "--plain"]
        assert cli.main([*play, *words, "--record", str(take)]) == 0
        assert cli.main([*play, *words, "--record", str(take)]) == 0
        assert cli.main(["render", str(out), "--duration", "3", *words]) == 0
        assert cli.main(["models", "--json"]) == 0
        assert cli.main(["ports"]) == 0
        sent = sys.modules["rtmidi"].sent
        live = ["play", "--port", "auto", "--input", "off", "--for", "0.6", "--plain"]
        assert cli.main([*live, *words]) == 0
    assert any(message[0] == 0x90 for message in sent)
    assert sent[-1][1] in (121, 123)  # silent at its end
    for path in (take, tmp_path / "take-1.mid", out):
        assert any(message.type == "note_on" for message in mido.MidiFile(path)), path
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_the_system_has_not_is_a_line_each(platform, bundle, capsys, monkeypatch):
    with pretended(platform):
        cli.main(["check", "--model", bundle, "--port", "null"])
        said = capsys.readouterr().out.splitlines()
        assert any("SCHED_FIFO" in line for line in said), said
        with monkeypatch.context() as gone:
            gone.setitem(sys.modules, "rtmidi", None)
            with pytest.raises(PortError, match="python-rtmidi is not installed") as refused:
                make_backends("Perpetuo")
    assert "apt" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_module_can_be_imported_without_what_posix_alone_has():
    """In a process of its own: a module is imported once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.pretend", "win32"],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False,
    )  # fmt: skip
    assert ("", "", 0) == (done.stdout, done.stderr, done.returncode)

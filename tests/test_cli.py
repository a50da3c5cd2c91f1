"""The command: statuses, one line for what a user can cause, and nothing that phones home."""

import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer import __version__, cli
from streamer.errors import PortError

ROOT = Path(__file__).parent.parent
LIBRARIES = ("torch", "onnx", "symusic", "scipy", "sklearn", "matplotlib", "safetensors")
PERPETUO = [sys.executable, "-m", "streamer"]


@pytest.fixture
def verb(monkeypatch) -> Callable[[Callable[[object], object]], None]:
    """Put a verb `fake` in place whose `run` is given."""

    def place(run: Callable[[object], object]) -> None:
        module = types.ModuleType("streamer.verbs.fake")
        module.add_arguments = lambda parser: None  # type: ignore[attr-defined]
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "streamer.verbs.fake", module)
        monkeypatch.setitem(cli.VERBS, "fake", "does what a test needs")

    return place


def raising(error: BaseException) -> Callable[[object], object]:
    def run(args: object) -> object:
        raise error

    return run


def perpetuo(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PERPETUO, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, **more
    )  # type: ignore[call-overload,no-any-return]


def test_version_is_the_packages(capsys):
    assert cli.main(["--version"]) == 0
    assert f"perpetuo {__version__}\n" == capsys.readouterr().out


def test_help_lists_every_verb_with_what_it_does(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}" in out and about in out for name, about in cli.VERBS.items())


@pytest.mark.parametrize("name", [*cli.VERBS])
def test_every_verb_of_the_edge_has_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert f"usage: perpetuo {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: VERB"),
        (["plya"], "there is no verb plya; did you mean play?"),
        (["xyz"], "there is no verb xyz"),
        (["render"], "required: OUT.mid"),
        (["render", "x.mid", "--duration", "-3"], "above 0"),
        (["render", "x.mid", "--duration", "long"], "above 0"),
        (["render", "x.mid", "--temperature", "9"], "must be in range 0.1..4.0"),
        (["play", "--seed", "-1"], "must be in range 0.."),
        (["play", "--channel", "17"], "must be in range 1..16"),
        (["play", "--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, said, capsys):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_what_a_verb_returns_is_the_status(verb):
    verb(lambda args: 3)
    assert cli.main(["fake"]) == 3
    verb(lambda args: None)
    assert cli.main(["fake"]) == 0


def test_an_error_of_operation_is_one_line_and_status_1(verb, capsys):
    verb(raising(PortError("no port named X;\nnearest: Y")))
    assert cli.main(["fake"]) == 1
    assert "perpetuo fake: no port named X; nearest: Y\n" == capsys.readouterr().err


def test_an_error_of_the_system_names_the_file(verb, capsys):
    verb(raising(OSError(28, "No space left on device", "/music/out.mid")))
    assert cli.main(["fake"]) == 1
    assert "perpetuo fake: /music/out.mid: No space left on device\n" == capsys.readouterr().err


def test_a_defect_is_not_hidden(verb):
    verb(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["fake"])


def test_a_library_that_cannot_be_loaded_is_one_line_with_its_name(
    verb, capsys, tmp_path, monkeypatch
):
    (tmp_path / "library_that_is_broken.py").write_text("raise ImportError('no libfoo.so.1')")
    monkeypatch.syspath_prepend(tmp_path)

    def run(args):
        import library_that_is_broken  # noqa: F401

    verb(run)
    assert cli.main(["fake"]) == 1
    line = "perpetuo fake: library_that_is_broken cannot be loaded (no libfoo.so.1); install"
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize(
    "said",
    [
        "libtorch_cpu.so: failed to map segment from shared object",
        "libx.so: cannot allocate memory",
        "DLL load failed: Out of memory",
    ],
)
def test_a_library_that_the_memory_does_not_suffice_for_is_not_to_be_installed_again(
    verb, capsys, said
):
    path = "/opt/lib/python3/site-packages/torch/_C.cpython-313.so"
    verb(raising(ImportError(said, name="_C", path=path)))
    assert cli.main(["fake"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"perpetuo fake: torch cannot be loaded ({said}): end other programs")
    assert "install" not in err
    assert 1 == err.count("\n")


def test_a_library_that_does_not_fit_beside_others_is_no_lack_of_memory(verb, capsys):
    said = "libgomp.so.1: cannot allocate memory in static TLS block"
    verb(raising(ImportError(said, path="/x/site-packages/sklearn/_openmp.so")))
    assert cli.main(["fake"]) == 1
    assert "install another build of it" in capsys.readouterr().err


def test_memory_that_does_not_suffice_is_one_line(verb, capsys):
    verb(raising(MemoryError()))
    assert cli.main(["fake"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("perpetuo fake: the memory does not suffice: end other programs")
    assert 1 == err.count("\n")


def test_an_import_of_ours_that_fails_is_a_defect_and_not_hidden(verb):
    def run(args):
        from streamer.errors import NothingOfTheKind  # noqa: F401

    verb(run)
    with pytest.raises(ImportError):
        cli.main(["fake"])


def test_interrupt_ends_with_130(verb):
    verb(raising(KeyboardInterrupt()))
    assert cli.main(["fake"]) == 130


def test_sigterm_ends_with_143_and_unwinds(verb):
    unwound = []

    def run(args: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            unwound.append(True)

    before = signal.getsignal(signal.SIGTERM)
    verb(run)
    assert cli.main(["fake"]) == 143
    assert [True] == unwound
    assert before == signal.getsignal(signal.SIGTERM)


def test_a_reader_that_goes_away_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [*PERPETUO, "--help"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (0, b"") == (run.returncode, run.stderr)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [(["train", "chain", "--tensors", "x.npz"], "train"), (["export", "anything"], "export")],
)
def test_a_missing_extra_is_one_line_that_says_which(arguments, extra):
    code = (
        "import sys\n"
        f"for name in {LIBRARIES!r}:\n"
        "    sys.modules[name] = None\n"
        "from streamer.cli import main\n"
        f"sys.exit(main({arguments!r}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = f"perpetuo {arguments[0]} needs the {extra} extra: make -C {ROOT} install\n"
    assert (1, line) == (run.returncode, run.stderr)


def test_a_config_with_three_mistakes_has_a_line_for_each(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text('[model]\ntemprature = 1\ncandidates = 900\n[port]\nchannel = "x"\n')
    run = perpetuo("models", "--config", str(path))
    assert run.returncode == 1
    lines = run.stderr.splitlines()
    assert 3 == len(lines)
    for line, name in zip(lines, ("temprature", "900", "port.channel"), strict=True):
        assert line.startswith(f"perpetuo models: {path}: ")
        assert name in line


def test_models_of_an_unknown_folder_say_what_to_do(tmp_path, capsys):
    assert cli.main(["models", "--json"]) == 0
    assert capsys.readouterr().out.startswith("[")


TELEMETRY = """
import sys, threading
from pathlib import Path
from streamer import cli
sys.modules.pop("onnxruntime", None)
folder = Path(sys.argv[1])
status = cli.main(["render", str(folder / "out.mid"), "--model", str(folder / "tiny"),
                   "--duration", "5", "--seed", "1"])
assert "onnxruntime" in sys.modules, "nothing was drawn"
sys.exit(status)
"""


def test_onnxruntime_leaves_no_file_behind(tmp_path):
    from tests.bundles import write_tiny_bundle

    write_tiny_bundle(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment["HOME"] = str(home)
    for name in ("CACHE", "CONFIG", "DATA", "STATE"):
        environment[f"XDG_{name}_HOME"] = str(home / name.lower())
    environment["TMPDIR"] = str(home)
    run = subprocess.run(
        [sys.executable, "-c", TELEMETRY, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stderr)
    assert [] == [str(path.relative_to(home)) for path in home.rglob("*")]

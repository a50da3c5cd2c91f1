"""Every writer of files keeps one rule: nothing is replaced but a file, and what cannot be is told.

A table: each writer on each thing that a path may name. A writer is a function of a path that
writes something there, and gives the line with which it refuses, or None.
"""

from __future__ import annotations

import io
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.control.bindings import Bindings
from streamer.errors import StreamerError
from streamer.families.bands.editing.picture import PathPicture, draw_path
from streamer.music.notes import NOTE_DTYPE
from streamer.offline.roll import draw_roll
from streamer.ports.recorder import MidiFileSink
from streamer.ports.rotation import RotatingSink
from streamer.service.saved import Keeper
from streamer.settings.controls import Controls, LiveControls
from streamer.system import atomic
from streamer.system.atomic import atomic_file, check_target, check_targets, write_whole
from tests.bundles import write_tiny_bundle

Writer = Callable[[Path], str | None]
OLD = b"what was there"
PATIENCE_SECONDS = 20.0


def refusal(action: Callable[[], object]) -> str | None:
    """The line with which a function of ours refuses."""
    try:
        action()
    except StreamerError as error:
        return str(error)
    return None


def whole(path: Path) -> str | None:
    return refusal(lambda: write_whole(path, "new"))


def roll(path: Path) -> str | None:
    return refusal(lambda: draw_roll(np.zeros(0, dtype=NOTE_DTYPE), path))


def picture(path: Path) -> str | None:
    empty = np.zeros((0, 2))
    shown = PathPicture("", {}, {}, 1.0, {}, empty, {}, empty[:, 0], "")
    return refusal(lambda: draw_path(lambda _, file: file.write(b"png"), shown, path))


def record(path: Path) -> str | None:
    """Half of the table holds for a recording; what was there it keeps under a numbered name."""

    def write() -> None:
        sink = MidiFileSink(path)
        sink.send(b"\x90\x3c\x40", 0.0)
        sink.send(b"\x80\x3c\x00", 50.0)
        sink.close()

    return refusal(write)


def command(*words: str) -> Writer:
    """A verb, with the path in the place of PATH."""

    def write(path: Path) -> str | None:
        errors = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", errors)
            patch.setattr("sys.stdout", io.StringIO())
            patch.setattr("streamer.bench.report.run", lambda *_, **__: {"notes": 1})
            status = main([str(path) if word == "PATH" else word for word in words])
        line = errors.getvalue()
        assert (status == 1) == bool(line)
        return line.removesuffix("\n") or None

    return write


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Writer]:
    """Writers by their names."""
    bundle = str(write_tiny_bundle(tmp_path_factory.mktemp("bundle")).path)
    render = ("render", "--duration", "1", "--seed", "1", "--model", bundle)
    return {
        "write_whole": whole,
        "roll": roll,
        "picture": picture,
        "render": command(*render, "PATH"),
        "render --json": command(*render, "/dev/null", "--json", "PATH"),
        "render --plot": command(*render, "/dev/null", "--plot", "PATH"),
        "bench --json": command("bench", "--model", bundle, "--json", "PATH"),
        "record": record,
    }


EACH = pytest.mark.parametrize(
    "name",
    [
        "write_whole", "roll", "picture", "render", "render --json", "render --plot",
        "bench --json", "record",
    ],
)  # fmt: skip


@EACH
def test_a_file_is_written_whole_and_nothing_lies_beside_it(writers, name, tmp_path):
    path = tmp_path / "out"
    assert writers[name](path) is None
    assert ["out"] == os.listdir(tmp_path)
    assert path.stat().st_size > 0
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@EACH
@pytest.mark.parametrize("chain", [1, 2])
@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_leads_to_is_written_and_the_link_stays(writers, name, chain, there, tmp_path):
    end = tmp_path / "elsewhere" / "end"
    end.parent.mkdir()
    links = [tmp_path / f"link{i}" for i in range(chain)]
    for link, to in zip(links, [*links[1:], Path("elsewhere/end")], strict=True):
        link.symlink_to(to)
    if there:
        end.write_bytes(OLD)
        end.chmod(0o640)
    assert writers[name](links[0]) is None
    assert all(link.is_symlink() for link in links)
    assert end.is_file()
    assert not end.is_symlink()
    assert end.read_bytes() != OLD
    beside = {"end", "end-1"} if there and name == "record" else {"end"}
    assert beside == set(os.listdir(end.parent))
    if there and name != "record":
        assert stat.S_IMODE(end.stat().st_mode) == 0o640


@EACH
def test_a_device_is_written_to_and_stays_one(writers, name, tmp_path):
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    for path in (Path("/dev/null"), link):
        assert writers[name](path) is None
        assert path.is_char_device()
    assert link.is_symlink()


@EACH
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_device_without_room_is_one_line(writers, name):
    line = writers[name](Path("/dev/full"))
    assert "/dev/full" in line
    assert "No space left on device" in line
    assert "\n" not in line
    assert Path("/dev/full").is_char_device()


@EACH
def test_a_pipe_that_nobody_reads_is_refused_at_once_and_stays_one(writers, name, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line = writers[name](pipe)
    assert f"{pipe}: is a pipe" in line
    assert "\n" not in line
    assert pipe.is_fifo()
    assert ["pipe"] == os.listdir(tmp_path)


@EACH
def test_a_pipe_that_somebody_reads_gets_the_whole(writers, name, tmp_path):
    if name == "record":
        pytest.skip("a recording needs a file: the table says so above")
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    with reader(pipe, heard):
        assert writers[name](pipe) is None
    assert heard[0]
    assert pipe.is_fifo()


class reader:  # noqa: N801 - reads like a function
    """Reads a pipe in a thread until the writer has closed it."""

    def __init__(self, pipe: Path, heard: list[bytes]) -> None:
        self._handle = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._handle, True)
        # Until a writer comes a read would say that there is none.
        self._own = os.open(pipe, os.O_WRONLY)
        self._thread = threading.Thread(target=self._read, args=(heard,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        os.close(self._own)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _read(self, heard: list[bytes]) -> None:
        with os.fdopen(self._handle, "rb") as file:
            heard.append(file.read())


@EACH
def test_folders_and_links_to_themselves_are_refused(writers, name, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path, said in ((tmp_path, "is a folder"), (loop, "levels of symbolic links")):
        line = writers[name](path)
        assert said in line
        assert "\n" not in line
    assert ["loop"] == os.listdir(tmp_path)


@EACH
def test_what_may_not_be_written_is_refused_and_left_as_it_was(
    writers, name, tmp_path, monkeypatch
):
    path = tmp_path / "out"
    path.write_bytes(OLD)
    really = os.access
    monkeypatch.setattr(  # root may write everything
        atomic.os, "access", lambda p, mode: Path(p) != path and really(p, mode)
    )
    line = writers[name](path)
    assert str(path) in line
    assert "\n" not in line
    assert path.read_bytes() == OLD
    assert ["out"] == os.listdir(tmp_path)


@contextmanager
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond a few bytes: a full disk, as far as it can tell.

    Only for as long as the block lasts: what pytest itself prints may go to a file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", [whole, roll, picture, record])
def test_a_full_disk_is_one_line_and_what_was_there_is_as_it_was(write, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(OLD)
    with small_files():
        line = write(path)
    assert str(path) in line
    assert "File too large" in line
    assert "\n" not in line
    assert ".part" not in line
    assert ["out"] == os.listdir(tmp_path)
    assert path.read_bytes() == OLD


def test_what_is_kept_between_runs_goes_to_the_end_of_a_link(tmp_path):
    for name in ("controls.json", "bindings.json"):
        (tmp_path / f"real-{name}").write_text("{}")
        (tmp_path / name).symlink_to(f"real-{name}")
    live = LiveControls(Controls())
    Keeper(tmp_path / "controls.json", Controls(), live).write()
    Bindings(tmp_path / "bindings.json").forget("walk")
    for name in ("controls.json", "bindings.json"):
        assert (tmp_path / name).is_symlink()
        assert "schema" in (tmp_path / f"real-{name}").read_text()


@pytest.mark.parametrize("kind", [os.mkfifo, os.mkdir])
def test_what_is_kept_between_runs_is_a_line_in_the_log_where_it_cannot_be(kind, tmp_path, caplog):
    kind(tmp_path / "controls.json")
    Keeper(tmp_path / "controls.json", Controls(), LiveControls(Controls())).write()
    (line,) = caplog.messages
    assert "the controls cannot be kept" in line


def test_a_disk_is_no_file(monkeypatch):
    monkeypatch.setattr(atomic, "_kind", lambda path: stat.S_IFBLK)
    disk = Path("/dev/sda")
    assert "/dev/sda: is a disk; name a file" == refusal(lambda: check_target(disk))
    assert "/dev/sda: is a disk; name a file" == refusal(lambda: write_whole(disk, ""))


def test_a_missing_folder_is_told_with_what_makes_it(tmp_path):
    line = refusal(lambda: check_target(tmp_path / "no" / "out"))
    assert f"there is no folder {tmp_path}/no; make it (mkdir -p)" in line


def test_two_outputs_with_one_path_are_refused_whatever_they_are_called(tmp_path):
    (tmp_path / "link").symlink_to("out")
    line = refusal(
        lambda: check_targets(**{"OUT.mid": tmp_path / "link", "--json": tmp_path / "out"})
    )
    assert "is to be written twice (OUT.mid and --json)" in line
    check_targets(output=Path("/dev/null"), plot=Path("/dev/null"), json=None)


def test_stdout_by_its_name_is_written_to_and_not_replaced(capfd):
    with atomic_file(Path("/dev/stdout")) as file:
        file.write(b"music")
    assert capfd.readouterr().out == "music"


def test_an_error_while_the_content_is_made_leaves_what_was_there(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(OLD)
    with pytest.raises(KeyboardInterrupt), atomic_file(path):
        raise KeyboardInterrupt
    assert path.read_bytes() == OLD
    assert ["out"] == os.listdir(tmp_path)


def test_a_file_that_cannot_be_read_meanwhile_is_not_blamed_on_the_one_that_is_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="input"), atomic_file(tmp_path / "out"):
        (tmp_path / "input").read_bytes()


def test_an_empty_recording_is_never_left_and_a_take_keeps_its_name(tmp_path):
    take = tmp_path / "take.mid"
    record(take)
    before = take.read_bytes()
    for _ in range(5):
        sink = MidiFileSink(take)
        sink.send(b"\xb0\x07\x64", 0.0)
        sink.flush()
        sink.close()
        rotating = RotatingSink(tmp_path / "folder", 60.0, 10**9)
        rotating.flush()
        rotating.close()
    assert ["folder", "take.mid"] == sorted(os.listdir(tmp_path))
    assert [] == os.listdir(tmp_path / "folder")
    assert take.read_bytes() == before


def test_two_recordings_at_once_do_not_take_each_others_name(tmp_path):
    take = tmp_path / "take.mid"
    first, early = MidiFileSink(take), MidiFileSink(take)
    for sink, pitch in ((first, 60), (early, 61)):
        sink.send(bytes((0x90, pitch, 64)), 0.0)
        sink.flush()
    assert "another recording is being written to it" in refusal(lambda: MidiFileSink(take))
    first.close()
    early.close()
    assert [take, tmp_path / "take-1.mid"] == [first.path, early.path]
    record(take)
    assert ["take-1.mid", "take-2.mid", "take.mid"] == sorted(os.listdir(tmp_path))


@pytest.mark.parametrize(
    "wrong", [("--model", "no/bundle"), ("--prime", "no.mid"), ("--style", "polka")]
)
def test_starts_that_fail_leave_the_take_alone_and_no_empty_file(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(Path("take.mid"))
    before = Path("take.mid").read_bytes()
    play = command("play", "--port", "null", "--input", "off", *wrong, "--record", "PATH")
    to_file = command("play", "--port", "file:take.mid", "--input", "off", *wrong)
    for write in (play, play, play, to_file, to_file):
        assert write(Path("take.mid"))
    assert ["take.mid"] == os.listdir()
    assert Path("take.mid").read_bytes() == before


def test_a_port_and_a_recording_do_not_write_one_file(tmp_path):
    (tmp_path / "link.mid").symlink_to("take.mid")
    play = command(
        "play", "--port", f"file:{tmp_path}/link.mid", "--input", "off", "--record", "PATH"
    )
    assert "is to be written twice (record.path and file:" in play(tmp_path / "take.mid")
    assert ["link.mid"] == os.listdir(tmp_path)

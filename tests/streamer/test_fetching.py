"""Bundles that come separately: verified before they are kept, and found by every verb after."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamer.bundle import fetching
from streamer.bundle.bundle import find_bundles, load_bundle
from streamer.bundle.fetching import fetch_bundles, pack_bundle
from streamer.cli import main
from streamer.errors import BundleError
from tests.bundles import write_tiny_bundle


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """A folder with one bundle as a .zip."""
    bundle = write_tiny_bundle(tmp_path / "made").path
    folder = tmp_path / "offered"
    folder.mkdir()
    (folder / "tiny.zip").write_bytes(pack_bundle(bundle))
    return folder


@pytest.fixture
def address(offered: Path) -> Iterator[str]:
    """Where a local server offers it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(offered)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_bundle_is_fetched_from_an_address_with_its_hash(offered, address, tmp_path):
    """What was fetched is found by its name."""
    kept = tmp_path / "kept"
    (bundle,) = fetch_bundles(f"{address}/tiny.zip", sha256(offered / "tiny.zip"), kept, False)
    assert kept / f"{bundle.manifest.name}.zip" == bundle.path
    assert bundle.path == load_bundle(bundle.manifest.name, [kept]).path


def test_the_hash_may_stand_behind_the_address(offered, address, tmp_path):
    """As pip writes it."""
    source = f"{address}/tiny.zip#sha256={sha256(offered / 'tiny.zip')}"
    assert 1 == len(fetch_bundles(source, None, tmp_path / "kept", False))


@pytest.mark.parametrize(
    ("path", "digest", "says"),
    [
        ("tiny.zip", None, r"give the SHA-256 of the file too \(--sha256 HEX"),
        ("tiny.zip", "0" * 64, "has SHA-256 .*, not 000000000000"),
        ("none.zip", "0" * 64, "the server says 404"),
        ("tiny.zip", "abc", "must be 64 hexadecimal digits, not abc"),
    ],
)
def test_what_is_wrong_with_an_address_is_one_line(path, digest, says, address, tmp_path):
    """Nothing is kept then."""
    kept = tmp_path / "kept"
    with pytest.raises(BundleError, match=says) as caught:
        fetch_bundles(f"{address}/{path}", digest, kept, False)
    assert "\n" not in str(caught.value)
    assert not kept.exists()


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    """Port 9 of the loopback answers to nobody."""
    with pytest.raises(BundleError, match="cannot be fetched"):
        fetch_bundles("http://127.0.0.1:9/x.zip", "0" * 64, tmp_path / "kept", False)


def test_what_is_larger_than_a_bundle_may_be_is_not_fetched(
    offered, address, tmp_path, monkeypatch
):
    """The limit counts what has come, not what the server says."""
    monkeypatch.setattr(fetching, "MAX_ZIP_BYTES", 1000)
    digest = sha256(offered / "tiny.zip")
    for source in (f"{address}/tiny.zip", str(offered / "tiny.zip")):
        with pytest.raises(BundleError, match="larger than"):
            fetch_bundles(source, digest, tmp_path / "kept", False)


def test_a_folder_of_zips_is_checked_against_its_sums(offered, tmp_path):
    """``SHA256SUMS`` lies beside them."""
    good, kept = sha256(offered / "tiny.zip"), tmp_path / "kept"
    (offered / "SHA256SUMS").write_text(f"{good}  tiny.zip\n")
    assert 1 == len(fetch_bundles(str(offered), None, kept, False))
    (offered / "SHA256SUMS").write_text(f"{'1' * 64}  tiny.zip\n")
    with pytest.raises(BundleError, match="has SHA-256"):
        fetch_bundles(str(offered), None, kept, False)


def test_another_bundle_of_the_same_name_stays_unless_it_may_be_replaced(offered, tmp_path):
    """The same bytes again are no conflict."""
    kept = tmp_path / "kept"
    source = str(offered / "tiny.zip")
    (bundle,) = fetch_bundles(source, None, kept, False)
    fetch_bundles(source, None, kept, False)
    bundle.path.write_bytes(b"something else")
    with pytest.raises(BundleError, match=r"another bundle called .* --replace"):
        fetch_bundles(source, None, kept, False)
    assert b"something else" == bundle.path.read_bytes()
    fetch_bundles(source, None, kept, True)
    assert [bundle.manifest.name] == [
        b.manifest.name for b in find_bundles([kept]) if b.path.parent == kept
    ]


def test_what_is_no_bundle_is_not_kept(tmp_path):
    """A .zip of something else."""
    (tmp_path / "x.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(BundleError, match=r"x\.zip: has no manifest"):
        fetch_bundles(str(tmp_path / "x.zip"), None, tmp_path / "kept", False)
    assert not (tmp_path / "kept").exists()


def test_the_verb_fetches_and_lists(offered, capsys):
    """``perpetuo models --get``; then it plays by its name."""
    assert 0 == main(["models", "--get", str(offered)])
    name = load_bundle(offered / "tiny.zip").manifest.name
    assert name in capsys.readouterr().out
    assert 0 == main(["render", str(offered / "out.mid"), "--model", name, "--duration", "2"])
    assert 1 == main(["models", "--sha256", "0" * 64])
    assert "go with --get" in capsys.readouterr().err


def test_the_same_bundle_is_packed_into_the_same_bytes(tmp_path):
    """So that its hash can be stated."""
    bundle = write_tiny_bundle(tmp_path).path
    assert pack_bundle(bundle) == pack_bundle(bundle)

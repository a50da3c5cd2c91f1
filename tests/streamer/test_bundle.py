"""Bundles are found by name, and refused with one line when anything about them is wrong."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from streamer.bundle.bundle import DIGEST_FILE, SHIPPED, find_bundles, load_bundle
from streamer.bundle.manifest import manifest_json
from streamer.errors import BundleError
from tests.bundles import GRAPH_FILE, tiny_arrays, write_tiny_bundle


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles")).path


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def edit(folder: Path, **changes: Any) -> None:
    """Change entries of the manifest; a dotted name goes into the first graph."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    for name, value in changes.items():
        if name.startswith("graph_"):
            manifest["graphs"][0][name.removeprefix("graph_")] = value
        else:
            manifest[name] = value
    file.write_text(json.dumps(manifest))
    (folder / DIGEST_FILE).unlink(missing_ok=True)


def swap_graph(folder: Path, model: onnx.ModelProto) -> None:
    """Put another graph in, with a hash that fits."""
    data = model.SerializeToString()
    (folder / GRAPH_FILE).write_bytes(data)
    edit(folder, graph_sha256=hashlib.sha256(data).hexdigest())


def refusal(path: Path) -> str:
    """Return the line with which a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_bundle_loads_from_a_folder(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.manifest.name == "tiny"
    assert bundle.codec.sizes == (88, 105, 120, 47, 2)
    assert bundle.card.startswith("# tiny")
    assert bundle.size_bytes == sum(f.stat().st_size for f in folder.iterdir())
    assert bundle.graph_bytes("step") == (folder / GRAPH_FILE).read_bytes()


@pytest.mark.parametrize("prefix", ["", "tiny/"])
def test_bundle_loads_from_a_zip_of_the_folder_or_of_its_files(folder: Path, prefix: str) -> None:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as out:
        for file in folder.iterdir():
            out.write(file, prefix + file.name)
    bundle = load_bundle(archive)
    assert bundle.manifest == load_bundle(folder).manifest
    assert bundle.graph_bytes("step") == (folder / GRAPH_FILE).read_bytes()


def test_a_key_that_no_family_registers_is_refused(folder: Path) -> None:
    edit(folder, sparkle={"strength": 1})
    assert "unknown field `sparkle`" in refusal(folder)
    edit(folder, sparkle=None)
    assert "unknown field `sparkle`" in refusal(folder)


def test_no_key_of_the_manifest_is_called_as_the_field_that_holds_parts(folder: Path) -> None:
    edit(folder, parts={})
    assert "unknown field `parts`" in refusal(folder)


def test_a_part_of_another_family_is_refused_and_an_empty_one_is_none(folder: Path) -> None:
    edit(folder, window=None, classifiers=[])
    assert load_bundle(folder).manifest.parts == {}
    edit(folder, window={"latent": 4})
    assert "the family chain knows no part window" in refusal(folder)


def test_what_is_wrong_in_a_part_is_said_with_its_place(folder: Path) -> None:
    edit(folder, window={"latent": "many"})
    assert "Expected `int`, got `str` - at `$.window.latent`" in refusal(folder)


def test_changed_graph_is_refused(folder: Path) -> None:
    data = bytearray((folder / GRAPH_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / GRAPH_FILE).write_bytes(data)
    assert "SHA-256" in refusal(folder)


def test_a_statistic_that_changed_in_a_manifest_of_good_json_is_refused(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("2.5", "3.5", 1))
    assert "manifest.json is not what manifest.sha256 says" in refusal(folder)


def test_a_digest_of_anything_else_is_refused(folder: Path) -> None:
    for line in (b"", b"0" * 64, b"\xff" * 9, b"x" * 300):
        (folder / DIGEST_FILE).write_bytes(line)
        assert DIGEST_FILE in refusal(folder)


def test_a_bundle_without_a_digest_of_its_manifest_loads(folder: Path) -> None:
    (folder / DIGEST_FILE).unlink()
    assert load_bundle(folder).manifest.name == "tiny"


def test_a_manifest_in_a_zip_is_held_against_its_digest(folder: Path) -> None:
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")
    archive = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    assert DIGEST_FILE in refusal(archive)


def test_graph_that_changes_after_loading_is_refused_when_it_is_read(folder: Path) -> None:
    bundle = load_bundle(folder)
    (folder / GRAPH_FILE).write_bytes(b"something else")
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.graph_bytes("step")


def test_a_graph_that_is_held_is_what_was_verified_once_and_then_read_again(folder: Path) -> None:
    bundle = load_bundle(folder, hold=True)
    verified = (folder / GRAPH_FILE).read_bytes()
    (folder / GRAPH_FILE).write_bytes(b"something else")
    assert verified == bundle.graph_bytes("step")
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.graph_bytes("step")


def test_a_graph_that_was_let_go_of_is_read_again(folder: Path) -> None:
    bundle = load_bundle(folder, hold=True)
    bundle.let_go()
    (folder / GRAPH_FILE).write_bytes(b"something else")
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.graph_bytes("step")


def test_newer_schema_asks_for_an_update(folder: Path) -> None:
    # Of a newer schema nothing else may be looked at: it may have other fields.
    edit(folder, schema_version=2, invention={"of": "tomorrow"})
    assert "schema 2, but this perpetuo reads 1; update perpetuo" in refusal(folder)


def test_older_schema_asks_for_an_export(folder: Path) -> None:
    edit(folder, schema_version=0)
    assert "export it again" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"surprise": 1}, "surprise"),
        ({"name": "../piano"}, "name"),
        ({"kind": "loop"}, "kind"),
        ({"graphs": []}, "graphs"),
        ({"seed": "one"}, "int"),
        ({"graph_file": "../chain.onnx"}, "file"),
        ({"graph_file": "/etc/passwd"}, "file"),
        ({"graph_file": "sub/chain.onnx"}, "file"),
        ({"graph_file": "CARD.md"}, "onnx"),
        ({"graph_file": "other.onnx"}, "other.onnx"),
        ({"graph_sha256": "0" * 63}, "sha256"),
        ({"graph_opset": 17}, "opset"),
        ({"graph_state": {"h": "nothing"}}, "state"),
        ({"graph_state": {"noise": "classes"}}, "noise"),
        ({"graph_initial": {"noise": 1.0}}, "noise"),
    ],
)
def test_manifest_that_contradicts_itself_is_refused(
    folder: Path, changes: dict[str, Any], word: str
) -> None:
    edit(folder, **changes)
    assert word in refusal(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moods", {"pitch": [60.0, 61.0], "velocity": [64.0]}),
        ("c_low", [[-1.0, -1.0], [-1.0]]),
        ("c_high", [[1.0], [1.0, 1.0]]),
    ],
)
def test_statistics_of_unequal_rows_are_refused(folder: Path, name: str, value: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(folder, statistics=manifest["statistics"] | {name: value})
    assert name in refusal(folder)


def test_all_kinds_of_broken_json_are_refused(folder: Path) -> None:
    (folder / DIGEST_FILE).unlink()
    for text in (b"", b"[]", b"{", b"\xff\xfe", b'{"schema_version": "1"}', b"[" * 100_000):
        (folder / "manifest.json").write_bytes(text)
        assert "manifest.json" in refusal(folder)


def test_codec_that_is_not_the_one_of_training_is_refused(folder: Path) -> None:
    codec = json.loads((folder / "manifest.json").read_text())["codec"]
    codec["shift_edges_ms"][1] = 7
    codec["shift_edges_ms"].sort()
    codec["shift_edges_ms"] = sorted({*codec["shift_edges_ms"]})
    edit(folder, codec=codec)
    assert "fingerprint" in refusal(folder)
    edit(folder, codec={"name": "?"})
    assert "codec" in refusal(folder)


def test_graph_with_other_shapes_than_the_manifest_is_refused(folder: Path) -> None:
    inputs = json.loads((folder / "manifest.json").read_text())["graphs"][0]["inputs"]
    inputs[0]["shape"] = ["batch", 6]
    edit(folder, graph_inputs=inputs)
    line = refusal(folder)
    assert "differs" in line or "inputs" in line


def test_noise_of_another_codec_is_refused(folder: Path) -> None:
    graph = json.loads((folder / "manifest.json").read_text())["graphs"][0]
    inputs = [t if t["name"] != "noise" else {**t, "shape": ["notes", "batch", 9]}
              for t in graph["inputs"]]  # fmt: skip
    edit(folder, graph_inputs=inputs)
    assert "362 classes" in refusal(folder)


def test_graph_with_external_data_is_refused(folder: Path) -> None:
    model = onnx.load_from_string((folder / GRAPH_FILE).read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    swap_graph(folder, model)
    assert "external data" in refusal(folder)


@pytest.mark.parametrize("where", ["outside", "in the loop"])
def test_graph_with_an_operator_of_another_domain_is_refused(folder: Path, where: str) -> None:
    model = onnx.load_from_string((folder / GRAPH_FILE).read_bytes())
    graph = model.graph
    if where == "in the loop":
        scan = next(node for node in graph.node if node.op_type == "Scan")
        graph = next(a.g for a in scan.attribute if a.name == "body")
    graph.node.append(helper.make_node("Shell", [], ["x"], domain="com.evil"))
    swap_graph(folder, model)
    assert "com.evil" in refusal(folder)


def test_graph_with_functions_is_refused(folder: Path) -> None:
    model = onnx.load_from_string((folder / GRAPH_FILE).read_bytes())
    function = helper.make_function("", "f", [], [], [], [helper.make_opsetid("", 18)])
    model.functions.append(function)
    swap_graph(folder, model)
    assert "functions" in refusal(folder)


def test_bytes_that_are_no_model_are_refused(folder: Path) -> None:
    whole = (folder / GRAPH_FILE).read_bytes()
    for data in (b"", b"\x00" * 64, b"%PDF-1.4 hello there", whole[: len(whole) // 2]):
        (folder / GRAPH_FILE).write_bytes(data)
        edit(folder, graph_sha256=hashlib.sha256(data).hexdigest())
        assert GRAPH_FILE in refusal(folder)


@pytest.mark.parametrize("name", ["manifest.json", "CARD.md", GRAPH_FILE])
def test_incomplete_bundle_names_what_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"has no {name}" in refusal(folder)


def test_link_out_of_the_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("# not yours")
    (folder / "CARD.md").unlink()
    (folder / "CARD.md").symlink_to(secret)
    assert "plain file" in refusal(folder)


def test_missing_bundle_is_named(tmp_path: Path) -> None:
    assert "no such bundle" in refusal(tmp_path / "nowhere")


def test_archive_whose_names_leave_it_is_refused(folder: Path) -> None:
    archive = folder.with_suffix(".zip")
    for name in ("../escape.onnx", "/etc/escape", "C:\\escape"):
        with zipfile.ZipFile(archive, "w") as out:
            for file in folder.iterdir():
                out.write(file, file.name)
            out.writestr(name, "x")
        assert "leave the bundle" in refusal(archive)


def test_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tiny.zip"
    file.write_bytes(b"PK\x03\x04 but no more")
    assert "no readable .zip" in refusal(file)


def test_archive_that_unpacks_to_too_much_is_refused(folder: Path) -> None:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in folder.iterdir():
            if file.name != "CARD.md":
                out.write(file, file.name)
        out.writestr("CARD.md", " " * (2 * 1024 * 1024))
    assert archive.stat().st_size < 1024 * 1024
    assert "larger than" in refusal(archive)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_bundle_says_so(folder: Path) -> None:
    (folder / "manifest.json").chmod(0)
    assert "cannot be read" in refusal(folder)


def test_find_leaves_out_what_is_broken_and_says_so(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / GRAPH_FILE).unlink()
    names = [b.manifest.name for b in find_bundles([tmp_path])]
    assert names.count("tiny") == 1
    assert "broken" in caplog.text


def test_load_takes_a_name_a_folder_and_a_zip(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in folder.iterdir():
            out.write(file, file.name)
    assert load_bundle("tiny", [tmp_path]).path == folder
    assert load_bundle(folder).path == folder
    assert load_bundle(str(archive)).path == archive


def test_load_by_name_finds_a_folder_of_another_name(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / "something-else")
    assert load_bundle("tiny", [tmp_path]).path == moved


def test_load_offers_the_nearest_names(folder: Path) -> None:
    with pytest.raises(BundleError, match="did you mean tiny"):
        load_bundle("tinny", [folder.parent])


def test_load_tells_why_the_bundle_that_is_meant_cannot_be_used(folder: Path) -> None:
    (folder / GRAPH_FILE).unlink()
    with pytest.raises(BundleError, match=r"has no chain\.onnx"):
        load_bundle("tiny", [folder.parent])


def test_statistics_come_as_the_rankings_want_them(folder: Path) -> None:
    corpus = load_bundle(folder).manifest.statistics.corpus_entropy()
    assert corpus is not None
    assert corpus.arguments == 5


def test_tiny_arrays_are_the_same_for_the_same_seed() -> None:
    first, second = tiny_arrays(3), tiny_arrays(3)
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir()))
def test_a_manifest_is_written_as_it_was_read(name: str) -> None:
    """But for the parts of other families, which older files name as nothing."""
    before = json.loads((SHIPPED / name / "manifest.json").read_text())
    after = json.loads(manifest_json(load_bundle(SHIPPED / name).manifest))
    keys = {*before, *after}
    assert [] == [key for key in keys if (before.get(key) or None) != (after.get(key) or None)]


def test_a_folder_that_may_not_be_entered_is_left_out_and_a_persons_own_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(path: Path, *_: Any, **__: Any) -> Any:
        if tmp_path in (path, *path.parents):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path)

    stat = os.stat
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(Path, "stat", forbidden)
    assert "piano" in {bundle.manifest.name for bundle in find_bundles()}
    assert "" == caplog.text
    find_bundles([tmp_path / "mine"])
    assert "mine is left out: it cannot be read (Permission denied)" in caplog.text

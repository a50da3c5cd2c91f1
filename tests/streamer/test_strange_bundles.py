"""A bundle from a stranger cannot hang, kill or starve: each way it might try is one line."""

from __future__ import annotations

import json
import shutil
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.families.chain.graph import build_chain_graph
from streamer import __main__ as start
from streamer import cli
from streamer.bundle.bundle import load_bundle
from streamer.engine import session
from streamer.engine.engine import Engine
from streamer.errors import BundleError, EngineError
from tests.bundles import tiny_arrays, write_tiny_bundle, write_tiny_tunes_bundle
from tests.faults import strangers
from tests.streamer.test_bundle import edit, refusal, swap_graph

MEGABYTE = 1024 * 1024
BUSY_SECONDS = 10.0
"""How long a child may take to end on a machine that has other things to do."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles")).path


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def render(path: Path) -> int:
    return cli.main(["render", "/dev/null", "--model", str(path), "--seed", "1"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"defaults": {"candidates": 10**9}},
            "defaults.candidates must be a whole number",
        ),
        ({"defaults": {"candidates": 0}}, "1..64"),
        ({"defaults": {"candidates": 2.5}}, "1..64"),
        ({"defaults": {"phrase_notes": 100_000}}, "defaults.phrase_notes must be a whole number"),
        ({"defaults": {"phrase_notes": True}}, "1..256"),
        ({"family": "../x"}, "family"),
        ({"family": "Chain"}, "family"),
        ({"styles": ["../x"]}, "styles"),
        ({"graph_opset": 10**9}, "opset"),
        ({"sources": [{"name": "x", "licence": "x", "notes": 10**30}]}, "sources"),
    ],
)
def test_counts_and_names_beyond_any_bundle_of_ours_are_refused(
    folder: Path, changes: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, **changes)
    assert words in refusal(folder)
    assert render(folder) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_axis_beyond_any_tensor_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["graphs"][0]["inputs"][0]["shape"][1] = 2**40
    edit(folder, graphs=manifest["graphs"])
    assert "shape" in refusal(folder)


def test_an_input_that_is_no_state_and_has_no_width_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["graphs"][0]["state"]["velocity"]
    edit(folder, graphs=manifest["graphs"])
    assert "must take velocity as a state, or of the shape" in refusal(folder)


def endless_loop() -> Any:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])], "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )  # fmt: skip
    return helper.make_node("Loop", ["turns", "yes"], [], body=body)


@pytest.mark.parametrize(
    ("node", "constants", "words"),
    [
        (endless_loop(), {"turns": np.array(2**62), "yes": np.array(True)}, "'Loop'"),
        (helper.make_node("ConstantOfShape", ["many"], ["huge"]), {"many": np.array([2**31])},
         "'ConstantOfShape'"),
        (helper.make_node("Expand", ["one", "many"], ["huge"]),
         {"one": np.ones(1, np.float32), "many": np.array([2**31])}, "tensor of 2147483648"),
    ],
    ids=["Loop", "ConstantOfShape", "Expand"],
)  # fmt: skip
def test_a_graph_that_never_ends_or_takes_all_memory_is_refused_before_it_runs(
    folder: Path, node: Any, constants: dict[str, Any], words: str
) -> None:
    model = build_chain_graph(tiny_arrays())
    model.graph.node.append(node)
    for name, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    swap_graph(folder, model)
    line = refusal(folder)
    assert words in line
    assert "only a bundle that perpetuo exported is safe to load" in line


def packed(folder: Path, **more: bytes) -> Path:
    """The bundle as a .zip, with files put in the place of its own."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in folder.iterdir():
            if file.name not in more:
                out.write(file, file.name)
        for name, data in more.items():
            out.writestr(name, data)
    return archive


def test_a_zip_that_unpacks_to_hundreds_of_megabytes_is_refused_without_unpacking_it(
    folder: Path,
) -> None:
    archive = packed(folder, **{"chain.onnx": bytes(200 * MEGABYTE)})
    assert archive.stat().st_size < MEGABYTE
    tracemalloc.start()
    try:
        assert "its files are larger than 64 MiB together, the limit" in refusal(archive)
        assert tracemalloc.get_traced_memory()[1] < 100 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_files_that_are_too_large_together_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.bundle.files.MAX_BUNDLE_BYTES", MEGABYTE)
    archive = packed(folder, **{"CARD.md": bytes(MEGABYTE - 1000)})
    assert "its files are larger than 1 MiB together" in refusal(archive)


def test_a_zip_with_more_files_than_any_bundle_is_refused_unread(folder: Path) -> None:
    archive = packed(folder, **{f"{number:05}": b"" for number in range(6000)})
    assert "holds more files than any bundle" in refusal(archive)


def test_other_ways_to_pack_are_refused(folder: Path) -> None:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as out:
        for file in folder.iterdir():
            out.write(file, file.name)
    assert "packed otherwise than by deflate" in refusal(archive)


def test_a_first_run_that_takes_too_long_is_ended_with_one_line(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_RUN_SECONDS", 0.02)
    engine = Engine(load_bundle(original))
    noise = np.zeros((20_000, 8, engine.bundle.codec.offsets[-1]), dtype=np.float32)
    with pytest.raises(EngineError, match=r"a run took more than 0\.02 s of a processor"):
        engine.next_block(engine.initial_state(8), noise)


def test_a_thread_that_a_library_keeps_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = list[int]()
    monkeypatch.setattr(start, "_exit", left.append)
    monkeypatch.setattr(start, "signal", lambda *_: None)  # of this process they stay
    monkeypatch.setattr(cli, "main", lambda: 143)
    free = threading.Event()
    thread = threading.Thread(target=free.wait, daemon=True)
    # Of the threads there are, this one alone: other tests may have left some.
    ours = [threading.main_thread(), thread]
    monkeypatch.setattr(threading, "enumerate", lambda: [one for one in ours if one.is_alive()])
    thread.start()
    assert start.main() == 143
    free.set()
    thread.join()
    assert left == [143]
    assert start.main() == 143
    assert left == [143]


@pytest.mark.parametrize("bpm", [0.0, 1e-300, 1e300])
def test_a_tempo_that_no_music_has_is_refused(tmp_path: Path, bpm: float) -> None:
    bundle = write_tiny_tunes_bundle(tmp_path)
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    manifest["tunes"]["styles"][0]["bpm"][0] = bpm
    edit(bundle.path, tunes=manifest["tunes"])
    with pytest.raises(BundleError, match="bpm"):
        load_bundle(bundle.path)


@pytest.mark.timeout(300)
def test_bundles_of_strangers_play_or_are_refused_with_a_line() -> None:
    """A short form of `python -m tests.faults.strangers --cases 100000`."""
    report = strangers.run(80, seed=7, most_after_signal=BUSY_SECONDS)
    assert not report.wrong
    assert report.ends["played"] > 0
    assert report.ends["refused"] > 0


def test_a_tune_whose_latent_is_not_handed_on_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_tunes_bundle(tmp_path).path
    graphs = json.loads((folder / "manifest.json").read_text())["graphs"]
    for graph in graphs:
        graph["state"].pop("style", None)
    edit(folder, graphs=graphs)
    assert "must hand on style from note to note" in refusal(folder)


def test_a_graph_that_makes_other_shapes_than_it_says_is_one_line(original: Path) -> None:
    """What its operators tell is an upper bound, and may be wrong."""
    engine = Engine(load_bundle(original))
    plain = engine._graph._session

    class Flat:
        def run(self, *arguments: Any) -> Any:
            return [values.ravel() for values in plain.run(*arguments)]

    engine._graph._session = Flat()
    noise = np.zeros((2, 1, engine.bundle.codec.offsets[-1]), dtype=np.float32)
    with pytest.raises(EngineError, match=r"makes classes of \(10,\), but its manifest says"):
        engine.next_block(engine.initial_state(1), noise)

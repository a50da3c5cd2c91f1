"""The graph plays what the paper's equations say, in every shape that the model can have."""

import numpy as np
import onnx
import pytest

from export.families.chain.graph import ChainShape, build_chain_graph
from export.nodes import Graph
from streamer.bundle.onnxfile import read_graph_facts
from streamer.engine.noise import gumbel_noise
from streamer.engine.session import open_session
from streamer.families.chain.codec import ChainCodec, ClassTable, published_codec
from tests.bundles import tiny_arrays
from tests.export.reference import ReferenceChain

CODEC = published_codec()
TOLERANCE = 1e-5
"""float32 against float64; measured 2e-6."""


def small_codec() -> ChainCodec:
    table = ClassTable(tuple(range(0, 12, 2)))
    return ChainCodec("weber-fitted", table, ClassTable(tuple(range(9))), ClassTable((-9, 0, 9)))


def run(arrays: dict[str, np.ndarray], noise: np.ndarray) -> dict[str, np.ndarray]:
    session, _ = open_session(build_chain_graph(arrays).SerializeToString())
    batch, layers, hidden = (
        noise.shape[1],
        sum("w_hh" in n for n in arrays),
        arrays["w_hh0"].shape[1],
    )
    feeds = {
        "previous": np.full((batch, 5), -1),
        "velocity": np.zeros(batch, np.float32),
        "h": np.zeros((layers, 5, batch, hidden), np.float32),
        "c": np.zeros((layers, 5, batch, hidden), np.float32),
        "noise": noise,
    }
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("absolute_velocity", [False, True])
@pytest.mark.parametrize("codec", [CODEC, small_codec()], ids=["published", "small"])
def test_graph_plays_what_the_equations_say(
    layers: int, absolute_velocity: bool, codec: ChainCodec
) -> None:
    arrays = tiny_arrays(1, 6, layers, codec, absolute_velocity=absolute_velocity)
    noise = gumbel_noise(np.random.default_rng(0), (20, 2, codec.offsets[-1]), 1.0, codec)
    out = run(arrays, noise)
    for k in range(2):
        reference = ReferenceChain(arrays, codec)
        played = reference.play(noise[:, k])
        assert np.array_equal(played["classes"], out["classes"][:, k])
        assert played["velocities"] == pytest.approx(out["velocities"][:, k])
        for name in ("entropies", "log_probs"):
            assert np.abs(played[name] - out[name][:, k]).max() < TOLERANCE
        assert np.abs(reference.h - out["h_out"][:, :, k]).max() < TOLERANCE
        assert np.abs(reference.c - out["c_out"][:, :, k]).max() < TOLERANCE
    assert np.array_equal(out["previous_out"], out["classes"][-1])
    assert np.array_equal(out["velocity_out"], out["velocities"][-1])


def test_weights_that_half_cannot_hold_are_stored_whole_and_play_the_same() -> None:
    arrays = tiny_arrays(2, 16)
    finer = {name: array * np.float32(1.0001) for name, array in arrays.items()}
    half, full = (build_chain_graph(a).ByteSize() for a in (arrays, finer))
    assert half < 0.6 * full
    noise = gumbel_noise(np.random.default_rng(0), (8, 1, 362), 1.0, CODEC)
    played = ReferenceChain(finer, CODEC).play(noise[:, 0])
    assert np.array_equal(played["classes"], run(finer, noise)["classes"][:, 0])


def test_a_constant_is_stored_in_half_only_when_nothing_is_lost() -> None:
    graph = Graph()
    exact = np.full((64, 64), 0.5, np.float32)
    graph.constant("exact", exact)
    graph.constant("finer", exact + np.float32(1e-7))
    graph.constant("huge", exact * np.float32(1e9))
    types = {t.name: t.data_type for t in graph.initializers}
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert types == {"exact_half": half, "finer": single, "huge": single}


def test_graph_is_valid_onnx_of_standard_operators_alone() -> None:
    model = build_chain_graph(tiny_arrays())
    onnx.checker.check_model(model, full_check=True)
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 18)}
    facts = read_graph_facts(model.SerializeToString())
    assert facts.opset == 18
    assert [(t.name, t.dtype, t.shape) for t in facts.inputs] == [
        ("previous", "int64", ("batch", 5)),
        ("velocity", "float32", ("batch",)),
        ("h", "float32", (2, 5, "batch", 8)),
        ("c", "float32", (2, 5, "batch", 8)),
        ("noise", "float32", ("notes", "batch", 362)),
    ]
    assert [t.name for t in facts.outputs] == [
        "classes", "entropies", "log_probs", "velocities",
        "previous_out", "velocity_out", "h_out", "c_out",
    ]  # fmt: skip


def test_one_scan_holds_all_notes_and_no_matrix() -> None:
    model = build_chain_graph(tiny_arrays(0, 32))
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    assert len(scans) == 1
    body = next(a.g for a in scans[0].attribute if a.name == "body")
    assert max(np.prod(t.dims) for t in body.initializer) < 1024


def test_same_arrays_give_the_same_bytes() -> None:
    first, second = (
        build_chain_graph(tiny_arrays()).SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "shape"),
    [("prev_table", (361, 160)), ("w_hh1", (4, 8, 32)), ("head_b_2", (119,)), ("bias0", (5, 16))],
)
def test_arrays_that_do_not_fit_are_named_with_both_shapes(
    name: str, shape: tuple[int, ...]
) -> None:
    arrays = tiny_arrays() | {name: np.zeros(shape, np.float32)}
    with pytest.raises(ValueError, match=name):
        build_chain_graph(arrays)


def test_missing_arrays_are_named() -> None:
    arrays = tiny_arrays()
    del arrays["b1"]
    with pytest.raises(ValueError, match=r"b1 must be .* not nothing"):
        ChainShape.of(arrays)
    with pytest.raises(ValueError, match="w_hh0"):
        ChainShape.of({})

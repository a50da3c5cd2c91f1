"""The graphs of the melody models play what the equations say."""

import numpy as np
import onnx
import pytest

from export.families.tunes.graph import (
    TuneShape,
    build_encoder_graph,
    build_start_graph,
    build_tune_graph,
)
from streamer.bundle.onnxfile import read_graph_facts
from streamer.engine.noise import gumbel_noise
from streamer.engine.session import open_session
from tests.bundles import tiny_tune_arrays, tiny_tune_codec
from tests.export.tune_reference import ReferenceTune, encode

CODEC = tiny_tune_codec()
CLASSES = CODEC.offsets[-1]
TOLERANCE = 1e-5
"""float32 against float64; measured 1e-6."""

BATCH = 3


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    session, _ = open_session(model.SerializeToString())
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def inputs(arrays: dict[str, np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """State before a tune, with latents and styles drawn."""
    rng = np.random.default_rng(seed)
    shape = TuneShape.of(arrays)
    z = rng.standard_normal((BATCH, shape.latent)).astype(np.float32)
    style = rng.dirichlet(np.ones(shape.styles), BATCH).astype(np.float32)
    s = run(build_start_graph(arrays), z=z, style=style)["s"]
    return {"previous": np.full((BATCH, 3), -1), "s": s, "z": z, "style": style}


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_graph_plays_what_the_equations_say(depth: int) -> None:
    arrays = tiny_tune_arrays(1, 7, depth)
    feeds = inputs(arrays)
    noise = gumbel_noise(np.random.default_rng(0), (20, BATCH, CLASSES), 1.0, CODEC)
    out = run(build_tune_graph(arrays), **feeds, noise=noise)
    for k in range(BATCH):
        reference = ReferenceTune(arrays, feeds["z"][k], feeds["style"][k])
        assert np.abs(reference.s - feeds["s"][k]).max() < TOLERANCE
        played = reference.play(noise[:, k])
        assert np.array_equal(played["classes"], out["classes"][:, k])
        for name in ("entropies", "log_probs"):
            assert np.abs(played[name] - out[name][:, k]).max() < TOLERANCE
        assert np.abs(reference.s - out["s_out"][k]).max() < TOLERANCE
    assert np.array_equal(out["previous_out"], out["classes"][-1])


def test_latent_and_styles_pass_through_unchanged() -> None:
    arrays = tiny_tune_arrays()
    feeds = inputs(arrays)
    noise = np.zeros((2, BATCH, CLASSES), np.float32)
    out = run(build_tune_graph(arrays), **feeds, noise=noise)
    assert np.array_equal(out["z_out"], feeds["z"])
    assert np.array_equal(out["style_out"], feeds["style"])


@pytest.mark.parametrize("notes", [1, 2, 33])
def test_encoder_finds_what_the_equations_say(notes: int) -> None:
    arrays = tiny_tune_arrays(2)
    rng = np.random.default_rng(0)
    classes = rng.integers(0, CODEC.sizes, (BATCH, notes, 3))
    style = rng.dirichlet(np.ones(4), BATCH).astype(np.float32)
    out = run(build_encoder_graph(arrays), classes=classes, style=style)
    for k in range(BATCH):
        mu, logvar = encode(arrays, classes[k], style[k])
        assert np.abs(mu - out["mu"][k]).max() < TOLERANCE
        assert np.abs(logvar - out["logvar"][k]).max() < TOLERANCE


@pytest.mark.parametrize("build", [build_tune_graph, build_encoder_graph, build_start_graph])
def test_graphs_are_valid_onnx_of_standard_operators_alone(build: object) -> None:
    model = build(tiny_tune_arrays())  # type: ignore[operator]
    onnx.checker.check_model(model, full_check=True)
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 18)}


def test_step_takes_and_gives_what_the_contract_says() -> None:
    facts = read_graph_facts(build_tune_graph(tiny_tune_arrays()).SerializeToString())
    state = [
        ("previous", "int64", ("batch", 3)),
        ("s", "float32", ("batch", 8)),
        ("z", "float32", ("batch", 4)),
        ("style", "float32", ("batch", 4)),
    ]
    assert [tuple(t) for t in facts.inputs] == [
        *state, ("noise", "float32", ("notes", "batch", CLASSES)),
    ]  # fmt: skip
    assert [tuple(t) for t in facts.outputs] == [
        ("classes", "int64", ("notes", "batch", 3)),
        ("entropies", "float32", ("notes", "batch", 3)),
        ("log_probs", "float32", ("notes", "batch", 3)),
        *((f"{name}_out", dtype, shape) for name, dtype, shape in state),
    ]


def test_one_scan_holds_all_notes_and_no_matrix() -> None:
    model = build_tune_graph(tiny_tune_arrays(0, 32))
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    assert len(scans) == 1
    body = next(a.g for a in scans[0].attribute if a.name == "body")
    assert max(np.prod(t.dims) for t in body.initializer) < 1024


def test_same_arrays_give_the_same_bytes() -> None:
    first, second = (
        build_tune_graph(tiny_tune_arrays()).SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "shape"),
    [("prev_table", (24, 16)), ("r_1", (8, 15)), ("head_rows_2", (15, 6)), ("start_b", (7,))],
)
def test_arrays_that_do_not_fit_are_named_with_both_shapes(
    name: str, shape: tuple[int, ...]
) -> None:
    arrays = tiny_tune_arrays() | {name: np.zeros(shape, np.float32)}
    with pytest.raises(ValueError, match=name):
        build_tune_graph(arrays)


@pytest.mark.parametrize("name", ["enc_table_1", "enc_w", "enc_b", "enc_out_b"])
def test_missing_arrays_are_named(name: str) -> None:
    arrays = tiny_tune_arrays()
    del arrays[name], arrays["rb_1"]
    with pytest.raises(ValueError, match=r"rb_1 must be .* not nothing"):
        TuneShape.of(arrays)
    with pytest.raises(ValueError, match=name):
        build_encoder_graph(arrays)

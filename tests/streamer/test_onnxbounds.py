"""What a graph can take at most is told before it is run, and what cannot be told is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from streamer.bundle.bundle import SHIPPED
from streamer.bundle.onnxbounds import MAX_BYTES, MAX_WORK, OPERATORS, bound
from streamer.bundle.onnxfile import MAX_NODES, read_graph_facts

SIZES = {"batch": 3, "notes": 5}


def value(name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def graph_of(
    nodes: Sequence[Any],
    inputs: Sequence[Any] = (),
    constants: dict[str, Any] | None = None,
    output: str = "y",
) -> ModelProto:
    """A model of these nodes; the output's shape is left to be inferred."""
    held = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", list(inputs), [out], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def refusal(model: ModelProto) -> str:
    """The words with which a graph is refused."""
    with pytest.raises(ValueError) as caught:
        bound(read_graph_facts(model.SerializeToString()).graph)
    return str(caught.value)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str] = ("y",), **more: Any) -> Any:
    return helper.make_node(op, list(inputs), list(outputs), **more)


X = value("x", ["batch", 4])

BODY = helper.make_graph(
    [node("Add", ["s", "i"], ["t"]), node("Identity", ["t"], ["o"])], "body",
    [value("s", [4]), value("i", [4])], [value("t", [4]), value("o", [4])],
)  # fmt: skip

TABLE: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Add": ([node("Add", ["x", "c"])], {"c": np.ones((3, 1, 4), np.float32)}),
    "Where": ([node("Less", ["x", "c"], ["l"]), node("Where", ["l", "x", "c"])],
              {"c": np.ones((1, 4), np.float32)}),
    "Gemm": ([node("Gemm", ["x", "c"], transB=1)], {"c": np.ones((7, 4), np.float32)}),
    "MatMul": ([node("MatMul", ["x", "c"])], {"c": np.ones((2, 4, 6), np.float32)}),
    "MatMul, vector": ([node("MatMul", ["x", "c"])], {"c": np.ones(4, np.float32)}),
    "Concat": ([node("Concat", ["x", "x"], axis=-1)], {}),
    "Split": ([node("Split", ["x", "c"], ["a", "y"], axis=1)], {"c": np.array([1, 3])}),
    "Split, even": ([node("Split", ["x"], ["a", "y"], axis=1, num_outputs=2)], {}),
    "Reshape": ([node("Reshape", ["x", "c"])], {"c": np.array([2, -1])}),
    "Reshape, kept": ([node("Reshape", ["x", "c"])], {"c": np.array([0, 2, 2])}),
    "Transpose": ([node("Transpose", ["x"], perm=[1, 0])], {}),
    "Gather": ([node("Gather", ["x", "c"], axis=1)], {"c": np.array([[0, 1], [2, 3]])}),
    "GatherElements": ([node("GatherElements", ["x", "c"], axis=1)],
                       {"c": np.zeros((3, 2), np.int64)}),
    "GatherND": ([node("GatherND", ["x", "c"])], {"c": np.zeros((6, 2), np.int64)}),
    "Unsqueeze": ([node("Unsqueeze", ["x", "c"])], {"c": np.array([0, -1])}),
    "Squeeze": ([node("Unsqueeze", ["x", "c"], ["u"]), node("Squeeze", ["u", "c"])],
                {"c": np.array([1])}),
    "ReduceSum": ([node("ReduceSum", ["x", "c"], keepdims=0)], {"c": np.array([1])}),
    "ReduceMean": ([node("ReduceMean", ["x"])], {}),
    "OneHot": ([node("ArgMax", ["x"], ["a"], axis=1, keepdims=0),
                node("OneHot", ["a", "d", "v"], axis=0)],
               {"d": np.array(6), "v": np.array([0, 1], np.float32)}),
    "Expand": ([node("Expand", ["x", "c"])], {"c": np.array([2, 3, 4])}),
    "LSTM": ([node("Unsqueeze", ["x", "z"], ["u"]), node("LSTM", ["u", "w", "r"], hidden_size=5)],
             {"z": np.array([0]), "w": np.ones((1, 20, 4), np.float32),
              "r": np.ones((1, 20, 5), np.float32)}),
    "GRU": ([node("Unsqueeze", ["x", "z"], ["u"]),
             node("GRU", ["u", "w", "r"], ["", "y"], hidden_size=5)],
            {"z": np.array([0]), "w": np.ones((1, 15, 4), np.float32),
             "r": np.ones((1, 15, 5), np.float32)}),
    "Scan": ([node("Scan", ["s", "x"], ["e", "y"], body=BODY, num_scan_inputs=1)],
             {"s": np.zeros(4, np.float32)}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_sizes_are_those_that_onnx_runtime_comes_to(name: str) -> None:
    """The bound of a graph is what its tensors take, with nothing left out and nothing added."""
    nodes, constants = TABLE[name]
    model = graph_of(nodes, [X], constants)
    names = [out for one in nodes for out in one.output if out]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None) for out in names]
    given = read_graph_facts(model.SerializeToString())
    given.graph.outputs.clear()
    told = bound(given.graph, SIZES).bytes
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    for out in model.graph.output:  # ONNX Runtime infers kinds and shapes itself
        out.ClearField("type")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    values = session.run(names, {"x": np.ones((3, 4), np.float32)})
    inside = 8 if name == "Scan" else 0  # two values of its body
    assert told == 4 * (12 + inside + sum(array.size for array in values))


def test_what_a_scan_does_is_done_as_often_as_it_scans() -> None:
    one, many = ([node("Scan", ["s", "x"], ["e", "y"], body=BODY, num_scan_inputs=1)] for _ in "12")
    works = []
    for nodes, batch in ((one, 1), (many, 11)):
        model = graph_of(nodes, [X], {"s": np.zeros(4, np.float32)})
        facts = read_graph_facts(model.SerializeToString())
        facts.graph.outputs.clear()
        works.append(bound(facts.graph, {"batch": batch}).work)
    assert works[1] == 11 * works[0] > 0


@pytest.mark.parametrize("op", ["Loop", "If", "ConstantOfShape", "Range", "NonZero", "Tile", "Foo"])
def test_operators_that_no_bundle_of_ours_has_are_refused_by_name(op: str) -> None:
    assert f"uses the operator {op!r}" in refusal(graph_of([node(op, ["x"])], [X]))


def test_a_loop_of_two_to_the_62_turns_is_refused() -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"])], "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL)],
        [value("on", [], TensorProto.BOOL)],
    )  # fmt: skip
    loop = node("Loop", ["n", "yes"], [], body=body)
    constants = {"n": np.array(2**62), "yes": np.array(True)}
    words = refusal(graph_of([loop, node("Identity", ["x"])], [X], constants))
    assert "'Loop', which no bundle of ours has" in words


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Expand", ["x", "c"])], {"c": np.array([2**31, 1, 1])}),
        ([node("OneHot", ["a", "d", "v"])],
         {"a": np.zeros(4, np.int64), "d": np.array(2**40), "v": np.ones(2, np.float32)}),
        ([node("Concat", ["x"] * 2000, [f"a{0}"], axis=0),
          *(node("Concat", [f"a{i}"] * 1000, [f"a{i + 1}"], axis=0) for i in range(3)),
          node("Identity", ["a3"])], {}),
        ([node("MatMul", ["k", "r"])],
         {"k": np.ones((9000, 1), np.float32), "r": np.ones((1, 9000), np.float32)}),
    ],
    ids=["Expand", "OneHot", "Concat", "MatMul"],
)  # fmt: skip
def test_a_tensor_that_would_fill_the_memory_is_refused(nodes: Any, constants: Any) -> None:
    words = refusal(graph_of(nodes, [X], constants))
    assert f"the limit is {MAX_BYTES // 2**20}" in words


def test_many_tensors_that_fill_it_together_are_refused() -> None:
    wide = {"c": np.ones((1000, 1000), np.float32)}
    nodes = [node("Add", ["c", "c"], [f"a{i}"]) for i in range(60)]
    words = refusal(graph_of([*nodes, node("Identity", ["a0"])], [X], wide))
    assert f"MiB a run; the limit is {MAX_BYTES // 2**20}" in words


def test_work_for_minutes_is_refused() -> None:
    square = {"c": np.ones((1000, 1000), np.float32)}
    nodes = [node("MatMul", ["c", "c"], [f"a{i}"]) for i in range(30)]
    words = refusal(graph_of([*nodes, node("Identity", ["a0"])], [X], square))
    assert f"products a run; the limit is {MAX_WORK:.0e}" in words


def test_sizes_that_depend_on_data_are_refused() -> None:
    nodes = [node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Reshape", ["x", "i"])]
    assert "sizes that depend on data" in refusal(graph_of(nodes, [X]))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Add", ["x", "nowhere"])], "uses the value 'nowhere' before it is there"),
        ([node("Identity", ["x"], ["z"])], "uses the value 'y' before it is there"),
        ([node("Transpose", ["x"], perm=[0, 0])], "has a Transpose"),
        ([node("Concat", ["x"], axis=5)], "uses axis 5 of a tensor that has 2"),
        ([node("Split", ["x"], ["y", "z"], axis=1, num_outputs=7)], "has a Split"),
        ([node("Gather", ["x"])], "has a Gather that cannot be run"),
        ([node("Scan", ["x"], num_scan_inputs=1)], "has a Scan that scans nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told(nodes: Any, words: str) -> None:
    assert words in refusal(graph_of(nodes, [X]))


def test_axes_of_another_name_are_refused() -> None:
    model = graph_of([node("Identity", ["x"])], [value("x", ["anything", 4])])
    assert "has an axis 'anything'; free axes are batch" in refusal(model)


def test_a_tensor_that_is_not_as_long_as_it_says_is_refused() -> None:
    model = graph_of([node("Add", ["x", "c"])], [X], {"c": np.ones(4, np.float32)})
    model.graph.initializer[0].dims[0] = 2**40
    with pytest.raises(ValueError, match=r"holds a tensor of 4 numbers, whose shape says 1\d+"):
        read_graph_facts(model.SerializeToString())


def test_more_operators_than_any_model_has_are_refused() -> None:
    nodes = [node("Identity", ["x"], [f"a{i}"]) for i in range(MAX_NODES)]
    model = graph_of([*nodes, node("Identity", ["x"])], [X])
    with pytest.raises(ValueError, match=f"more than {MAX_NODES} operators"):
        read_graph_facts(model.SerializeToString())


@pytest.mark.parametrize(
    "path", sorted(SHIPPED.glob("*/*.onnx")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_what_ships_takes_a_quarter_of_the_limits_at_most(path: Path) -> None:
    facts = read_graph_facts(path.read_bytes())
    bounds = bound(facts.graph)
    assert bounds.bytes < MAX_BYTES / 4
    assert bounds.work < MAX_WORK / 4


def test_the_table_holds_what_exporters_write() -> None:
    written = {"Scan", "LSTM", "GRU", "GatherND", "OneHot", "Expand", "LogSoftmax", "ArgMax"}
    assert written <= OPERATORS
    assert not {"Loop", "If", "SequenceMap"} & OPERATORS

"""The reader of ONNX files refuses everything but what it knows, whatever bytes it meets."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.families.chain.graph import build_chain_graph
from streamer.bundle.onnxfile import read_graph_facts
from tests.bundles import tiny_arrays

WHOLE = build_chain_graph(tiny_arrays(0, 4)).SerializeToString()


def complaint(data: bytes) -> str:
    """Return why bytes are refused, or nothing; any other exception than ValueError escapes."""
    try:
        read_graph_facts(data)
    except ValueError as error:
        return str(error)
    return ""


def model(**changes: object) -> onnx.ModelProto:
    """Return a model of one Identity."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y])
    opsets = changes.pop("opsets", [helper.make_opsetid("", 18)])
    return helper.make_model(graph, opset_imports=opsets, **changes)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_value_error(data: bytes) -> None:
    assert "\n" not in complaint(data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_read_or_refused_with_a_value_error(at: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= change
    assert "\n" not in complaint(bytes(data))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_model_that_was_cut_off_never_passes_for_whole(length: int) -> None:
    assert complaint(WHOLE[:length]) in ("is cut off", "is not an ONNX model")


def test_facts_are_those_that_onnx_itself_reads() -> None:
    facts = read_graph_facts(model().SerializeToString())
    assert facts.opset == 18
    assert facts.inputs == (("x", "float32", ("batch", 3)),)
    assert facts.outputs == (("y", "float32", ("batch", 3)),)


def test_initializers_are_no_inputs() -> None:
    proto = model()
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]))
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "w"))
    assert [t.name for t in read_graph_facts(proto.SerializeToString()).inputs] == ["x"]


def test_opset_of_another_domain_is_refused() -> None:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    with pytest.raises(ValueError, match=r"com\.microsoft"):
        read_graph_facts(model(opsets=opsets).SerializeToString())


def test_sparse_tensors_are_refused() -> None:
    proto = model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    with pytest.raises(ValueError, match="sparse"):
        read_graph_facts(proto.SerializeToString())


def test_external_data_in_an_attribute_is_refused() -> None:
    proto = model()
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.external_data.add().key = "location"
    proto.graph.node.append(helper.make_node("Constant", [], ["k"], value=tensor))
    with pytest.raises(ValueError, match="external data"):
        read_graph_facts(proto.SerializeToString())


def test_graphs_nested_too_deep_are_refused() -> None:
    graph = helper.make_graph([], "inner", [], [])
    for _ in range(12):
        node = helper.make_node("If", ["x"], ["y"], then_branch=graph)
        graph = helper.make_graph([node], "g", [], [])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(ValueError, match="deeper than 2"):
        read_graph_facts(proto.SerializeToString())

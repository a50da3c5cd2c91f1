"""A trained filter as one small ONNX graph, and the proof that it answers as scikit-learn did.

In: a :class:`training.families.tunes.classifiers.Classifier`. Out: a ``ModelProto`` that takes
``features`` float32 (batch, features) and gives ``probability`` float32 (batch,). Plain operators:
standardise, one product (for the rbf kernel distances to the support vectors first), the sigmoid of
the calibration. Inside it is float64, as scikit-learn is: distances of an rbf kernel cancel in
float32, and a phrase costs microseconds either way.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from export.nodes import FLOAT, Graph, make_model, value
from streamer.engine.session import open_session
from streamer.errors import StreamerError
from training.families.tunes.classifiers import Classifier

PROBABILITY_TOLERANCE = 1e-5
"""Of a probability. Measured on the shipped filters: 3e-8, the rounding of the output."""


class ClassifierParityError(StreamerError):
    """The graph does not answer as the trained filter; nothing was written."""


def build_classifier_graph(classifier: Classifier) -> ModelProto:
    """Build the graph of any of the three methods."""
    graph = Graph()

    def constant(name: str, values: object) -> str:
        return graph.constant(name, values, np.float64)

    x = graph("Cast", ["features"], to=TensorProto.DOUBLE)
    x = graph("Sub", [x, constant("mean", classifier.mean)])
    x = graph("Div", [x, constant("scale", classifier.scale)])
    if classifier.gamma:
        x = _kernel(graph, x, classifier)
    decision = graph("MatMul", [x, constant("weights", classifier.weights)])
    # Intercept and calibration are one line: slope * (d + intercept) + offset.
    offset = classifier.slope * classifier.intercept + classifier.offset
    scaled = graph("Mul", [decision, constant("slope", classifier.slope)])
    shifted = graph("Add", [scaled, constant("offset", offset)])
    graph("Cast", [graph("Sigmoid", [shifted])], out="probability", to=FLOAT)
    return make_model(
        helper.make_graph(
            graph.nodes,
            "classifier",
            [value("features", FLOAT, ["batch", len(classifier.features)])],
            [value("probability", FLOAT, ["batch"])],
            graph.initializers,
        )
    )


def _kernel(graph: Graph, x: str, classifier: Classifier) -> str:
    """Append exp(-gamma |x - s|^2) for each support vector s, ``(batch, vectors)``."""
    support = classifier.support
    squares = (support**2).sum(axis=1)
    own = graph("ReduceSum", [graph("Mul", [x, x]), graph.constant("last", [-1], np.int64)])
    product = graph("MatMul", [x, graph.constant("support", -2.0 * support.T, np.float64)])
    distance = graph("Add", [product, own])
    distance = graph("Add", [distance, graph.constant("squares", squares, np.float64)])
    gamma = graph.constant("gamma", -classifier.gamma, np.float64)
    return graph("Exp", [graph("Mul", [distance, gamma])])


def prove(classifier: Classifier, model: bytes) -> float:
    """Run the graph on the rows whose answers scikit-learn left, and return the largest error.

    Raises:
        ClassifierParityError: It is above :data:`PROBABILITY_TOLERANCE`.
    """
    session, _ = open_session(model, where="classifier")
    answers = session.run(["probability"], {"features": classifier.proof})[0]
    error = float(np.abs(answers - classifier.proven).max(initial=0.0))
    if not error <= PROBABILITY_TOLERANCE:
        raise ClassifierParityError(
            f"the graph of the {classifier.method} filter is off by {error:.2g}, more than "
            f"{PROBABILITY_TOLERANCE:g}; nothing was written"
        )
    return error

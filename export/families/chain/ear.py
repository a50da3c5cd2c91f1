"""Puts an ear into a bundle of the chain: a folder of ``perpetuo train ear`` in, the bundle out.

The judge becomes a graph of one GRU and one line, run once for all candidates, and is proven
against torch's own answers. What the bundle had of the kind before is replaced.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from onnx import helper

from export.bundle import describe_graph, write_bundle
from export.nodes import FLOAT, Graph, make_model, value
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.session import open_session
from streamer.errors import DataError, StreamerError
from streamer.families.chain.ear import PART, EarSpec
from streamer.families.chain.hearing import FEATURES
from training.families.chain.ear_file import TrainedEar, read_ear

EAR_GRAPH = "ear"
FILE = "ear.onnx"
LOGIT_TOLERANCE = 1e-3
"""Measured 7.6e-6 on the ear that ships; each bundle's manifest says its own."""

CARD_HEADING = "## What picks among the candidates"


class EarParityError(StreamerError):
    """The graph of an ear does not answer as the judge that was trained."""


def add_ear(source: Path, folder: Path, target: Path) -> Bundle:
    """Write a bundle anew, with an ear.

    Args:
        source: The bundle.
        folder: What ``perpetuo train ear`` wrote.
        target: Where to; may be ``source``.

    Raises:
        BundleError: The bundle cannot be read or written.
        DataError: The ear cannot be used, or was made for another bundle.
        EarParityError: The graph does not answer as it should.
    """
    bundle, ear = load_bundle(source), read_ear(folder)
    _check_fit(bundle, ear, folder)
    model = build_ear_graph(ear).SerializeToString(deterministic=True)
    error = prove(ear, model)
    report, hidden = ear.report, len(ear.weights["head.weight"][0])
    spec = EarSpec(
        graph=EAR_GRAPH,
        hidden=hidden,
        features=FEATURES,
        context=len(ear.past),
        floor=round(report["floor"], 6),
        metrics={name: round(float(x), 6) for name, x in report["held_out"].items()}
        | {"held_out_works": float(report["works"]["test"]), "parity": round(error, 9)},
    )
    manifest = bundle.manifest
    kept = [graph for graph in manifest.graphs if graph.name != EAR_GRAPH]
    models = {graph.file: bundle.graph_bytes(graph.name) for graph in kept} | {FILE: model}
    manifest = manifest.with_parts(**{PART: spec})
    graphs = [*kept, describe_graph(EAR_GRAPH, FILE, model)]
    manifest = msgspec.structs.replace(manifest, graphs=graphs)
    card = _with_section(bundle.card, card_section(spec, report))
    return write_bundle(target, manifest, models, card)


def put_ear(source: Path, folder: Path, target: Path) -> str:
    """Add an ear (:func:`add_ear`, errors too); return what came of it."""
    bundle = add_ear(source, folder, target)
    told = bundle.manifest.parts[PART].metrics
    return (
        f"{bundle.manifest.name}: {bundle.size_bytes / 1e6:.1f} MB in {bundle.path}; ear of AUC "
        f"{told['auc_32']:.3f}, within {told['parity']:.1e} of torch"
    )


def _check_fit(bundle: Bundle, ear: TrainedEar, folder: Path) -> None:
    manifest = bundle.manifest
    if manifest.family != "chain":
        raise DataError(f"{bundle.path}: a bundle of {manifest.family}: an ear judges the chain's")
    made_for, own = ear.report.get("bundle_sha256", ""), manifest.graph(STEP_GRAPH).sha256
    if made_for != own:
        raise DataError(
            f"{folder}: was made for the graph {made_for[:12]}, but that of {manifest.name} is "
            f"{own[:12]}; train one with perpetuo train ear --bundle {bundle.path}"
        )
    width = ear.past.shape[-1]
    if width != FEATURES:
        raise DataError(
            f"{folder}: takes {width} numbers of a note, but this version has {FEATURES}; make it "
            "again with perpetuo train ear"
        )


def build_ear_graph(ear: TrainedEar) -> Any:
    """Return the judge as a graph: ``notes`` and ``state`` to ``logit`` and ``state_out``."""
    weights = ear.weights
    hidden = weights["gru.weight_hh_l0"].shape[1]
    graph = Graph()

    def gates(name: str) -> Any:
        """Gates in ONNX's order, update before reset; torch has them the other way."""
        reset, update, new = np.split(weights[name], 3)
        return np.concatenate([update, reset, new])

    both = np.concatenate([gates("gru.bias_ih_l0"), gates("gru.bias_hh_l0")])
    inputs = [
        "notes",
        graph.constant("w", gates("gru.weight_ih_l0")[None]),
        graph.constant("r", gates("gru.weight_hh_l0")[None]),
        graph.constant("b", both[None]),
        "",
        graph("Unsqueeze", ["state", graph.constant("front", [0], np.int64)]),
    ]
    _, after = graph.many("GRU", inputs, 2, hidden_size=hidden, linear_before_reset=1)
    last = graph("Squeeze", [after, "front"], out="state_out")
    head = graph.constant("head", weights["head.weight"].T)
    line = graph("Gemm", [last, head, graph.constant("offset", weights["head.bias"])])
    graph("Squeeze", [line, graph.constant("end", [1], np.int64)], out="logit")
    return make_model(
        helper.make_graph(
            graph.nodes,
            EAR_GRAPH,
            [
                value("notes", FLOAT, ["notes", "batch", FEATURES]),
                value("state", FLOAT, ["batch", hidden]),
            ],
            [value("logit", FLOAT, ["batch"]), value("state_out", FLOAT, ["batch", hidden])],
            graph.initializers,
        )
    )


def prove(ear: TrainedEar, model: bytes) -> float:
    """Run the graph where torch left its answers, and return the largest error, nats.

    Raises:
        EarParityError: It is above :data:`LOGIT_TOLERANCE`.
    """
    session, _ = open_session(model, where=EAR_GRAPH)
    hidden, places = ear.weights["head.weight"].shape[1], ear.past.shape[1]
    nothing = np.zeros((places, hidden), np.float32)
    state = session.run(["state_out"], {"notes": ear.past, "state": nothing})[0]
    given = {"notes": ear.ahead, "state": np.concatenate([state, state])}
    error = float(np.abs(session.run(["logit"], given)[0] - ear.logits).max(initial=0.0))
    if not error <= LOGIT_TOLERANCE:
        raise EarParityError(
            f"the graph of the ear is off by {error:.2g} nats, more than {LOGIT_TOLERANCE:g}; "
            "nothing was written"
        )
    return error


def card_section(spec: EarSpec, report: dict[str, Any]) -> str:
    """Return what the card says of the ear; Markdown with its heading."""
    told, places = spec.metrics, report["places"]
    return "\n".join([
        CARD_HEADING,
        "",
        f"A judge of {spec.hidden} recurrent units hears all candidates after the last "
        f"{spec.context} notes, and one is taken in proportion to how real it sounds. It was "
        f"trained on {places['train']:,} places of {', '.join(report['corpus'])}: how the music "
        "went on, against how this model goes on after the same notes. On "
        f"{report['works']['test']} works that it never saw it tells the two apart with an AUC of "
        f"{told['auc_8']:.3f}, {told['auc_16']:.3f} and {told['auc_32']:.3f} after 8, 16 and 32 "
        "notes. It hears what the model does wrong, not what people like.",
        "",
        "```",
        f"perpetuo train ear --bundle {report['bundle']} --corpus FILE.npz -o ear "
        f"--places {places['train']} --epochs {report['epochs']}",
        f"perpetuo bundle ear {report['bundle']} ear",
        "```",
    ])  # fmt: skip


def _with_section(card: str, section: str) -> str:
    """Return a card with the section in place of an older one, or at its end."""
    older = re.compile(re.escape(CARD_HEADING) + r"\n.*?(?=\n## |\Z)", re.DOTALL)
    if older.search(card):
        return older.sub(lambda _: section + "\n", card, count=1)
    return f"{card.rstrip()}\n\n{section}\n"

"""Bundles from strangers: graphs and manifests changed at random, each played in a child.

    python -m tests.faults.strangers --cases 10000 --seed 1 --seconds 600

A child loads the bundle and renders from it, with limits on memory and processor; one that takes
long gets a SIGTERM. Right is music, or one line and status 1. Wrong are tracebacks, deaths,
children that do not end after the signal, and more memory than a Pi has to spare.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from streamer import cli
from streamer.bundle.bundle import DIGEST_FILE
from tests import bandbundles, bundles
from tests.faults import children
from tests.fuzzing import Documents, damaged

MOST_MEGABYTES, MOST_MORE_MEGABYTES = 300.0, 200.0
"""Of a child, or beyond its parent where that has so much that it cannot be told apart."""

LONG_SECONDS, MOST_AFTER_SIGNAL = 6.0, 2.0
SPARE_MEGABYTES, CPU_SECONDS = 1024, 30
TOLD_CASES = 500

JSON_TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"-1", b"\\u0000",
)  # fmt: skip
HUGE = (0, -1, 1, 2, 3, 255, 2**16, 2**24, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
OTHER_OPERATORS = (
    "Loop", "If", "ConstantOfShape", "Range", "Tile", "Expand", "NonZero", "Pad", "Resize", "Where",
    "TopK", "Concat", "Add", "MatMul", "Gemm", "Gather", "Reshape", "Scan", "Split", "OneHot",
    "Cast", "ReduceSum", "LSTM", "GRU", "Unsqueeze", "Squeeze", "StringNormalizer",
    "SequenceEmpty", "Einsum",
)  # fmt: skip


@dataclass
class Report:
    """What came of the cases.

    Attributes:
        ends: How they ended.
        megabytes: The most memory of any child.
        slowest: The longest run without a signal, seconds.
        after_signal: The longest time from a SIGTERM to the end.
        wrong: What should not be: seed of the case, and what was seen.
        refusals: Statuses with which a case may be refused, with a line on stderr.
    """

    ends: Counter[str] = field(default_factory=Counter)
    megabytes: float = 0.0
    slowest: float = 0.0
    after_signal: float = 0.0
    wrong: list[str] = field(default_factory=list)
    refusals: tuple[int, ...] = (1,)

    def add(self, name: str, ended: children.Ended, most_after_signal: float) -> None:
        """Take note of how a case ended."""
        after = ended.after_signal
        kinds = {0: "played", 143: "ended by the signal"} | dict.fromkeys(self.refusals, "refused")
        kind = kinds.get(ended.status, f"status {ended.status}")
        lines = [line for line in ended.stderr.splitlines() if line]
        fine = ended.status == 0 or (ended.status in self.refusals and len(lines) >= 1)
        if after is not None:
            fine = ended.status in kinds and after <= most_after_signal
            self.after_signal = max(self.after_signal, after)
        else:
            self.slowest = max(self.slowest, ended.seconds)
        self.megabytes = max(self.megabytes, ended.megabytes)
        self.ends["hung" if ended.hung else kind] += 1
        if (
            not fine
            or ended.lost
            or ended.megabytes > max(MOST_MEGABYTES, ended.given + MOST_MORE_MEGABYTES)
        ):
            self.wrong.append(
                f"{name}: {kind}, {ended.megabytes:.0f} MB, {ended.seconds:.1f} s, after signal "
                f"{after}: {ended.stderr[-1500:]}"
            )

    def tell(self) -> None:
        """Show each so many cases where it stands: a long run may be ended from outside."""
        count = sum(self.ends.values())
        if count and count % TOLD_CASES == 0:
            sys.stderr.write(f"{self}\n" + "".join(f"  {line}\n" for line in self.wrong))
            sys.stderr.flush()

    def __str__(self) -> str:
        ends = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.ends.items()))
        return (
            f"{sum(self.ends.values())} cases ({ends}); at most {self.megabytes:.0f} MB, "
            f"{self.slowest:.1f} s unsignalled, {self.after_signal:.2f} s after a SIGTERM; "
            f"{len(self.wrong)} wrong"
        )


class Strangers:
    """Makes hostile bundles out of tiny ones of every family.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        made = (
            bundles.write_tiny_bundle(folder),
            bundles.write_tiny_tunes_bundle(folder),
            bundles.write_tiny_draw_bundle(folder),
            bundles.write_tiny_query_bundle(folder),
            bandbundles.write_tiny_band_bundle(folder),
        )
        self.paths = [bundle.path for bundle in made]
        self._texts = [(path / "manifest.json").read_bytes() for path in self.paths]
        self._documents = [Documents(json.loads(text)) for text in self._texts]
        self._folder = folder

    def write(self, seed: int) -> tuple[str, Path]:
        """Write the bundle that a seed gives; its name says what was changed."""
        chance = random.Random(seed)
        which = chance.randrange(len(self.paths))
        target = self._folder / "stranger"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.paths[which], target)
        (target / DIGEST_FILE).unlink(missing_ok=True)
        kind = chance.choice(("manifest", "bytes of manifest", "graph", "graph", "bytes of graph"))
        if kind == "manifest":
            document = self._documents[which].changed(chance)
            data = json.dumps(document).encode("utf-8", "surrogatepass")
            (target / "manifest.json").write_bytes(data)
        elif kind == "bytes of manifest":
            (target / "manifest.json").write_bytes(damaged(self._texts[which], chance, JSON_TOKENS))
        else:
            graph = chance.choice(sorted(target.glob("*.onnx")))
            change = changed_graph if kind == "graph" else damaged
            graph.write_bytes(change(graph.read_bytes(), chance))
            _tell_hash(target, graph)
        return f"seed {seed}, {kind} of {self.paths[which].name}", target


def _tell_hash(folder: Path, graph: Path) -> None:
    """Let the manifest say the new hash: a stranger would."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    for spec in document["graphs"]:
        if spec["file"] == graph.name:
            spec["sha256"] = hashlib.sha256(graph.read_bytes()).hexdigest()
    path.write_text(json.dumps(document))


def changed_graph(data: bytes, chance: random.Random) -> bytes:
    """Change a graph in one to four places as somebody would who knows ONNX."""
    model = onnx.load_from_string(data)
    changes: tuple[Callable[[ModelProto, GraphProto, random.Random], None], ...] = (
        _other_operator, _other_attribute, _other_input, _other_constant, _other_shape, _more_nodes,
        _hostile,
    )  # fmt: skip
    for _ in range(chance.choice((1, 1, 2, 4))):
        graphs = [model.graph, *_bodies(model.graph)]
        graph = chance.choice(graphs)
        try:
            chance.choice(changes)(model, graph, chance)
        except (IndexError, ValueError, TypeError):
            continue  # nothing of the kind is there
    return bytes(model.SerializeToString())


def _bodies(graph: GraphProto) -> list[GraphProto]:
    return [a.g for node in graph.node for a in node.attribute if a.type == AttributeProto.GRAPH]


def _other_operator(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    chance.choice(graph.node).op_type = chance.choice(OTHER_OPERATORS)


def _other_attribute(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    node = chance.choice(graph.node)
    attribute = chance.choice(node.attribute)
    if attribute.type == AttributeProto.INT:
        attribute.i = chance.choice((*HUGE, -(2**63))) if chance.random() < 0.7 else -attribute.i
    elif attribute.type == AttributeProto.INTS and attribute.ints:
        attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(HUGE)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = chance.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))


def _other_input(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    node = chance.choice(graph.node)
    names = [name for other in graph.node for name in other.output]
    names += [tensor.name for tensor in (*graph.initializer, *graph.input)] + [""]
    node.input[chance.randrange(len(node.input))] = chance.choice(names)


def _other_constant(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    tensor = chance.choice(graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    flat = array.reshape(-1)
    for _ in range(chance.choice((1, 1, 8))):
        at = chance.randrange(len(flat))
        if array.dtype.kind == "f":
            flat[at] = chance.choice((float("nan"), float("inf"), 0.0, -1.0, 65504.0))
        elif array.dtype.kind == "i":
            info = 2 ** (8 * array.dtype.itemsize - 1) - 1
            flat[at] = max(-info, min(info, chance.choice((*HUGE, -(2**40)))))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _other_shape(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    if chance.random() < 0.5:
        tensor = chance.choice(graph.initializer)
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(HUGE)
        return
    info = chance.choice((*graph.input, *graph.output))
    dimension = chance.choice(info.type.tensor_type.shape.dim)
    if chance.random() < 0.5:
        dimension.dim_value = chance.choice(HUGE)
    else:
        dimension.dim_param = chance.choice(("batch", "notes", "passes", "x", ""))


def _more_nodes(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    """Put what was there through a growing chain."""
    node: NodeProto = chance.choice(graph.node)
    name = node.output[0]
    for turn in range(chance.choice((1, 4, 30, 300))):
        after = f"more_{chance.randrange(2**32)}_{turn}"
        kind = chance.choice(("Concat", "MatMul", "Add", "Unsqueeze"))
        more = helper.make_node(kind, [name, name], [after])
        if kind == "Concat":
            more.attribute.append(helper.make_attribute("axis", chance.choice((0, 1, -1))))
        graph.node.append(more)
        name = after


def _hostile(model: ModelProto, graph: GraphProto, chance: random.Random) -> None:
    """Add what takes for ever, or all memory, whatever it is given."""
    fresh = f"hostile_{chance.randrange(2**32)}"
    sizes = [chance.choice(HUGE) for _ in range(chance.choice((1, 2, 3)))]
    graph.initializer.append(
        helper.make_tensor(f"{fresh}_shape", TensorProto.INT64, [len(sizes)], sizes)
    )
    graph.initializer.append(helper.make_tensor(f"{fresh}_one", TensorProto.FLOAT, [1], [1.0]))
    kind = chance.choice(("Expand", "ConstantOfShape", "Reshape", "Tile", "Loop"))
    if kind == "Loop":
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"])], "body",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("go", TensorProto.BOOL, [])],
            [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
        )  # fmt: skip
        graph.initializer.append(helper.make_tensor(f"{fresh}_n", TensorProto.INT64, [], [2**62]))
        graph.initializer.append(helper.make_tensor(f"{fresh}_yes", TensorProto.BOOL, [], [True]))
        graph.node.append(
            helper.make_node("Loop", [f"{fresh}_n", f"{fresh}_yes"], [], body=body, name=fresh)
        )
        return
    given = [f"{fresh}_shape"] if kind == "ConstantOfShape" else [f"{fresh}_one", f"{fresh}_shape"]
    graph.node.append(helper.make_node(kind, given, [fresh]))


def run(
    cases: int,
    seed: int = 0,
    seconds: float = float("inf"),
    most_after_signal: float = MOST_AFTER_SIGNAL,
) -> Report:
    """Play hostile bundles, each in a child.

    Args:
        cases: How many.
        seed: Of the first; the next has the next number.
        seconds: No case begins later.
        most_after_signal: How long a child may take to end after a SIGTERM.
    """
    report, until = Report(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="perpetuo-strangers-") as made:
        strangers = Strangers(Path(made))
        for path in strangers.paths:  # what they import is imported once
            with redirect_stdout(io.StringIO()):
                cli.main(render(path))
        for number in range(seed, seed + cases):
            if time.monotonic() > until:
                break
            report.tell()
            name, path = strangers.write(number)
            ended = children.fork(
                children.main_of(render(path)),
                signal_at=(LONG_SECONDS, signal.SIGTERM),
                seconds=LONG_SECONDS + 30.0,
                memory_megabytes=SPARE_MEGABYTES,
                cpu_seconds=CPU_SECONDS,
            )
            report.add(name, ended, most_after_signal)
    return report


def render(path: Path) -> list[str]:
    """Return the words that play from a bundle."""
    return ["render", "/dev/null", "--model", str(path), "--seed", "1", "--duration", "4"]


def main() -> int:
    """Run as the command line says; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    report = run(args.cases, args.seed, args.seconds)
    sys.stderr.write(f"{report}\n" + "".join(f"  {line}\n" for line in report.wrong))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

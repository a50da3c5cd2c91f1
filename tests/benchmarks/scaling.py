"""What more GPUs would bring and cost, computed: ``python -m tests.benchmarks.scaling``.

In: what one update costs on one GPU (a part that its rows share out, and a part that they do not:
the steps of a recurrence one after another), the weights, and the wires. Out: the table of
docs/scale.md. Put in what you measure: ``--work-ms``, ``--fixed-ms``.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

GPUS = (1, 2, 4, 8, 16, 32, 64)
A_NODE = 8


@dataclass(frozen=True)
class Machine:
    """Wires and price.

    Attributes:
        inside_gb_s: What a GPU gives another of its machine, GB/s.
        between_gb_s: What a GPU gives one of another machine, GB/s.
        inside_us: Least time of one message within a machine, microseconds.
        between_us: The same between machines.
        dollars_an_hour: For one GPU.
    """

    inside_gb_s: float = 300.0
    between_gb_s: float = 40.0
    inside_us: float = 15.0
    between_us: float = 40.0
    dollars_an_hour: float = 3.5


def sum_ms(weights: int, gpus: int, machine: Machine) -> float:
    """Return the time to sum all gradients, float32, round a ring, ms."""
    if gpus == 1:
        return 0.0
    inside = gpus <= A_NODE
    speed = machine.inside_gb_s if inside else machine.between_gb_s
    least = machine.inside_us if inside else machine.between_us
    passed = 2 * (gpus - 1) / gpus * 4 * weights
    return passed / (speed * 1e6) + 2 * math.ceil(math.log2(gpus)) * least / 1e3


def update_ms(
    work: float, fixed: float, weights: int, gpus: int, rows: float, machine: Machine
) -> float:
    """Return the time of an update of ``rows`` times the rows that cost ``work``, ms."""
    return fixed + work * rows / gpus + sum_ms(weights, gpus, machine)


def table(work: float, fixed: float, weights: int, updates: int, machine: Machine) -> list[str]:
    """Return the table as lines of Markdown."""
    head = "| GPUs | same batch: ms an update | faster by | share of use | dollars a run "
    head += "| rows grow with GPUs: ms | rows a second, times | share of use | dollars an epoch |"
    lines = [head, "|" + " ---: |" * 9]
    one = update_ms(work, fixed, weights, 1, 1, machine)
    for gpus in GPUS:
        same = update_ms(work, fixed, weights, gpus, 1, machine)
        more = update_ms(work, fixed, weights, gpus, gpus, machine)
        gain, rate = one / same, gpus * one / more
        cost = same * updates / 3.6e6 * gpus * machine.dollars_an_hour
        epoch = more * updates / gpus / 3.6e6 * gpus * machine.dollars_an_hour
        lines.append(
            f"| {gpus} | {same:.1f} | {gain:.2f} | {gain / gpus:.0%} | {cost:.2f} "
            f"| {more:.1f} | {rate:.1f} | {rate / gpus:.0%} | {epoch:.2f} |"
        )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work-ms", type=float, default=2.0)
    parser.add_argument("--fixed-ms", type=float, default=4.0)
    parser.add_argument("--weights", type=int, default=3_165_062)
    parser.add_argument("--updates", type=int, default=50_000)
    args = parser.parse_args()
    print("\n".join(table(args.work_ms, args.fixed_ms, args.weights, args.updates, Machine())))


if __name__ == "__main__":
    main()

"""The table of faults: each injected a number of times into a process that plays.

    python -m tests.faults.table --tries 20 --out faults.json
    python -m tests.faults.table --tries 3 flood wall_clock

Without names all of them. The Markdown goes to standard output, line by line as it comes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import inside, machine, ports, simulated
from tests.faults.stage import Row

FAULTS = ports.FAULTS | machine.FAULTS | inside.FAULTS | simulated.FAULTS


def run(name: str, tries: int) -> Row:
    """Inject one fault ``tries`` times, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="perpetuo-faults-") as folder:
        try:
            return FAULTS[name](Path(folder), tries)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            return Row(name, faults=[f"could not be tried to the end: {error}"])


def main() -> int:
    """Inject what the command line asks for; 0 when everything was survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    # Ended from outside it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    logging.disable(logging.WARNING)  # of the simulated ones, which play in this process
    rows, write = [], sys.stdout.write
    write("| fault | tries | survived | what was lost |\n| --- | --- | --- | --- |\n")
    for name in args.faults or FAULTS:
        began = time.monotonic()
        row = run(name, args.tries)
        rows.append({"name": name, **dataclasses.asdict(row), "load": os.getloadavg()[0],
                     "seconds": time.monotonic() - began})  # fmt: skip
        write(f"| {row.fault} | {row.tries} | {row.survived} | {row.lost} |\n")
        for fault in row.faults:
            write(f"<!-- {name}: {fault} -->\n")
        sys.stdout.flush()
        if args.out is not None:
            args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(row["faults"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())

"""Starts ``perpetuo`` again and again without its imports: a process that forks for each start.

In, line by line: the arguments, as JSON. Out: what the children say, and a line of JSON with the
number of each and, at its end, its status. An emulated machine takes five seconds to import.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from streamer import cli

for name in ("numpy", "onnxruntime", "rtmidi", "streamer.service.daemon", "streamer.verbs.play"):
    importlib.import_module(name)  # so that the children have it


def say(**words: int) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        sys.exit(cli.main(json.loads(line)))
    say(pid=child)
    _, status = os.waitpid(child, 0)
    say(exit=os.waitstatus_to_exitcode(status))

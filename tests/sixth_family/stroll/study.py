"""``perpetuo study stroll``: the entropy of the model's table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from stroll.model import Stroll
from training.studies.running import add_checkpoint, add_options, loaded, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint(parser, ("evenness",))
    add_options(parser, ("evenness",))


def run(args: argparse.Namespace) -> int:
    model = loaded(args.checkpoint, Stroll, ("stroll",))
    return show([("evenness", _evenness(model, args.output))])


def _evenness(model: Stroll, folder: Path) -> dict[str, Any]:
    with torch.no_grad():
        likely = torch.softmax(model(torch.arange(model.codec.keys)), dim=1)
    rows = {"nats": float(-(likely * likely.log()).sum(1).mean())}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evenness.json").write_text(json.dumps(rows))
    return rows

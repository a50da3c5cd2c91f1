"""``perpetuo study musae``: its options, and which studies a checkpoint or a bundle allows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from streamer.bundle.bundle import load_bundle
from streamer.errors import ConfigError
from streamer.families.bands.editing.editor import BandEditor
from streamer.verbs.numbers import MANY
from training.families.bands.bandset import BandSet
from training.families.bands.model import Musae
from training.run.device import choose_device
from training.studies.bands.musae_all import BAND_STUDIES, OF_PETALS
from training.studies.bands.musae_bench import MOST_WINDOWS, OVERFIT_UPDATES, BandBench
from training.studies.bands.musae_bundle import BUNDLE_STUDIES, BundleBench
from training.studies.running import (
    Rows,
    add_bundle,
    add_checkpoint,
    add_options,
    loaded,
    show,
    wanted,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_checkpoint(parser, tuple(BAND_STUDIES), required=False)
    add_bundle(parser, tuple(BUNDLE_STUDIES))
    add_options(parser, (*BAND_STUDIES, *BUNDLE_STUDIES))
    parser.add_argument("--runs", type=Path, nargs="+", default=[], metavar="RUN",
                        help="further runs, for compare")  # fmt: skip
    parser.add_argument("--updates", type=MANY, default=OVERFIT_UPDATES, metavar="N",
                        help=f"most updates of overfit (default {OVERFIT_UPDATES})")  # fmt: skip
    parser.add_argument("--windows", type=MANY, default=MOST_WINDOWS, metavar="N",
                        help="most windows of a split that are looked at (default"
                             f" {MOST_WINDOWS})")  # fmt: skip
    parser.add_argument("--device", default="cpu",
                        help="cpu, cuda or auto (default %(default)s)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    names = wanted(args, tuple(BAND_STUDIES), tuple(BUNDLE_STUDIES))
    bands = BandSet.load(args.tensors)
    of_model = [name for name in names if name in BAND_STUDIES]
    of_bundle = [name for name in names if name in BUNDLE_STUDIES]
    return show(chain(
        _of_model(args, bands, of_model) if of_model else (),
        _of_bundle(args, bands, of_bundle) if of_bundle else (),
    ))  # fmt: skip


def _of_bundle(
    args: argparse.Namespace, bands: BandSet, names: list[str]
) -> Iterator[tuple[str, Rows]]:
    bench = BundleBench(BandEditor(load_bundle(args.bundle)), bands, args.seed, args.windows)
    for name in names:
        yield name, BUNDLE_STUDIES[name](bench, args.output)


def _of_model(
    args: argparse.Namespace, bands: BandSet, names: list[str]
) -> Iterator[tuple[str, Rows]]:
    device = choose_device(args.device)

    def bench_of(path: Path) -> BandBench:
        model = loaded(path, Musae, ("musae",)).to(device)
        name = path.parent.name if path.suffix == ".pt" else path.name
        return BandBench(model, bands, args.seed, args.updates, args.windows, name)

    bench = bench_of(args.checkpoint)
    bench.runs = [bench_of(path) for path in args.runs]
    cannot = {} if bench.runs else {"compare": "needs --runs, further runs to compare with"}
    if bench.model.config.prior != "flower" or not bench.model.genres:
        cannot |= dict.fromkeys(OF_PETALS, f"{args.checkpoint} has no petals of genres to show")
    if problems := [f"{name}: {cannot[name]}" for name in args.only or () if name in cannot]:
        raise ConfigError(problems)
    for name in names:
        if name not in cannot:
            yield name, BAND_STUDIES[name](bench, args.output)

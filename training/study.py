"""The verb ``perpetuo study FAMILY``: what the specs say must be shown, as JSON and PNG."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from training.checkpoint import load_checkpoint
from training.data.bands import BandSet
from training.data.scores import ScoreSet
from training.data.tensors import TensorSet
from training.data.tunes import TuneSet
from training.families import model_from_checkpoint
from training.models.vrash import VARIANTS
from training.studies.chain import STUDIES, Bench
from training.studies.draw import DRAW_STUDIES, DrawBench
from training.studies.musae_all import BAND_STUDIES, OF_PETALS
from training.studies.musae_bench import MOST_WINDOWS, OVERFIT_UPDATES, BandBench
from training.studies.query import QUERY_STUDIES, QueryBench
from training.studies.stream import STREAM_STUDIES, Stage
from training.studies.vrash import TuneBench
from training.studies.vrash_all import TUNE_STREAM_STUDIES, TUNE_STUDIES
from training.studies.vrash_stream import TuneStage
from training.train import choose_device

Rows = dict[str, Any]

OF_CHECKPOINTS: dict[str, tuple[str, ...]] = {
    "chain": tuple(STUDIES),
    "draw": tuple(DRAW_STUDIES),
    "musae": tuple(BAND_STUDIES),
    "query": tuple(QUERY_STUDIES),
    "vrash": tuple(TUNE_STUDIES),
}
"""What each family can show of a checkpoint."""

OF_BUNDLES: dict[str, tuple[str, ...]] = {
    "chain": tuple(STREAM_STUDIES),
    "vrash": tuple(TUNE_STREAM_STUDIES),
}
"""What it can show of a bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``perpetuo study``."""
    names = sorted({name for some in (OF_CHECKPOINTS, OF_BUNDLES) for s in some.values()
                    for name in s})  # fmt: skip
    parser.add_argument("family", choices=sorted(OF_CHECKPOINTS), help="the family to study")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="RUN",
        help="run folder or checkpoint; shows " + _listed(OF_CHECKPOINTS),
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="exported bundle; shows " + _listed(OF_BUNDLES)
    )
    parser.add_argument(
        "--tensors",
        type=Path,
        required=True,
        metavar="FILE.npz",
        help="its corpus; what was held out is what is measured",
    )
    parser.add_argument(
        "--other",
        type=Path,
        metavar="FILE.npz",
        help="of draw: another corpus, prepared in the same way",
    )
    parser.add_argument(
        "--independent",
        type=Path,
        metavar="RUN",
        help="of chain: the same, trained with model.current_prefix=false",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="of vrash: runs of lm, vae and vrash, alike in size and training, to compare; of"
        " musae: further runs, for compare",
    )
    parser.add_argument(
        "--filters",
        type=Path,
        metavar="FILE.json",
        help="of vrash: filters.json of perpetuo train filter --table, for table 1",
    )
    parser.add_argument(
        "--updates",
        type=int,
        default=OVERFIT_UPDATES,
        help="of musae: most updates of overfit",
    )
    parser.add_argument(
        "--windows",
        type=int,
        default=MOST_WINDOWS,
        help="of musae: most windows of a split that are looked at",
    )
    parser.add_argument(
        "--device", default="cpu", help="of musae: cpu, cuda or auto (default %(default)s)"
    )
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="STUDY",
        help="default: all that --checkpoint and --bundle allow",
    )
    parser.add_argument("--streams", type=int, default=12, help="streams that are played")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each, for music")
    parser.add_argument("--hours", type=float, default=24.0, help="length of endless")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Run the studies; return the exit status."""
    of_checkpoint = OF_CHECKPOINTS.get(args.family, ())
    of_bundle = OF_BUNDLES.get(args.family, ())
    wanted = args.only or [
        *(of_checkpoint if args.checkpoint else ()), *(of_bundle if args.bundle else ()),
    ]  # fmt: skip
    problems = [
        f"{name}: {args.family} shows {', '.join((*of_checkpoint, *of_bundle))}"
        for name in wanted
        if name not in (*of_checkpoint, *of_bundle)
    ]
    problems += [
        f"{name}: needs --{option}"
        for name in wanted
        for option, studies in (("checkpoint", of_checkpoint), ("bundle", of_bundle))
        if name in studies and getattr(args, option) is None
    ]
    if problems or not wanted:
        raise ConfigError(problems or ["nothing to study: give --checkpoint, --bundle or both"])
    for name, rows in _RUNNERS[args.family](args, wanted):
        print(f"{name}: {json.dumps(_headline(rows))}", flush=True)
    return 0


def _chain(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    tensors = TensorSet.load(args.tensors)
    bench = None
    if args.checkpoint:
        model = _model(args, "chain")
        if model.codec.fingerprint != tensors.codec.fingerprint:
            raise ConfigError([f"{args.tensors}: other class tables than {args.checkpoint}"])
        independent = None
        if args.independent:
            independent = model_from_checkpoint(load_checkpoint(args.independent))
        bench = Bench(model, tensors, independent, args.seed)
    for name in wanted:
        if name in STUDIES and bench is not None:
            yield name, STUDIES[name](bench, args.output)
        else:
            stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes, args.hours)
            yield name, STREAM_STUDIES[name](stage, args.output)


def _draw(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    other = None if args.other is None else ScoreSet.load(args.other)
    bench = DrawBench(_model(args, "draw"), ScoreSet.load(args.tensors), other, args.seed)
    for name in wanted:
        yield name, DRAW_STUDIES[name](bench, args.output)


def _query(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    bench = QueryBench(_model(args, "query"), ScoreSet.load(args.tensors), args.seed)
    for name in wanted:
        yield name, QUERY_STUDIES[name](bench, args.output)


def _musae(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    problems = [
        f"--{name} must be 1 or more, not {getattr(args, name)}"
        for name in ("updates", "windows")
        if getattr(args, name) < 1
    ]
    if problems:
        raise ConfigError(problems)
    device, bands = choose_device(args.device), BandSet.load(args.tensors)

    def bench_of(path: Path) -> BandBench:
        model = _loaded(path, ("musae",)).to(device)
        name = path.parent.name if path.suffix == ".pt" else path.name
        return BandBench(model, bands, args.seed, args.updates, args.windows, name)

    bench = bench_of(args.checkpoint)
    bench.runs = [bench_of(path) for path in args.runs]
    cannot = {} if bench.runs else {"compare": "needs --runs, further runs to compare with"}
    if bench.model.config.prior != "flower" or not bench.model.genres:
        cannot |= dict.fromkeys(OF_PETALS, f"{args.checkpoint} has no petals of genres to show")
    if args.only and (problems := [f"{n}: {cannot[n]}" for n in wanted if n in cannot]):
        raise ConfigError(problems)
    for name in wanted:
        if name not in cannot:
            yield name, BAND_STUDIES[name](bench, args.output)


def _vrash(args: argparse.Namespace, wanted: list[str]) -> Iterator[tuple[str, Rows]]:
    tunes = TuneSet.load(args.tensors)
    bench = None
    if args.checkpoint:
        runs = tuple(_loaded(path, VARIANTS) for path in args.runs)
        model = _model(args, "vrash")
        for path, one in zip((args.checkpoint, *args.runs), (model, *runs), strict=True):
            other = one.codec.fingerprint != tunes.codec.fingerprint
            if other or one.styles != tunes.styles:
                raise ConfigError([f"{args.tensors}: other class tables or styles than {path}"])
        bench = TuneBench(model, tunes, runs, args.bundle, args.seed)
    for name in wanted:
        if name in TUNE_STUDIES and bench is not None:
            yield name, TUNE_STUDIES[name](bench, args.output)
        else:
            stage = TuneStage(args.bundle, tunes, args.seed, args.hours, args.filters)
            yield name, TUNE_STREAM_STUDIES[name](stage, args.output)


_RUNNERS: Mapping[str, Callable[[argparse.Namespace, list[str]], Iterator[tuple[str, Rows]]]] = {
    "chain": _chain,
    "draw": _draw,
    "musae": _musae,
    "query": _query,
    "vrash": _vrash,
}


def _model(args: argparse.Namespace, family: str) -> Any:
    return _loaded(args.checkpoint, (family,))


def _loaded(path: Path, families: tuple[str, ...]) -> Any:
    checkpoint = load_checkpoint(path)
    if checkpoint.family not in families:
        wanted = " or ".join(families)
        raise ConfigError([f"{path}: is of family {checkpoint.family}, not {wanted}"])
    return model_from_checkpoint(checkpoint)


def _listed(studies: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"of {family} {', '.join(names)}" for family, names in studies.items())


def _headline(rows: Mapping[str, object]) -> dict[str, object]:
    """Return what fits a terminal line; the JSON has the rest."""
    return {
        k: _headline(v) if isinstance(v, Mapping) else v
        for k, v in rows.items()
        if not isinstance(v, list)
    }

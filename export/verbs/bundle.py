"""The verb ``perpetuo bundle``: what can be done with a bundle that is there already.

What can be done with its bundles, a family registers (:class:`export.family.ExportFamily`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from export.family import ExportFamily
from export.registry import families, family_of
from streamer.cli import Parser
from streamer.errors import DataError
from streamer.registry import opened
from streamer.system.reading import named_path


def add_arguments(parser: Parser) -> None:
    """Declare the sub-verbs of ``perpetuo bundle``."""
    parser.description = "Write a bundle anew, or its checkpoint; its weights stay as they are."
    verbs = parser.add_subparsers(
        title="what to do", metavar="WHAT", dest="what", required=True, parser_class=Parser
    )
    _add(verbs, "restate", "measure anew what it says of its corpus", run_restate)
    _add(verbs, "filter", "put trained filters into it", run_filter)
    _add(verbs, "ear", "put a trained ear into it", run_ear)
    _add(verbs, "unwrap", "write its checkpoint, to study it or to train on", run_unwrap)


def _add(
    verbs: argparse._SubParsersAction[Parser],
    name: str,
    about: str,
    run: Callable[[argparse.Namespace], int],
) -> None:
    parser = verbs.add_parser(name, help=about, description=about.capitalize() + ".")
    parser.add_argument("bundle", metavar="BUNDLE",
                        help="a folder or .zip, or the name of a bundle")  # fmt: skip
    if name == "unwrap":
        parser.add_argument("target", type=Path, metavar="FILE.pt", help="where to write")
    else:
        metavar = "FILE.npz" if name == "restate" else "FOLDER"
        about = "its corpus" if name == "restate" else f"what perpetuo train {name} wrote"
        parser.add_argument("source", type=Path, metavar=metavar, help=about)
        parser.add_argument("-o", "--output", type=Path, metavar="DIR",
                            help="where to write it anew (default: in its place; of a "
                                 "bundle that was named, a folder of its name here)")  # fmt: skip
    parser.set_defaults(run=run)


def run_restate(args: argparse.Namespace) -> int:
    """Measure a bundle anew and say what came of it; return the exit status."""
    return _anew(args, "measured anew", lambda family: family.restate)


def run_filter(args: argparse.Namespace) -> int:
    """Put filters into a bundle and say what came of it; return the exit status."""
    return _anew(args, "filtered", lambda family: family.filter)


def run_ear(args: argparse.Namespace) -> int:
    """Put an ear into a bundle and say what came of it; return the exit status."""
    return _anew(args, "given an ear", lambda family: family.ear)


def run_unwrap(args: argparse.Namespace) -> int:
    """Write a bundle's checkpoint and say so; return the exit status."""
    path, _ = _places(args.bundle)
    unwrap = _tool(path, "made a checkpoint again", lambda family: family.unwrap)
    print(unwrap(path, args.target))
    return 0


def _anew(
    args: argparse.Namespace, done: str, tool_of: Callable[[ExportFamily], str | None]
) -> int:
    path, place = _places(args.bundle)
    tool = _tool(path, done, tool_of)
    print(tool(path, args.source, args.output or place))
    return 0


def _places(given: str | Path) -> tuple[Path, Path]:
    """Return where a bundle lies, and where it is written anew when nothing else is said.

    Args:
        given: A path, which goes before a name; one of a bundle that is known by name is written
            here, because those that came with the program are not ours to change.

    Raises:
        BundleError: There is none.
    """
    from streamer.bundle.bundle import MANIFEST_FILE, load_bundle

    path = named_path(given)
    if (path / MANIFEST_FILE).is_file() or path.is_file():
        return path, path
    bundle = load_bundle(str(given))
    return bundle.path, path if bundle.path == path else Path(bundle.manifest.name)


def _tool(
    path: Path, done: str, tool_of: Callable[[ExportFamily], str | None]
) -> Callable[..., str]:
    """Return what a bundle's family registers for this.

    Raises:
        BundleError: It cannot be read.
        DataError: Its family registers nothing of the kind.
    """
    from streamer.bundle.bundle import load_bundle

    model = load_bundle(path).manifest.family
    family = family_of(model)
    dotted = tool_of(family) if family is not None else None
    if dotted is None:
        models = ", ".join(
            model for one in families() if tool_of(one) is not None for model in one.exporters
        )
        raise DataError(f"{path}: bundles of {model} cannot be {done}; those of {models} can")
    tool: Callable[..., str] = opened(dotted)
    return tool

"""``perpetuo models``: the bundles that are found."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError
from streamer.verbs.options import add_common, settings_of

if TYPE_CHECKING:
    from streamer.bundle.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "List the bundles that can play, with family, size, licence, corpus and styles."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--get",
        metavar="SOURCE",
        help="fetch a bundle that comes separately: a .zip, a bundle's folder, a folder of .zip "
        "files, or an http(s) address of a .zip with its SHA-256",
    )
    parser.add_argument("--sha256", metavar="HEX", help="what the fetched .zip must be")
    parser.add_argument(
        "--replace", action="store_true", help="fetch it over another one of the same name"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each bundle."""
    settings = settings_of(args)
    if args.get is not None:
        _get(args)
    elif args.sha256 is not None or args.replace:
        raise ConfigError(["--sha256 and --replace go with --get SOURCE"])
    from streamer.bundle.bundle import find_bundles

    rows = [_row(bundle) for bundle in find_bundles(list(settings.model.bundle_paths))]
    if args.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print("no bundle found; make one with `perpetuo export`, or name folders in "
              "model.bundle_paths")  # fmt: skip
    else:
        _print_table(rows)
    return 0


def _get(args: argparse.Namespace) -> None:
    """Fetch, and say on stderr what came."""
    from streamer.bundle.bundle import SHIPPED
    from streamer.bundle.fetching import fetch_bundles
    from streamer.system.folders import fetched_folder

    for bundle in fetch_bundles(args.get, args.sha256, fetched_folder(), args.replace):
        name, hidden = bundle.manifest.name, ""
        if (SHIPPED / bundle.manifest.name).is_dir():
            hidden = f"; the {name} that came with the program goes before it by name"
        sys.stderr.write(f"{name}: {bundle.path}{hidden}\n")


def _row(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "family": manifest.family,
        "kind": manifest.kind,
        "bytes": bundle.size_bytes,
        "licence": manifest.licence,
        "corpus": manifest.corpus,
        "styles": manifest.styles,
        "path": str(bundle.path),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    width, family = (max(len(row[name]) for row in rows) for name in ("name", "family"))
    for row in rows:
        print(
            f"{row['name']:<{width}}  {row['family']:<{family}}  {row['bytes'] / 1e6:.1f} MB  "
            f"{row['licence']}  {_one_line(row['corpus'])}"
        )
        if row["styles"]:
            print(f"{'':<{width}}  styles: {', '.join(row['styles'])}")


def _one_line(corpus: Any) -> str:
    return corpus if isinstance(corpus, str) else json.dumps(corpus)

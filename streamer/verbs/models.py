"""``perpetuo models``: the bundles that are found."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from streamer.verbs.options import add_common, settings_of

if TYPE_CHECKING:
    from streamer.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "List the bundles that can play, with family, size, licence, corpus and styles."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each bundle."""
    settings = settings_of(args)
    from streamer.bundle import find_bundles

    rows = [_row(bundle) for bundle in find_bundles(list(settings.model.bundle_paths))]
    if args.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print("no bundle found; make one with `perpetuo export`, or name folders in "
              "model.bundle_paths")  # fmt: skip
    else:
        _print_table(rows)
    return 0


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

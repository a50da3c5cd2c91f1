"""``perpetuo controls``: what can be steered while it plays, and how soon it is heard."""

from __future__ import annotations

import argparse
import json

from streamer.settings import listing
from streamer.settings.controls import control_specs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "List the live controls: name, values, default, the families that obey each, how soon it "
        "is heard, what it does. Each can be set by [controls], --set, a scene, and a MIDI knob "
        "(--learn)."
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--toml", action="store_true", help="print the table [controls] for a settings file"
    )
    form.add_argument("--markdown", action="store_true", help="print the page docs/controls.md")


def run(args: argparse.Namespace) -> int:
    """Print two lines for each control, by group, or one of the other forms."""
    specs = control_specs()
    if args.json:
        print(json.dumps(listing.as_data(specs.values()), indent=2))
    elif args.toml:
        print(listing.as_toml(specs.values()), end="")
    elif args.markdown:
        print(listing.as_page(specs.values()), end="")
    else:
        width = max(map(len, specs))
        for group, members in listing.by_group(specs.values()).items():
            print(group)
            for spec in members:
                print(
                    f"  {spec.name:<{width}}  {listing.values_of(spec)} "
                    f"({listing.default_of(spec)}); families: {listing.families_of(spec)}; "
                    f"heard {spec.heard}"
                )
                print(f"  {'':<{width}}  {spec.declared.help}")
        print(f"families and their models: {listing.family_words()}")
    return 0

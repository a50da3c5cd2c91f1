"""``perpetuo taste``: what was liked and disliked, marked and forgotten from another shell."""

from __future__ import annotations

import argparse
import json

from streamer.verbs.asking import add_stream, ask_stream
from streamer.verbs.options import add_common, settings_of

COUNTS = ("liked", "disliked")

LEAST_SHOWN = 0.05
"""A figure that counts less is not spoken of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Say what you think of the phrase that sounds in a stream on this machine, or what it has "
        "learnt of your taste so far. The stream has its page open (perpetuo play --web)."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--like", action="store_true", help="more like what sounds")
    what.add_argument("--dislike", action="store_true", help="something else, at once")
    what.add_argument("--reset", action="store_true", help="forget all that was liked and disliked")
    parser.add_argument("--json", action="store_true", help="print what it knows as JSON")
    add_stream(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    """Mark or forget, and print what is known then."""
    settings = settings_of(args)
    pressed = {"like": args.like, "dislike": args.dislike, "forget_taste": args.reset}
    changes = {name: True for name, asked in pressed.items() if asked}
    if changes:
        ask_stream(settings, args.config, "PATCH", "/api/v1/controls", changes, wanted={})
    state = ask_stream(settings, args.config, "GET", "/api/v1/state", wanted={"taste": dict})
    known = state["taste"]
    if args.json:
        print(json.dumps(known))
        return
    liked, disliked = (one if isinstance(one := known.get(name), int) else 0 for name in COUNTS)
    print(f"{liked} liked, {disliked} disliked")
    weights = known.get("weights")
    found = weights.items() if isinstance(weights, dict) else ()
    told = [(name, one) for name, one in found if name.isidentifier() and isinstance(one, float)]
    for name, weight in sorted(told, key=lambda pair: -abs(pair[1])):
        if abs(weight) >= LEAST_SHOWN:
            print(f"{'more' if weight > 0 else 'less'} {name.replace('_', ' ')} ({weight:+.2f})")

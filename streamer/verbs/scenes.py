"""``perpetuo scenes``: the scenes that ``--scene`` and program changes can choose; save one."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from streamer.scenes import Scene, list_scenes, save_scene
from streamer.scenes.reader import NAME, NAME_IN_WORDS
from streamer.settings.reading import scene_values
from streamer.system.folders import own_scenes_folder
from streamer.verbs.asking import add_stream, ask_stream
from streamer.verbs.options import add_common, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "List the scenes that can be played (--scene NAME), one name a line. A person's own lie in "
        "the folder scenes beside the settings file. --save NAME makes one of what plays: bundle, "
        "style and every control that was moved, of a stream that has its page open (--web)."
    )
    parser.add_argument(
        "--save", metavar="NAME", help="save what plays as a scene of your own (a-z, 0-9 and -)"
    )
    parser.add_argument(
        "--description", default="", metavar="LINE", help="of the scene, for --save"
    )
    parser.add_argument(
        "--replace", action="store_true", help="let --save replace, or hide, one of that name"
    )
    add_stream(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON: where each is from and what it sets"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each scene, and on stderr one for each file that is none."""
    if args.save is not None:
        return _save(args)
    # The settings are not read: one that names a scene which is not there must not hide the list.
    if args.config is not None and not os.path.exists(args.config):
        raise ConfigError([f"{args.config}: no such file; leave out --config for your own"])
    scenes, problems = list_scenes(
        own_scenes_folder(None if args.config is None else args.config.parent)
    )
    rows: list[dict[str, Any]] = []
    for scene in scenes:
        try:
            rows.append(_row(scene, scene_values(scene)))
        except ConfigError as error:
            problems += error.problems
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(row["name"])
    for scene in scenes:
        if scene.hides and not args.json:
            sys.stderr.write(f"{scene.name} is {scene.path}, not the one that ships\n")
    for problem in problems:
        sys.stderr.write(f"perpetuo scenes: left out: {' '.join(problem.split())}\n")
    return 0


def _save(args: argparse.Namespace) -> int:
    """Save what plays; the file is written here, by whoever asks, as it may be root's to write."""
    if not NAME.fullmatch(args.save):
        raise ConfigError([f"--save must be {NAME_IN_WORDS}, not {args.save[:80]!r}"])
    settings = settings_of(args)
    wanted = {"controls": dict, "model": dict}
    held = ask_stream(settings, args.config, "GET", "/api/v1/snapshot", wanted=wanted)
    values = {
        f"{table}.{key}": value
        for table in wanted
        for key, value in held[table].items()
        if value is not None
    }
    # It may be of another version: nothing is written that could not be read again.
    scene_values(Scene(args.save, Path("the stream"), values=values))
    path = save_scene(
        args.save,
        settings.scenes_folder,
        controls=held["controls"],
        model=held["model"],
        description=args.description,
        replace=args.replace,
    )
    print(path)
    return 0


def _row(scene: Scene, values: dict[str, Any]) -> dict[str, Any]:
    tables: dict[str, dict[str, Any]] = {"model": {}, "controls": {}}
    for name, value in values.items():
        table, _, key = name.partition(".")
        tables[table][key] = value
    return {
        "name": scene.name,
        "description": scene.description,
        "source": "own" if scene.own else "shipped",
        "path": str(scene.path),
        "hides_shipped": scene.hides,
        "program": scene.program,
        **tables,
    }

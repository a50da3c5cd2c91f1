"""Live controls as people read them: plain data, a table of a settings file, a page.

In: declarations (:class:`~streamer.settings.schema.ControlSpec`). Out: text, from which
``perpetuo controls``, ``systemd/perpetuo.toml`` and ``docs/controls.md`` are made, so that none of
them is written by hand.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import Any

from streamer.registry import every
from streamer.settings.schema import ControlSpec, shown

WIDTH = 100

TOML_HEAD = """\
What can be changed while it plays, here by `systemctl reload`. A control that is moved by hand
stays where it is over a restart, until it is changed here (service.keep_controls). This table is
what `perpetuo controls --toml` prints."""

PAGE_HEAD = """\
# Live controls

What can be changed while the music plays. `perpetuo controls` prints this list, with those of \
families that other packages bring. A control is set

- by the table `[controls]` of the settings file, also while it plays (`systemctl reload perpetuo`),
- at the start by `--set CONTROL=VALUE` of `play` and `render`, any number of times,
- by a scene ([scenes.md](scenes.md)), at the start or by a program change,
- by a MIDI knob, bound with `--learn CONTROL` ([midi.md](midi.md)): its middle (64) is the \
neutral value, its ends are the ends of the range; a control without a neutral value goes from end \
to end in equal steps.

How soon a change is heard: *at once* is the next message that leaves. *Soon* is the first note \
that can be drawn under it: what is written from a moment later on, the phrase in play too, is \
forgotten and drawn again, three times a second at most while a control is turned, and never where \
there is not the time for it; what sounds ends as it was to. Music in free time changes between \
any two notes, a melody at its next note or beat, bars at their next beat ([live.md](live.md)). An \
answer to what is played is drawn at its bar line.

Which bundles obey: {families}; `perpetuo models` says which model a bundle is of.

This page is written by `make docs` from the declarations (`streamer/settings/controls.py` and \
`controls.py` of each family). {count} controls.
"""


def by_group(specs: Iterable[ControlSpec]) -> dict[str, list[ControlSpec]]:
    """Return controls by what they belong to, groups in the order in which they first come."""
    groups: dict[str, list[ControlSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.declared.group, []).append(spec)
    return groups


def values_of(spec: ControlSpec) -> str:
    """Return the legal values in words: ``0.25..4.0 x``, ``true or false``, ``off, major, ...``."""
    if spec.range is not None:
        return str(spec.range)
    if spec.reading is not None:
        return spec.reading.words
    return ", ".join(spec.choices) or "true or false"


def families_of(spec: ControlSpec) -> str:
    """Return the families that obey it: ``all``, or their names."""
    return ", ".join(spec.families) or "all"


def family_words() -> str:
    """Return each family with the models that are of it: ``windows (draw, query)``."""
    return "; ".join(f"{family.name} ({', '.join(family.models)})" for family in every())


def default_of(spec: ControlSpec) -> str:
    """Return its default as TOML writes it, or what holds while it is unset."""
    unset = spec.declared.unset
    return shown(spec.default).strip('"') if unset is None else f"unset: {unset[0]}"


def as_data(specs: Iterable[ControlSpec]) -> list[dict[str, Any]]:
    """Return plain data, ready for JSON; ``families`` names each, also where all obey."""
    everyone = [family.name for family in every()]
    return [
        {
            "name": spec.name,
            "group": spec.declared.group,
            "type": spec.kind,
            "values": values_of(spec),
            "low": None if spec.range is None else spec.range.low,
            "high": None if spec.range is None else spec.range.high,
            "choices": list(spec.choices),
            "examples": [] if spec.reading is None else list(spec.reading.examples),
            "unit": spec.unit,
            "default": spec.default,
            "unset": None if spec.declared.unset is None else spec.declared.unset[0],
            "neutral": spec.neutral,
            "families": list(spec.families) or everyone,
            "path": spec.declared.path,
            "heard": spec.heard,
            "help": spec.declared.help,
        }
        for spec in specs
    ]


def as_toml(specs: Iterable[ControlSpec]) -> str:
    """Return the table ``[controls]`` of a settings file, every line of it commented out."""
    lines = ["[controls]", *_comment(TOML_HEAD)]
    for group, members in by_group(specs).items():
        lines += [f"# --- {group}"]
        for spec in members:
            unset = spec.declared.unset
            text = f"{spec.declared.help[0].upper()}{spec.declared.help[1:]}. "
            text += f"{values_of(spec)}." if not spec.choices else f"{_quoted(spec.choices)}."
            text += f" Obeyed by {families_of(spec)}." if spec.families else ""
            text += f" Unset: {unset[0]}." if unset is not None else ""
            example = spec.default if unset is None else spec.convert(unset[1])
            lines += [*_comment(text), f"#{spec.name} = {shown(example)}"]
    return "\n".join(lines) + "\n"


def as_page(specs: Iterable[ControlSpec]) -> str:
    """Return a page in Markdown, one table for each group."""
    specs = list(specs)
    lines = [PAGE_HEAD.format(count=len(specs), families=family_words())]
    for group, members in by_group(specs).items():
        lines += [f"## {group.capitalize()}", ""]
        lines += ["| control | does | values | default | neutral | families | heard |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
        for spec in members:
            neutral = "" if spec.neutral is None else f"{spec.neutral:g}"
            cells = (
                f"`{spec.name}`", spec.declared.help, values_of(spec), default_of(spec), neutral,
                families_of(spec), spec.heard,
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2)]


def _quoted(choices: tuple[str, ...]) -> str:
    *most, last = map(json.dumps, choices)
    return f"{', '.join(most)} or {last}"

"""The report in three forms: a table for the terminal, JSON, and one HTML file with its plots.

A :class:`training.lab.lab.Laboratory` comes in; text and bytes go out. The HTML holds its plots and
styles, and asks the network for nothing.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.lab.lab import Laboratory

Cell = Callable[[dict[str, Any]], str]
_MISSING = "–"


def _path(*keys: str, digits: int = 3) -> Cell:
    """Return what shows the interval or figure at a place in a set's report."""

    def cell(own: dict[str, Any]) -> str:
        value: Any = own
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return _MISSING
            value = value[key]
        if isinstance(value, dict):
            if not math.isfinite(value["value"]):
                return _MISSING
            low, high = (_number(value[end], digits) for end in ("low", "high"))
            return f"{_number(value['value'], digits)} [{low}, {high}]"
        return _number(value, digits)

    return cell


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else _MISSING


def _count(key: str) -> Cell:
    return lambda own: f"{own[key]:,.0f}"


def _told(own: dict[str, Any], notes: str) -> str:
    section = own.get("windows", {})
    features = section.get(notes, {}).get("features", {}) if "problem" not in section else {}
    return ", ".join(f"{name} {value:.2f}" for name, value in features.items()) or _MISSING


ROWS: tuple[tuple[str, Cell], ...] = (
    ("pieces", _count("pieces")),
    ("notes", _count("notes")),
    ("left out", lambda own: str(len(own["skipped"]))),
    ("signature distance, median", _path("signature", "median")),
    ("two-sample AUC, all", _path("two_sample", "all")),
    ("two-sample AUC, velocity", _path("two_sample", "velocity")),
    ("two-sample AUC, timing", _path("two_sample", "timing")),
    ("two-sample AUC, pitch", _path("two_sample", "pitch")),
    ("two-sample AUC, pedal", _path("two_sample", "pedal")),
    ("Fréchet distance, own encoder", _path("embedding", "frechet")),
    ("MMD, own encoder", _path("embedding", "mmd")),
    ("told apart by 16 notes, AUC", _path("windows", "16", "all")),
    ("told apart by 64 notes, AUC", _path("windows", "64", "all")),
    ("what tells, 16 notes", lambda own: _told(own, "16")),
    ("what tells, 64 notes", lambda own: _told(own, "64")),
    ("figures back in 5 minutes, share", _path("figures", "returned_figures")),
    ("longest repeat, notes", _path("figures", "longest_repeat")),
    ("information rate, bits a frame", _path("figures", "information_rate")),
    (
        "mutual information 16..64, bits",
        _path("mutual_information", "pitch_class", "mean_16_to_64"),
    ),
    ("pitch class, distance", _path("distributions", "pitch_class", "distance")),
    ("interval, distance", _path("distributions", "interval", "distance")),
    ("inter-onset, distance", _path("distributions", "shift", "distance")),
    ("duration, distance", _path("distributions", "duration", "distance")),
    ("velocity, distance", _path("distributions", "velocity", "distance")),
    ("polyphony, distance", _path("distributions", "polyphony", "distance")),
    ("notes a second", _path("figures", "notes_per_second")),
    ("same key within 60 ms, share", _path("figures", "restrikes_60ms")),
    ("same key within 120 ms, share", _path("figures", "restrikes_120ms")),
    ("notes of no length, share", _path("figures", "zero_lengths")),
    ("notes in chords, share", _path("figures", "chord_notes")),
    ("pedal down, share", _path("figures", "pedal_share")),
    ("polyphony", _path("figures", "polyphony")),
    ("pitch-class entropy, bits", _path("figures", "entropy_pitch_class")),
    ("scale consistency", _path("figures", "scale_consistency")),
    ("velocity sd", _path("figures", "velocity_sd")),
    ("longest run copied, notes", _path("plagiarism", "exact", "mean")),
    ("longest run copied, any key", _path("plagiarism", "transposed", "mean")),
    ("longest of all, notes", _path("plagiarism", "exact", "largest")),
    ("drift: density in spread", _path("drift", "inside", "notes_per_second")),
    ("drift: velocity in spread", _path("drift", "inside", "velocity_mean")),
    ("realness, kept - dropped", _path("selection", "measures", "realness", "kept - dropped")),
    (
        "realness, played - passed over",
        _path("selection", "measures", "realness", "played - passed over"),
    ),
    (
        "signature distance, kept - dropped",
        _path("selection", "measures", "signature_distance", "kept - dropped"),
    ),
    (
        "note-entropy distance, kept - dropped",
        _path("selection", "measures", "entropy_distance", "kept - dropped"),
    ),
    ("nats a note, by the model", _path("model", "nats", "total", digits=4)),
)
"""Rows of the table: what is measured, and how it is shown."""


def table(lab: Laboratory) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table; rows that no set has are left out."""
    sets = lab.report["sets"]
    rows = [[label, *(cell(own) for own in sets.values())] for label, cell in ROWS]
    return ["", *sets], [row for row in rows if any(cell != _MISSING for cell in row[1:])]


def problems(lab: Laboratory) -> list[str]:
    """Return a line for each measure that could not be had, and each file with a fault."""
    lines = []
    for name, own in {"reference": lab.report["reference"], **lab.report["sets"]}.items():
        for entry in (*own["skipped"], *own["remarks"]):
            lines.append(f"{name}: {entry['file']}: {entry['text']}")
        for measure, section in own.items():
            if isinstance(section, dict) and "problem" in section:
                lines.append(f"{name}: {measure.replace('_', ' ')}: {section['problem']}")
    return lines


def to_json(lab: Laboratory) -> str:
    """Return the report as JSON; figures that are not finite become null."""
    return json.dumps(_finite(lab.report), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 2rem 0; } img { max-width: 100%; }
figcaption { color: #555; } details { margin: 1rem 0; }
"""


def to_html(lab: Laboratory) -> str:
    """Return the report as one HTML page with table, plots and what was left out."""
    from training.lab.plots import draw_plots

    header, rows = table(lab)
    about = lab.report["reference"]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    figures = "".join(
        f'<figure><img alt="{html.escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, data in draw_plots(lab).values()
    )
    missing = "".join(f"<li>{html.escape(line)}</li>" for line in problems(lab))
    missing = f"<details><summary>Left out</summary><ul>{missing}</ul></details>" if missing else ""
    intro = (
        f"Against {about['pieces']} pieces of {about['works']} works ({about['notes']:,} notes) "
        f"from {Path(about['path']).name}; “real” is its other works, which the reference does "
        "not hold. Figures in brackets: 95 % bootstrap intervals over pieces."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Perpetuo: measures</title><style>{_STYLE}</style></head><body>"
        f"<h1>Measures</h1><p>{html.escape(intro)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{missing}{figures}</body></html>\n"
    )


def to_markdown(lab: Laboratory) -> str:
    """Return the table in Markdown, for docs/results."""
    header, rows = table(lab)
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"

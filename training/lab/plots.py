"""The plots of a report, each as PNG bytes; matplotlib is imported when the first is drawn.

A :class:`training.lab.lab.Laboratory` comes in. A plot whose measure is missing from every set is
left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.distributions import ASPECTS
from training.evaluation.information_rate import FRAME_MS, FRAMES
from training.lab.lab import Laboratory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOTIF_SETS = 4
_DPI = 100


def draw_plots(lab: Laboratory) -> dict[str, tuple[str, bytes]]:
    """Return name to (caption, PNG) for each plot that can be drawn."""
    from matplotlib.figure import Figure

    plots: dict[str, tuple[str, bytes]] = {}
    for name, caption, draw in _PLOTS:
        figure = Figure(figsize=(8.0, 4.0), dpi=_DPI, layout="constrained")
        if draw(figure, lab):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", metadata={"Software": ""})
            plots[name] = (caption, buffer.getvalue())
    return plots


def _colour(lab: Laboratory, name: str) -> str:
    """Return a set's own colour, the same in all plots."""
    return f"C{list(lab.report['sets']).index(name) % 10}"


def _sections(lab: Laboratory, measure: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (set, section) for the sets that have the measure."""
    for name, own in lab.report["sets"].items():
        section = own.get(measure, {"problem": ""})
        if "problem" not in section:
            yield name, section


def _signature(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "signature"))
    if not found:
        return False
    axes = figure.subplots()
    axes.boxplot(
        [s["distances"] for _, s in found], showfliers=False, whis=(5, 95),
        tick_labels=[name for name, _ in found],
    )  # fmt: skip
    for share, value in zip(
        (50, 90, 99), lab.report["reference"]["signature"]["quantiles"], strict=True
    ):
        axes.axhline(value, linestyle=":", color="0.5")
        axes.annotate(f"{share} %", (1.0, value), xycoords=("axes fraction", "data"), fontsize=8)
    axes.set_yscale("log")
    axes.set_ylabel("signature distance of 18.75 s")
    return True


def _two_sample(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "two_sample"))
    if not found:
        return False
    axes = figure.subplots()
    groups = list(found[0][1])
    for i, (name, section) in enumerate(found):
        at = np.arange(len(groups)) + (i - (len(found) - 1) / 2) * 0.8 / len(found)
        values = np.asarray([section[g]["value"] for g in groups])
        low = np.asarray([section[g]["low"] for g in groups])
        high = np.asarray([section[g]["high"] for g in groups])
        error = np.maximum([values - low, high - values], 0.0)
        axes.errorbar(at, values, error, fmt="o", capsize=3, label=name, color=_colour(lab, name))
    axes.axhline(0.5, linestyle=":", color="0.5")
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel("AUC: 0.5 cannot be told from real")
    axes.set_ylim(0.2, 1.03)
    axes.legend(fontsize=8)
    return True


def _information(figure: Figure, lab: Laboratory) -> bool:
    found = [(n, s["pitch_class"]) for n, s in _sections(lab, "mutual_information")]
    if not found:
        return False
    axes = figure.subplots()
    for name, curve in found:
        colour = _colour(lab, name)
        bits = np.maximum(curve["bits"], 1e-4)
        axes.plot(curve["distances"], bits, "o-", label=name, color=colour)
        axes.fill_between(
            curve["distances"], np.maximum(curve["null_low"], 1e-4),
            np.maximum(curve["null_high"], 1e-4), color=colour, alpha=0.2,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("distance, notes")
    axes.set_ylabel("mutual information of pitch classes, bits")
    axes.legend(fontsize=8)
    return True


def _distributions(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "distributions"))
    if not found:
        return False
    figure.set_size_inches(9.0, 7.0)
    panels = figure.subplots(3, 2).ravel()
    for axes, name in zip(panels, ASPECTS, strict=True):
        own = np.asarray(lab.report["reference"]["counts"].get(name, []), dtype=float)
        if own.sum():
            axes.fill_between(np.arange(len(own)), own / own.sum(), step="mid", color="0.85")
        for label, section in found:
            counts = np.asarray(section[name]["counts"], dtype=float)
            axes.step(
                range(len(counts)),
                counts / max(counts.sum(), 1.0),
                where="mid",
                label=label,
                color=_colour(lab, label),
            )
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_yticks([])
    panels[0].legend(fontsize=7)
    return True


def _rates(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "information_rate"))
    if not found:
        return False
    figure.set_size_inches(8.0, 6.0)
    upper, lower = figure.subplots(2, 1)
    for name, section in found:
        curve = section["curves"][0]
        upper.plot(curve["thresholds"], curve["rates"], ".-", label=name, color=_colour(lab, name))
        seconds = np.arange(len(curve["over_time"])) * FRAME_MS / 1000.0
        lower.plot(seconds, curve["over_time"], label=name, color=_colour(lab, name))
    upper.set_xlabel("threshold of the Tonnetz distance")
    upper.set_ylabel("information rate, bits")
    upper.legend(fontsize=8)
    lower.set_xlabel("time, s")
    lower.set_ylabel("bits a frame")
    return True


def _motifs(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "information_rate"))[:_MOTIF_SETS]
    if not found:
        return False
    figure.set_size_inches(9.0, 2.2 * len(found))
    pieces = {s.name: dict(zip(s.files, s.pieces, strict=True)) for s in lab.sets}
    for axes, (name, section) in zip(
        figure.subplots(len(found), squeeze=False)[:, 0], found, strict=True
    ):
        curve = section["curves"][0]
        _roll(axes, pieces[name][curve["file"]])
        for i, spans in enumerate(curve["motifs"]):
            for start, end in spans:
                axes.axvspan(
                    start * FRAME_MS / 1e3, end * FRAME_MS / 1e3, ymin=1 - (i + 1) / 9,
                    ymax=1 - i / 9, color=f"C{i}", alpha=0.35, linewidth=0,
                )  # fmt: skip
        axes.set_title(f"{name}: {curve['file']}", fontsize=8)
        axes.set_ylabel("pitch", fontsize=8)
    axes.set_xlabel("time, s")
    return True


def _roll(axes: Axes, piece: Any) -> None:
    seconds = FRAMES * FRAME_MS / 1000.0
    onset = (piece["onset_ms"] - piece["onset_ms"].min()) / 1000.0
    kept = onset < seconds
    axes.hlines(
        piece["pitch"][kept], onset[kept], onset[kept] + piece["duration_ms"][kept] / 1000.0,
        color="black", linewidth=1.0,
    )  # fmt: skip
    axes.set_xlim(0.0, seconds)


def _plagiarism(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "plagiarism"))
    if not found:
        return False
    axes = figure.subplots()
    for name, section in found:
        lengths = np.asarray(section["exact"]["lengths"])
        share = 1.0 - np.arange(len(lengths)) / len(lengths)
        axes.step(lengths, share, where="pre", label=name, color=_colour(lab, name))
    axes.set_xscale("log", base=2)
    axes.set_xlabel("longest run of pitches in common with the training corpus, notes")
    axes.set_ylabel("share of pieces with at least this")
    axes.legend(fontsize=8)
    return True


def _drift(figure: Figure, lab: Laboratory) -> bool:
    found = list(_sections(lab, "drift"))
    if not found:
        return False
    axes = figure.subplots()
    names = list(found[0][1]["inside"])
    for i, (name, section) in enumerate(found):
        at = np.arange(len(names)) + (i - (len(found) - 1) / 2) * 0.8 / len(found)
        axes.plot(
            at,
            [section["inside"][n]["value"] for n in names],
            "o",
            label=name,
            color=_colour(lab, name),
        )
    axes.axhline(0.98, linestyle=":", color="0.5")
    axes.set_xticks(range(len(names)), [n.replace("_", "\n") for n in names], fontsize=7)
    axes.set_ylabel("share of minutes in the corpus's 1 to 99 %")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=8)
    return True


_PLOTS = (
    (
        "signature",
        "How far 18.75 s of music lie from the reference (Sabathé and others 2017).",
        _signature,
    ),
    ("two_sample", "How well a classifier tells each set from real music.", _two_sample),
    (
        "information",
        "Mutual information over distance, and what shuffled pairs give.",
        _information,
    ),
    ("distributions", "Distributions of notes; grey: the reference.", _distributions),
    ("rates", "Information rate over thresholds and over time, one piece a set.", _rates),
    ("motifs", "What comes back, over the piano roll: one colour a motif.", _motifs),
    ("plagiarism", "Longest run in common with the training corpus.", _plagiarism),
    ("drift", "Minutes that stay within the corpus's own spread.", _drift),
)

"""The laboratory: files and bundles against real music, as one report.

In: paths, bundles, a reference. Out: plain data with every measure (:func:`evaluate`), as a table,
JSON, Markdown or one HTML file with its plots.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.lab.lab import Laboratory, LabSettings, evaluate
    from training.lab.plots import draw_plots
    from training.lab.report import problems, table, to_html, to_json, to_markdown
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        lab="LabSettings Laboratory evaluate",
        plots="draw_plots",
        report="problems table to_html to_json to_markdown",
    )

__all__ = [
    "LabSettings", "Laboratory", "draw_plots", "evaluate", "problems", "table", "to_html",
    "to_json", "to_markdown",
]  # fmt: skip

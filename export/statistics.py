"""Entropy sequences of a corpus into the statistics of a manifest, the same for every family.

In: the entropies of phrases, sections or windows. Out: for each argument its column of
:class:`streamer.bundle.manifest.Statistics`: a histogram of each statistic of the sequences
([Liu2025], section 4), mean and spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import ArgumentStatistics
from streamer.measures.entropy import STATISTICS, CorpusEntropy, sequence_statistics

LEVELS = (0.0, 0.001, 0.01, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.99, 0.999, 1.0)
"""At which quantiles figures of phrases are taken."""

RARE = (0.001, 0.999)
"""What one phrase in a thousand of a corpus goes beyond is dropped as broken."""


def argument_columns(phrases: Sequence[NDArray[Any]]) -> list[ArgumentStatistics]:
    """Return the columns of all arguments.

    Args:
        phrases: Entropies of each phrase, ``(notes or steps, arguments)``, nats; one at least.
    """
    statistics = np.stack([sequence_statistics(phrase) for phrase in phrases], axis=1)
    corpus = CorpusEntropy.measure(statistics)
    every = np.concatenate(phrases)
    columns = []
    for argument in range(corpus.arguments):
        column: dict[str, Any] = {
            name: {"edges": list(histogram.edges), "counts": list(histogram.counts)}
            for name, histogram in (
                (name, corpus.histograms[s][argument]) for s, name in enumerate(STATISTICS)
            )
        }
        column["entropy_mean"] = float(every[:, argument].mean())
        column["entropy_sd"] = float(statistics[0, :, argument].std())
        columns.append(msgspec.convert(column, ArgumentStatistics))
    return columns

"""What can be measured of a set of music, by the names that ``perpetuo evaluate`` takes."""

MEASURES = (
    "figures",
    "signature",
    "distributions",
    "two_sample",
    "embedding",
    "windows",
    "mutual_information",
    "information_rate",
    "drift",
    "plagiarism",
)
"""What can be measured of a set."""

LEAST_NOTES = 8
"""Of a window of ``--windows``."""

"""The laboratory: the papers' measures, so that every model is judged on the same work."""

MEASURES = (
    "figures",
    "signature",
    "distributions",
    "two_sample",
    "mutual_information",
    "information_rate",
    "drift",
    "plagiarism",
)
"""What can be measured of a set."""

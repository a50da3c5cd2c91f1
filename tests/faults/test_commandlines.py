"""A few random command lines; `python -m tests.faults.commandlines` runs ten thousand."""

from tests.faults import commandlines

BUSY_SECONDS = 10.0
"""How long a child may take to end on a machine that has other things to do."""


def test_any_command_line_is_obeyed_or_refused_and_ends():
    report = commandlines.run(40, seed=400, most_after_signal=BUSY_SECONDS)
    assert [] == report.wrong
    assert report.ends["refused"] > 0
    assert report.ends["played"] > 0

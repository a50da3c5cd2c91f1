"""Errors that a user can cause or meet; each is one line with the value, the limit and the remedy.

Argument mistakes of a programmer raise ``ValueError`` with the legal range. What goes wrong in
operation (a port that is gone, a bundle that was tampered with, a full disk) raises a subclass of
:class:`StreamerError`; the command line prints it as one line on stderr and exits with status 1.
"""

from __future__ import annotations


class StreamerError(Exception):
    """Something a user can mend; ``str()`` gives one line with value, limit and remedy.

    The values come from files that anybody may have written: whatever in them would end the line,
    or move a terminal's cursor, is shown as Python would write it.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class BundleError(StreamerError):
    """A bundle is missing, damaged, tampered with, of a newer schema, or does not fit its codec."""


class PortError(StreamerError):
    """A MIDI port or the MIDI system cannot be used."""


class StreamHangs(StreamerError):
    """The stream does not end: a library holds its thread up."""


class ConfigError(StreamerError):
    """A configuration file or option is wrong; ``problems`` holds one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = [one_line(problem) for problem in problems]


class SceneTaken(ConfigError):
    """A scene of that name is there already, and was not to be replaced."""


class MidiFileError(StreamerError):
    """A MIDI file cannot be used; ``reason`` is a short stable word that runs can count by."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class RecordingError(StreamerError):
    """A recording cannot be written (no permission, disk full)."""


class EngineError(StreamerError):
    """The inference session failed or answered with shapes the manifest does not allow."""


class DataError(StreamerError):
    """A corpus, tensor file or checkpoint cannot be used."""


def one_line(text: str) -> str:
    """Return the text as one line, with what cannot be printed as Python writes it."""
    if text.isprintable():
        return text
    line = " ".join(part.strip() for part in text.splitlines())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line
    )

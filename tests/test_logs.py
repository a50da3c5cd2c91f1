"""Log lines: plain for people, with a priority for journald."""

import logging

import pytest

from streamer.system.logs import _Stderr, configure_logging


@pytest.fixture(autouse=True)
def untouched():
    """Give the root logger back as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    root.handlers = [handler for handler in handlers if not isinstance(handler, _Stderr)]
    yield
    root.handlers = handlers
    root.setLevel(level)


def test_lines_are_plain_on_stderr(capsys, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    configure_logging("info")
    logging.getLogger("streamer.x").info("port %s is back", "Piano")
    logging.getLogger("streamer.x").debug("unseen")
    assert "port Piano is back\n" == capsys.readouterr().err


def test_a_second_call_changes_the_level_and_doubles_no_line(capsys, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    configure_logging("warning")
    configure_logging("debug")
    logging.getLogger("streamer.x").debug("seen once")
    assert "seen once\n" == capsys.readouterr().err


def test_the_journal_is_told_the_priority_of_every_line(capsys, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    configure_logging("debug")
    logger = logging.getLogger("streamer.x")
    logger.error("lost\nfor good")
    logger.warning("late")
    logger.info("ready")
    logger.debug("note")
    assert "<3>lost\n<3>for good\n<4>late\n<6>ready\n<7>note\n" == capsys.readouterr().err

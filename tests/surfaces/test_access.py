"""Addresses as people write them, the token, and names that are ours."""

from __future__ import annotations

import stat

import pytest

from streamer.errors import ConfigError
from streamer.settings.live import Address, LiveSettings, is_loopback, parse_address
from streamer.surfaces.access import read_token, renew_token


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 8765),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("0.0.0.0", "0.0.0.0", 8765),
        ("pi.local:80", "pi.local", 80),
        ("[::1]:81", "::1", 81),
        ("[::1]", "::1", 8765),
    ],
)
def test_an_address_is_read_as_people_write_it(text, host, port):
    assert Address(host, port) == parse_address(text, 8765)


@pytest.mark.parametrize(
    "text", ["pi:x", ":0", ":70000", "a b:80", "http://pi:80", "pi/x", "u@pi:8"]
)
def test_what_is_no_address_is_refused_with_the_text(text):
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        parse_address(text, 8765)


def test_only_this_machine_reaches_the_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "pi.local", "localhost.evil")))


def test_a_token_is_made_once_for_its_owner_alone_and_can_be_renewed(tmp_path):
    token = read_token(tmp_path)
    assert len(token) >= 24
    assert token == read_token(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / "token").stat().st_mode)
    assert token != renew_token(tmp_path) == read_token(tmp_path)


def test_the_folders_of_a_first_token_can_be_entered(tmp_path):
    """By whom is not root, too, whom a folder without its x keeps out."""
    renew_token(tmp_path / ".local" / "state")
    for folder in (tmp_path / ".local", tmp_path / ".local" / "state"):
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode) & 0o700


def test_a_token_that_cannot_be_kept_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be"):
        read_token(tmp_path / "file")


def test_an_address_beyond_the_loopback_needs_the_network_allowed():
    assert LiveSettings("127.0.0.1:1", "[::1]:2").out_of_reach() is None
    assert LiveSettings("0.0.0.0", network=True).out_of_reach() is None
    for live in (LiveSettings("0.0.0.0:80"), LiveSettings(osc="pi.local")):
        assert "must be on the loopback (127.0.0.1)" in (live.out_of_reach() or "")


def test_every_mistake_under_live_is_a_line():
    problems = LiveSettings("pi:x", ":0", "http://pi").problems()
    assert ["live.web", "live.osc", "live.mqtt"] == [line.split()[0] for line in problems]

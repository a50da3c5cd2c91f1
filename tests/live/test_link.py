"""Ableton Link between two programs in network namespaces (figures: tests/link_figures.py)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests import netcable
from tests.link_figures import OWN_BPM, PEER_BPM, Program
from tests.netcable import Cable, lacking
from tests.waiting import comes


@pytest.fixture
def cable() -> Iterator[Cable]:
    why = lacking()
    if why is not None:
        pytest.skip(f"two peers of Link: {why}")
    with Cable() as laid:
        yield laid


def test_where_no_cable_can_be_laid_no_namespace_is_left_and_the_reason_is_told(monkeypatch):
    there: set[str] = set()

    def run(words: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        if words[1:3] == ["netns", "add"]:
            there.add(words[3])
        elif words[1:3] == ["netns", "del"]:
            there.discard(words[3])
        elif words[1:3] == ["link", "add"]:
            raise subprocess.CalledProcessError(2, words, stderr=b"Error: Unknown device type.")
        return subprocess.CompletedProcess(words, 0, b"", b"")

    monkeypatch.setattr(netcable.os, "geteuid", lambda: 0)
    monkeypatch.setattr(netcable.shutil, "which", lambda name: name)
    monkeypatch.setattr(netcable.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(netcable.subprocess, "run", run)
    why = lacking()
    assert why is not None
    assert "Unknown device type" in why
    assert set() == there


@pytest.mark.timeout(300)
def test_a_session_is_joined_followed_left_and_led_and_its_tempo_never_touched(cable):
    one = Program(cable.names[1], "peer", "--bpm", str(PEER_BPM))
    programs = [one]
    try:
        assert comes(lambda: len(one.of("look")) > 50)
        us = Program(cable.names[0], "ours")
        programs.append(us)
        assert comes(lambda: us.last["peers"] == 1 == one.last["peers"])
        assert comes(lambda: len(us.of("note")) > 8)
        assert {PEER_BPM} == {round(look["bpm"], 2) for look in one.of("look")}
        assert pytest.approx(PEER_BPM, abs=0.01) == us.last["bpm"]
        one.tell("97")
        assert comes(lambda: abs(us.last["bpm"] - 97.0) < 0.01)
        one.end()
        assert comes(lambda: us.last["peers"] == 0)
        left = len(us.of("note"))
        assert comes(lambda: len(us.of("note")) > left + 4)
        again = Program(cable.names[1], "peer", "--bpm", "140")
        programs.append(again)
        assert comes(lambda: again.last["peers"] == 1)
        # Who comes later takes the tempo on: the one that was there, and not our own.
        assert comes(lambda: abs(again.last["bpm"] - 97.0) < 0.05)
        assert OWN_BPM != round(again.last["bpm"], 1)
    finally:
        for program in programs:
            program.end()

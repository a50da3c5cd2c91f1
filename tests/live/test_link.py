"""Ableton Link between two programs in network namespaces (figures: tests/link_figures.py)."""

from __future__ import annotations

import pytest

from tests.link_figures import OWN_BPM, PEER_BPM, Program
from tests.netcable import Cable, lacking
from tests.waiting import comes

LACKING = lacking()


@pytest.mark.skipif(LACKING is not None, reason=f"two peers of Link: {LACKING}")
@pytest.mark.timeout(300)
def test_a_session_is_joined_followed_left_and_led_and_its_tempo_never_touched():
    with Cable() as cable:
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

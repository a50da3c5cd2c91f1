"""Two streams of one Python program, each to a JACK port of its own: one ends, and one plays on."""

import pytest

from streamer import Settings, Stream
from streamer.settings import SchedulerSettings
from tests.bundles import write_tiny_bundle
from tests.live.test_jack import check_pairs, played_out, struck

pytestmark = pytest.mark.jack

QUICK = Settings(scheduler=SchedulerSettings(lead_seconds=0.05, realtime_priority=0))


def test_two_streams_play_to_two_ports_and_end_apart(jack, tmp_path):
    bundle = write_tiny_bundle(tmp_path)
    first, second = jack.polite_monitor("left"), jack.polite_monitor("right")
    with Stream(bundle, port="left", seed=1, settings=QUICK) as one:
        with Stream(bundle, port="right", seed=2, settings=QUICK) as other:
            first.wait_for(lambda messages: len(struck(messages)) >= 10)
            second.wait_for(lambda messages: len(struck(messages)) >= 10)
            assert ("left:input", "right:input") == (one.port_name, other.port_name)
        heard = second.wait_for(played_out)
        assert 10 <= check_pairs(heard)
        before = one.figures().notes_sent
        first.wait_for(lambda messages: len(struck(messages)) >= before + 5)
    assert before + 5 <= check_pairs(first.wait_for(played_out))

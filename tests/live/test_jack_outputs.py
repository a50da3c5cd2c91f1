"""Two real outputs and a file at once: one of them goes and comes back, and the other hears all."""

import contextlib
import threading

import pytest

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.midifile import read_midi
from streamer.ports import open_outputs
from streamer.settings.midi import PortSettings
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import MonotonicClock
from streamer.testing import FakeGenerator
from tests.live.test_jack import check_pairs, played_out, struck, wait_until

pytestmark = pytest.mark.jack


@contextlib.contextmanager
def playing(port, tend):
    """Play to the outputs until the block ends; yields what was written."""
    buffer, generator, written = RollingBuffer(1, 3), FakeGenerator(5, notes_per_second=60.0), []
    settings = SchedulerSettings(lead_seconds=0.05, realtime_priority=0, late_note_on_ms=5000)
    scheduler = Scheduler(buffer, port, MonotonicClock(), settings, tend=tend)

    def fill():
        while buffer.wait_for_space():
            phrase = generator.next_phrase()
            written.append(phrase)
            with contextlib.suppress(RuntimeError):
                buffer.put(phrase)

    threads = [threading.Thread(target=scheduler.run), threading.Thread(target=fill)]
    for thread in threads:
        thread.start()
    try:
        yield written, scheduler
    finally:
        scheduler.stop()
        threads[0].join(60)
        buffer.close()
        threads[1].join(60)


def test_an_output_that_ends_and_starts_again_takes_no_note_from_the_other(jack, tmp_path):
    first, second = jack.monitor(), jack.polite_monitor("drum")
    take = tmp_path / "take.mid"
    settings = PortSettings(port=("mon", "drum@10", f"file:{take}"), reconnect_seconds=0.1)
    port, tend = open_outputs(settings, MonotonicClock())
    with playing(port, tend) as (written, scheduler):
        second.wait_for(lambda messages: len(struck(messages)) >= 30)
        second.leave()
        jack.wait_for_port("drum:input", there=False)
        wait_until(lambda: "(gone)" in port.name)
        second = jack.polite_monitor("drum")
        second.wait_for(lambda messages: len(struck(messages)) >= 30)
    heard = first.wait_for(played_out)
    again = second.wait_for(played_out)
    port.close()
    notes = [(note.pitch, note.velocity) for phrase in written for note in phrase.notes]
    assert [(m[1], m[2]) for m in struck(heard)] == notes[: scheduler.notes_sent]
    assert scheduler.notes_sent == check_pairs(heard)
    assert {0x99} == {message[0] for message in struck(again)}
    assert 30 <= check_pairs(again) < scheduler.notes_sent
    assert scheduler.port_losses == 0
    assert scheduler.notes_sent == len(read_midi(take))

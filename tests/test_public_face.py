"""The face for Python, ``from streamer import ...``: on the system's clock, with fake ports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from streamer import (
    Bundle,
    Controls,
    LiveControls,
    Settings,
    Stream,
    StreamerError,
    load_bundle,
    open_source,
    render,
)
from streamer.errors import BundleError, ConfigError, PortError, RecordingError
from streamer.midi import read_midi
from streamer.music import Note, Phrase
from streamer.selection import Context
from streamer.settings import (
    LIVE_QUERY,
    ClockSettings,
    ModelSettings,
    RecordSettings,
    SchedulerSettings,
)
from streamer.settings.midi import ClockMode
from streamer.testing import FakePort
from tests.bundles import write_tiny_bundle
from tests.streams import struck, unpaired

SECONDS = 20.0
"""How long a test waits at most for what comes within one."""

QUICK = Settings(scheduler=SchedulerSettings(lead_seconds=0.05, realtime_priority=0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


def heard(stream: Stream, port: FakePort, notes: int = 5) -> None:
    """Wait until so many notes have begun."""
    for _ in range(round(SECONDS / 0.05)):
        if len(struck(port.messages)) >= notes:
            return
        stream.wait(0.05)
    pytest.fail(f"{notes} notes did not come within {SECONDS:g} s")


def test_same_bundle_and_seed_render_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    reports = [render(bundle, tmp_path / name, seconds=20, seed=3) for name in ("a.mid", "b.mid")]
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert (3, "tiny") == (reports[0]["seed"], reports[0]["bundle"])
    assert reports[0]["notes"] == len(read_midi(tmp_path / "a.mid"))


def test_a_seed_that_was_drawn_is_told_and_gives_the_same_again(
    bundle: Bundle, tmp_path: Path
) -> None:
    seed = render(str(bundle.path), str(tmp_path / "a.mid"), seconds=10)["seed"]
    render(bundle.path, tmp_path / "b.mid", seconds=10, seed=seed)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_controls_given_to_a_render_hold_from_the_first_note(
    bundle: Bundle, tmp_path: Path
) -> None:
    render(bundle, tmp_path / "a.mid", seconds=20, seed=3, controls=Controls(low=60, high=72))
    pitches = read_midi(tmp_path / "a.mid")["pitch"]
    assert 60 <= pitches.min() <= pitches.max() <= 72


def test_a_filter_of_ones_own_drops_and_is_counted_by_its_word(
    bundle: Bundle, tmp_path: Path
) -> None:
    def no_odd_count(phrase: Phrase, context: Context) -> str | None:
        return "odd" if sum(note.pitch for note in phrase.notes) % 2 else None

    report = render(bundle, tmp_path / "a.mid", seconds=20, seed=3, filters=[no_odd_count])
    assert report["dropped"]["odd"] > 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_length_that_is_none_is_refused_with_the_range(
    bundle: Bundle, tmp_path: Path, seconds: float
) -> None:
    with pytest.raises(ValueError, match="seconds must be above 0"):
        render(bundle, tmp_path / "a.mid", seconds=seconds)


def test_what_a_user_causes_is_one_line_with_the_remedy(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle is called 'paino'; did you mean piano"):
        load_bundle("paino")
    with pytest.raises(RecordingError, match="there is no folder"):
        render(bundle, tmp_path / "no" / "a.mid")
    with pytest.raises(RecordingError, match="there is no folder"):
        Stream(bundle, port=f"file:{tmp_path}/no/a.mid").start()
    with pytest.raises(ValueError, match=r"a channel must be in range 1\.\.16"):
        Stream(bundle, port="null@99")


def test_a_source_gives_phrase_after_phrase_and_follows_its_controls(bundle: Bundle) -> None:
    source = open_source(bundle, controls=Controls(low=48, high=59), seed=5)
    first, second = source.next_phrase(), source.next_phrase()
    assert first.end_ms == second.start_ms
    assert all(isinstance(note, Note) and 48 <= note.pitch <= 59 for note in first.notes)
    source.controls.update(low=72, high=83)
    assert all(72 <= note.pitch <= 83 for note in source.next_phrase().notes)
    assert source.seed == 5


def test_a_stream_plays_to_a_port_of_ones_own_and_leaves_it_silent_and_open(
    bundle: Bundle,
) -> None:
    port = FakePort()
    with Stream(bundle, port=port, seed=5, settings=QUICK) as stream:
        heard(stream, port)
        assert ("fake", 5, "tiny") == (
            stream.port_name,
            stream.seed,
            stream.bundle.manifest.name,
        )
        assert stream.figures().notes_sent >= 5
    assert port.receiver.is_silent
    assert port.closed == 0
    stream.stop()


def test_a_block_that_breaks_off_leaves_silence_and_its_own_error(bundle: Bundle) -> None:
    port = FakePort()

    def play() -> None:
        with Stream(bundle, port=port, settings=QUICK) as stream:
            heard(stream, port)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert port.receiver.is_silent


def test_live_controls_are_heard(bundle: Bundle) -> None:
    port, controls = FakePort(), LiveControls(Controls(lead=0.5, high=59))
    with Stream(bundle, port=port, controls=controls, settings=QUICK) as stream:
        assert stream.controls is controls
        heard(stream, port)
        stream.controls.update(low=72, high=83)
        for _ in range(round(SECONDS / 0.05)):
            if struck(port.messages)[-1][1] >= 72:
                break
            stream.wait(0.05)
    assert struck(port.messages)[0][1] <= 59
    assert 72 <= struck(port.messages)[-1][1] <= 83


def test_a_filter_that_raises_ends_the_stream_as_an_error_of_ours(bundle: Bundle) -> None:
    def broken(phrase: Phrase, context: Context) -> str | None:
        raise KeyError("no such thing")

    port = FakePort()
    stream = Stream(bundle, port=port, filters=[broken], settings=QUICK)
    with pytest.raises(StreamerError, match="the generator failed") as failed, stream:
        stream.wait(SECONDS)
    assert isinstance(failed.value.__cause__, KeyError)
    assert port.receiver.is_silent


def test_a_port_that_fails_ends_the_wait_with_its_error(bundle: Bundle) -> None:
    port = FakePort()
    port.fail_at = 12
    stream = Stream(bundle, port=port, settings=QUICK)
    with pytest.raises(PortError, match="fails as it was told to"), stream:
        stream.wait(SECONDS)


def test_two_streams_play_in_one_process_and_end_apart(bundle: Bundle) -> None:
    one, two = FakePort(), FakePort()
    with Stream(bundle, port=one, seed=1, settings=QUICK) as first:
        with Stream(bundle, port=two, seed=2, settings=QUICK) as second:
            heard(first, one)
            heard(second, two)
        assert two.receiver.is_silent
        before = len(struck(one.messages))
        heard(first, one, before + 5)
    assert one.receiver.is_silent
    pitches = [[message[1] for message in struck(port.messages)[:5]] for port in (one, two)]
    assert pitches[0] != pitches[1]


def test_a_stream_starts_once_and_says_so(bundle: Bundle) -> None:
    stream = Stream(bundle, port="null", settings=QUICK)
    with pytest.raises(ValueError, match="has not started"):
        stream.wait(1.0)
    with stream:
        with pytest.raises(ValueError, match="starts once"):
            stream.start()
        with pytest.raises(ValueError, match="seconds must be 0 or more, not -1"):
            stream.wait(-1)


def test_a_live_query_is_refused_before_anything_is_opened(bundle: Bundle) -> None:
    settings = Settings(model=ModelSettings(query=LIVE_QUERY))
    with pytest.raises(ConfigError, match="perpetuo play"):
        Stream(bundle, port="null", settings=settings)


@pytest.mark.parametrize("mode", ["link", "jack"])
def test_another_machines_beat_is_refused_and_not_left_unheard(bundle: Bundle, mode: str) -> None:
    settings = Settings(clock=ClockSettings(mode=cast(ClockMode, mode)))
    with pytest.raises(ConfigError, match=rf"clock\.mode must not be {mode} here.*perpetuo play"):
        Stream(bundle, port="null", settings=settings)


def test_what_is_played_is_recorded_where_the_settings_say(bundle: Bundle, tmp_path: Path) -> None:
    port, path = FakePort(), tmp_path / "kept.mid"
    settings = Settings(scheduler=QUICK.scheduler, record=RecordSettings(path=path))
    with Stream(bundle, port=port, settings=settings) as stream:
        heard(stream, port)
    assert len(read_midi(path)) == len(struck(port.messages))


def test_a_program_that_forgets_to_stop_leaves_nothing_sounding(
    bundle: Bundle, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "from streamer import Stream\n"
        "class Port:\n"
        "    name, epoch = 'out', 1\n"
        "    def send(self, message, at_ms=None):\n"
        "        print(message.hex(), flush=True)\n"
        "    def close(self): pass\n"
        "stream = Stream(sys.argv[1], port=Port())\n"
        "stream.start()\n"
        "while stream.figures().notes_sent < 5: stream.wait(0.05)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(bundle.path)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (run.returncode, run.stderr)
    strikes, _, left_down = unpaired(bytes.fromhex(line) for line in run.stdout.split())
    assert strikes >= 5
    assert left_down == 0

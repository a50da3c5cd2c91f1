"""Figures of the stream: counters, the line of the log, the view of the terminal."""

import io
from collections import Counter

import numpy as np
import pytest

from streamer.generators.stats import GenerationStats, Playing
from streamer.music.notes import Note
from streamer.service.display import LogView, keyboard, make_view, pitch_name, rows
from streamer.service.figures import StreamFigures
from streamer.service.liveview import LiveView
from streamer.testing import ManualClock, make_phrase


def figures(**more: object) -> StreamFigures:
    """Figures of a stream that plays C4 and G4."""
    stats = GenerationStats()
    stats.count_drawn([None, "density", "density", "loop"])
    stats.count_committed(make_phrase([Note(60, 0.0, 100.0, 64)]))
    known = {
        "model": "tiny",
        "seed": 7,
        "port": "null",
        "waiting_for_port": False,
        "paused": False,
        "policy": "SCHED_FIFO 50",
        "notes_sent": 12,
        "late_dropped": 1,
        "sounding": ((0, 67), (0, 60)),
        "pedal": True,
        "buffer_seconds": 6.0,
        "underruns": 2,
        "candidates": 16,
        "lateness_ms": {"p50": 0.05, "p99": 0.2, "p999": 0.3, "max": 1.25},
        "generation": stats.to_dict(),
    }
    return StreamFigures(**{**known, **more})  # type: ignore[arg-type]


def test_counts_of_a_draw_add_up() -> None:
    """Kept and dropped by reason, over several draws."""
    stats = GenerationStats()
    stats.count_drawn([None, "range", "range"])
    stats.count_drawn(["loop", None, None])
    assert (6, 3) == (stats.candidates, stats.kept)
    assert {"loop": 1, "range": 2} == stats.to_dict()["dropped"]


def test_entropy_is_the_mean_over_all_notes_committed() -> None:
    """Phrases of different lengths weigh by their notes."""
    stats = GenerationStats()
    for notes, entropy in ((1, 4.0), (3, 0.0)):
        phrase = make_phrase([Note(60, 10.0 * i, 5.0, 64) for i in range(notes)])
        phrase.entropies[:] = entropy
        stats.count_committed(phrase)
    assert dict.fromkeys(("pitch", "shift", "duration", "velocity", "pedal"), 1.0) == (
        stats.entropy_means()
    )


def test_figures_of_nothing_divide_by_nothing() -> None:
    """Before the first phrase."""
    assert GenerationStats().entropy_means()["pitch"] == 0.0


def test_counters_are_plain_data() -> None:
    """Ready for JSON."""
    import json

    stats = GenerationStats()
    stats.entropy_sum = stats.entropy_sum + np.float64(1.0)
    assert json.loads(json.dumps(stats.to_dict())) == stats.to_dict()


def test_line_says_notes_buffer_candidates_drops_underruns_and_lateness() -> None:
    """One line, as a service logs it."""
    assert figures().line() == (
        "12 notes, 6.0 s ahead, K 16, dropped 2 density, 1 loop, 2 underruns, "
        "late p50 0.05 p99 0.20 max 1.25 ms"
    )


def tune_figures() -> StreamFigures:
    """Figures of a stream that writes its third tune."""
    stats = GenerationStats(arguments=("pitch_class", "octave", "length"))
    stats.playing = Playing(
        kind="tune",
        line="tune 3 (bach 70 %, jazz 30 %)",
        text="3, bach 70 %, jazz 30 %, D minor, 96 bpm, 57 notes",
        data={"number": 3, "key": "D minor"},
        totals={"tunes": 3},
    )
    return figures(generation=stats.to_dict(), playing=stats.playing)


def test_tune_that_is_written_has_its_line_in_the_view_and_its_place_in_the_log() -> None:
    """Number, style, key, tempo; music without tunes has neither."""
    text = dict(rows(tune_figures()))
    assert text["tune"] == "3, bach 70 %, jazz 30 %, D minor, 96 bpm, 57 notes"
    assert text["entropy"] == "pitch_class 0.00  octave 0.00  length 0.00"
    assert tune_figures().line().startswith("tune 3 (bach 70 %, jazz 30 %), 12 notes, 6.0 s ahead")
    assert "tune" not in dict(rows(figures()))


def test_what_is_written_is_in_the_figures_with_its_totals() -> None:
    """As plain data, under its kind."""
    told = tune_figures().generation
    assert told["tune"] == {"number": 3, "key": "D minor"}
    assert told["tunes"] == 3


def test_log_view_says_a_line_when_it_is_time(caplog: pytest.LogCaptureFixture) -> None:
    """Every ten seconds here, not at every look; nor are the figures read at every look."""
    caplog.set_level("INFO")
    clock, read = ManualClock(), list[StreamFigures]()
    view = LogView(10.0, clock)

    def look() -> StreamFigures:
        read.append(figures(paused=True))
        return read[-1]

    for _ in range(100):
        clock.jump(0.25)
        view.show(look)
    assert len(read) == 2
    assert ["paused", "paused"] == [record.message.split(":")[0] for record in caplog.records]


def test_log_view_of_zero_seconds_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Who wants silence gets it."""
    caplog.set_level("INFO")
    clock = ManualClock()
    view = LogView(0.0, clock)
    clock.jump(1e6)
    view.show(figures)
    assert not caplog.records


def test_no_terminal_means_log_lines() -> None:
    """Under a test runner stderr is none."""
    assert isinstance(make_view(60.0, False, ManualClock()), LogView)


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (21, "A0"), (108, "C8"), (70, "A#4")])
def test_pitches_have_their_names(pitch: int, name: str) -> None:
    """Middle C is C4."""
    assert name == pitch_name(pitch)


def test_keyboard_shows_what_sounds_and_every_c() -> None:
    """One cell a key, or two keys a cell where room is short."""
    line = keyboard(((0, 21), (3, 60)))
    assert (88, "█", "█", "|", "·") == (len(line), line[0], line[39], line[3], line[1])
    assert (44, "█", "█") == (len(keyboard(((0, 21), (3, 60)), 60)), line[0], line[39])


def test_rows_of_the_view_hold_every_figure() -> None:
    """As the issue lists them: sounding, buffer, K, drops by reason, lateness."""
    text = dict(rows(figures()))
    assert text[""] == "C4 G4"
    assert text["buffer"].endswith(" 6.0 s, 2 underruns")
    assert text["candidates"] == "K 16, 1 phrases written"
    assert text["dropped"] == "density 50.0%  loop 25.0%"
    assert text["lateness"] == "p50 0.05  p99 0.20  max 1.25 ms (SCHED_FIFO 50)"


def test_live_view_draws_and_leaves_the_terminal_whole() -> None:
    """Cursor shown again at the end."""
    from rich.console import Console

    out = io.StringIO()
    view = LiveView(Console(file=out, force_terminal=True, width=80))
    view.show(lambda: figures(waiting_for_port=True))
    view.close()
    view.close()
    assert "waiting for the port" in out.getvalue()
    assert "C4 G4" in out.getvalue()
    last = out.getvalue().rpartition("╭")[2]
    assert "ended" in last
    assert "C4 G4" not in last
    assert "Ctrl-C" not in last
    assert out.getvalue().rstrip().endswith("\x1b[?25h")


def test_candidates_that_homing_sets_aside_are_not_shown_as_faults() -> None:
    """Half of them is the rule; a person would look for something broken."""
    generation = GenerationStats(candidates=100, dropped=Counter(astray=48, loop=2)).to_dict()
    shown = dict(rows(figures(generation=generation)))
    assert "loop 2.0%" == shown["dropped"]
    assert "48% of candidates, which led away from the corpus (by design)" == shown["set aside"]
    assert "dropped 2 loop, 48 set aside, " in figures(generation=generation).line()

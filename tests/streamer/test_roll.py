"""The picture of a piano roll: what is where, and what is written beside it."""

import numpy as np

from streamer.midi.messages import DRUM_CHANNEL
from streamer.music.notes import NOTE_DTYPE, Note, to_array
from streamer.offline import roll
from streamer.offline.letters import written
from streamer.offline.roll import panels_of, roll_picture, to_png

LOUD = (200, 30, 30)
PEDAL = (170, 170, 170)
TIMES = roll.AXIS_POINTS + roll.GAP_POINTS
"""Points at the end of a row in which its times stand."""


def is_written(text, picture, scale=1):
    """Whether a text stands somewhere in a picture."""
    points, dark = written(text, scale), (picture < 200).all(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(dark, points.shape)
    return bool((windows == points).all(axis=(2, 3)).any())


def columns_of(picture, colour):
    return np.flatnonzero((picture == colour).all(axis=2).any(axis=0))


def test_a_note_lies_at_its_time_and_in_its_octave():
    notes = to_array([Note(60, 10_000.0, 500.0, 127)])
    picture = roll_picture(notes)
    points = roll.POINTS_A_SECOND
    below = picture[roll.TITLE_POINTS :]
    at = roll.LEFT + 10 * points
    assert columns_of(below, LOUD).tolist() == list(range(at, at + points // 2))
    assert is_written("C4", below[:60, : roll.LEFT])
    rows = np.flatnonzero((below == LOUD).all(axis=2).any(axis=1))
    assert rows.tolist() == [33, 34, 35]  # the lowest of twelve keys, three points each


def test_every_row_says_its_time():
    notes = to_array([Note(60, 0.0, 500.0, 64), Note(62, 61_000.0, 500.0, 64)])
    picture = roll_picture(notes, title="tiny, seed 1")
    half = (len(picture) - roll.TITLE_POINTS) // 2
    first, second = picture[roll.TITLE_POINTS :][:half], picture[roll.TITLE_POINTS :][half:]
    assert is_written("0:10", first[-TIMES:])
    assert is_written("1:10", second[-TIMES:])
    assert not is_written("1:10", first[-TIMES:])
    assert is_written("tiny, seed 1", picture[: roll.TITLE_POINTS], scale=2)


def test_each_track_has_its_panel_and_its_name_and_drums_are_no_keys():
    notes = to_array(
        [
            Note(36, 0.0, 9000.0, 127, channel=DRUM_CHANNEL),
            Note(42, 500.0, 10.0, 127, channel=DRUM_CHANNEL),
            Note(40, 0.0, 500.0, 64, channel=1),
            Note(67, 0.0, 500.0, 64, channel=2),
        ]
    )
    panels = panels_of(notes, {1: "bass", DRUM_CHANNEL: "drums"})
    assert [panel.name for panel in panels] == ["bass", "channel 3", "drums"]
    assert [text for _, text in panels[-1].labels] == ["kick", "closed hat"]
    picture = roll_picture(notes, {1: "bass"})
    names = picture[roll.TITLE_POINTS :, : roll.LEFT]
    for name in ("bass", "channel 3", "drums", "closed hat"):
        assert is_written(name, names), name
    # A stroke is short, however long its note is held.
    last = columns_of(picture[roll.TITLE_POINTS + 60 :, : -roll.RIGHT], LOUD)[-1]
    assert last < roll.LEFT + roll.POINTS_A_SECOND


def test_the_pedal_is_a_band_of_its_own_where_there_is_one():
    notes = to_array([Note(60, 1000.0, 500.0, 64, pedal=True), Note(62, 2000.0, 500.0, 64)])
    assert [panel.name for panel in panels_of(notes, {})] == ["", "pedal"]
    down = columns_of(roll_picture(notes)[roll.TITLE_POINTS :], PEDAL)
    second = roll.POINTS_A_SECOND
    assert [roll.LEFT + second, roll.LEFT + 2 * second - 1] == [down[0], down[-1]]


def test_a_note_over_the_end_of_a_row_goes_on_in_the_next():
    picture = roll_picture(to_array([Note(60, 59_000.0, 2000.0, 127)]))
    half = (len(picture) - roll.TITLE_POINTS) // 2
    first, second = picture[roll.TITLE_POINTS :][:half], picture[roll.TITLE_POINTS :][half:]
    assert len(columns_of(first, LOUD)) == len(columns_of(second, LOUD)) == roll.POINTS_A_SECOND


def test_roll_of_nothing_is_an_empty_row_and_a_valid_picture():
    picture = roll_picture(np.zeros(0, NOTE_DTYPE))
    assert picture.shape[1] == roll.LEFT + 60 * roll.POINTS_A_SECOND + roll.RIGHT
    assert is_written("0:00", picture[-TIMES:])
    assert to_png(picture).endswith(b"IEND\xaeB`\x82")

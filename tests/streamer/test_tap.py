"""What is held for surfaces: only what is new is told, however much is held."""

from streamer.live.tap import Held


def test_what_is_new_is_told_once_and_in_order():
    held = Held[str](3)
    assert (0, []) == held.since(0)
    for item in "abcd":
        held.add(item)
    assert (4, ["b", "c", "d"]) == held.since(0)  # the first has fallen out
    assert (4, ["d"]) == held.since(3)
    assert (4, []) == held.since(4)
    assert (9, []) == held.since(9)

"""Bookmarks: a stream goes on from one note for note, every family, and nothing hostile harms."""

from __future__ import annotations

import contextlib
import random
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import cli
from streamer.errors import BundleError, StreamerError
from streamer.families.chain.settings import RecallSettings
from streamer.generators.bookmark import MAGIC, Bookmark, read_bookmark
from streamer.live.buffer import RollingBuffer
from streamer.music.notes import Note
from streamer.pipeline import Source, open_source
from streamer.service.writing import Writing
from streamer.settings.controls import Controls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from streamer.testing import ManualClock
from tests.everybundle import MAKERS

CONTROLS = {"density": 0.8, "transpose": 3}


def opened(
    path: Path, query: Path, name: str, seed: int = 1, expression: bool = True, **more
) -> Source:
    wanted = ModelSettings(model=str(path), seed=seed, query=query if name == "query" else None)
    stages = Settings(model=wanted, expression=ExpressionSettings(enabled=expression))
    return open_source(settings=stages, controls=Controls.from_values(CONTROLS), **more)


def marked(source: Source, phrases: int = 9) -> Bookmark:
    """Play some phrases, and return the place before the last of them."""
    for _ in range(phrases - 1):
        source.next_phrase()
    held = source.place(source.look())
    phrase = source.next_phrase()
    source.shelve(phrase, held)
    assert source.shelf is not None
    place = source.shelf.at(phrase.start_ms)
    assert place is not None
    return place


def written_ahead(source: Source, phrases: int) -> tuple[Writing, RollingBuffer, ManualClock]:
    """Write some phrases into a buffer that nobody plays from."""
    buffer, clock = RollingBuffer(1.0, 1e6), ManualClock()
    writing = Writing(source, buffer, clock)
    for _ in range(phrases):
        writing.write()
    return writing, buffer, clock


def heard(phrases) -> list:
    """Return notes with their times from the first phrase's beginning."""
    begin = phrases[0].start_ms
    return [
        (round(n.onset_ms - begin, 6), n.pitch, n.velocity, n.channel)
        for phrase in phrases
        for n in phrase.notes
    ]


@pytest.mark.parametrize("expression", [True, False], ids=["expressive", "plain"])
@pytest.mark.parametrize("name", MAKERS)
def test_each_family_goes_on_note_for_note(name, expression, bundles, query, tmp_path):
    source = opened(bundles[name], query, name, shelved=True, expression=expression)
    for _ in range(8):
        source.next_phrase()
    held = source.place(source.look())
    first = source.next_phrase()
    source.shelve(first, held)
    place = source.shelf.at(first.start_ms)
    path = tmp_path / "here.bookmark"
    path.write_bytes(place.to_bytes())
    read = read_bookmark(path)
    assert (CONTROLS, 1) == (dict(read.controls), read.seed)
    again = opened(bundles[name], query, name, seed=77, resume=read, expression=expression)
    rest = [first, *(source.next_phrase() for _ in range(7))]
    assert heard(rest) == heard([again.next_phrase() for _ in range(8)])


@pytest.mark.parametrize("name", MAKERS)
def test_render_from_a_bookmark_gives_the_same_bytes_each_time(
    name, bundles, query, tmp_path, capsys
):
    path = tmp_path / "here.bookmark"
    path.write_bytes(marked(opened(bundles[name], query, name, shelved=True)).to_bytes())
    (tmp_path / "perpetuo.toml").write_text("")
    outs = [tmp_path / "a.mid", tmp_path / "b.mid"]
    more = ["--query", str(query)] if name == "query" else []
    for out in outs:
        assert 0 == cli.main(
            ["render", str(out), "--from", str(path), "--model", str(bundles[name]), "--duration",
             "8", "--config", str(tmp_path / "perpetuo.toml"), *more]
        )  # fmt: skip
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert "seed 1" in capsys.readouterr().out


def test_a_bookmark_of_another_bundle_is_refused(bundles, query, tmp_path, capsys):
    path = tmp_path / "here.bookmark"
    path.write_bytes(marked(opened(bundles["chain"], query, "chain", shelved=True)).to_bytes())
    out = ["render", str(tmp_path / "o.mid"), "--from", str(path)]
    assert 1 == cli.main([*out, "--model", str(bundles["tunes"])])
    said = capsys.readouterr().err
    assert "the bookmark is of bundle tiny" in said
    assert 1 == len(said.splitlines())
    assert not (tmp_path / "o.mid").exists()


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_bookmark(path)
    return str(caught.value)


def test_what_is_no_bookmark_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.bookmark"
    pack = msgspec.msgpack.encode
    assert "is no bookmark; `perpetuo keep --bookmark FILE` makes one" in refused(path, b"MThd")
    assert "of another version" in refused(path, b"perpetuo bookmark 9\nxxx")
    assert "is damaged" in refused(path, MAGIC)
    assert "is damaged" in refused(path, MAGIC + b"\x00" * 50)
    assert "is damaged" in refused(path, MAGIC + zlib.compress(pack([1])))
    assert "must be 1 MiB at most" in refused(path, MAGIC + b"x" * 2**20)
    bomb = zlib.compress(b"\x00" * 2**26, 9)
    assert "cut short, or too large" in refused(path, MAGIC + bomb)
    good = Bookmark(bundle="tiny", digest="", seed=1)
    for wrong in ({"bundle": "../x"}, {"seed": -1}, {"seed": True}, {"controls": {"density": 99}},
                  {"controls": {"x": 1}}, {"beat": float("nan")}, {"model": 3}):  # fmt: skip
        document = {n: getattr(good, n) for n in Bookmark.__slots__} | wrong
        assert "is damaged" in refused(path, MAGIC + zlib.compress(pack(document)))
    with pytest.raises(BundleError, match="cannot be read"):
        read_bookmark(tmp_path / "none")


ONE_LINE = (StreamerError, ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What render and play make one line of."""

HOSTILE = [
    None, 7, "x", [], ["o", {}], ["c", "os:system", {}], ["c", "streamer.cli:Parser", {}],
    ["c", "subprocess:Popen", {"args": "x"}], ["a", "O", [1], b"12345678"], ["a", "<f8", [-1], b""],
    ["a", "<f8", [2**40], b""], ["q", -1, []], ["d", [[["l", []], 1]]], ["r", {"state": 1}],
    ["t", "abc"], ["z"],
]  # fmt: skip


@pytest.mark.parametrize("name", ["chain", "tunes", "band"])
def test_a_state_that_was_tampered_with_is_refused_or_plays_and_runs_nothing(
    name, bundles, query, monkeypatch
):
    ran, ends = [], set()
    monkeypatch.setattr("os.system", ran.append)
    monkeypatch.setattr("subprocess.Popen", lambda *args, **_: ran.append(args))
    monkeypatch.setattr("streamer.cli.Parser.__init__", lambda *args, **_: ran.append(args))
    place = marked(opened(bundles[name], query, name, shelved=True), 4)
    draw = random.Random(3)
    for _ in range(10):
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(place.state))
        for _ in range(draw.randint(1, 2)):
            tamper(state, draw)
        mark = Bookmark(bundle=place.bundle, digest=place.digest, seed=1, state=state)
        try:
            source = opened(bundles[name], query, name, resume=mark)
        except BundleError as error:
            ends.add("refused" if "the bookmark" in str(error) else str(error))
            continue
        ends.add("plays")
        with contextlib.suppress(*ONE_LINE):
            assert source.next_phrase().notes
    assert [] == ran
    assert {"refused"} <= ends <= {"refused", "plays"}


def tamper(node, draw: random.Random) -> None:
    """Put something hostile somewhere into a state."""
    while True:
        inner = node[-1] if isinstance(node, list) and node else node
        if isinstance(inner, dict) and inner:
            key = draw.choice([*inner])
            if not isinstance(inner[key], list) or draw.random() < 0.4:
                inner[key] = draw.choice(HOSTILE)
                return
            node = inner[key]
        elif isinstance(inner, list) and inner:
            place = draw.randrange(len(inner))
            if not isinstance(inner[place], list) or draw.random() < 0.4:
                inner[place] = draw.choice(HOSTILE)
                return
            node = inner[place]
        else:
            node[-1] = draw.choice(HOSTILE)
            return


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_bookmark(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("b") / "x"
    for content in (data, MAGIC + data, MAGIC + zlib.compress(data)):
        said = refused(path, content)
        assert said.startswith(f"{path}: is ")
        assert 1 == len(said.splitlines())


def test_a_generator_whose_state_cannot_be_written_down_plays_on(bundles, query, caplog):
    source = opened(bundles["chain"], query, "chain", shelved=True)
    taken = source.generator.remembered
    try:
        type(source.generator).remembered = ("_chooser",)
        for _ in range(2):
            held = source.place(source.look())
            source.shelve(source.next_phrase(), held)
    finally:
        type(source.generator).remembered = taken
    assert 1 == caplog.text.count("this bundle's music cannot be bookmarked")
    assert source.shelf.at(0.0) is None


def test_places_that_were_drawn_again_are_forgotten(bundles, query):
    source = opened(bundles["chain"], query, "chain", shelved=True)
    writing, buffer, _ = written_ahead(source, phrases=3)
    starts = [phrase.start_ms for phrase, _ in buffer.from_place(0.0)]
    assert starts == [start_ms for start_ms, _ in source.shelf._held]
    source.controls.update(density=2.0)
    writing.change(source.controls.snapshot())
    writing.write()
    assert 1 == writing.redraws
    starts = [phrase.start_ms for phrase, _ in buffer.from_place(0.0)]
    assert starts == [start_ms for start_ms, _ in source.shelf._held]


def test_phrases_that_were_drawn_again_too_late_leave_no_places(bundles, query):
    source = opened(bundles["chain"], query, "chain", shelved=True)
    writing, buffer, clock = written_ahead(source, phrases=3)
    before = [start_ms for start_ms, _ in source.shelf._held]
    draw = source.generator.next_phrase

    def slowly(notes=None):
        clock.jump(60.0)
        return draw(notes)

    source.generator.next_phrase = slowly
    buffer.played(0.0, 1.0, clock.now())
    source.controls.update(density=2.0)
    writing.change(source.controls.snapshot())
    writing._write_again()
    assert 0 == writing.redraws
    assert before == [start_ms for start_ms, _ in source.shelf._held]


def test_the_state_is_written_down_when_the_phrase_is_in_its_place_and_once(bundles, query):
    source = opened(bundles["chain"], query, "chain", shelved=True)
    asked, look = [], source.shelf.look
    source.shelf.look = lambda generator: asked.append(len(buffer)) or look(generator)
    buffer = RollingBuffer(1.0, 1e6)
    writing = Writing(source, buffer, ManualClock())
    for _ in range(4):
        writing.write()
    assert [0, 1, 2, 3, 4] == asked


def test_where_nobody_can_ask_no_state_is_written_down(bundles, query):
    source = opened(bundles["chain"], query, "chain")
    assert source.place(source.look()) is None
    phrase = source.next_phrase()
    source.shelve(phrase, None)
    assert source.shelf is None


@pytest.mark.parametrize("notes", [300, 60_000])
def test_half_an_hour_of_figures_is_gone_on_from(tmp_path, bundles, query, notes):
    recall = {"recall": RecallSettings(memory_seconds=1800.0)}
    wanted = ModelSettings(model=str(bundles["chain"]), seed=1)
    source = open_source(settings=Settings(model=wanted, stages=recall), shelved=True)
    memory = source.generator._memory
    memory.add(Note(40 + i * i % 41, i * 29.0, 20.0, 80) for i in range(notes))
    source.shelve(source.next_phrase(), source.place(source.look()))
    path = tmp_path / "half.bookmark"
    path.write_bytes(source.shelf.at(0.0).to_bytes())
    again = open_source(settings=Settings(model=wanted, stages=recall), resume=read_bookmark(path))
    found = again.generator._memory
    assert memory._pitches == found._pitches
    assert memory._first == found._first
    known = {figure: at for figure, at in memory._seen.items() if at >= memory._first}
    assert known == found._seen

"""The memory and the trained controls of a chain: blind to what comes, the same in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export import parity
from export.families.chain.exporter import ChainPlayer
from export.families.chain.graph import build_chain_graph
from export.families.chain.unwrap import unwrap
from export.parity import prove_parity
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.onnxbounds import bound
from streamer.bundle.onnxfile import read_graph_facts
from streamer.engine.engine import CALL_NOTES, Engine, State
from streamer.families.chain.asked import ASKED_INPUT, ASKED_WIDTH, KEY_PLACE
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.remembering import PAST_STATE
from streamer.settings.controls import Controls, LiveControls
from tests.bundles import GRAPH_FILE, tiny_statistics
from training.families.chain.asking import Asking
from training.families.chain.batches import windows
from training.families.chain.ear_pairs import EACH, PHRASE, heard_pairs
from training.families.chain.model import GROUPS, Chain, ChainConfig
from training.families.chain.tiny import tiny_pieces
from training.studies.chain.dials import ASKED, dials
from training.studies.chain.stream import Stage

REACH = 24


def chain(*, memory: int = REACH, asked: bool = True) -> Chain:
    """A tiny model whose memory and controls weigh as much as trained ones."""
    torch.manual_seed(3)
    codec = tiny_pieces().codec
    config = ChainConfig(hidden=8, absolute_velocity=True, dropout=0.0, memory=memory, asked=asked)
    model = Chain(config, codec).eval()
    with torch.no_grad():
        if model.memory is not None:
            model.memory.gate_bias.fill_(1.0)
            model.memory.gates.normal_(0, 0.3)
            model.memory.same.normal_(1, 0.5)
            model.memory.ages.normal_()
        if model.asked is not None:
            model.asked.normal_(0, 0.3)
        for p in model.parameters():  # as the exporter rounds them
            p.copy_(p.half().float())
    return model


def logits_of(
    model: Chain, steps: int, change: tuple[int, int] | None = None
) -> list[torch.Tensor]:
    """Logits of two pieces side by side, in windows; one class of one note changed if told."""
    tensors = tiny_pieces()
    pieces = [tensors.notes(0), tensors.notes(1), tensors.notes(2), tensors.notes(3)]
    state = model.initial_state(2)
    parts: list[list[torch.Tensor]] = []
    at = 0
    for window in windows(pieces, tensors.codec, batch=2, steps=steps, asking=Asking(None)):
        current = window.current.clone()
        if change is not None and at <= change[0] < at + steps:
            note, argument = change
            size = tensors.codec.sizes[argument]
            current[note - at, :, argument] = (current[note - at, :, argument] + 1) % size
        at += steps
        with torch.no_grad():
            out, state = model(
                window.previous, current, window.velocity, window.keep, state, window.asked
            )
        parts.append(out)
    return [torch.cat([part[m] for part in parts])[:180] for m in range(GROUPS)]


def test_a_window_is_the_same_cut_in_any_way() -> None:
    """Short windows carry the past over, and over the start of another piece."""
    model = chain()
    for one, other in zip(logits_of(model, 180), logits_of(model, 7), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("argument", range(GROUPS - 1))
def test_nothing_is_known_before_it_is_drawn(argument: int) -> None:
    """A class changes what comes after it, of its own note the later arguments alone."""
    model, note = chain(), 40
    plain, moved = logits_of(model, 180), logits_of(model, 180, (note, argument))
    for m in range(GROUPS):
        differs = ((plain[m] - moved[m]).abs().amax(dim=(1, 2)) > 1e-6).nonzero().flatten()
        first = note if m > argument else note + 1
        assert not len(differs) or int(differs[0]) >= first
    assert any(not torch.equal(plain[m][note:], moved[m][note:]) for m in range(GROUPS))


def test_another_piece_is_not_remembered() -> None:
    """What a piece is like does not hang on the piece before it in its row."""
    model, tensors = chain(), tiny_pieces()
    together = logits_of(model, 180)
    alone = list(windows([tensors.notes(2)], tensors.codec, batch=1, steps=90, asking=Asking(None)))
    window = alone[0]
    with torch.no_grad():
        out, _ = model(
            window.previous, window.current, window.velocity, window.keep,
            model.initial_state(1), window.asked,
        )  # fmt: skip
    for m in range(GROUPS):
        torch.testing.assert_close(out[m][:, 0], together[m][90:180, 0], atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of the tiny model."""
    from export.bundle import describe_graph, make_manifest, write_bundle

    model = chain()
    graph = build_chain_graph(model.export_arrays()).SerializeToString(deterministic=True)
    spec = describe_graph("step", GRAPH_FILE, graph)
    fields = {
        "corpus": "made", "licence": "CC0-1.0", "created": "2026-01-01",
        "defaults": {"phrase_notes": 32, "candidates": 4, "past_notes": 64},
        "config": {"model": model.describe()},
    }  # fmt: skip
    manifest = make_manifest("tiny", model.codec, [spec], tiny_statistics(), **fields)
    folder = tmp_path_factory.mktemp("memory")
    return write_bundle(folder / "tiny", manifest, {GRAPH_FILE: graph}, "# tiny\n")


def test_the_graph_plays_what_torch_plays(bundle: Bundle) -> None:
    """Note by note, in calls of uneven length, and over more notes than the memory reaches."""
    proof = prove_parity(ChainPlayer(chain()), Engine(load_bundle(bundle.path)), 1)
    assert proof.log_prob_error < 1e-4


def test_candidates_may_share_a_past_or_have_their_own(bundle: Bundle) -> None:
    """A row for all and a row each give the same notes."""
    engine = Engine(bundle)
    codec = bundle.codec
    rng = np.random.default_rng(0)
    first = rng.gumbel(size=(40, 1, codec.offsets[-1])).astype(np.float32)
    state = engine.next_block(engine.initial_state(1), first).state
    noise = rng.gumbel(size=(20, 3, codec.offsets[-1])).astype(np.float32)
    shared = state.tile(3)
    assert 1 == len(shared.arrays["past"])
    assert 3 == shared.batch
    own = shared.replace(velocity=shared.arrays["velocity"])
    own = type(own)(
        {**own.arrays, "past": np.repeat(own.arrays["past"], 3, axis=0)}, own.axes, own.shared
    )
    one, other = engine.next_block(shared, noise), engine.next_block(own, noise)
    assert one.classes.tolist() == other.classes.tolist()
    kept = one.state.select(2).arrays["past"]
    assert kept[0, -20:].tolist() == one.classes[:, 2].tolist()


def test_long_calls_are_played_in_parts(bundle: Bundle) -> None:
    """A call that is longer than the graph keeps notes of gives what shorter ones give."""
    engine = Engine(bundle)
    rng = np.random.default_rng(0)
    count = CALL_NOTES + 30
    noise = rng.gumbel(size=(count, 2, bundle.codec.offsets[-1])).astype(np.float32)
    whole = engine.next_block(engine.initial_state(2), noise)
    state, parts = engine.initial_state(2), []
    for start in range(0, count, 25):
        block = engine.next_block(state, noise[start : start + 25])
        state = block.state
        parts.append(block.classes)
    assert whole.classes.tolist() == np.concatenate(parts).tolist()


def test_what_is_asked_changes_what_is_drawn(bundle: Bundle) -> None:
    """And an input of the wrong width is refused."""
    engine = Engine(bundle)
    assert ("batch", ASKED_WIDTH) == engine.further_inputs[ASKED_INPUT]
    noise = np.random.default_rng(0).gumbel(size=(16, 2, bundle.codec.offsets[-1]))
    noise = noise.astype(np.float32)
    plain = engine.next_block(engine.initial_state(2), noise)
    told = {ASKED_INPUT: np.eye(2, ASKED_WIDTH, dtype=np.float32) * 4}
    asked = engine.next_block(engine.initial_state(2), noise, told)
    assert plain.classes.tolist() != asked.classes.tolist()
    with pytest.raises(ValueError, match=r"asked must be \(2, 62\), not \(2, 3\)"):
        engine.next_block(engine.initial_state(2), noise, {ASKED_INPUT: np.zeros((2, 3))})


def test_a_graph_with_a_memory_can_be_bounded(bundle: Bundle) -> None:
    """All its sizes stand in the file, so that a stranger's bundle of the kind can be loaded."""
    bounds = bound(read_graph_facts(bundle.graph_bytes("step")).graph)
    assert bounds.bytes < 192 * 2**20


def test_a_bundle_with_a_memory_is_trained_on(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint plays what it plays (checked by unwrap), and has all weights."""
    monkeypatch.setattr(parity, "RUNS", ((1, 3 * REACH), (3, 2 * REACH)))  # above, it is whole
    checkpoint = unwrap(bundle.path, tmp_path / "back.pt")
    model = chain()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(checkpoint.weights[name], value, atol=1e-5, rtol=1e-4)


def test_a_run_may_add_a_memory_to_older_weights() -> None:
    """What is new begins as it begins; anything else that is missing is refused."""
    from training.registry import load_preset, make_task

    tensors = tiny_pieces()
    preset = load_preset("chain-tiny", {"model.memory": 16, "model.asked": True})
    older = Chain(ChainConfig(hidden=8, layers=2, absolute_velocity=True), tensors.codec)
    task = make_task(preset, tensors, 0, torch.device("cpu"), start_from=older)
    weights = dict(task.model.state_dict())
    assert torch.equal(weights["tables.0"], older.state_dict()["tables.0"])
    assert any(name.startswith("memory.") for name in weights)
    step = task.train_step(next(iter(task.batches(0))), None)
    step.loss.backward()
    assert weights["asked"].shape == (ASKED_WIDTH, GROUPS * 4 * 8)
    assert all(p.grad is not None for p in task.model.parameters())


def test_weights_from_before_a_dial_was_added_are_trained_on() -> None:
    """They do for the dials that they know what they did, and nothing for the new one."""
    model = chain()
    weights = dict(model.state_dict())
    weights["asked"] = weights["asked"][: KEY_PLACE.stop]
    later = chain()
    later.load_state_dict(weights)
    assert torch.equal(later.state_dict()["asked"][: KEY_PLACE.stop], weights["asked"])
    assert not later.state_dict()["asked"][KEY_PLACE.stop :].any()


def test_an_ear_hears_what_is_played_when_asked_for_what_came(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each continuation knows all notes before, and is asked for what the real phrase is like."""
    tensors = tiny_pieces()
    piece = tensors.notes(0)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    play = Engine.next_block

    def watched(engine: Engine, state: State, noise: np.ndarray, more: Any = None) -> Any:
        if more and ASKED_INPUT in more:
            seen.append((more[ASKED_INPUT], state.arrays[PAST_STATE]))
        return play(engine, state, noise, more)

    monkeypatch.setattr(Engine, "next_block", watched)
    most = len(piece) // PHRASE
    heard_pairs(bundle, [piece], ["one"], np.random.default_rng(0), most=most)
    told = Asking(None).of_piece(piece)[PHRASE::PHRASE]
    asked = np.concatenate([rows for rows, _ in seen])
    assert asked.tolist() == np.repeat(told[: len(asked) // EACH], EACH, axis=0).tolist()
    classes = tensors.codec.encode(piece)
    past = seen[-1][1][-1]
    assert past.tolist() == classes[len(asked) // EACH * PHRASE - len(past) :][: len(past)].tolist()


def test_a_stream_plays_and_goes_back(bundle: Bundle) -> None:
    """The generator asks, remembers, and from a mark plays the same again."""
    controls = LiveControls(Controls().with_changes({"polyphony": 2.0}))
    settings = StepSettings(phrase_notes=16, candidates=4, mood_notes=100)
    generator = StepGenerator(Engine(bundle), settings, np.random.default_rng(0), controls)
    generator.next_phrase()
    mark = generator.mark()
    first = [generator.next_phrase().notes for _ in range(4)]
    generator.go_back(mark)
    assert first == [generator.next_phrase().notes for _ in range(4)]


def test_what_is_asked_is_measured(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each dial has a slope, a correlation, and what moved with it."""
    for name, values in ASKED.items():  # each value is a stream that has to be opened
        monkeypatch.setitem(ASKED, name, values[::2])
    stage = Stage(bundle.path, tiny_pieces(), 0, 1, 0.1)
    rows = dials(stage, tmp_path)
    assert set(ASKED) == set(rows)
    for name, row in rows.items():
        assert len(row["heard"]) == len(row["asked"])
        assert name not in row["moved_with_it"]
        figures = [row["slope"], row["correlation"], *row["moved_with_it"].values()]
        assert np.isfinite(figures).all()
    assert (tmp_path / "controls.png").is_file()

"""The engine: state in, block out; the same again for the same state and noise."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine, State
from streamer.engine.noise import FORBID, force_classes, gumbel_noise
from streamer.engine.session import Runtime, open_session
from streamer.errors import EngineError
from streamer.system.interrupt import Interrupt
from tests.bundles import write_tiny_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Engine:
    return Engine(bundle)


def draw(engine: Engine, notes: int, batch: int, seed: int = 0) -> np.ndarray:
    codec = engine.bundle.codec
    rng = np.random.Generator(np.random.SFC64(seed))
    return gumbel_noise(rng, (notes, batch, codec.offsets[-1]), 1.0, codec)


def same(first: State, second: State) -> bool:
    return all(np.array_equal(first.arrays[n], second.arrays[n]) for n in first.arrays)


def test_before_a_piece_there_is_no_note_and_no_velocity(engine: Engine) -> None:
    state = engine.initial_state(3)
    assert state.batch == 3
    assert (state.arrays["previous"] == -1).all()
    assert not any(state.arrays[name].any() for name in ("velocity", "h", "c"))


def test_block_has_the_shapes_of_its_noise(engine: Engine) -> None:
    block = engine.next_block(engine.initial_state(4), draw(engine, 7, 4))
    assert block.classes.shape == block.entropies.shape == block.log_probs.shape == (7, 4, 5)
    assert block.velocities.shape == (7, 4)
    assert block.state.batch == 4
    assert (block.classes >= 0).all()
    assert (block.classes < engine.bundle.codec.sizes).all()


def test_same_state_and_noise_give_the_same_block(engine: Engine) -> None:
    first = engine.next_block(engine.initial_state(2), draw(engine, 16, 2))
    second = engine.next_block(engine.initial_state(2), draw(engine, 16, 2))
    assert np.array_equal(first.classes, second.classes)
    assert np.array_equal(first.entropies, second.entropies)
    assert same(first.state, second.state)


def test_one_long_block_equals_many_short_ones(engine: Engine) -> None:
    noise = draw(engine, 24, 3)
    whole = engine.next_block(engine.initial_state(3), noise)
    state, parts = engine.initial_state(3), []
    for at, length in ((0, 1), (1, 15), (16, 8)):
        block = engine.next_block(state, noise[at : at + length])
        parts.append(block.classes)
        state = block.state
    assert np.array_equal(np.concatenate(parts), whole.classes)
    assert same(state, whole.state)


def test_candidates_do_not_touch_each_other(engine: Engine) -> None:
    noise = draw(engine, 12, 4)
    together = engine.next_block(engine.initial_state(4), noise)
    alone = engine.next_block(engine.initial_state(1), noise[:, 2:3])
    assert np.array_equal(together.classes[:, 2], alone.classes[:, 0])
    # Other sizes of a product may round differently; measured 1e-7.
    assert together.log_probs[:, 2] == pytest.approx(alone.log_probs[:, 0], abs=1e-5)


def test_going_on_from_a_chosen_candidate(engine: Engine) -> None:
    block = engine.next_block(engine.initial_state(4), draw(engine, 8, 4))
    chosen = block.state.select(2)
    assert chosen.batch == 1
    tiled = chosen.tile(4)
    assert all(same(tiled.select(k), chosen) for k in range(4))
    after = engine.next_block(tiled, np.repeat(draw(engine, 5, 1, seed=1), 4, axis=1))
    assert (after.classes == after.classes[:, :1]).all()


def test_forced_notes_are_played_and_remembered(engine: Engine) -> None:
    codec = engine.bundle.codec
    wanted = np.array([[10, 5, 20, 30, 1], [40, 0, 60, 10, 0], [87, 104, 119, 46, 1]])
    noise = force_classes(draw(engine, 3, 1), wanted, codec)
    block = engine.next_block(engine.initial_state(1), noise)
    assert np.array_equal(block.classes[:, 0], wanted)
    assert np.array_equal(block.state.arrays["previous"], wanted[-1:])


def test_velocity_adds_up_the_changes_within_its_range(engine: Engine) -> None:
    codec = engine.bundle.codec
    changes = np.array([46, 0, 23, 30])
    wanted = np.zeros((4, 5), dtype=np.int64)
    wanted[:, 3] = changes
    block = engine.next_block(
        engine.initial_state(1), force_classes(draw(engine, 4, 1), wanted, codec)
    )
    expected, velocity = [], 0.0
    for change in codec.velocity.centres[changes]:
        velocity = min(max(velocity + change, 20.0), 120.0)
        expected.append(velocity)
    assert block.velocities[:, 0].tolist() == expected
    assert block.state.arrays["velocity"].tolist() == expected[-1:]


def test_forbidden_classes_are_never_played_and_do_not_change_the_entropies(
    engine: Engine,
) -> None:
    codec = engine.bundle.codec
    rng = np.random.Generator(np.random.SFC64(5))
    bias = np.full(codec.offsets[-1], 0.0)
    bias[: codec.sizes[0]] = FORBID
    bias[12:24] = 0.0
    noise = gumbel_noise(rng, (64, 2, codec.offsets[-1]), 1.0, codec, bias)
    block = engine.next_block(engine.initial_state(2), noise)
    assert set(np.unique(block.classes[..., 0])) <= set(range(12, 24))
    free = engine.next_block(engine.initial_state(2), draw(engine, 1, 2))
    assert np.allclose(block.entropies[0, :, 0], free.entropies[0, :, 0], atol=1e-6)


def test_entropies_and_log_probabilities_are_those_of_distributions(engine: Engine) -> None:
    block = engine.next_block(engine.initial_state(8), draw(engine, 32, 8))
    assert (block.entropies >= 0).all()
    assert (block.entropies <= np.log(engine.bundle.codec.sizes) + 1e-5).all()
    assert (block.log_probs <= 0).all()


def test_state_with_other_arrays_is_a_new_state(engine: Engine) -> None:
    state = engine.initial_state(2)
    louder = state.replace(velocity=np.array([64.0, 64.0]))
    assert louder.arrays["velocity"].dtype == np.float32
    assert not state.arrays["velocity"].any()
    with pytest.raises(ValueError, match="no volume"):
        state.replace(volume=np.zeros(2))
    with pytest.raises(ValueError, match="no velocity of shape"):
        state.replace(velocity=np.zeros(3))
    with pytest.raises(TypeError):
        state.arrays["velocity"] = np.zeros(2)  # type: ignore[index]


def test_arguments_out_of_range_are_refused(engine: Engine) -> None:
    state = engine.initial_state(2)
    for noise in (draw(engine, 1, 3), draw(engine, 1, 2)[..., :5], draw(engine, 1, 2)[:0]):
        with pytest.raises(ValueError, match="noise must be"):
            engine.next_block(state, noise)
    with pytest.raises(ValueError, match="batch"):
        engine.initial_state(0)
    with pytest.raises(ValueError, match="repeated"):
        state.tile(3)
    with pytest.raises(IndexError, match=r"0\.\.1"):
        state.select(2)


def test_class_that_does_not_exist_fails_with_one_line(engine: Engine) -> None:
    state = engine.initial_state(1).replace(previous=np.full((1, 5), 99_999))
    with pytest.raises(EngineError) as caught:
        engine.next_block(state, draw(engine, 1, 1))
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_not_played(engine: Engine) -> None:
    state = engine.initial_state(1)
    broken = state.replace(h=np.full_like(state.arrays["h"], np.nan))
    with pytest.raises(EngineError, match="NaN or infinity"):
        engine.next_block(broken, draw(engine, 2, 1))


def test_interrupting_one_stream_leaves_the_other_and_says_nothing(
    bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two engines in one process, each with an interrupt of its own."""
    interrupt = Interrupt()
    ours, theirs = Engine(bundle, Runtime(interrupt=interrupt)), Engine(bundle)
    state, noise, errors = ours.initial_state(8), draw(ours, 200, 8), list[EngineError]()
    playing = threading.Event()

    def play() -> None:
        try:
            while True:
                ours.next_block(state, noise)
                playing.set()
        except EngineError as error:
            errors.append(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    assert playing.wait(20.0)
    interrupt.end_runs()
    thread.join(20.0)
    assert not thread.is_alive()
    assert "terminate" in str(errors[0])
    assert capfd.readouterr().err == ""
    assert theirs.next_block(state, noise[:2]).state.batch == 8


def test_an_interrupted_stream_runs_no_more(bundle: Bundle) -> None:
    """Whoever comes late, between two runs, is ended as well."""
    interrupt = Interrupt()
    interrupt.end_runs()
    engine = Engine(bundle, Runtime(interrupt=interrupt))
    with pytest.raises(EngineError, match="terminate"):
        engine.next_block(engine.initial_state(1), draw(engine, 2, 1))


def test_provider_that_is_not_there_is_named(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="provider must be one of cpu, cuda"):
        Engine(bundle, Runtime("tpu"))
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineError, match="'cuda' is not in this onnxruntime"):
            Engine(bundle, Runtime("cuda"))


def test_model_that_onnx_runtime_refuses_gives_one_line() -> None:
    with pytest.raises(EngineError) as caught:
        open_session(b"no model", where="here")
    assert str(caught.value).startswith("here: ONNX Runtime")
    assert "\n" not in str(caught.value)


def test_no_file_appears_when_the_engine_plays(bundle: Bundle, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from streamer.bundle.bundle import load_bundle\n"
        "from streamer.engine.engine import Engine\n"
        "e = Engine(load_bundle(Path(sys.argv[1])))\n"
        "e.next_block(e.initial_state(1), np.zeros((2, 1, 362), np.float32))\n"
    )
    # CI=true would hide the telemetry; so would a variable that the test itself sets.
    hidden = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, str(bundle.path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []

"""A bundle of tunes: its parts are checked together, and its graphs run."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.engine import Engine, Function
from streamer.engine.noise import force_classes, gumbel_noise
from streamer.errors import BundleError, EngineError, StreamerError
from streamer.families.tunes.spec import ClassifierSpec, classifiers_of, tunes_of
from tests.bundles import TINY_LATENT, tiny_tunes_spec, write_tiny_bundle, write_tiny_tunes_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_tunes_bundle(tmp_path_factory.mktemp("tunes"))


def refusal(folder: Path, **changes: Any) -> str:
    """Change the manifest of a fresh bundle; return the line with which it is refused."""
    path = write_tiny_tunes_bundle(folder).path
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    for dotted, value in changes.items():
        *keys, last = dotted.split("__")
        place = manifest
        for key in keys:
            place = place[int(key) if key.isdigit() else key]
        place[last] = value
    file.write_text(json.dumps(manifest))
    (path / "manifest.sha256").unlink()
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_tunes_bundle_plays_through_the_same_engine(bundle: Bundle) -> None:
    engine, codec = Engine(bundle), bundle.codec
    noise = gumbel_noise(np.random.default_rng(0), (9, 3, codec.offsets[-1]), 1.0, codec)
    block = engine.next_block(engine.initial_state(3), noise)
    assert block.classes.shape == block.entropies.shape == block.log_probs.shape == (9, 3, 3)
    assert block.velocities is None
    assert (block.classes < codec.sizes).all()
    assert set(block.state.arrays) == {"previous", "s", "z", "style"}


def test_latent_is_an_ordinary_state_that_stays_until_it_is_replaced(bundle: Bundle) -> None:
    engine, codec = Engine(bundle), bundle.codec
    noise = np.zeros((4, 1, codec.offsets[-1]), np.float32)
    z = np.full((1, TINY_LATENT), 2.0, np.float32)
    plain = engine.next_block(engine.initial_state(1), noise)
    moved = engine.next_block(engine.initial_state(1).replace(z=z), noise)
    assert np.array_equal(moved.state.arrays["z"], z)
    assert not np.array_equal(plain.log_probs, moved.log_probs)


def test_forced_notes_are_played(bundle: Bundle) -> None:
    engine, codec = Engine(bundle), bundle.codec
    wanted = np.array([[0, 3, 2], [11, 0, 8]])
    noise = force_classes(np.zeros((2, 1, codec.offsets[-1]), np.float32), wanted, codec)
    block = engine.next_block(engine.initial_state(1), noise)
    assert np.array_equal(block.classes[:, 0], wanted)


def test_temperature_may_differ_for_each_of_three_arguments(bundle: Bundle) -> None:
    codec, rng = bundle.codec, np.random.default_rng(0)
    noise = gumbel_noise(rng, (2, 1, codec.offsets[-1]), (0.0, 1.0, 0.0), codec)
    octave = slice(codec.offsets[1], codec.offsets[2])
    assert noise[..., octave].all()
    noise[..., octave] = 0
    assert not noise.any()
    with pytest.raises(ValueError, match="one number or 3, not 5"):
        gumbel_noise(rng, (2, 1, codec.offsets[-1]), (1.0,) * 5, codec)


def test_functions_run_graphs_that_play_nothing(bundle: Bundle) -> None:
    encode, start = Function(bundle, "encode"), Function(bundle, "start")
    style = np.eye(4)[:2]
    found = encode(classes=np.zeros((2, 7, 3)), style=style)
    assert {name: a.shape for name, a in found.items()} == {"mu": (2, 4), "logvar": (2, 4)}
    first = start(z=found["mu"], style=style)["s"]
    assert first.shape == (2, 8)
    assert (np.abs(first) < 1).all()


def test_function_refuses_inputs_that_do_not_fit(bundle: Bundle) -> None:
    encode = Function(bundle, "encode")
    classes, style = np.zeros((2, 7, 3)), np.zeros((2, 4))
    for wrong, words in (
        ({"classes": classes}, "takes"),
        ({"classes": classes, "style": style, "tempo": style}, "takes"),
        ({"classes": classes[0], "style": style}, "classes must be"),
        ({"classes": classes, "style": style[:, :3]}, "style must be"),
        ({"classes": classes, "style": style[:1]}, "style must be"),
    ):
        with pytest.raises(ValueError, match=words):
            encode(**wrong)


def test_function_reports_what_the_runtime_cannot_do_in_one_line(bundle: Bundle) -> None:
    encode, style = Function(bundle, "encode"), np.zeros((1, 4))
    with pytest.raises(EngineError) as caught:
        encode(classes=np.full((1, 3, 3), 99), style=style)
    assert "\n" not in str(caught.value)
    with pytest.raises(EngineError, match="NaN or infinity"):
        encode(classes=np.zeros((1, 3, 3)), style=np.full((1, 4), np.nan))


def test_graph_that_is_not_there_is_named_with_those_there_are(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"no graph 'draw' \(it has step, encode, start\)"):
        Function(bundle, "draw")


def test_style_that_is_not_there_is_named_with_those_there_are(bundle: Bundle) -> None:
    tunes = tunes_of(bundle.manifest)
    assert tunes is not None
    assert tunes.style("jazz").name == "jazz"
    with pytest.raises(StreamerError, match="no style 'polka'; it has bach, folk, jazz, pop"):
        tunes.style("polka")


def test_bundle_of_the_chain_has_no_tunes(tmp_path: Path) -> None:
    manifest = write_tiny_bundle(tmp_path).manifest
    assert (tunes_of(manifest), manifest.expression, classifiers_of(manifest)) == (None, {}, [])


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("styles", ["bach"], "describes the styles"),
        ("tunes__levels", [0.1, 0.9], "hold 0.5"),
        ("tunes__styles__0__mean", [0.0], "latent means"),
        ("tunes__styles__1__sd", [-1.0] * 4, "style folk has a deviation below 0"),
        ("tunes__styles__2__bpm", [120.0], "quantiles of bpm"),
        ("tunes__styles__3__unit_beats", 0.0, "unit_beats"),
        ("tunes__styles__3__pitch", [90, 30], "90..30"),
        ("tunes__styles__3__share", 2.0, "<= 1"),
        ("graphs__0__name", "leap", "needs a graph called step"),
        ("tunes__surprise", 1, "surprise"),
    ],
)
def test_tunes_that_contradict_the_graphs_are_refused(
    tmp_path: Path, where: str, value: Any, words: str
) -> None:
    assert words in refusal(tmp_path, **{where: value})


@pytest.mark.parametrize("change", [{"graph": "nowhere"}, {"style": "polka"}, {"method": "magic"}])
def test_classifier_needs_its_graph_and_style(tmp_path: Path, change: dict[str, str]) -> None:
    spec = ClassifierSpec(
        style="bach", graph="start", threshold=0.5, method="lr", labels="surrogate"
    )
    plain = msgspec.to_builtins(spec)
    bundle = write_tiny_tunes_bundle(tmp_path, classifiers=[spec])
    assert classifiers_of(bundle.manifest) == [spec]
    line = refusal(tmp_path, classifiers=[{**plain, **change}])
    assert next(iter(change.values())) in line


def test_spec_of_the_tiny_bundle_differs_by_style() -> None:
    means = [tuple(style.mean) for style in tiny_tunes_spec().styles]
    assert len({*means}) == len(means)

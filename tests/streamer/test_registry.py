"""The registry of families: who is found by which name, and what a broken package costs."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from streamer import registry
from streamer.bundle.bundle import SHIPPED, load_bundle
from streamer.bundle.codecs import argument_names
from streamer.families.bands.tracks import TRACKS
from streamer.families.tunes.codec import TUNE_ARGUMENTS
from streamer.families.windows.codec import WINDOW_ARGUMENTS
from streamer.music.notes import ARGUMENTS
from streamer.pipeline import family_for
from streamer.registry import FAMILIES, GROUP, Family, built_in, every, family_of, find, opened


def toy(name: str = "toy", **more: object) -> Family:
    fields = {
        "models": ("toy-model",),
        "codecs": {"toy-codec": "toy:Codec"},
        "kind": "step",
        "arguments": ("pitch",),
        "open": "toy:open",
        "floors": "toy:floors",
        "check_defaults": "toy:check",
    }
    return Family(name=name, **{**fields, **more})


TOY = toy()
NO_FAMILY = "a text"


def entry(attribute: str, name: str = "toy") -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", GROUP)


@pytest.fixture
def installed(monkeypatch):
    """Let these entry points be what is installed; return how often they were asked for."""
    asked = []

    def install(*entries: EntryPoint) -> list[str]:
        def entry_points(group: str) -> list[EntryPoint]:
            asked.append(group)
            return list(entries)

        monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
        monkeypatch.setattr("streamer.system.packages.registers", lambda group: True)
        registry.outside.cache_clear()
        return asked

    yield install
    registry.outside.cache_clear()


def test_the_four_families_are_registered_under_their_own_names():
    assert FAMILIES == tuple(family.name for family in built_in())


@pytest.mark.parametrize(
    ("model", "codec", "name"),
    [
        ("chain", "weber-fitted", "chain"),
        ("lm", "tune", "tunes"),
        ("vae", "tune", "tunes"),
        ("vrash", "tune", "tunes"),
        ("draw", "roll", "windows"),
        ("query", "bars", "windows"),
        ("musae", "tracks", "bands"),
    ],
)
def test_a_bundle_is_of_the_family_that_has_its_model(model, codec, name):
    assert name == family_of(model, codec).name


def test_a_model_that_nobody_has_is_of_the_family_of_its_codec(installed):
    installed()
    assert "windows" == family_of("echo", "roll").name
    assert family_of("echo", "unknown") is None


def test_entry_points_are_not_read_while_families_of_the_program_do(installed):
    asked = installed(entry("TOY"))
    family_of("musae", "tracks")
    assert [] == asked
    assert "toy" == family_of("toy-model", "toy-codec").name
    family_of("toy-model", "toy-codec")
    assert [GROUP] == asked


def test_a_family_from_outside_is_listed_after_those_of_the_program(installed):
    installed(entry("TOY"))
    assert [*FAMILIES, "toy"] == [family.name for family in every()]


@pytest.mark.parametrize("attribute", ["NOT_THERE", "NO_FAMILY"])
def test_a_broken_family_is_one_line_and_is_left_out(installed, caplog, attribute):
    installed(entry(attribute), entry("TOY"))
    assert [*FAMILIES, "toy"] == [family.name for family in every()]
    (record,) = caplog.records
    assert record.getMessage().startswith("family toy is left out: ")
    assert "\n" not in record.getMessage()


def test_a_family_from_outside_takes_no_name_of_the_program(installed, caplog):
    installed(EntryPoint("chain", f"{__name__}:TOY", GROUP))
    assert FAMILIES == tuple(family.name for family in every())
    assert 1 == len(caplog.records)


def test_names_with_a_star_stand_for_all_that_begin_so():
    chain = find(lambda family: family.name == "chain")
    assert chain.codec("weber-published") == chain.codec("weber-fitted")
    assert chain.codec("webern") is None


def test_the_registry_imports_nothing_heavy():
    code = "import sys\nfrom streamer.registry import built_in\nbuilt_in()\n"
    code += "print([m for m in ('numpy', 'onnxruntime', 'msgspec', 'rich') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == run.stdout


def dotted_names(family: Family) -> list[str]:
    others = (family.problems, family.controls, family.open, family.floors, family.check_defaults)
    tables = (family.codecs, family.parts, family.settings)
    return [*filter(None, others), *(dotted for table in tables for dotted in table.values())]


@pytest.mark.parametrize("family", built_in(), ids=lambda family: family.name)
def test_every_dotted_name_stands_for_something_in_the_familys_reach(family):
    for dotted in dotted_names(family):
        assert opened(dotted) is not None
        assert dotted.startswith((f"streamer.families.{family.name}.", "streamer.generators."))


@pytest.mark.parametrize("name", ["piano", "tunes", "beethoven", "answer", "band"])
def test_arguments_are_those_of_the_bundles_codec(name):
    codec = load_bundle(SHIPPED / name).codec
    assert len(codec.sizes) == len(argument_names(codec))


def test_arguments_have_the_names_that_the_codecs_give_them():
    named = (ARGUMENTS, TUNE_ARGUMENTS, WINDOW_ARGUMENTS, TRACKS)
    assert named == tuple(family.arguments for family in built_in())


@pytest.mark.parametrize("name", ["piano", "tunes", "beethoven", "answer", "band"])
def test_defaults_of_every_bundle_that_ships_can_be_used(name):
    bundle = load_bundle(SHIPPED / name)
    opened(family_for(bundle).check_defaults)(bundle)

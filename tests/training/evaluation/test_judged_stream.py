"""`--judge` in the stream: references from the bundle, drops counted, one line where none are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from streamer.bundle.manifest import JudgeSpec
from streamer.errors import BundleError
from streamer.music.notes import from_array
from streamer.pipeline import Source, open_source
from streamer.settings.settings import ModelSettings, Settings
from tests.bundles import write_tiny_bundle
from tests.training.evaluation.pieces import tunes
from training.evaluation.judges import fit_judges


def opened(folder: Path, judge: str, **more: object) -> Source:
    bundle = write_tiny_bundle(folder, **more)
    model = ModelSettings(model=str(bundle.path), seed=1, judge=judge)  # type: ignore[arg-type]
    settings = replace(Settings(), model=model)
    return open_source(settings=settings)


def specs() -> dict[str, JudgeSpec]:
    return {k: msgspec.convert(v, JudgeSpec) for k, v in fit_judges(tunes(12)).items()}


@pytest.mark.parametrize("judge", ["signature", "entropy", "both"])
def test_an_untrained_model_is_dropped_by_the_judge_and_counted(tmp_path: Path, judge: str) -> None:
    source = opened(tmp_path, judge, judges=specs())
    for _ in range(6):
        source.next_phrase()
    dropped = source.generator.stats.to_dict()["dropped"]
    wanted = {"signature", "entropy"} if judge == "both" else {judge}
    assert wanted & set(dropped)
    assert not {"signature", "entropy"} - wanted & set(dropped)


def test_without_a_judge_nothing_is_judged(tmp_path: Path) -> None:
    source = opened(tmp_path, "none", judges=specs())
    for _ in range(4):
        source.next_phrase()
    assert not {"signature", "entropy"} & set(source.generator.stats.to_dict()["dropped"])


def test_the_stream_goes_on_when_a_judge_drops_everything(tmp_path: Path) -> None:
    strict = {k: msgspec.structs.replace(s, limit=1e-6) for k, s in specs().items()}
    source = opened(tmp_path, "both", judges=strict)
    phrases = [source.next_phrase() for _ in range(5)]
    assert all(p.notes for p in phrases)
    assert source.generator.stats.to_dict()["relaxed"]


def test_a_bundle_without_references_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no reference for the judge signature; play with") as no:
        opened(tmp_path, "signature")
    assert "\n" not in str(no.value)


def test_the_made_up_corpus_itself_would_be_kept() -> None:
    from streamer.music.notes import Phrase
    from streamer.selection.filters import Context
    from streamer.selection.judges import make_judges

    judges = make_judges("both", fit_judges(tunes(20)))
    kept = 0
    for piece in tunes(20, 300):
        notes = from_array(piece[100:164])
        phrase = Phrase(notes[32:], piece["pitch"][:32], notes[31].onset_ms, notes[-1].onset_ms)
        kept += all(judge(phrase, Context(recent=notes[:32])) is None for judge in judges)
    assert kept >= 15

"""Codecs are found by their names, whichever family they belong to."""

import pytest

from streamer.bundle.codecs import Codec, argument_names, codec_as, codec_from_dict
from streamer.families.bands.codec import BandCodec
from streamer.families.chain.codec import ChainCodec, published_codec
from streamer.families.tunes.codec import TuneCodec
from tests.bundles import tiny_tune_codec


@pytest.mark.parametrize(
    "codec",
    [published_codec(), tiny_tune_codec(), BandCodec(), BandCodec(4, 256, "release")],
    ids=lambda c: c.name,
)
def test_codec_comes_back_from_its_plain_form(codec: Codec) -> None:
    again = codec_from_dict(codec.to_dict())
    assert again == codec
    assert again.fingerprint == codec.fingerprint
    assert len(argument_names(codec)) == len(codec.sizes)


def test_name_that_no_codec_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no codec is called 'braille'; there are weber-\*, tune"):
        codec_from_dict({"name": "braille"})


def test_codec_of_another_family_is_refused_by_name() -> None:
    assert codec_as(tiny_tune_codec(), TuneCodec).octaves == 4
    with pytest.raises(ValueError, match="codec tune is no ChainCodec"):
        codec_as(tiny_tune_codec(), ChainCodec)

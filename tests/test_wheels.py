"""What the edge asks for on each Python; that wheels fit is shown with the package index alone."""

import pytest

from tests import wheels


@pytest.mark.parametrize("machine", wheels.MACHINES)
def test_nothing_that_must_be_compiled_is_asked_for(machine):
    asked = {python: " ".join(wheels.wanted(python, machine)) for python in wheels.PYTHONS}
    assert [python for python, names in asked.items() if "rtmidi" in names] == ["3.11", "3.12"]
    for names in asked.values():
        for name in ("onnxruntime", "h11", "paho-mqtt", "prometheus-client"):
            assert name in names


@pytest.mark.benchmark
@pytest.mark.parametrize("machine", wheels.MACHINES)
@pytest.mark.parametrize("python", wheels.PYTHONS)
def test_all_that_is_asked_for_is_a_wheel(python, machine):
    """With the network; without it a line says that nothing was shown."""
    try:
        assert wheels.resolve(python, machine) == ""
    except wheels.Offline as offline:
        pytest.skip(f"no package index: {offline}")

"""Precisions: what the chip has, and never what is emulated."""

import pytest

from carlib import runtime
from carlib.backbones import precisions
from carlib.backbones.backbone import Backbone
from carlib.errors import OptionError
from tests.backbones.noise import OF_FLOATS, near, noise


@pytest.mark.parametrize("precision", OF_FLOATS)
def test_each_precision_is_what_it_says(exact, precision):
    pixels = noise(4)
    difference = near(exact.at(precision).features(pixels), exact.features(pixels))
    assert difference == 0 if precision == "float32" else 1e-4 < difference < 0.1


class Chip:
    """What OpenVINO says of a chip that is not at hand."""

    def __init__(self, hint, capabilities):
        self.hint, self.capabilities = hint, capabilities

    def get_property(self, device, name):
        if name == "OPTIMIZATION_CAPABILITIES":
            return self.capabilities
        return type("Hint", (), {"to_string": lambda _: self.hint})()


@pytest.mark.parametrize(
    ("hint", "capabilities", "native"),
    [
        ("f32", ["FP32", "INT8", "BF16"], "float32"),  # AVX512 that emulates bfloat16
        ("bf16", ["FP32", "INT8", "BF16"], "bfloat16"),
        ("f16", ["FP32", "FP16"], "float16"),
        ("f32", ["FP32"], "float32"),
    ],
)
def test_auto_takes_what_the_chip_has_and_never_what_is_emulated(
    monkeypatch, hint, capabilities, native
):
    monkeypatch.setattr(runtime, "core", lambda: Chip(hint, capabilities))
    monkeypatch.setattr(runtime, "openvino", lambda: True)
    monkeypatch.setattr(precisions, "native", precisions.native.__wrapped__)
    monkeypatch.setattr(precisions, "supported", precisions.supported.__wrapped__)
    assert precisions.resolve("auto") == native
    assert precisions.resolve("float32") == "float32"
    if "FP16" not in capabilities:
        with pytest.raises(OptionError, match="can't compute at float16"):
            precisions.resolve("float16")


def test_a_precision_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(OptionError, match="bfloat16, float16, int8.*'half'"):
        Backbone("EfficientNetLite0", precision="half")


def test_the_precision_is_part_of_the_fingerprint(exact):
    others = {exact.at(precision).fingerprint for precision in OF_FLOATS}
    assert len(others) == len(OF_FLOATS)
    assert Backbone("EfficientNetLite0").fingerprint in others

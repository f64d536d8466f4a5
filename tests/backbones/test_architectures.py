"""The networks that a backbone can be, and their table."""

import pytest

from carlib import runtime
from carlib.backbones import architectures
from carlib.backbones.architectures import ARCHS
from carlib.backbones.backbone import Backbone
from carlib.errors import OptionError
from carlib.model.file import N_WEIGHTS


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_every_network_is_as_wide_and_as_large_as_its_tables_say(arch):
    architecture = architectures.find(arch)
    with runtime.plain_float32():
        network = architecture.build()
    size = architecture.input_size
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, architecture.n_features)
    assert network.count_params() == N_WEIGHTS[arch]


def test_the_name_may_be_written_in_any_case_and_an_unknown_one_lists_all():
    assert Backbone("efficientnetlite0").arch == "EfficientNetLite0"
    assert architectures.find("EFFICIENTNETLITE0-288-layers").input_size == 288
    with pytest.raises(OptionError, match="InceptionV3, MobileNetV2.*'VGG'$"):
        Backbone("VGG")


def test_a_name_that_is_nearly_one_is_asked_about():
    with pytest.raises(OptionError, match="did you mean EfficientNetLite0-layers[?]$"):
        Backbone("EfficientNetLite0-layer")

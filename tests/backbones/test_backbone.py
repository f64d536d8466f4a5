"""The networks: their weights, where those come from, and what they see."""

import shutil

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import architectures, efficientnet_lite
from carlib.backbones.architectures import ARCHS
from carlib.backbones.backbone import Backbone
from carlib.backbones.weights import resolve_arch
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data import images, locate, table
from carlib.errors import OptionError, WeightsError

CARS = {  # ImageNet classes that are a car, or a part or a place of one
    *(407, 436, 468, 479, 511, 555, 569, 581, 586, 609, 627, 654, 656, 661, 675, 705),
    *(717, 734, 751, 757, 779, 803, 817, 829, 864, 867, 874, 475, 479, 785, 535, 518),
}


def noise(backbone, n=2):
    shape = (n, backbone.input_size, backbone.input_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty KERAS_HOME, and no network that answers."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(architectures, "KERAS_WEIGHTS", "http://127.0.0.1:9")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.mark.parametrize(
    "arch", ["InceptionV3", "MobileNetV2-0.35", "MobileNetV2-1.3", "ResNet50V2"]
)
def test_a_network_with_random_weights_gives_features_of_the_stated_width(arch):
    backbone = Backbone(arch, weights=None)
    features = backbone.features(noise(backbone))
    assert features.shape == (2, backbone.n_features)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_every_network_is_as_wide_as_its_table_says(arch):
    architecture = architectures.find(arch)
    with runtime.plain_float32():
        network = architecture.build()
    size = architecture.input_size
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, architecture.n_features)


def test_the_name_may_be_written_in_any_case_and_an_unknown_one_lists_all():
    assert Backbone("efficientnetlite0").arch == "EfficientNetLite0"
    with pytest.raises(OptionError, match="InceptionV3, MobileNetV2.*'VGG'"):
        Backbone("VGG")


def test_random_weights_follow_the_seed():
    one, same, other = (
        Backbone("MobileNetV2-0.35", weights=None, seed=seed) for seed in (3, 3, 4)
    )
    pixels = noise(one)
    np.testing.assert_array_equal(one.features(pixels), same.features(pixels))
    assert np.abs(one.features(pixels) - other.features(pixels)).max() > 1e-3
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_photos_features_do_not_depend_on_the_other_photos(backbone):
    pixels = noise(backbone, 5)
    together = backbone.features(pixels)
    alone = np.concatenate([backbone.features(pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(together, alone)


def test_no_photos_give_no_features(backbone):
    assert backbone.features(noise(backbone)[:0]).shape == (0, 1280)


def test_efficientnet_sees_cars_in_the_drawn_photos(photos, backbone, workspace):
    features = compute_bottlenecks(photos, backbone, workspace)
    assert share_of_cars(features) > 0.5


def test_efficientnet_sees_cars_in_the_real_photos(real_photos, tmp_path, backbone):
    photos = table.load_index(locate.locate_data(real_photos, home=tmp_path))
    some = photos.sample(100, random_state=0)
    assert share_of_cars(compute_bottlenecks(some, backbone, None)) > 0.6


def share_of_cars(features):
    path = efficientnet_lite.checkpoint_path()
    _, (kernel, bias) = efficientnet_lite.imagenet_weights(path)
    return np.isin((features @ kernel + bias).argmax(axis=1), list(CARS)).mean()


def test_mobilenet_035_loads_from_a_keras_home(keras_home, keras_cache):
    file = architectures.find("MobileNetV2-0.35").file
    shutil.copy(keras_home / "models" / file, keras_cache)
    backbone = Backbone("MobileNetV2-0.35")
    assert backbone.weights_name == "imagenet"
    assert backbone.features(noise(backbone)).std(axis=1).min() > 0.1


@pytest.fixture(scope="module")
def donor():
    """A network whose weights tests save, to load them again."""
    return Backbone("InceptionV3", weights=None, seed=7)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["cache", "given.h5", "given.weights.h5"])
def test_inception_loads_kerass_own_layouts(keras_cache, donor, name):
    core = donor.network.layers[-1]
    file = architectures.find("InceptionV3").file
    path = keras_cache / (file if name == "cache" else name)
    save_weights(core, path)
    loaded = Backbone("InceptionV3", "imagenet" if name == "cache" else path)
    pixels = noise(donor)
    np.testing.assert_array_equal(loaded.features(pixels), donor.features(pixels))


def save_weights(core, path):
    """Save as Keras does; the downloads are in its older, "legacy" layout."""
    if path.name.endswith(".weights.h5"):
        core.save_weights(path)
        return
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, core)


def test_missing_weights_name_the_file_its_address_and_the_way_on(keras_cache):
    with pytest.raises(WeightsError) as caught:
        Backbone("ResNet50V2")
    text = str(caught.value)
    for part in ("resnet50v2", "http://127.0.0.1:9", "KERAS_HOME", "EfficientNetLite0"):
        assert part in text
    assert list(keras_cache.iterdir()) == []


def test_weights_of_another_network_are_refused_by_name(tmp_path, keras_home):
    path = keras_home / "models" / architectures.find("MobileNetV2-0.35").file
    with pytest.raises(WeightsError, match="do not fit ResNet50V2"):
        Backbone("ResNet50V2", weights=path).engine()
    with pytest.raises(WeightsError, match="not there"):
        Backbone("ResNet50V2", weights=tmp_path / "none.h5")


def test_auto_falls_back_on_the_embedded_backbone_and_says_why(keras_cache, capsys):
    assert resolve_arch("auto") == "EfficientNetLite0"
    said = capsys.readouterr().out
    assert "InceptionV3's ImageNet weights" in said
    assert "no connection" in said


def test_auto_takes_inception_where_its_weights_lie_in_the_cache(keras_cache):
    (keras_cache / architectures.find("InceptionV3").file).write_bytes(b"weights")
    assert resolve_arch("auto") == "InceptionV3"


def test_the_fingerprint_changes_with_network_and_weights_only(backbone):
    assert Backbone("EfficientNetLite0").fingerprint == backbone.fingerprint
    vector = backbone.weights_vector()
    again = Backbone("EfficientNetLite0", weights=vector)
    pixels = noise(backbone)
    np.testing.assert_array_equal(again.features(pixels), backbone.features(pixels))
    with pytest.raises(ValueError, match="read-only"):
        vector[0] += 1
    vector = vector.copy()
    vector[0] += 1
    changed = Backbone("EfficientNetLite0", weights=vector)
    assert again.fingerprint == backbone.fingerprint != changed.fingerprint
    with pytest.raises(WeightsError, match="expected 3,413,024"):
        Backbone("EfficientNetLite0", weights=vector[1:]).features(pixels)


def test_other_settings_of_the_process_do_not_reach_the_network(photos):
    keras = runtime.keras()
    pixels = images.resize(images.decode(images.read(photos.image_path[0])), 224)
    plain = Backbone("MobileNetV2-0.35", weights=None).features(pixels[None])
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = Backbone("MobileNetV2-0.35", weights=None).features(pixels[None])
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(plain, mixed)

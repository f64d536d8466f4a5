"""Weights: read once, in Keras's order, and refused where they are no numbers."""

import shutil

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from carlib.backbones import architectures
from carlib.backbones.backbone import Backbone
from carlib.backbones.weights import resolve_arch
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.errors import WeightsError

pytestmark = pytest.mark.filterwarnings(  # of Keras, when it saves the old layout
    "ignore:__array__ implementation:DeprecationWarning"
)


def donor(arch, seed=7):
    return Backbone(arch, weights=None, seed=seed, precision="float32")


def save(backbone, path):
    """Save as Keras's downloads are, without the classifier."""
    with h5py.File(path, "w") as file:
        core = backbone.network.layers[-1]
        legacy_h5_format.save_weights_to_hdf5_group(file, core)
    return path


@pytest.fixture(scope="module")
def small():
    return donor("MobileNetV2-0.35")


@pytest.fixture
def file(small, tmp_path):
    return save(small, tmp_path / "small.h5")


@pytest.mark.parametrize("arch", ["InceptionV3", "ResNet50V2", "MobileNetV2-0.35"])
def test_a_file_is_read_in_the_networks_order_without_the_network(arch, tmp_path):
    given = donor(arch)
    read = Backbone(arch, save(given, tmp_path / "w.h5"), precision="float32")
    expected = np.concatenate([w.ravel() for w in given.network.get_weights()])
    np.testing.assert_array_equal(read.weights_vector(), expected)
    assert "_core" not in vars(read)
    by_vector = Backbone(arch, expected, precision="float32")
    assert read.fingerprint == by_vector.fingerprint


def test_kerass_own_download_is_read_as_keras_reads_it(keras_home):
    path = keras_home / "models" / architectures.find("MobileNetV2-0.35").file
    core = architectures.find("MobileNetV2-0.35").build()
    core.load_weights(path)
    expected = np.concatenate([weight.ravel() for weight in core.get_weights()])
    read = Backbone("MobileNetV2-0.35", path).weights_vector()
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(file, value):
    """They would give wrong features without a sign."""
    with h5py.File(file, "r+") as opened:
        opened["Conv1/Conv1/kernel"][0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match="not numbers"):
        Backbone("MobileNetV2-0.35", file).fingerprint  # noqa: B018


def test_a_file_overwritten_meanwhile_changes_neither_key_nor_network(
    small, file, photos, tmp_path
):
    """The features that lie under a fingerprint are those of its weights."""
    backbone = Backbone("MobileNetV2-0.35", file, precision="float32")
    key = backbone.fingerprint
    save(donor("MobileNetV2-0.35", seed=8), file)
    given = compute_bottlenecks(photos[:3], backbone, tmp_path / "w", progress=False)
    expected = compute_bottlenecks(photos[:3], small, None, progress=False)
    np.testing.assert_array_equal(given, expected)
    by_vector = Backbone("MobileNetV2-0.35", small.weights_vector(), 1, "float32")
    assert backbone.fingerprint == key == by_vector.fingerprint
    assert backbone.at("float32").fingerprint == key
    again = Backbone("MobileNetV2-0.35", file, precision="float32")
    assert again.fingerprint != key


def test_a_file_that_leads_into_another_is_refused(file, tmp_path):
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as opened:
        opened["numbers"] = np.zeros((3, 3, 3, 16), np.float32)
    with h5py.File(file, "r+") as opened:
        del opened["Conv1/Conv1/kernel"]
        opened["Conv1/Conv1/kernel"] = h5py.ExternalLink(str(other), "numbers")
    with pytest.raises(WeightsError, match="another file"):
        Backbone("MobileNetV2-0.35", file).weights_vector()


def test_a_file_that_says_it_is_huge_is_refused_before_it_is_read(file):
    with h5py.File(file, "r+") as opened:
        del opened["Conv1/Conv1/kernel"]
        opened.create_dataset(
            "Conv1/Conv1/kernel", (1 << 20, 1 << 10), "f4", chunks=True
        )
    with pytest.raises(WeightsError, match="more than"):
        Backbone("MobileNetV2-0.35", file).weights_vector()


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(99)])
def test_a_damaged_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "w.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.h5 do not fit MobileNetV2"):
        Backbone("MobileNetV2", path).fingerprint  # noqa: B018


def noise(backbone, n=2):
    shape = (n, backbone.input_size, backbone.input_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_mobilenet_035_loads_from_a_keras_home(keras_home, keras_cache):
    file = architectures.find("MobileNetV2-0.35").file
    shutil.copy(keras_home / "models" / file, keras_cache)
    backbone = Backbone("MobileNetV2-0.35")
    assert backbone.weights_name == "imagenet"
    assert backbone.features(noise(backbone)).std(axis=1).min() > 0.1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["cache", "given.h5", "given.weights.h5"])
def test_inception_loads_kerass_own_layouts(keras_cache, name):
    given = donor("InceptionV3")
    core = given.network.layers[-1]
    file = architectures.find("InceptionV3").file
    path = keras_cache / (file if name == "cache" else name)
    save_weights(core, path)
    loaded = Backbone(
        "InceptionV3", "imagenet" if name == "cache" else path, precision="float32"
    )
    pixels = noise(given)
    np.testing.assert_array_equal(loaded.features(pixels), given.features(pixels))


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

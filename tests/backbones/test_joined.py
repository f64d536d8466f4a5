"""Backbones whose features are joined: made of names, and told of."""

import numpy as np
import pytest

from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import (
    about_weights,
    backbones_of,
    name_of,
    parts_of,
    problems_of,
)
from carlib.errors import OptionError
from carlib.exports.export import export
from carlib.model.model import load_model


def test_a_name_a_backbone_and_a_list_of_both_will_do(backbone):
    drawn = Backbone("MobileNetV2-0.35", weights=None)
    assert backbones_of(backbone) == (backbone,)
    (named,) = backbones_of("efficientnetlite0")
    assert named.fingerprint == backbone.fingerprint
    joined = backbones_of([drawn, "EfficientNetLite0"])
    assert name_of(joined) == "MobileNetV2-0.35 + EfficientNetLite0"
    assert about_weights(joined) == [
        "The weights of MobileNetV2-0.35 are random: it never saw a photo."
    ]


@pytest.mark.parametrize("arch", [[], ["EfficientNetLite0", "efficientnetlite0"]])
def test_none_or_one_twice_is_refused(arch):
    with pytest.raises(OptionError, match="different networks"):
        backbones_of(arch)


def test_what_is_wrong_is_told_without_a_look_at_weights(backbone):
    assert list(problems_of(["auto", "InceptionV3", backbone])) == []
    problems = list(problems_of(["VGG99", 3, None]))
    assert len(problems) == 3
    assert "InceptionV3" in problems[0] and "'VGG99'" in problems[0]
    assert "Received: 3" in problems[1]


@pytest.mark.slow
def test_one_network_at_two_sizes_is_joined_saved_and_exported(
    trainer, few, photos, tmp_path
):
    names = ["EfficientNetLite0-layers", "EfficientNetLite0-288"]
    model = trainer(arch=names, epoch=3, augment="flip").fit(few)
    assert model.head.kernel.shape == (1984 + 1280, 8)
    model.save(tmp_path / "m.zip")
    loaded = load_model(tmp_path / "m.zip")
    classes = list(model.class_names)
    expected = model.predict(photos[:4], progress=False)[classes]
    given = loaded.predict(photos[:4], progress=False)[classes]
    np.testing.assert_array_equal(given, expected)
    assert set(export(loaded, tmp_path / "exported")) == {"saved_model", "pb"}


def test_names_joined_by_plus_are_a_list_of_them(random):
    assert parts_of("A+B") == parts_of("A + B") == ["A", "B"]
    assert parts_of(["A+B", random]) == ["A", "B", random]
    made = backbones_of("EfficientNetLite0+EfficientNetLite0-layers")
    assert name_of(made) == "EfficientNetLite0 + EfficientNetLite0-layers"
    assert [*problems_of("EfficientNetLite0+Nope")][0].endswith("arch='Nope'")
    assert len([*problems_of("+")]) == 2

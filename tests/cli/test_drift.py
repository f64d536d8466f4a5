"""The command `carlib drift`, and what predict says of answers that aren't sure."""

import json

import numpy as np
import pytest
from PIL import Image

import carlib
from carlib.data.table import load_index
from tests.cli.typed import failure, run
from tests.sure import able_to_tell


@pytest.fixture(scope="module")
def sure(model, sample, workspace, tmp_path_factory):
    photos = load_index(sample)
    made = able_to_tell(
        carlib.load_model(model, workspace), photos[photos.subset == "T"], workspace
    )
    return made.save(tmp_path_factory.mktemp("sure") / "sure.zip")


@pytest.fixture
def noise(tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(12):
        pixels = generator.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def fresh(sample):
    photos = load_index(sample)
    return photos[photos.subset == "V"]["image_path"].tolist()


def test_photos_like_those_trained_on_leave_with_0(sure, sample):
    result = run("drift", sure, *fresh(sample))
    assert result.exit_code == 0, result.stderr
    assert "Nothing says that these photos differ" in result.stdout


def test_photos_that_are_unlike_leave_with_1_and_say_so_as_json(sure, noise):
    result = run("drift", sure, noise, "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["found"] and said["n"] == 12
    assert {row["measure"] for row in said["table"]} == {"distance", "unlike", "unsure"}


def test_a_model_that_cannot_tell_is_an_error_in_words(model, noise):
    assert "can't tell how sure" in failure("drift", model, noise)


def test_an_alpha_that_is_none_is_a_usage_error(sure, noise):
    assert run("drift", sure, noise, "--alpha", "1.5").exit_code == 2


def test_predict_says_what_is_not_sure_and_why(sure, noise, sample):
    photos = [noise / "0.png", fresh(sample)[0]]
    text = run("predict", sure, *photos).stdout.splitlines()
    assert "(unlike the photos it was trained on" in text[0]
    odd, other = json.loads(run("predict", sure, *photos, "--json").stdout)[
        "predictions"
    ]
    assert odd["refused"] is True and odd["why"].startswith("unlike the photos")
    assert odd["distance"] > other["distance"] > 0
    assert other["refused"] == bool(other["why"])

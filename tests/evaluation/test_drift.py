"""Whether photos still look like those trained on: false alarms, power, words."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import binomtest

from carlib.data.labels import labels_of
from carlib.data.table import load_index
from carlib.errors import DataError, OptionError
from carlib.evaluation.drift import compared, drift
from carlib.model.confidence import make_confidence
from tests.sure import able_to_tell, features_of, held_out


@pytest.fixture(scope="module")
def foreign():
    """Thirty pictures that show no car: noise, gradients, flat colours."""
    generator = np.random.default_rng(0)
    shape, ramp = (64, 64, 3), np.linspace(0, 1, 64)[:, None, None]
    noise = [generator.integers(0, 256, shape, np.uint8) for _ in range(10)]
    pairs = generator.integers(0, 256, (10, 2, 3))
    ramps = [(a * ramp + b * (1 - ramp)) * np.ones(shape) for a, b in pairs]
    flat = [np.full(shape, generator.integers(0, 256, 3)) for _ in range(10)]
    return [each.astype(np.uint8) for each in (*noise, *ramps, *flat)]


def alarms(photos, features, strange, shares, times, n, seed=0):
    """How many times drift is found if n photos are held out, a share foreign."""
    _, labels = np.unique(labels_of(photos), return_inverse=True)
    scores = held_out(features, labels)
    generator, found = np.random.default_rng(seed), {share: [] for share in shares}
    for _ in range(times):
        order = generator.permutation(len(labels))
        new, old = order[:n], order[n:]
        made = make_confidence(scores[old], labels[old], features[old], old)
        odd = made.distances(strange[generator.integers(len(strange), size=n)])
        own, tops = made.distances(features[new]), scores[new].max(axis=1)
        for share in shares:
            distances = np.where(np.arange(n) < share * n, odd, own)
            found[share].append(compared(made, tops, distances).found)
    return {share: sum(each) for share, each in found.items()}


def is_at_most(count, times, share):
    """Whether nothing says that it happens more often: the count is a draw, too."""
    return binomtest(count, times, share, alternative="greater").pvalue > 0.05


def test_false_alarms_are_rare_and_a_fifth_that_is_foreign_is_found(
    photos, foreign, backbone, workspace
):
    features = features_of(photos, backbone, workspace)
    strange = features_of(foreign, backbone, None)
    found = alarms(photos, features, strange, (0, 0.2), times=60, n=60)
    assert is_at_most(found[0], 60, 0.05)
    assert found[0.2] >= 57


@pytest.mark.slow
def test_so_it_is_with_real_photos(real_photos, foreign, backbone, tmp_path):
    from carlib.data.locate import locate_data

    photos = load_index(locate_data(real_photos, home=tmp_path))
    features = features_of(photos, backbone, None)
    strange = features_of(foreign, backbone, None)
    found = alarms(photos, features, strange, (0, 0.2), times=300, n=100)
    assert is_at_most(found[0], 300, 0.05)
    assert found[0.2] == 300


@pytest.fixture(scope="module")
def sure(trained, photos, workspace):
    return able_to_tell(trained, photos[photos.subset == "T"], workspace)


def test_photos_of_the_same_kind_raise_no_alarm(sure, photos):
    found = drift(sure, photos[photos.subset == "V"], progress=False)
    assert not found.found and found.p >= 0.05
    assert found.n == 40 and found.n_known == 0
    assert str(found).startswith("Nothing says that these photos differ")
    assert "Among fewer than 50 only a large change shows" in str(found)


def test_photos_of_something_else_do(sure, foreign):
    found = drift(sure, foreign, progress=False)
    assert found.found and found.p < 1e-6
    table = found.table.set_index("measure")
    assert table["photos"]["distance"] > table["trained_on"]["distance"]
    assert table["photos"]["unlike"] == 1
    assert table["trained_on"]["unlike"] < 0.06
    said = str(found)
    assert said.startswith("These photos don't look like those")
    assert "< 0.001" in said and "share unlike the training photos" in said
    assert json.loads(json.dumps(found.to_dict()))["table"][1]["photos"] == 1
    assert repr(found) == str(found)


def test_photos_trained_on_are_left_out_and_copies_count_once(sure, photos):
    known, new = photos[photos.subset == "T"][:5], photos[photos.subset == "V"][:6]
    paths = [*known["image_path"], *new["image_path"], *new["image_path"][:3]]
    found = drift(sure, paths, progress=False)
    assert (found.n, found.n_known) == (6, 5)
    assert "Left out, as the model was trained on them: 5." in str(found)
    with pytest.raises(DataError, match="none of them new"):
        drift(sure, known, progress=False)


def test_photos_that_cannot_be_read_are_left_out_if_asked(sure, photos):
    paths = ["missing.jpeg", *photos[photos.subset == "V"]["image_path"][:3]]
    found = drift(sure, paths, on_error="skip", progress=False)
    assert (found.n, found.n_unread) == (3, 1)
    assert "can't be read: 1" in str(found)


def test_what_cannot_be_judged_is_refused(sure, photos):
    plain = dataclasses.replace(sure, confidence=None)
    with pytest.raises(OptionError, match="can't tell how sure"):
        drift(plain, photos)
    for alpha in (0, 1, None, "0.05"):
        with pytest.raises(OptionError, match="alpha between 0 and 1"):
            drift(sure, photos, alpha=alpha)


def test_an_alarm_is_as_rare_as_asked_for(sure, photos):
    new = photos[photos.subset == "V"]
    p = drift(sure, new, progress=False).p
    found = drift(sure, new, alpha=min(0.999, p + 1e-6), progress=False)
    assert found.found == (p + 1e-6 < 0.999)

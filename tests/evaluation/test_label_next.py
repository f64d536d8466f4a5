"""Which photos to label next: unsure ones, unlike one another, copies once."""

import numpy as np
import pytest

from carlib.errors import ImageError, OptionError
from carlib.evaluation.label_next import AMONG, label_next, margins, spread


def test_the_least_sure_comes_first_then_what_is_unlike_it():
    scores = np.array([[0.5, 0.5], [0.52, 0.48], [0.55, 0.45], [0.99, 0.01]])
    features = np.array([[1, 0], [1.01, 0], [-1, 0.1], [0, 5]], float)
    chosen = spread(scores, features, np.arange(4), n=2)
    assert chosen.tolist()[0] == 0 and chosen.tolist()[1] != 1


def test_only_the_least_sure_are_chosen_from():
    generator = np.random.default_rng(1)
    margin = np.linspace(0, 1, 100)
    scores = np.stack([0.5 + margin / 2, 0.5 - margin / 2], axis=1)
    chosen = spread(scores, generator.normal(size=(100, 5)), np.arange(100), n=6)
    assert len(set(chosen.tolist())) == 6 and chosen.max() < AMONG * 6


def test_of_copies_one_is_chosen():
    scores = np.full((6, 2), 0.5)
    features = np.repeat(np.eye(3), 2, axis=0)
    chosen = spread(scores, features, np.arange(6) // 2, n=5)
    assert sorted((chosen // 2).tolist()) == [0, 1, 2]
    assert spread(np.empty((0, 2)), np.empty((0, 3)), np.empty(0), n=5).size == 0


def test_the_margin_is_between_the_two_likeliest():
    scores = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(margins(scores), [0.2, 0.7])


def test_it_returns_what_predict_says_of_the_photos_chosen(trained, photos):
    pool = photos[photos.subset == "V"].drop(columns="damage_class")
    chosen = label_next(trained, pool, 7, progress=False)
    said = trained.predict(pool, progress=False)
    assert len(chosen) == 7 and chosen.index.isin(pool.index).all()
    columns = list(trained.class_names)
    np.testing.assert_allclose(chosen[columns], said.loc[chosen.index, columns])
    assert chosen.margin.iloc[0] == pytest.approx(margins(said[columns]).min())
    assert chosen.margin.max() < np.median(margins(said[columns])) + 0.3


def test_photos_that_can_not_be_read_are_left_out_if_asked(trained, three_files):
    with pytest.raises(ImageError):
        label_next(trained, three_files, 5, progress=False)
    chosen = label_next(trained, three_files, 5, on_error="skip", progress=False)
    assert sorted(chosen.index) == [0, 2]


@pytest.fixture
def three_files(photos, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    return [photos.image_path[0], str(bad), photos.image_path[1]]


@pytest.mark.parametrize("n", [0, -3, 2.5, "5"])
def test_no_photos_can_not_be_asked_for(trained, photos, n):
    with pytest.raises(OptionError, match="1 or more"):
        label_next(trained, photos, n)

"""The picture of overfitting, and the moving one."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import carlib
from carlib.errors import DataError
from carlib.explain.overfitting import overfit


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    labels = np.repeat(["dent", "lamp"], 30)
    features = rng.normal(size=(60, 20)).astype(np.float32)
    features[:, 0] += np.repeat([0, 2], 30)
    return features, labels


@pytest.fixture(scope="module")
def film(drawn):
    return carlib.watch_overfitting(*drawn, epochs=30)


def curves(ax):
    return {line.get_label(): line for line in ax.lines if line.get_label()[0] != "_"}


def test_a_column_a_head_with_both_curves_and_where_the_best_epoch_was(drawn):
    figure = carlib.plot_overfitting(*drawn, epochs=30)
    history = overfit(*drawn, epochs=30)
    grid = np.reshape(figure.axes, (2, 2))
    for column, (name, rows) in zip(grid.T, history.groupby("head"), strict=True):
        title = f"A head of {name}, {rows['weights'].iloc[0]:,} weights\nAccuracy"
        assert column[0].get_title(loc="left") == title
        judged = rows[rows["dataset"] == "Validation"]
        line = curves(column[1])["validation"]
        np.testing.assert_allclose(line.get_ydata(), judged["cross_entropy"])
        np.testing.assert_allclose(line.get_xdata(), judged["epoch"] + 1)
        star = next(line for line in column[1].lines if line.get_marker() == "*")
        assert star.get_ydata()[0] == judged["cross_entropy"].min()
    looks = {
        (line.get_linestyle(), line.get_marker())
        for line in curves(grid[0, 0]).values()
    }
    assert len(looks) == 2
    assert figure.get_suptitle().startswith(
        "10 photos to learn from, 50 for validation"
    )


def test_the_moving_picture_plays_once_and_stands_still_as_a_whole(film):
    image = Image.open(io.BytesIO(film.png))
    assert image.format == "PNG"
    assert image.info["loop"] == 1 and image.info["default_image"]
    still = np.asarray(image.convert("RGB"))
    inked, milliseconds = [], 0
    for frame in range(1, image.n_frames):
        image.seek(frame)
        milliseconds += image.info["duration"]
        inked.append((np.asarray(image.convert("RGB")) < 200).any(axis=2).sum())
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), still)
    assert 0 < inked[0] < inked[8] < inked[16] < inked[-1]
    assert milliseconds <= 5_000  # what moves longer must have a way to stop it
    assert len(film.png) < 500_000


def test_a_notebook_gets_the_picture_and_words_for_those_who_cant_see_it(film):
    content, about = film._repr_png_()
    assert content == film.png and about == {"alt": repr(film)}
    assert "validation's cross-entropy is" in film.sentence
    assert not plt.get_fignums()


def test_wrong_features_are_an_error_and_leave_no_figure(drawn):
    for draw in (carlib.plot_overfitting, carlib.watch_overfitting):
        with pytest.raises(DataError, match="and 59 labels"):
            draw(drawn[0], drawn[1][1:])
    assert not plt.get_fignums()

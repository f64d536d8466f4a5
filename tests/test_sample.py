"""The drawn sample is whole, can be redrawn, and is no easier than it looks."""

import csv
import importlib.util
import io
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="module")
def artist(root: Path) -> Iterator[ModuleType]:
    """The script that draws the sample, imported from where it lies."""
    path = root / "data" / "draw_sample.py"
    spec = importlib.util.spec_from_file_location("draw_sample", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(path.parent), *sys.path])
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[dict[str, str]]:
    with (sample / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def photos(sample: Path, rows: list[dict[str, str]]) -> np.ndarray:
    return np.stack([pixels(Image.open(sample / row["image"])) for row in rows])


@pytest.fixture(scope="module")
def labels(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([row["class"] for row in rows])


@pytest.fixture(scope="module")
def sizes(sample: Path, rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([(sample / row["image"]).stat().st_size for row in rows])


def pixels(photo: Image.Image) -> np.ndarray:
    with photo:
        return np.asarray(photo.convert("RGB"), dtype=float)


def colours(photos: np.ndarray) -> np.ndarray:
    """Return each photo's mean colour, and that of its border alone."""
    border = np.ones(photos.shape[1:3], dtype=bool)
    border[16:-16, 16:-16] = False
    return np.hstack([photos.mean(axis=(1, 2)), photos[:, border].mean(axis=1)])


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return np.abs(first - second).mean()


def test_every_class_has_20_photos_to_train_on_and_5_to_validate(rows, artist):
    counts = Counter((row["class"], row["subset"]) for row in rows)
    assert list(rows[0]) == ["image", "class", "subset"]
    assert counts == {
        (label, subset): count
        for label in artist.CLASSES
        for subset, count in {"T": 20, "V": 5}.items()
    }


def test_the_index_is_what_the_script_would_write(rows, artist):
    assert [tuple(row.values()) for row in rows] == artist.index()


def test_the_index_names_every_photo_once_and_no_other(sample, rows):
    named = [row["image"] for row in rows]
    lying_there = {f"image/{path.name}" for path in (sample / "image").iterdir()}
    assert len(named) == len(set(named))
    assert set(named) == lying_there


def test_every_photo_is_a_colour_jpeg_of_224_by_224(sample, rows):
    for row in rows:
        with Image.open(sample / row["image"]) as photo:
            kind = (photo.format, photo.mode, photo.size)
        assert kind == ("JPEG", "RGB", (224, 224)), row["image"]


def test_the_sample_stays_below_2_mb(sizes):
    assert sizes.sum() < 2_000_000


def test_no_photo_is_there_twice(photos):
    thumbnails = photos[:, ::16, ::16].reshape(len(photos), -1)
    apart = np.abs(thumbnails[:, None] - thumbnails[None]).mean(axis=2)
    assert apart[~np.eye(len(photos), dtype=bool)].min() > 10


@pytest.mark.parametrize("number", [7, 70, 170])
def test_a_photo_can_be_redrawn_alone(artist, photos, labels, number):
    label, committed = labels[number - 1], photos[number - 1]
    file = io.BytesIO()
    artist.draw(str(label), number).save(file, "JPEG", quality=artist.QUALITY)
    redrawn = pixels(Image.open(file))
    assert difference(redrawn, committed) < 2  # another libjpeg may round otherwise
    others = np.delete(photos, number - 1, axis=0)
    assert min(difference(redrawn, other) for other in others) > 20


def test_drawing_twice_gives_the_same_pixels(artist):
    assert artist.draw("door_dent", 1) == artist.draw("door_dent", 1)


def test_the_script_explains_itself(root):
    command = [sys.executable, str(root / "data" / "draw_sample.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--output" in done.stdout


def test_the_size_of_a_file_hardly_depends_on_the_class(sizes, labels):
    means = [sizes[labels == label].mean() for label in np.unique(labels)]
    assert max(means) < 1.15 * min(means)


def test_the_brightness_of_a_photo_hardly_depends_on_the_class(photos, labels):
    bright = photos.mean(axis=(1, 2, 3))
    means = [bright[labels == label].mean() for label in np.unique(labels)]
    assert max(means) - min(means) < bright.std()


def test_colours_and_file_size_do_not_give_the_class_away(photos, sizes, labels):
    easy = np.hstack([colours(photos), sizes[:, None]])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, easy, labels, cv=folds).mean()
    assert accuracy < 0.4  # a guess gets 0.125; whole cars show more of the street

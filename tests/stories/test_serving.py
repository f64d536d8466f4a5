"""A model in a program that asks it for days: many threads, and no growth."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import carlib
from carlib.data import images
from tests.tiny import elsewhere

THREADS = 8


@pytest.fixture
def model(trained, tmp_path):
    """A model as a server has it: from its file, without a workspace."""
    return carlib.load_model(trained.save(tmp_path / "ImageModel.zip"))


def test_eight_threads_get_the_answers_that_one_gets(model, photos):
    encoded = [Path(path).read_bytes() for path in photos.image_path[:24]]
    alone = [model.predict_proba(photo) for photo in encoded]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(model.predict_proba, encoded * 3))
    np.testing.assert_array_equal(together, alone * 3)


def test_eight_threads_may_ask_a_model_that_nobody_asked_before(
    trained, photos, tmp_path
):
    saved = trained.save(tmp_path / "ImageModel.zip")
    encoded = [Path(path).read_bytes() for path in photos.image_path[:THREADS]]
    model = carlib.load_model(saved)
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(model.predict_proba, encoded))
    expected = [trained.predict_proba(photo) for photo in encoded]
    np.testing.assert_array_equal(together, expected)


def resident() -> float:
    """The resident size of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(path: Path, photo: bytes | np.ndarray) -> float:
    """Ask a model 10,000 times; return by how many MB that made its process larger."""
    model = carlib.load_model(path)
    expected = model.predict_proba(photo)
    for _ in range(300):
        model.predict_proba(photo)
    gc.collect()
    before = resident()
    for _ in range(10_000):
        answer = model.predict_proba(photo)
    gc.collect()
    np.testing.assert_array_equal(answer, expected)
    return resident() - before


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells it")
@pytest.mark.parametrize("kind", ["bytes", "pixels"])
def test_ten_thousand_predictions_take_no_more_memory_than_a_hundred(
    trainer, few, random, photos, tmp_path, kind
):
    made = trainer(arch=random, epoch=2).fit(few)  # the fastest network there is
    path = made.save(tmp_path / "ImageModel.zip")
    data = Path(photos.image_path[0]).read_bytes()
    assert (
        elsewhere(growth, path, data if kind == "bytes" else images.decode(data)) < 10
    )

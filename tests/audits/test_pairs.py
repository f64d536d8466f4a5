"""Pairs that are one picture, of each kind, and none that aren't."""

import shutil

import numpy as np
import pytest
from PIL import Image

from carlib.audits import pairs as pairs_module
from carlib.audits.pairs import find_pairs, standardised, unit
from carlib.bottlenecks.extract import extract
from carlib.data.near import picture_hashes
from carlib.data.photos import read_ahead
from carlib.data.sources import as_sources
from tests import copied
from tests.tiny import draw_photos


@pytest.fixture(scope="module")
def features(backbone, workspace):
    """Standardised features of length 1, as the audit makes them."""

    def of(sources):
        found = extract(sources, [backbone], workspace, progress=False).of_photos()
        return unit(standardised(found))

    return of


def pairs(paths, features):
    sources = as_sources(paths)
    keys, hashes = picture_hashes(sources)
    return find_pairs(sources, keys, hashes, features(sources))


def test_each_kind_is_told_apart(photos, tmp_path, features):
    some = photos.image_path[::4].tolist()
    first, second, third, fourth, *_ = some
    with Image.open(second) as image:
        image.save(tmp_path / "pixels.png")
    made = [
        shutil.copy(first, tmp_path / "file.jpeg"),
        tmp_path / "pixels.png",
        copied.put(third, copied.stamped, tmp_path / "near.jpg"),
        copied.put(fourth, copied.mirrored, tmp_path / "mirrored.jpg"),
        copied.put(some[8], copied.cropped, tmp_path / "cropped.jpg"),
    ]
    found = pairs([*some, *made], features)
    n = len(some)
    kinds = {
        (a, b): kind for a, b, kind in zip(found.a, found.b, found.kind, strict=True)
    }
    assert kinds == {
        (0, n): "file",
        (1, n + 1): "pixels",
        (2, n + 2): "near",
        (3, n + 3): "mirrored",
        (8, n + 4): "near",
    }
    assert (found.bits[:2] == 0).all() and found.bits[4] > 64  # no hash sees a crop
    assert found.similarity.between(0.3, 1 + 1e-6).all()


def test_of_drawn_photos_no_two_are_one_picture(photos, features):
    assert pairs(photos.image_path, features).empty


def test_plain_colours_of_the_same_bytes_are_a_pair(tmp_path, features):
    for name, colour in {"a": "red", "b": "blue", "c": "red"}.items():
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    found = pairs(tmp_path, features)
    assert found[["a", "b", "kind"]].values.tolist() == [[0, 2, "file"]]


def test_one_photo_has_no_pair(photos, features):
    assert pairs(photos.image_path[:1], features).empty


def test_proposed_pairs_are_looked_at_some_at_a_time(tmp_path, monkeypatch):
    """All that millions of photos propose don't fit into memory."""
    together = []

    def watched(sources, rows, *others):
        together.append(len(rows))
        return read_ahead(sources, rows, *others)

    monkeypatch.setattr(pairs_module, "PAIRS_AT_ONCE", 4)
    monkeypatch.setattr(pairs_module, "read_ahead", watched)
    sources = as_sources(draw_photos(tmp_path, 30))
    keys, hashes = picture_hashes(sources)
    alike = np.random.default_rng(0).normal(1, 0.05, (30, 16)).astype(np.float32)
    find_pairs(sources, keys, hashes, unit(alike))
    assert sum(together) > 30 and max(together) <= 8


def test_most_cut_outs_are_found(photos, tmp_path, features):
    some = photos.image_path[::4].tolist()
    made = [
        copied.put(path, copied.cropped, tmp_path / f"{number}.jpg")
        for number, path in enumerate(some)
    ]
    found = pairs([*some, *made], features)
    assert (found.b - found.a == len(some)).all()
    assert len(found) >= 0.7 * len(some)

"""Mirror images: photos of their own to the cache, averaged in predictions."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import extract
from carlib.data.photos import mirrored_key, photo_key
from carlib.data.sources import as_sources
from carlib.errors import ImageError
from carlib.exports.export import export
from carlib.model.model import load_model
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny, counts, draw_photos, features_of, shards


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mirrored")


@pytest.fixture(scope="module")
def make(backbone, place):
    def make(**options):
        options = {
            "arch": backbone,
            "workspace_path": place,
            "augment": "flip",
            "epoch": 3,
            "early_stopping": None,
        } | options
        trainer = ImageClassificationTrainer(**options)
        return trainer

    return make


@pytest.fixture(scope="module")
def model(make, few):
    return make().fit(few)


def probabilities(model, photos, **options):
    table = model.predict(photos, progress=False, **options)
    return table[list(model.class_names)].to_numpy()


def pixels_of(photos, step=6):
    return np.stack([np.asarray(Image.open(p)) for p in photos.image_path[::step]])


def test_mirror_images_are_photos_of_their_own_to_the_cache(tmp_path):
    paths = draw_photos(tmp_path / "photos", 9)
    place, tiny = tmp_path / "workspace", Tiny()
    assert counts(paths, tiny, place) == (0, 9)
    assert counts(paths, tiny, place, augment="flip") == (0, 9)
    assert counts(paths, tiny, place, augment="flip") == (9, 0)
    assert tiny.seen == 18
    assert counts(paths, tiny, place, augment="flip", reuse=False) == (0, 9)
    assert counts(paths, tiny, None, augment="flip") == (0, 9)
    assert tiny.seen == 54
    assert sum(len(np.load(path)) for path in shards(place)) >= 18


def test_the_cache_knows_them_without_reading_a_photo(tmp_path):
    """The second time by the files' status, moved files by their bytes."""
    paths = draw_photos(tmp_path / "photos", 4)
    place = tmp_path / "workspace"
    first = features_of(paths, Tiny(), place, augment="flip", progress=False)
    moved = [path.rename(path.with_stem(f"{path.stem}b")) for path in paths]
    assert counts(moved, Tiny(), place, augment="flip") == (4, 0)
    again = features_of(moved, Tiny(), place, augment="flip", progress=False)
    assert again.keys == first.keys
    np.testing.assert_array_equal(again.of_photos(), first.of_photos())


def test_a_mirror_images_key_follows_from_the_photos(tmp_path):
    (path,) = draw_photos(tmp_path, 1)
    key = photo_key(path.read_bytes())
    found = features_of([path], Tiny(), None, augment="flip", progress=False)
    assert (found.keys, found.row_keys) == ([key], [key, mirrored_key(key)])
    assert mirrored_key(key) == hashlib.sha256(key + b" mirrored").digest()


def test_a_photo_that_comes_twice_is_mirrored_once(tmp_path):
    (path,) = draw_photos(tmp_path, 1)
    tiny = Tiny()
    found = features_of(
        [path, path.read_bytes()], tiny, None, augment="flip", progress=False
    )
    assert tiny.seen == 2
    assert found.n_computed == 1
    for view in (False, True):
        one, other = found.of_photos(view)
        np.testing.assert_array_equal(one, other)


def test_a_photo_mirrored_on_disk_has_the_features_of_the_mirror_image(
    backbone, few, place, tmp_path
):
    size = (300, 260)  # another than the network's: mirrored before or after resizing
    flipped, paths = [], []
    for number, path in enumerate(few.image_path[:6]):
        image = Image.open(path)
        image = image.resize(size) if number % 2 else image
        paths.append(tmp_path / f"{number}.png")
        image.save(paths[-1])
        flipped.append(tmp_path / f"{number}-flipped.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(flipped[-1])
    features = extract(
        as_sources(paths), [backbone], place, augment="flip", progress=False
    )
    on_disk = extract(
        as_sources(flipped), [backbone], place, progress=False
    ).of_photos()
    mirrored, upright = features.of_photos(True), features.of_photos()
    off = np.linalg.norm(mirrored - on_disk, axis=1) / np.linalg.norm(on_disk, axis=1)
    assert (off < 0.02).all()
    np.testing.assert_allclose(mirrored[::2], on_disk[::2], rtol=1e-4, atol=1e-4)
    apart = np.linalg.norm(upright - on_disk, axis=1) / np.linalg.norm(on_disk, axis=1)
    assert (apart > 0.1).all()


def test_the_head_is_trained_on_both(make, few):
    photo_set = make().photo_set(few)
    rows, labels = photo_set.in_order(1)
    assert rows.shape == (2 * len(few), 1280)
    assert set(np.bincount(labels)) == {8}
    assert len(np.unique(rows, axis=0)) == 2 * len(few)
    both = np.concatenate([photo_set.as_they_are(), photo_set.as_they_are(True)])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(both, axis=0))
    model = make(batch_size=1, epoch=1).fit(few)
    assert model.history.batch_processed_count.tolist() == [2 * len(few)]


def test_a_photo_and_its_mirror_image_are_never_apart(make, few):
    """What is watched isn't trained on mirrored, and isn't mirrored itself."""
    made = make(validation_set_fraction=0.5, epoch=1, batch_size=1)
    rest, watched = made.hold_out(made.photo_set(few))
    rows, _ = rest.in_order(1)
    seen = {row.tobytes() for row in rows}
    for view in (False, True):
        assert not seen & {row.tobytes() for row in watched.as_they_are(view)}
    history = made.fit(few).history.set_index("dataset").batch_processed_count
    assert history.to_dict() == {"Train": 2 * len(rest), "Validation": len(watched)}


def test_the_order_of_the_photos_makes_no_difference(make, few, model):
    again = make().fit(few.sample(frac=1, random_state=3))
    np.testing.assert_array_equal(again.head.kernel, model.head.kernel)
    assert again.data_hash == model.data_hash


def together(one, other):
    """The probabilities of the mean of two views' logits."""
    return softmax((np.log(one) + np.log(other)) / 2, axis=1)


def test_predictions_are_of_the_mean_logits_of_both(model, few):
    pixels = pixels_of(few)
    upright = probabilities(model, pixels, average=False)
    mirrored = probabilities(model, pixels[:, :, ::-1], average=False)
    assert np.abs(upright - mirrored).max() > 0.001
    given = probabilities(model, pixels)
    np.testing.assert_allclose(given, together(upright, mirrored), atol=1e-5)
    np.testing.assert_allclose(given.sum(axis=1), 1)
    np.testing.assert_allclose(
        probabilities(model, pixels[:, :, ::-1]), given, atol=1e-5
    )


def test_a_model_without_mirror_images_takes_the_photo_alone(make, few):
    plain = make(augment=None).fit(few)
    pixels = pixels_of(few)
    np.testing.assert_array_equal(
        probabilities(plain, pixels), probabilities(plain, pixels, average=False)
    )
    assert (
        len(extract(as_sources(pixels), plain.backbones, None, progress=False).keys)
        == 6
    )


def test_a_loaded_model_averages_too(model, few, tmp_path):
    loaded = load_model(model.save(tmp_path / "flip.zip"))
    assert loaded.augment == "flip"
    for average in (True, False):
        np.testing.assert_array_equal(
            probabilities(loaded, few, average=average),
            probabilities(model, few, average=average),
        )


@pytest.mark.slow
def test_the_keras_model_and_the_exports_average_too(model, few, tmp_path):
    pixels = pixels_of(few)
    exact = model.at("float32")
    expected = probabilities(exact, pixels)
    alone = probabilities(exact, pixels, average=False)
    assert np.abs(expected - alone).max() > 1e-3
    given = np.asarray(model.keras_model(pixels))
    np.testing.assert_allclose(given, expected, atol=1e-5)
    export(model, tmp_path / "out", formats=["pb"])  # which proves it on noise


@pytest.mark.slow
def test_several_backbones_and_mirror_images_go_together(
    backbone, few, place, tmp_path
):
    pair = [backbone, Backbone("MobileNetV2-0.35", weights=None, precision="float32")]
    trainer = ImageClassificationTrainer(
        arch=pair, workspace_path=place, augment="flip", epoch=2, early_stopping=None
    )
    model = trainer.fit(few[::2])
    pixels = pixels_of(few, 12)
    exact = model.at("float32")
    expected = probabilities(exact, pixels)
    np.testing.assert_allclose(model.keras_model(pixels), expected, atol=1e-5)
    sides = [
        probabilities(exact, view, average=False)
        for view in (pixels, pixels[:, :, ::-1])
    ]
    np.testing.assert_allclose(expected, together(*sides), atol=1e-5)
    loaded = load_model(model.save(tmp_path / "both.zip"))
    np.testing.assert_array_equal(
        probabilities(loaded, pixels), probabilities(model, pixels)
    )


@pytest.fixture
def mixed(few, tmp_path):
    """Five photos, of which the second and the fourth can't be read."""
    paths = list(few.image_path[:5])
    for row, content in ((1, b"<html>"), (3, b"")):
        paths[row] = str(tmp_path / f"bad{row}.jpeg")
        (tmp_path / f"bad{row}.jpeg").write_bytes(content)
    return paths


def test_photos_that_cannot_be_read_are_listed_once(model, mixed, backbone):
    with pytest.raises(ImageError) as caught:
        extract(as_sources(mixed), [backbone], None, augment="flip", progress=False)
    assert len(caught.value.problems) == 2
    assert "2 of 5" in caught.value.message
    assert "bad1" in caught.value.problems[0]
    assert "bad3" in caught.value.problems[1]
    with pytest.raises(ImageError) as caught:
        model.predict(mixed, progress=False)
    assert len(caught.value.problems) == 2


def test_photos_that_cannot_be_read_are_skipped(model, mixed):
    options = {"augment": "flip", "progress": False, "on_error": "skip"}
    features = extract(as_sources(mixed), model.backbones, None, **options)
    assert sorted(features.errors) == [1, 3]
    for view in (False, True):
        bad = np.isnan(features.of_photos(view)).all(axis=1)
        assert bad.tolist() == [False, True, False, True, False]
    table = model.predict(mixed, on_error="skip", progress=False)
    assert list(table.error != "") == [False, True, False, True, False]
    assert table.predicted_label.isna().tolist() == [False, True, False, True, False]
    expected = probabilities(model, mixed[::2])
    given = table.loc[[0, 2, 4], list(model.class_names)].to_numpy()
    np.testing.assert_array_equal(given, expected)
    only_bad = model.predict(mixed[1::2], on_error="skip", progress=False)
    assert only_bad.score.isna().all()


def test_no_photos_give_an_empty_table(model):
    assert len(model.predict([], progress=False)) == 0


def test_the_bar_and_the_counts_tell_of_both(tmp_path, capsys):
    paths = draw_photos(tmp_path, 3)
    features_of(paths, Tiny(), None, augment="flip", progress=True)
    line = "3 photos and mirrored: 0 cached, 3 computed\n"
    assert capsys.readouterr().out.endswith(line)


def test_options_and_the_model_say_so(make, model):
    plain = json.loads(json.dumps(make().options()))
    assert plain["augment"] == "flip"
    assert ImageClassificationTrainer.from_options(plain).augment == "flip"
    assert model.options["augment"] == "flip"

"""What any system that trains on bottlenecks must do, from photos to predictions.

A1 to A17 are what the tests of ML.NET, TF-Hub and Model Maker assert, taken together,
and what none of them tests. Each goes the whole way; other files go into the depth.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

import carlib
from carlib import runtime
from carlib.cli import main
from tests.tiny import leftovers

ARCHS_WITH_WEIGHTS = {"EfficientNetLite0", "MobileNetV2-0.35"}


@pytest.fixture(scope="module")
def train(photos):
    return carlib.split(photos)[0]


@pytest.fixture(scope="module")
def validation(photos):
    return carlib.split(photos)[1]


@pytest.fixture(scope="module")
def real(real_photos, tmp_path_factory):
    """The real photos, to train on and to validate with, and a workspace for them."""
    folder = tmp_path_factory.mktemp("real")
    data = carlib.locate_data(real_photos, home=folder)
    return *carlib.split(carlib.load_index(data)), folder / "workspace"


@pytest.fixture(scope="module")
def blind():
    """A small backbone of random weights, for what needs no accuracy."""
    return carlib.Backbone("MobileNetV2-0.35", weights=None)


def typed(*arguments):
    """What a command does, in this process: its exit code, stdout and stderr."""
    result = CliRunner().invoke(main.main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr
    return result


def judged(model, photos):
    return carlib.evaluate(model.predict(photos, progress=False))


def same_weights(one, other):
    np.testing.assert_array_equal(one.head.kernel, other.head.kernel)
    np.testing.assert_array_equal(one.head.bias, other.head.bias)
    assert one.class_names == other.class_names


# --- A1: accuracy --------------------------------------------------------------------


def test_a1_the_default_options_are_far_better_than_chance_on_drawn_photos(
    backbone, workspace, train, validation, tmp_path
):
    model = carlib.ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace
    ).fit(train)
    metrics = judged(model, validation).require(micro_accuracy=0.6, macro_accuracy=0.6)
    assert metrics.micro_interval[0] > 3 * metrics.majority_micro_accuracy
    path = model.save(tmp_path / "model.zip", metrics)
    assert judged(carlib.load_model(path), validation).to_dict() == metrics.to_dict()


def test_a1_enough_epochs_name_seven_of_ten_drawn_photos(trainer, train, validation):
    model = trainer(epoch=50, early_stopping=None).fit(train)
    judged(model, validation).require(micro_accuracy=0.7, macro_accuracy=0.7)


def test_a1_the_default_options_name_three_of_four_real_photos(trainer, real):
    train, validation, workspace = real
    model = trainer(workspace_path=workspace).fit(train)
    judged(model, validation).require(
        micro_accuracy=0.75, macro_accuracy=0.68, log_loss=0.75
    )


# --- A2: every backbone --------------------------------------------------------------


def test_a2_mobilenet_of_a_keras_home_names_three_of_four_real_photos(
    trainer, real, keras_home, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(keras_home))
    train, validation, workspace = real
    model = trainer(arch="MobileNetV2-0.35", workspace_path=workspace).fit(train)
    judged(model, validation).require(
        micro_accuracy=0.75, macro_accuracy=0.68, log_loss=0.75
    )


@pytest.mark.parametrize(
    "arch",
    [
        pytest.param(arch, marks=[pytest.mark.slow] * (not arch.startswith("Mobile")))
        for arch in carlib.ARCHS
        if arch not in ARCHS_WITH_WEIGHTS
    ],
)
def test_a2_every_other_backbone_trains_and_predicts_with_random_weights(
    arch, trainer, train, validation
):
    few = train.groupby("damage_class").head(2)
    model = trainer(
        arch=carlib.Backbone(arch, weights=None),
        workspace_path=None,
        epoch=2,
        early_stopping=None,
    ).fit(few)
    table = model.predict(validation[:3], progress=False)
    scores = table[list(model.class_names)].to_numpy()
    assert scores.shape == (3, 8) and np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert model.arch == arch and any("random" in note for note in model.notes)


# --- A3: learning-rate schedules -----------------------------------------------------

EPOCHS, WHOLE = 50, 16  # batches of 10 in 160 photos
FIRST = [epoch * WHOLE for epoch in range(EPOCHS)]
SCHEDULES = {
    "exponential": (
        carlib.ExponentialLRDecay(),
        [0.01 * 0.94 ** (step // (2 * WHOLE)) for step in FIRST],
    ),
    "polynomial": (
        carlib.PolynomialLRDecay(),
        [1e-4 + 0.0099 * (1 - min(step / (2 * WHOLE), 1)) for step in FIRST],
    ),
    "linear scaling": (
        carlib.LsrDecay(lr_schedule={0: 1, 30: 0.1}),
        [0.1 * 10 / 128 * (1 if step < 30 * WHOLE else 0.1) for step in FIRST],
    ),
    "Keras's cosine": (
        lambda kinds: kinds.CosineDecay(0.01, EPOCHS * WHOLE),
        [0.005 * (1 + math.cos(math.pi * s / (EPOCHS * WHOLE))) for s in FIRST],
    ),
    "constant": (None, [0.01] * EPOCHS),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a3_the_training_loss_never_rises_and_the_rates_are_the_formulas(
    name, trainer, train
):
    schedule, rates = SCHEDULES[name]
    if name.startswith("Keras"):
        schedule = schedule(runtime.keras().optimizers.schedules)
    model = trainer(
        epoch=EPOCHS,
        early_stopping=None,
        learning_rate_scheduler=schedule,
    ).fit(train)
    assert set(model.history.dataset) == {"Train"} and len(model.history) == EPOCHS
    losses = model.history.cross_entropy.to_numpy()
    assert np.diff(losses).max() <= 1e-6
    assert losses[-1] < 0.8 * losses[0]
    np.testing.assert_allclose(model.history.learning_rate, rates, rtol=0, atol=1e-7)


# --- A4: early stopping --------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_a4_early_stopping_ends_in_less_than_half_and_restores_the_best_epoch(
    metric, trainer, train, validation
):
    """A third of the labels are wrong: whoever learns them by heart gets worse."""
    names = sorted(set(train.damage_class))
    wrong = train.copy()
    wrong.loc[::3, "damage_class"] = [
        names[(names.index(name) + 1) % 8] for name in train.damage_class[::3]
    ]
    model = trainer(
        epoch=100,
        batch_size=5,
        learning_rate=0.05,
        learning_rate_scheduler=None,
        early_stopping=carlib.EarlyStopping(metric),
    ).fit(wrong, validation)
    watched = model.history[model.history.dataset == "Validation"].set_index("epoch")
    assert 20 < len(watched) < 50
    best, metrics = watched.loc[model.best_epoch], judged(model, validation)
    assert model.best_epoch < watched.index[-1]
    assert metrics.micro_accuracy == pytest.approx(best.accuracy)
    assert metrics.log_loss == pytest.approx(best.cross_entropy, abs=1e-4)
    if metric == "accuracy":
        assert best.accuracy == watched.accuracy.max()
    else:
        assert best.cross_entropy == watched.cross_entropy.min()
        assert best.cross_entropy < watched.cross_entropy.iloc[-1] - 0.01


# --- A5: bad photos ------------------------------------------------------------------


def test_a5_bad_photos_are_all_listed_and_without_them_training_goes_through(
    trainer, blind, train, tmp_path
):
    few = train[:24].copy()
    contents = {3: b"<html>", 10: b"", 17: Path(few.image_path[17]).read_bytes()[:900]}
    for row, content in contents.items():
        path = tmp_path / f"bad{row}.jpeg"
        path.write_bytes(content)
        few.loc[row, "image_path"] = str(path)
    heard = []
    options = {"arch": blind, "workspace_path": tmp_path / "w", "epoch": 2}
    options |= {"early_stopping": None, "metrics_callback": heard.append}
    with pytest.raises(carlib.ImageError) as caught:
        trainer(**options).fit(few)
    listed = caught.value.problems
    assert len(listed) == 3
    for row in contents:
        assert sum(f"bad{row}.jpeg" in line for line in listed) == 1
    assert len(heard) == 21  # computed, and kept
    model = trainer(**options).fit(few.drop(index=list(contents)))
    with pytest.warns(UserWarning, match="Left out 3 of 24 photos") as warned:
        completed = trainer(**options, on_error="skip").fit(few)
    assert len([m for m in heard if isinstance(m, carlib.BottleneckMetrics)]) == 21
    np.testing.assert_array_equal(completed.head.kernel, model.head.kernel)
    for row in contents:
        assert f"bad{row}.jpeg" in str(warned[0].message)
        assert sum(f"bad{row}.jpeg" in note for note in completed.notes) == 1


def test_a5_a_class_none_of_whose_photos_can_be_read_is_an_error(
    trainer, blind, train, tmp_path
):
    few = train.groupby("damage_class").head(2).reset_index(drop=True)
    (tmp_path / "bad.jpeg").write_bytes(b"<html>")
    few.loc[few.damage_class == "door_dent", "image_path"] = str(tmp_path / "bad.jpeg")
    options = {"arch": blind, "workspace_path": tmp_path / "w", "epoch": 1}
    with pytest.raises(carlib.DataError, match="no photo can be read") as caught:
        trainer(**options, early_stopping=None, on_error="skip").fit(few)
    assert caught.value.problems[0] == "door_dent"


# --- A6: save and load ---------------------------------------------------------------


def test_a6_a_loaded_model_gives_the_same_scores_to_the_bit(
    trainer, train, validation, tmp_path
):
    model = trainer(epoch=40, early_stopping=None).fit(train)
    loaded = carlib.load_model(model.save(tmp_path / "model.zip"))
    before = model.predict(validation, progress=False)
    after = loaded.predict(validation, progress=False)
    pd.testing.assert_frame_equal(after, before, check_exact=True)
    scores = after[list(loaded.class_names)]
    assert scores.shape == (40, len(set(train.damage_class)))
    assert set(after.predicted_label) <= set(train.damage_class)
    folder = Path(validation.image_path[0]).parent
    two = loaded.predict([folder / "039.jpeg", folder / "033.jpeg"], progress=False)
    assert list(two.predicted_label) == ["glass_shatter", "unknown"]


# --- A7: exports ---------------------------------------------------------------------


@pytest.mark.slow
def test_a7_the_exported_formats_name_the_same_classes_as_the_model(
    trained, validation, tmp_path
):
    paths = carlib.export(trained, tmp_path / "exported")
    some = validation[:10]
    exact = trained.at("float32").predict(some, progress=False)
    expected = exact[list(trained.class_names)].to_numpy()
    pixels = np.stack([np.asarray(Image.open(path)) for path in some.image_path])
    tf = runtime.tensorflow()
    graph = tf.compat.v1.GraphDef.FromString(paths["pb"].read_bytes())
    frozen = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    serve = tf.saved_model.load(paths["saved_model"]).signatures["serving_default"]
    given = {
        "pb": frozen.prune("pixels:0", "probabilities:0")(tf.constant(pixels)),
        "saved_model": serve(pixels=tf.constant(pixels))["probabilities"],
        "keras": trained.keras_model(pixels),
    }
    for scores in map(np.asarray, given.values()):
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        np.testing.assert_array_equal(scores.argmax(1), expected.argmax(1))
    labels = (tmp_path / "exported" / "labels.txt").read_text("utf-8").splitlines()
    assert labels == list(trained.class_names)


# --- A8: the accuracy gate -----------------------------------------------------------


def test_a8_a_model_below_the_bar_is_never_exported(trained, validation, tmp_path):
    metrics = judged(trained, validation)
    folder = tmp_path / "exported"
    with pytest.raises(carlib.AccuracyError, match=r"0\.999 at least"):
        metrics.require(micro_accuracy=0.999) and carlib.export(trained, folder)
    assert not folder.exists()
    assert metrics.require(micro_accuracy=0.125, macro_accuracy=0.125) is metrics


@pytest.mark.parametrize("earlier", [b"", b"an earlier model"])
def test_a8_the_command_writes_no_model_below_the_bar(
    earlier, sample, workspace, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "m.zip"
    if earlier:
        output.write_bytes(earlier)
    options = ("--arch", "EfficientNetLite0", "--workspace", workspace, "--epoch", 2)
    bar = ("--assert-accuracy-at-least", 0.999)
    result = typed("train", sample, *options, *bar, "--output", output)
    assert result.exit_code == 1
    assert "0.999" in result.stderr and "accuracy" in result.stderr
    assert (output.read_bytes() if output.exists() else b"") == earlier
    assert leftovers(tmp_path) == []


def test_a8_the_command_writes_a_model_that_reaches_the_bar(
    sample, workspace, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = ("--arch", "EfficientNetLite0", "--workspace", workspace, "--epoch", 20)
    bar = ("--assert-accuracy-at-least", 0.3)
    result = typed("train", sample, *options, *bar, "--output", "m.zip")
    assert result.exit_code == 0, result.stderr
    assert carlib.load_model("m.zip").metrics["micro_accuracy"] >= 0.3


# --- A9: metrics ---------------------------------------------------------------------


def table_of(rows, names):
    """Predictions as `model.predict` makes them, from pairs of class and scores."""
    scores = np.array([scores for _, scores in rows], np.float64)
    table = {"damage_class": [actual for actual, _ in rows]}
    table["predicted_label"] = [names[i] for i in scores.argmax(axis=1)]
    table["score"] = scores.max(axis=1)
    return pd.DataFrame(table | dict(zip(names, scores.T, strict=True)))


def test_a9_the_metrics_are_those_worked_out_by_hand():
    metrics = carlib.evaluate(
        table_of(
            [
                ("a", [0.5, 0.5, 0.0]),  # a tie: the first of equals is the answer
                ("b", [0.5, 0.5, 0.0]),  # so here it's wrong
                ("b", [1.0, 0.0, 0.0]),  # the actual class got no probability at all
                ("b", [0.2, 0.7, 0.1]),
                ("z", [0.1, 0.2, 0.7]),  # a label that the model doesn't know
            ],  # and nothing is c
            ["a", "b", "c"],
        )
    )
    impossible = -math.log(1e-15)
    losses = [math.log(2), math.log(2), impossible, -math.log(0.7), impossible]
    prior = -(0.2 * math.log(0.2) + 0.6 * math.log(0.6) + 0.2 * math.log(0.2))
    assert metrics.n == 5
    assert metrics.micro_accuracy == pytest.approx(2 / 5)
    assert metrics.macro_accuracy == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert metrics.log_loss == pytest.approx(sum(losses) / 5)
    assert metrics.log_loss_reduction == pytest.approx(1 - sum(losses) / 5 / prior)
    assert metrics.top_k_accuracy == pytest.approx([2 / 5, 4 / 5, 4 / 5])
    by_class = metrics.per_class.set_index("class")
    assert list(by_class.precision) == pytest.approx([1 / 3, 1, 0, 0])
    assert list(by_class.recall) == pytest.approx([1, 1 / 3, 0, 0])
    assert list(by_class.support) == [1, 3, 0, 1]
    assert by_class.log_loss["b"] == pytest.approx(sum(losses[1:4]) / 3)
    counts = [[1, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert metrics.confusion_matrix.to_numpy().tolist() == counts


def test_a9_one_class_alone_has_no_reduction_of_its_loss():
    metrics = carlib.evaluate(
        table_of([("a", [0.8, 0.2]), ("a", [0.4, 0.6])], ["a", "b"])
    )
    assert (metrics.micro_accuracy, metrics.macro_accuracy) == (0.5, 0.5)
    assert metrics.log_loss == pytest.approx(-math.log(0.8 * 0.4) / 2)
    assert math.isnan(metrics.log_loss_reduction)


# --- A10: the confusion table --------------------------------------------------------

SHORT = """
Confusion table
          ||========================
PREDICTED ||     0 |     1 |     2 | Recall
TRUTH     ||========================
        0 ||   156 |     0 |     4 | 0.9750
        1 ||     0 |   176 |     1 | 0.9944
        2 ||     1 |     0 |   162 | 0.9939
          ||========================
Precision ||0.9936 |1.0000 |0.9701 |"""
LONG = """
Confusion table
               ||========================
PREDICTED      ||     0 |     1 |     2 | Recall
TRUTH          ||========================
0. bumper_dent ||     9 |     2 |     1 | 0.7500
1.   door_dent ||     3 |     8 |     0 | 0.7273
2.   tail_lamp ||     0 |     0 |     7 | 1.0000
               ||========================
Precision      ||0.7500 |0.8000 |0.8750 |"""
TWO = """
Confusion table
          ||======================
PREDICTED || negative | positive | Recall
TRUTH     ||======================
 negative ||        5 |        2 | 0.7143
 positive ||        1 |        8 | 0.8889
          ||======================
Precision ||   0.8333 |   0.8000 |"""


@pytest.mark.parametrize(
    ("text", "names", "counts"),
    [
        (SHORT, ["0", "1", "2"], [[156, 0, 4], [0, 176, 1], [1, 0, 162]]),
        (
            LONG,
            ["bumper_dent", "door_dent", "tail_lamp"],
            [[9, 2, 1], [3, 8, 0], [0, 0, 7]],
        ),
        (TWO, ["negative", "positive"], [[5, 2], [1, 8]]),
    ],
    ids=["short names", "long names", "two classes"],
)
def test_a10_the_confusion_table_of_predictions_is_mlnets_to_the_byte(
    text, names, counts
):
    rows = [
        (actual, np.eye(len(names))[column])
        for actual, row in zip(names, counts, strict=True)
        for column, count in enumerate(row)
        for _ in range(count)
    ]
    assert str(carlib.evaluate(table_of(rows, names))).endswith("\n" + text)


# --- A11: the cache ------------------------------------------------------------------

N_PHOTOS = 24


@pytest.fixture
def own(train, tmp_path):
    """Three photos a class, copied so that they may be changed."""
    few = train.groupby("damage_class").head(3).reset_index(drop=True)
    assert len(few) == N_PHOTOS
    (tmp_path / "photos").mkdir()
    few["image_path"] = [
        str(shutil.copy(path, tmp_path / "photos")) for path in few.image_path
    ]
    return few


@pytest.fixture
def fitted(trainer, blind, tmp_path):
    """Train in a workspace of the test's own; say what was computed for it."""

    def fit(photos, arch=blind, **options):
        heard = []
        options |= {"arch": arch, "epoch": 3, "early_stopping": None}
        own = {"workspace_path": tmp_path / "w", "metrics_callback": heard.append}
        model = trainer(**(options | own)).fit(photos)
        fresh = trainer(**options, workspace_path=None).fit(photos)
        same_weights(model, fresh)
        return model, sum(isinstance(m, carlib.BottleneckMetrics) for m in heard)

    return fit


def test_a11_every_photo_is_computed_once(fitted, own):
    assert [fitted(own)[1] for _ in range(2)] == [N_PHOTOS, 0]


@pytest.mark.slow
def test_a11_another_backbone_computes_all_and_the_first_one_still_none(
    fitted, own, backbone
):
    assert [fitted(own)[1], fitted(own, backbone)[1]] == [N_PHOTOS, N_PHOTOS]
    assert [fitted(own)[1], fitted(own, backbone)[1]] == [0, 0]
    other_weights = carlib.Backbone("MobileNetV2-0.35", weights=None, seed=2)
    assert fitted(own, other_weights)[1] == N_PHOTOS


def test_a11_one_changed_photo_is_computed_alone(fitted, own):
    before, _ = fitted(own)
    image = Image.open(own.image_path[5]).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.save(own.image_path[5])
    after, n_computed = fitted(own)
    assert n_computed == 1
    assert (after.head.kernel != before.head.kernel).any()
    assert after.data_hash != before.data_hash


def test_a11_a_renamed_class_computes_nothing_and_is_known_by_its_new_name(fitted, own):
    before, _ = fitted(own)
    renamed = own.replace({"damage_class": {"door_dent": "door_dint"}})
    after, n_computed = fitted(renamed)
    assert n_computed == 0
    assert after.class_names == tuple(sorted(set(renamed.damage_class)))
    np.testing.assert_array_equal(
        after.head.kernel, before.head.kernel
    )  # its place is the same


def test_a11_another_order_of_classes_computes_nothing_and_labels_stay_right(
    fitted, own
):
    fitted(own)
    first, *_, last = sorted(set(own.damage_class))
    swapped = own.replace({"damage_class": {first: f"z{first}", last: f"a{last}"}})
    model, n_computed = fitted(swapped)
    assert n_computed == 0
    assert (model.class_names[0], model.class_names[-1]) == (f"a{last}", f"z{first}")


def test_a11_another_split_computes_only_what_it_adds(fitted, own):
    assert fitted(own[:16])[1] == 16
    assert fitted(own[8:])[1] == N_PHOTOS - 16
    assert fitted(own[::-1][::2])[1] == 0


# Kills itself when the second shard is half on the disk.
KILLED = """
import os, signal, sys
import pandas as pd
import carlib
from carlib.bottlenecks import run

run.SECONDS_A_SHARD = -1  # each batch is written at once
seen = []

def heard(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".npy"):
        seen.append(arguments[0])
        if len(seen) == 2:
            os.truncate(seen[1], os.stat(seen[1]).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(heard)
backbone = carlib.Backbone("MobileNetV2-0.35", weights=None)
carlib.compute_bottlenecks(pd.read_csv(sys.argv[1]), backbone, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a11_a_run_killed_in_the_middle_of_a_write_costs_what_it_had_not_written(
    fitted, own, tmp_path
):
    own.to_csv(tmp_path / "photos.csv", index=False)
    command = [sys.executable, "-c", KILLED, tmp_path / "photos.csv", tmp_path / "w"]
    killed = subprocess.run(command, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    assert len(leftovers(tmp_path / "w")) == 1  # the torn one
    (kept,) = carlib.cache_info(tmp_path / "w")
    assert 0 < kept["photos"] < N_PHOTOS
    assert fitted(own)[1] == N_PHOTOS - kept["photos"]
    assert fitted(own)[1] == 0


# --- A12 to A15: too few photos, one class, missing and bad ones ---------------------


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("early_stopping", [None, carlib.EarlyStopping()])
def test_a12_fewer_photos_than_a_batch_are_trained_on(
    name, early_stopping, trainer, train
):
    schedule, _ = SCHEDULES[name]
    if name.startswith("Keras"):
        schedule = schedule(runtime.keras().optimizers.schedules)
    model = trainer(
        epoch=3,
        batch_size=50,
        early_stopping=early_stopping,
        learning_rate_scheduler=schedule,
    ).fit(train.groupby("damage_class").head(1))
    assert np.isfinite(model.head.kernel).all() and np.isfinite(model.head.bias).all()
    assert set(model.history.batch_processed_count) == {1}
    assert model.history.learning_rate.dropna().between(1e-5, 0.1).all()
    assert model.history.cross_entropy.diff().max() < 0


def test_a13_one_class_is_an_error_that_names_it(trainer, train, sample, tmp_path):
    dents = train[train.damage_class == "door_dent"]
    with pytest.raises(carlib.DataError, match="two classes or more.*door_dent"):
        trainer().fit(dents)
    rows = [f"{Path(p).name},door_dent,T" for p in dents.image_path]
    (tmp_path / "index.csv").write_text("\n".join(["image,class,subset", *rows]))
    for path in dents.image_path:
        shutil.copy(path, tmp_path)
    result = typed("train", tmp_path, "--arch", "EfficientNetLite0")
    assert result.exit_code == 1
    assert "door_dent" in result.stderr and "two classes" in result.stderr


def test_a14_missing_photos_are_listed(trainer, train, sample, tmp_path):
    lost = train[:20].copy()
    lost.loc[[4, 9], "image_path"] = ["gone/one.jpeg", "gone/two.jpeg"]
    with pytest.raises(carlib.ImageError) as caught:
        trainer(early_stopping=None).fit(lost)
    assert len(caught.value.problems) == 2
    assert "one.jpeg" in str(caught.value) and "two.jpeg" in str(caught.value)
    shutil.copytree(sample, tmp_path / "data")
    for name in ("003.jpeg", "008.jpeg"):
        (tmp_path / "data" / "image" / name).unlink()
    with pytest.raises(carlib.DataError) as caught:
        carlib.load_index(tmp_path / "data")
    assert len(caught.value.problems) == 2
    result = typed("train", tmp_path / "data", "--arch", "EfficientNetLite0")
    assert result.exit_code == 1
    assert "003.jpeg" in result.stderr and "008.jpeg" in result.stderr


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff\xe0 and no more"])
def test_a15_a_photo_that_cant_be_read_never_gets_the_scores_of_another(
    content, trained, validation
):
    paths = validation.image_path
    good = [Path(path).read_bytes() for path in (paths[0], paths[1])]
    three = [good[0], content, good[1]]
    with pytest.raises(carlib.ImageError) as caught:
        trained.predict(three, progress=False)
    assert len(caught.value.problems) == 1
    table = trained.predict(three, on_error="skip", progress=False)
    assert list(table.error != "") == [False, True, False]
    assert table.loc[1, ["score", *trained.class_names]].isna().all()
    assert pd.isna(table.predicted_label[1])
    alone = trained.predict(good, progress=False)
    assert list(table.score[[0, 2]]) == list(alone.score)
    metrics = carlib.evaluate(
        table.assign(damage_class="unknown")[["damage_class", *table]]
    )
    assert (metrics.n, metrics.n_dropped) == (2, 1)


# --- A16, A17: again -----------------------------------------------------------------

AGAIN = """
import json, sys
import pandas as pd
import carlib

trainer = carlib.ImageClassificationTrainer(
    arch="EfficientNetLite0", workspace_path=sys.argv[2], epoch=5, seed=7
)
model = trainer.fit(pd.read_csv(sys.argv[1]))
weights = model.head.kernel.tolist(), model.head.bias.tolist()
print(json.dumps([*weights, model.data_hash]))
"""


@pytest.mark.slow
def test_a16_the_same_seed_gives_the_same_weights_in_another_process_too(
    trainer, train, workspace, tmp_path
):
    one, same, other = (trainer(epoch=5, seed=s).fit(train) for s in (7, 7, 8))
    same_weights(one, same)
    assert (one.head.kernel != other.head.kernel).any()
    train[::-1].to_csv(tmp_path / "photos.csv", index=False)  # in another order, too
    command = [sys.executable, "-c", AGAIN, tmp_path / "photos.csv", workspace]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "3"},
    )
    assert run.returncode == 0, run.stderr
    kernel, bias, data_hash = json.loads(run.stdout.splitlines()[-1])
    np.testing.assert_array_equal(np.array(kernel, np.float32), one.head.kernel)
    np.testing.assert_array_equal(np.array(bias, np.float32), one.head.bias)
    assert data_hash == one.data_hash


def test_a17_the_workshops_options_give_the_same_twice_and_stop_early_both_times(
    trainer, blind, train, tmp_path, capsys
):
    runs, lines = [], []
    for _ in range(2):
        runs.append(
            trainer(
                arch=blind,
                workspace_path=tmp_path / "workspace",
                reuse_train_set_bottleneck_cached_values=True,
                metrics_callback=print,
            ).fit(train)
        )
        lines.append(capsys.readouterr().out.splitlines())
    same_weights(*runs)
    pd.testing.assert_frame_equal(runs[0].history, runs[1].history)
    for model in runs:
        assert 20 < model.history.epoch.max() + 1 < 200
        assert (model.history.dataset == "Validation").any()
    photos, epochs = (
        [[line for line in run if line.startswith(f"Phase: {phase}")] for run in lines]
        for phase in ("Bottleneck Computation", "Training")
    )
    assert [len(run) for run in photos] == [160, 0]
    assert epochs[0] == epochs[1]
    assert re.fullmatch(
        r"Phase: Training, Dataset used:      Train, Batch Processed Count:  15, "
        r"Epoch:   0, Accuracy: .{10,}, Cross-Entropy: .{10,}, Learning Rate: {7}0\.01",
        epochs[0][0],
    )

"""F: training and evaluation by odd options, figures, settings and interruptions."""

import contextlib
import math
import os
import re
import signal
import time
import warnings

import keras
import numpy as np
import pytest
from sklearn import metrics as theirs

import carlib
from carlib import runtime
from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.errors import ArchiveError, CarlibError, OptionError, WeightsError
from carlib.evaluation.evaluate import evaluate
from carlib.model.answers import with_labels
from carlib.model.model import load_model
from carlib.training.loop import train_head
from carlib.training.options import TrainingOptions
from tests.drawn import photo_set
from tests.evaluation.predicted import predictions
from tests.faults.resaved import resaved


@pytest.fixture(scope="module")
def drawn():
    """Photos of three classes whose features are drawn: 40 of 5 numbers each."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    return photo_set(rng.normal(size=(40, 5)) + labels[:, None], labels)


def trained_on(photos, **options):
    options = {"epoch": 3, "early_stopping": None} | options
    return train_head(TrainingOptions(**options), photos)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("epoch", value) for value in (0, -1, 2.5, True, "3", None)),
        *(("batch_size", value) for value in (0, -4, 1.5, float("inf"))),
        *(("learning_rate", value) for value in (0, -1, "0.1", math.nan, math.inf)),
        *(("seed", value) for value in (-1, 0.5)),
        *(("shuffle", value) for value in ("no", 1)),
        *((name, 10**20) for name in ("batch_size", "seed", "epoch")),
    ],
)
def test_f01_an_option_out_of_its_range_is_named(name, value):
    """An option that is 0, negative, NaN, text or huge is named with its value."""
    with pytest.raises(OptionError) as caught:
        carlib.ImageClassificationTrainer(**{name: value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} must be ") and repr(value) in problem


def test_f02_a_loss_that_is_no_number_ends_the_training(drawn):
    """A loss that becomes NaN ends the training, with what to do about it."""
    with pytest.raises(CarlibError, match="(?s)loss is not a number.*learning rate"):
        trained_on(drawn, learning_rate=1e38, epoch=20, optimizer="sgd")


def test_f03_a_training_that_is_interrupted_can_be_done_again(trainer, few, tmp_path):
    """Ctrl-C in training: figures so far are logged, and it can be run again."""

    def interrupted(told):
        if getattr(told, "epoch", 0) == 3:
            raise KeyboardInterrupt

    options = {"epoch": 5, "early_stopping": None}
    made = trainer(metrics_callback=interrupted, **options)
    with pytest.raises(KeyboardInterrupt):
        made.fit(few)
    logged = {"workspace_path": tmp_path, "logs": ["csv"]}
    with pytest.raises(KeyboardInterrupt):
        trainer(metrics_callback=interrupted, **options | logged).fit(few)
    (log,) = (tmp_path / "logs").rglob("training.csv")
    rows = log.read_text("utf-8").splitlines()
    assert rows[0].startswith("epoch,") and len(rows) - 1 >= 3
    again, fresh = (trainer(**options).fit(few) for _ in range(2))
    np.testing.assert_array_equal(again.head.kernel, fresh.head.kernel)


def test_f04_a_seed_is_the_same_training_and_another_seed_another(drawn):
    """The same seed gives the same weights to the bit; another seed gives others."""
    one, same, other = (
        trained_on(drawn, seed=seed, shuffle=True).linear.kernel for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("batch_size", [1, 39, 40, 41, 1000])
def test_f05_a_batch_may_be_larger_than_all_or_a_last_one_of_one(drawn, batch_size):
    """Batches larger than all photos, and a last batch of one photo, are trained on."""
    head = trained_on(drawn, batch_size=batch_size, epoch=1)
    assert np.isfinite(head.linear.kernel).all()


def test_f06_a_probability_of_0_or_1_has_a_finite_loss():
    """A probability of 0 or 1 is clipped: the loss is finite, and ML.NET's."""
    metrics = evaluate(predictions(["a", "b"], [[0, 1, 0], [0, 1, 0]]))
    worst = -math.log(1e-15)
    assert metrics.log_loss == pytest.approx(worst / 2)
    assert metrics.log_loss_reduction == pytest.approx(1 - worst / 2 / math.log(2))


def test_f07_photos_of_one_class_have_no_reduction_of_the_loss():
    """Photos that are all of one class: the reduction is n/a, and that is said."""
    metrics = evaluate(predictions(["a", "a"], [[0.9, 0.1, 0], [0.3, 0.7, 0]]))
    assert math.isnan(metrics.log_loss_reduction)
    assert "n/a" in str(metrics) and "one class" in str(metrics)
    assert metrics.to_dict()["log_loss_reduction"] is None


@pytest.mark.parametrize("seed", range(5))
def test_f08_figures_are_scikit_learns(seed):
    """Accuracies, losses and confusions are scikit-learn's to nine digits."""
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c", "d")
    scores = rng.dirichlet(np.ones(4), 60)
    actual = [names[i] for i in rng.integers(0, 4, 60)]
    told = [names[i] for i in scores.argmax(axis=1)]
    metrics = evaluate(predictions(actual, scores, names))
    expected = {
        "micro_accuracy": theirs.accuracy_score(actual, told),
        "macro_accuracy": theirs.balanced_accuracy_score(actual, told),
        "log_loss": theirs.log_loss(actual, scores, labels=names),
    }
    for name, value in expected.items():
        assert getattr(metrics, name) == pytest.approx(value, rel=1e-9)
    confusion = theirs.confusion_matrix(actual, told, labels=names)
    np.testing.assert_array_equal(metrics.confusion_matrix, confusion)


def test_f09_rows_of_the_confusion_table_are_what_a_photo_is():
    """Rows are actual classes, and named so; classes never predicted have a column."""
    scores = [[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1]]
    metrics = evaluate(predictions(["a", "b", "b"], scores))
    table = metrics.confusion_matrix
    assert (table.index.name, table.columns.name) == ("actual", "predicted")
    assert table.to_numpy().tolist() == [[1, 0, 0], [2, 0, 0], [0, 0, 0]]
    assert table.sum(axis=1).tolist() == metrics.per_class["support"].tolist()
    assert table.loc["b", "a"] == 2


def test_f10_of_equal_probabilities_the_first_class_is_the_answer(trained):
    """Of equally probable classes the first is the answer, in figures and labels."""
    tie = [[0.5, 0.5, 0], [0.2, 0.4, 0.4]]
    metrics = evaluate(predictions(["a", "c"], tie))
    assert metrics.confusion_matrix.loc["c", "b"] == 1
    assert (metrics.micro_accuracy, metrics.top_k_accuracy[1]) == (0.5, 1.0)
    equal = np.full((1, len(trained.class_names)), 1 / len(trained.class_names))
    rows = with_labels(
        predictions(["a"], tie[:1])[["damage_class"]], equal, trained.class_names
    )
    assert rows["predicted_label"].tolist() == [trained.class_names[0]]


def test_f11_without_a_gpu_the_cpu_does_and_nothing_is_said(monkeypatch, capfd):
    """Without a GPU, or one that is hidden, the CPU computes, without a word."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    runtime.gpu.cache_clear()
    try:
        assert runtime.gpu() is None
        is_there = runtime.openvino() is not None
        assert engines.executor() == ("openvino" if is_there else "tensorflow")
    finally:
        runtime.gpu.cache_clear()
    assert capfd.readouterr() == ("", "")


def test_f12_settings_of_the_process_make_no_difference(trainer, few):
    """Half precision or channels first, set for all of Keras, change no figure."""
    options = {"epoch": 2, "early_stopping": None}
    expected = trainer(**options).fit(few).head.kernel
    before = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        found = trainer(**options).fit(few).head.kernel
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_image_data_format(before[1])
    np.testing.assert_array_equal(found, expected)


def test_f13_weights_that_cannot_be_had_or_do_not_fit_say_what_to_do(
    tmp_path, monkeypatch
):
    """Weights that can't be fetched, or fit not: which file, and where it must lie."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    with pytest.raises(WeightsError, match="proxy") as caught:
        Backbone("MobileNetV2-0.35")
    assert file in str(caught.value) and "KERAS_HOME" in str(caught.value)
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / file).write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=rf"{file} do not fit MobileNetV2-0\.35"):
        Backbone("MobileNetV2-0.35").weights_vector()
    with pytest.raises(WeightsError, match=r"expected [\d,]+ float32 numbers"):
        _ = Backbone("MobileNetV2-0.35", np.zeros(5, np.float32)).network


def test_f14_a_head_of_another_number_of_classes_is_refused(trained, tmp_path):
    """A model whose head is for other classes is refused with both counts."""
    path = resaved(trained, tmp_path / "m.zip", class_names=list("abcdefghi"))
    with pytest.raises(ArchiveError) as caught:
        load_model(path)
    assert re.search(r"\b9\b", str(caught.value))
    assert re.search(r"\b8\b", str(caught.value))


@contextlib.contextmanager
def _forked(work):
    """Do something in a fork; yield its exit code, or None of one that hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline, found = time.monotonic() + 5, (0, 0)
    while not found[0] and time.monotonic() < deadline:
        found = os.waitpid(child, os.WNOHANG)
        time.sleep(0.02)
    if not found[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    yield os.waitstatus_to_exitcode(found[1]) if found[0] else None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_f15_a_process_that_was_forked_does_not_hang(trained, few):
    """Predicting in a forked process works or is refused; it never hangs."""
    expected = trained.predict(few[:2], progress=False)["predicted_label"].tolist()

    def predict():
        with contextlib.suppress(CarlibError):
            pixels = [np.zeros((224, 224, 3), np.uint8)]
            trained.predict(pixels, progress=False)

    with _forked(predict) as code:
        assert code == 0
    again = trained.predict(few[:2], progress=False)["predicted_label"].tolist()
    assert again == expected

"""The examples in docstrings run as they stand, and answer what they show.

Each runs in a folder with the files that examples name. Names that neither it nor its
module makes are fixtures here or the tests' own. An example that shows no answer only
has to run. One that can't be run, for it would serve for ever, download, or need much
made ready, says so: `# doctest: +SKIP`.
"""

import ast
import builtins
import contextlib
import doctest
import importlib
import io
import json
import logging
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.reading import sha256_of

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
IMPORTED = {"carlib": carlib, "np": np, "pd": pd, "json": json, "math": math}
IMPORTED |= {"logging": logging, "Path": Path}
SLOW = [  # a training or an export; seconds each
    "carlib",
    "carlib.app.html:write_html",
    "carlib.app.web:write_web",
    "carlib.backbones.backbone:from_keras",
    "carlib.evaluation.compare:compare",
    "carlib.evaluation.cross_validation:cross_validate",
    "carlib.evaluation.learning_curve:foretell",
    "carlib.evaluation.learning_curve:learning_curve",
    "carlib.evaluation.patch_worth:patch_worth",
    "carlib.explain.overfitting:overfit",
    "carlib.exports.export:export",
    "carlib.model.keras_model",
    "carlib.model.model:at",
    "carlib.plots.comparison:plot_comparison",
    "carlib.plots.learning_curve:plot_learning_curve",
    "carlib.training.classifier:ImageClassifier",
    "carlib.training.fine_tune:fine_tune",
    "carlib.training.options:TrainingOptions",
    "carlib.training.trainer:ImageClassificationTrainer",
]


def examples() -> list:
    """The docstrings with an example: pytest's parameters, named after their places."""
    found = []
    for file in sorted((ROOT / "carlib").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                name = f"{module}:{getattr(node, 'name', '')}".removesuffix(":")
                marks = [pytest.mark.slow] if name in SLOW else []
                if ">>>" in text:
                    found.append(pytest.param(module, text, id=name, marks=marks))
    return found


def borrowed(found: list[doctest.Example]) -> list[str]:
    """The names that are used, and made neither by the examples nor by their loops."""
    trees = [node for each in found for node in ast.walk(ast.parse(each.source))]
    names = [node for node in trees if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return sorted({node.id for node in names} - made)


class Shown(doctest.OutputChecker):
    """What doctest compares by, but where no answer is shown, any will do."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


@pytest.fixture(scope="module")
def place(tmp_path_factory, sample, train) -> Path:
    """A folder with the photos that examples name."""
    place = tmp_path_factory.mktemp("examples")
    shutil.copytree(sample, place / "data" / "sample")
    dents = train.image_path[train.damage_class == "door_dent"].tolist()
    named = ("dent.jpeg", "a.jpeg", "b.jpeg", "image/1.jpeg", "photos/1.jpg")
    for name, photo in zip((*named, "photos/2.jpg"), dents, strict=False):
        (place / name).parent.mkdir(exist_ok=True)
        shutil.copy(photo, place / name)
    shutil.copy(place / "a.jpeg", place / "copy of a.jpeg")
    for name in ("unlabelled", "incoming"):
        shutil.copytree(sample / "image", place / name)
    return place


@pytest.fixture(scope="module")
def trainer(place, backbone):
    options = {"workspace_path": place / "workspace", **carlib.RECOMMENDED}
    return carlib.ImageClassificationTrainer(arch=backbone, **options)


@pytest.fixture(scope="module")
def model(place, trainer, train, test):
    """A model with its figures, whose features are in the folder's workspace."""
    trained = trainer.fit(train)
    trained.save(place / "mine.zip", carlib.evaluate(trained.predict(test)))
    return carlib.load_model(place / "mine.zip", workspace_path=place / "workspace")


@pytest.fixture(scope="module")
def predictions(model, test):
    return model.predict(test)


@pytest.fixture(scope="module")
def made(place, trainer, model, photos, predictions) -> Path:
    """The folder, with the files that examples name."""
    names = model.class_names
    costs = pd.DataFrame(100 * (1 - np.eye(len(names))), names, names)
    carlib.write_csv(costs.reset_index(), place / "costs.csv")
    carlib.write_csv(predictions, place / "predictions.csv")
    (place / "trainer.json").write_text(json.dumps(trainer.options()), "utf-8")
    known = sha256_of(photos.image_path[photos.subset == "T"].iloc[0])
    lines = ["kind,photo,other,decision", f"label,{known},,drop"]
    (place / "labels.patch.csv").write_text("\n".join(lines) + "\n", "utf-8")
    shutil.copy(place / "mine.zip", place / "ImageModel.zip")
    files = carlib.take_up(place / "workspace")
    carlib.write_csv(photos, place / "workspace" / "photos.csv")
    shutil.copy(place / "trainer.json", place / "workspace")
    shutil.copy(place / "mine.zip", place / "workspace" / "trained.zip")
    shutil.copy(place / "predictions.csv", place / "workspace")
    for name in ("photos.csv", "trainer.json", "trained.zip"):
        files.add(name)
    return place


@pytest.fixture(autouse=True)
def here(made, monkeypatch, caplog):
    monkeypatch.chdir(made)
    monkeypatch.setenv("CARLIB_DATA", "data/sample")
    caplog.set_level(logging.WARNING, "carlib")


@pytest.fixture(scope="module")
def keras():
    return importlib.import_module("keras")


@pytest.fixture(scope="module")
def folder(place):
    return place / "data" / "sample"


@pytest.fixture(scope="module")
def content(place):
    return (place / "dent.jpeg").read_bytes()


@pytest.fixture(scope="module")
def pixels():
    return np.zeros((32, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module", name="test")
def kept_back(photos):
    return photos[photos.subset == "V"].reset_index(drop=True)


@pytest.fixture(scope="module")
def models(model):
    return model, model


@pytest.fixture(scope="module")
def before(predictions):
    return carlib.evaluate(predictions)


@pytest.fixture(scope="module")
def after(before):
    return before


@pytest.fixture(scope="module")
def curve(photos, trainer):
    return carlib.learning_curve(photos, trainer, repeats=1, progress=False)


@pytest.fixture(scope="module")
def comparison(photos, backbone, place):
    options = carlib.TrainingOptions(**carlib.RECOMMENDED)
    runs = {"folds": 2, "seeds": [1], "workspace_path": place / "workspace"}
    archs = [backbone, "EfficientNetLite0-layers"]
    return carlib.compare(photos, archs, options, progress=False, **runs)


@pytest.fixture(scope="module")
def features(train, backbone, place):
    return carlib.compute_bottlenecks(train, backbone, place / "workspace")


@pytest.fixture(scope="module")
def losses():
    return np.random.default_rng(0).exponential(1.0, 40)


@pytest.fixture(scope="module")
def more(losses):
    return (losses > 1).astype(float)


@pytest.fixture(scope="module")
def less(losses):
    return (losses > 2).astype(float)


@pytest.fixture(scope="module")
def pictures(losses):
    return np.arange(len(losses))


@pytest.mark.parametrize(("module", "text"), examples())
def test_an_example_runs_and_answers_what_it_shows(module, text, request):
    found = doctest.DocTestParser().get_examples(text)
    names = IMPORTED | vars(importlib.import_module(module))
    for name in borrowed(found):
        if name not in names and not hasattr(builtins, name):
            with contextlib.suppress(pytest.FixtureLookupError):
                names[name] = request.getfixturevalue(name)
    test = doctest.DocTest(found, names, request.node.name, None, 0, text)
    said, runner = io.StringIO(), doctest.DocTestRunner(Shown(), optionflags=FLAGS)
    with contextlib.redirect_stderr(io.StringIO()):
        failed, _ = runner.run(test, out=said.write)
    assert not failed, said.getvalue()


def test_the_slow_ones_are_examples_that_there_are():
    assert {*SLOW} <= {each.id for each in examples()}


def test_an_example_that_does_not_run_or_shows_another_answer_is_found():
    for text in (">>> 1 + 1\n3\n", ">>> nowhere\n"):
        found = doctest.DocTestParser().get_examples(text)
        test = doctest.DocTest(found, {}, "wrong", None, 0, text)
        runner = doctest.DocTestRunner(Shown(), optionflags=FLAGS)
        assert runner.run(test, out=lambda _: None).failed == 1
